package mcp

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"unicode/utf8"
)

// Headers that mirror the body. MCP 2026-07-28, transports, §standard headers
const (
	headerVersion = "Mcp-Protocol-Version"
	headerMethod  = "Mcp-Method"
	headerName    = "Mcp-Name"
	headerParam   = "Mcp-Param-"
)

var errEncoding = errors.New("the value of =?base64?…?= is not Base64 of a text")

// DecodeHeaderValue returns what the value of Mcp-Name or of a Mcp-Param header
// stands for: "=?base64?…?=" is Base64 of UTF-8, everything else stands for
// itself. The markers are exact, and what was wrapped twice is unwrapped once.
// MCP 2026-07-28, transports, §value encoding
func DecodeHeaderValue(v string) (string, error) {
	encoded, ok := strings.CutPrefix(v, "=?base64?")
	if !ok {
		return v, nil
	}
	if encoded, ok = strings.CutSuffix(encoded, "?="); !ok {
		return v, nil
	}
	b, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || !utf8.Valid(b) || strings.ContainsAny(encoded, "\r\n") {
		return "", errEncoding
	}
	return string(b), nil
}

// EncodeHeaderValue returns a text as the value of a header: as it is when that
// is plain, else as "=?base64?…?=". What it returns has no character that ends
// or splits a header. MCP 2026-07-28, transports, §value encoding
func EncodeHeaderValue(text string) string {
	plain := !strings.HasPrefix(text, "=?base64?") && strings.Trim(text, " \t") == text
	for i := 0; plain && i < len(text); i++ {
		plain = text[i] >= ' ' && text[i] <= '~'
	}
	if plain {
		return text
	}
	return "=?base64?" + base64.StdEncoding.EncodeToString([]byte(text)) + "?="
}

// single returns the value of a header that may be sent once; empty: not sent.
func single(h http.Header, name string) (string, *Error) {
	switch values := h[name]; len(values) {
	case 0:
		return "", nil
	case 1:
		return strings.Trim(values[0], " \t"), nil // RFC 9110 §5.5
	}
	return "", refuse(CodeHeaderMismatch, "The header "+name+" is sent more than once.")
}

// HeaderVersion returns the revision in force on a request without a body: the
// header's, or "2025-03-26" when it is absent. A header that is sent twice or
// names an unknown revision is an *Error. MCP 2025-06-18, transports,
// §protocol version header
func HeaderVersion(h http.Header) (string, error) {
	header, e := single(h, headerVersion)
	if e != nil {
		return "", e
	}
	if header == "" {
		return Version20250326, nil
	}
	known, ok := version([]byte(header))
	if !ok {
		return "", unsupported(header)
	}
	return known, nil
}

// era settles which protocol is spoken, from the body first: what claims to be
// modern there is judged as modern, whatever the header says.
func (c *Call) era(p *parts, m *Message, h http.Header) *Error {
	header, e := single(h, headerVersion)
	if e != nil {
		return e
	}
	if m.Kind != Response && p.metaVersion.some() {
		return c.claimed(m.Version, header)
	}
	known, ok := version([]byte(header))
	switch {
	case header == "":
		c.Version = Version20250326 // MCP 2025-06-18, transports, §protocol version header
	case !ok:
		return unsupported(header)
	case known < Version20260728:
		c.Version = known
	case m.Kind == Response:
		return refuse(CodeInvalidRequest, "This protocol version has no responses from clients.")
	case m.Kind == Request:
		return refuse(CodeInvalidParams, "The _meta must carry io.modelcontextprotocol/protocolVersion.")
	default: // only requests carry the version. SEP-2575
		c.Era, c.Version = Modern, known
	}
	return nil
}

// claimed is era for a body that names its version.
func (c *Call) claimed(body, header string) *Error {
	known, ok := version([]byte(body))
	switch {
	case header == "" && ok && known < Version20260728:
		c.Version = Version20250326 // an older revision knows no such member
	case header == "":
		return refuse(CodeHeaderMismatch, "The header MCP-Protocol-Version is missing.")
	case header != body:
		return refuse(CodeHeaderMismatch, "The header MCP-Protocol-Version differs from the body.")
	case !ok:
		return unsupported(body)
	default:
		c.Version = known
	}
	if c.Version == Version20260728 {
		c.Era = Modern
	}
	return nil
}

// mirrors holds the headers that repeat the body against it. Older revisions do
// not know them, but a hop behind us may: what is sent must be true.
func (c *Call) mirrors(m *Message, h http.Header) *Error {
	name, e := single(h, headerMethod)
	switch {
	case e != nil:
		return e
	case name == "" && c.Era == Modern && m.Kind == Request:
		return refuse(CodeHeaderMismatch, "The header Mcp-Method is missing.")
	case name != "" && name != m.Method:
		return refuse(CodeHeaderMismatch, "The header Mcp-Method differs from the body.")
	}
	_, _, mirrored := about(m.Method)
	name, e = single(h, headerName)
	switch {
	case e != nil:
		return e
	case name == "" && c.Era == Modern && mirrored:
		return refuse(CodeHeaderMismatch, "The header Mcp-Name is missing.")
	case name != "":
		decoded, err := DecodeHeaderValue(name)
		if err != nil || decoded != m.Name {
			return refuse(CodeHeaderMismatch, "The header Mcp-Name differs from the body.")
		}
	}
	return arguments(h)
}

// arguments checks the form of the headers that mirror arguments. What they
// mean is known to the server that published the tool's schema.
func arguments(h http.Header) *Error {
	for name, values := range h {
		if !strings.HasPrefix(name, headerParam) {
			continue
		}
		if len(values) > 1 {
			return refuse(CodeHeaderMismatch, "A Mcp-Param header is sent more than once.")
		}
		for _, v := range values {
			if _, err := DecodeHeaderValue(strings.Trim(v, " \t")); err != nil {
				return refuse(CodeHeaderMismatch, "The value of a Mcp-Param header is not valid Base64.")
			}
		}
	}
	return nil
}

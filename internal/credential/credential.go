// Package credential finds the one credential of a request. It judges none.
package credential

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"github.com/gatehouse-mcp/gatehouse/internal/keytext"
)

// Schemes of Authorization. RFC 6750 §2.1, RFC 9449 §7.1
const (
	Bearer = "Bearer"
	DPoP   = "DPoP"
)

// Headers, in canonical form.
const (
	HeaderAPIKey = "X-Api-Key" //nolint:gosec // a header's name
	headerProof  = "Dpop"
)

// Fault says why a request has no credential that could be judged.
type Fault struct {
	Code        string // stable: "GH-1001"
	Status      int    // of the HTTP answer
	Description string // a sentence safe for strangers
	Challenge   bool   // the answer challenges
	OAuth       string // error of the challenge; empty: no credential was sent. RFC 6750 §3
	Cause       error  // for the log only; may be nil
}

// Error returns the code and what strangers may read.
func (f *Fault) Error() string { return f.Code + ": " + f.Description }

// Read returns the credential of a request and its scheme. The headers' names
// must be in canonical form, as net/http leaves them.
func Read(r *http.Request) (scheme, text string, fault *Fault) {
	if f := inQuery(r.URL.RawQuery); f != nil {
		return "", "", f
	}
	authorization, key := r.Header["Authorization"], r.Header[HeaderAPIKey]
	switch {
	case len(authorization)+len(key) == 0:
		return "", "", missing("No credentials. Send \"Authorization: Bearer <token or key>\".")
	case len(authorization)+len(key) > 1: // RFC 6750 §2
		return "", "", &Fault{
			Code: "GH-1004", Status: http.StatusBadRequest, Challenge: true, OAuth: "invalid_request",
			Description: "More than one credential was sent. Send exactly one.",
		}
	case len(key) == 1:
		return expanded(Bearer, key[0])
	}
	sent, text, _ := strings.Cut(authorization[0], " ")
	switch {
	case strings.EqualFold(sent, Bearer):
		scheme = Bearer
	case strings.EqualFold(sent, DPoP):
		scheme = DPoP
	default:
		return "", "", missing("This server takes \"Authorization: Bearer <token or key>\" only.")
	}
	return expanded(scheme, strings.TrimLeft(text, " "))
}

// Proofs returns every DPoP header of a request, in order. RFC 9449 §4.1
func Proofs(r *http.Request) []string { return r.Header[headerProof] }

// Certificate returns the client certificate of a request's connection. Only
// one that was verified counts: anybody can show the certificate of another's
// without its key, and make one of their own. RFC 8705 §2
func Certificate(r *http.Request) []byte {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 || len(r.TLS.VerifiedChains[0]) == 0 {
		return nil
	}
	return r.TLS.VerifiedChains[0][0].Raw
}

// Presented returns the client certificate of a request's connection, whoever
// vouches for it: that its holder has the key is what the handshake has shown. It
// is for connections whose TLS ends here. RFC 8705 §2.2
func Presented(r *http.Request) []byte {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil
	}
	return r.TLS.PeerCertificates[0].Raw
}

func missing(description string) *Fault {
	return &Fault{Code: "GH-1001", Status: http.StatusUnauthorized, Description: description, Challenge: true}
}

func burnt(code, description string, cause error) *Fault {
	return &Fault{
		Code: code, Status: http.StatusUnauthorized, Description: description, Challenge: true, OAuth: "invalid_token", Cause: cause,
	}
}

// expanded refuses what is no credential but a variable that a client left as
// it was, so that its user need not guess.
func expanded(scheme, text string) (_, _ string, _ *Fault) {
	if text == "" {
		return "", "", missing("The credential is empty: the variable that should hold it is probably unset where the client runs.")
	}
	if strings.Contains(text, "${") || strings.Contains(text, "{{") ||
		strings.HasPrefix(text, "$") || strings.HasPrefix(text, "%") && strings.HasSuffix(text, "%") {
		return "", "", burnt("GH-1003", "The credential is an unexpanded variable: it is unset where the client runs, "+
			"or this client uses another syntax (Cursor: ${env:NAME}, Gemini: $NAME, VS Code: ${input:id}, Codex: bearer_token_env_var).", nil)
	}
	return scheme, text, nil
}

// inQuery refuses a credential in the query string: it is in the log of every
// proxy on the way. OAuth 2.1 §5.1, MCP 2026-07-28 authorization
func inQuery(raw string) *Fault {
	if raw == "" {
		return nil
	}
	query, err := url.ParseQuery(raw)
	// What no URI holds, each hop reads in its own way: for some, '#' ends it. RFC 3986 §3.4
	strange := strings.ContainsFunc(raw, func(c rune) bool { return c <= ' ' || c >= 0x7f || c == '#' || c == '\\' })
	if err != nil || strange {
		return &Fault{Code: "GH-1007", Status: http.StatusBadRequest, Description: "The query string cannot be read."}
	}
	for name, values := range query {
		for _, v := range append(values, name) {
			if keytext.QueryName(name) || keytext.Mentions(v) {
				return burnt("GH-1002", "A credential was sent in the query string. It is now in the logs of every proxy on the way: "+
					"revoke it, and use the Authorization header.", errors.New("query parameter "+nameIn(name)+keyIn(v)))
			}
		}
	}
	return nil
}

// nameIn is a parameter's name for the log. One that has a key in it is the key.
func nameIn(name string) string {
	if keytext.Mentions(name) {
		return "without a name"
	}
	const limit = 64
	shown := make([]rune, 0, min(len(name), limit))
	for _, r := range name {
		if len(shown) == limit {
			return string(shown) + "…"
		}
		if !unicode.IsPrint(r) {
			r = unicode.ReplacementChar
		}
		shown = append(shown, r)
	}
	return string(shown)
}

// keyIn names the key whose secret was burnt, by its id only.
func keyIn(v string) string {
	if ids := keytext.IDs(v); len(ids) > 0 {
		return ", key id " + ids[0]
	}
	return ""
}

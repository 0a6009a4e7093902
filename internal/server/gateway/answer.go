package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"unicode"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/access"
	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

// answer is a response that remembers whether it has begun.
type answer struct {
	http.ResponseWriter
	id      string
	status  int // zero until the answer has begun
	dropped int // events of the server's that were not for this client

	challenge *gatehouse.Challenge // what belongs into each

	values [4]string // of headers that are set with only
	set    int
}

// only sets a header, whose name is in its canonical form, to one value: Header.Set
// with one allocation for all of an answer's headers.
func (a *answer) only(name, value string) {
	if a.set == len(a.values) {
		a.Header()[name] = []string{value}
		return
	}
	a.values[a.set] = value
	a.set++
	a.Header()[name] = a.values[a.set-1 : a.set : a.set] // whoever adds to it copies it
}

// WriteHeader begins the answer.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
		a.only("X-Content-Type-Options", "nosniff")
		if len(a.Header()["Cache-Control"]) == 0 {
			a.only("Cache-Control", "no-store")
		}
		a.ResponseWriter.WriteHeader(status)
	}
}

// Write sends a part of the body.
func (a *answer) Write(p []byte) (int, error) {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	return a.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController find what it controls.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// refusal is the body of an answer to a caller who was not let in.
type refusal struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
	Code        string `json:"code"`
	RequestID   string `json:"request_id"`
}

// refuse turns an error into an answer: the one place where that happens. What
// has begun cannot be taken back; it just ends.
func (a *answer) refuse(err error, call *mcp.Call) {
	if a.status != 0 {
		return
	}
	var rpc *mcp.Error
	if errors.As(err, &rpc) {
		a.body(rpc.Status, a.withID(rpc).JSON())
		return
	}
	var e *gatehouse.Error
	if !errors.As(err, &e) {
		e = &gatehouse.Error{Code: "GH-1901", Status: http.StatusInternalServerError, Description: "Something went wrong here. The request id tells the operator what."}
	}
	a.headers(e)
	a.limits(err)
	if call != nil || e.Status == http.StatusNotFound && e.Code == "GH-1303" {
		a.body(e.Status, rpcRefusal(e, call, a.id))
		return
	}
	var body bytes.Buffer
	text := json.NewEncoder(&body)
	text.SetEscapeHTML(false) // "<key>" is for people, and no browser takes this for a page
	_ = text.Encode(refusal{Error: slug(e), Description: e.Description, Code: e.Code, RequestID: a.id})
	a.body(e.Status, bytes.TrimSpace(body.Bytes()))
}

// withID adds the id of the request to what a code goes with: by it an operator
// finds out why, and the model behind the client can say it.
func (a *answer) withID(e *mcp.Error) *mcp.Error {
	data, ok := e.Data.(map[string]string)
	if !ok || len(data) != 1 || data["code"] == "" {
		return e
	}
	out := *e // the refusal may be shared by many requests
	out.Data = map[string]string{"code": data["code"], "request_id": a.id}
	return &out
}

// limits tells a client that asked too often when to come back, and what the
// limit is. IETF draft-ietf-httpapi-ratelimit-headers
func (a *answer) limits(err error) {
	var l *access.Limited
	if !errors.As(err, &l) {
		return
	}
	l.Decision.Header(a.Header())
}

// headers sets those that belong to a refusal.
func (a *answer) headers(e *gatehouse.Error) {
	h := a.Header()
	if c := a.challengeOf(e); c != nil {
		h.Set("WWW-Authenticate", c.String())
		if c.Nonce != "" {
			h.Set("DPoP-Nonce", c.Nonce)
		}
	}
	if e.Status == http.StatusServiceUnavailable || e.Status == http.StatusTooManyRequests {
		h.Set("Retry-After", "5")
	}
	if e.Status == http.StatusMethodNotAllowed {
		h.Set("Allow", strings.TrimSuffix(strings.TrimPrefix(e.Description, "Allowed methods: "), "."))
	}
}

// challengeOf is the challenge that goes with a refusal; nil: none does.
func (a *answer) challengeOf(e *gatehouse.Error) *gatehouse.Challenge {
	if e.Challenge == nil {
		return nil
	}
	c := *e.Challenge // the refusal may be shared by many requests
	if a.challenge != nil {
		c.ResourceMetadata = a.challenge.ResourceMetadata
		if c.Scope == "" && e.Status == http.StatusUnauthorized {
			c.Scope = a.challenge.Scope
		}
	}
	return &c
}

// challenges is WWW-Authenticate as a refusal will have it; empty: it has none.
func (a *answer) challenges(err error) string {
	var rpc *mcp.Error
	var e *gatehouse.Error
	if errors.As(err, &rpc) || !errors.As(err, &e) {
		return ""
	}
	if c := a.challengeOf(e); c != nil {
		return c.String()
	}
	return ""
}

func (a *answer) body(status int, body []byte) {
	a.Header().Set("Content-Type", "application/json")
	a.WriteHeader(status)
	_, _ = a.Write(append(body, '\n')) // nobody is left to tell
}

// html answers a browser with a page, under the status that the error has.
func (a *answer) html(page []byte, err error) {
	var e *gatehouse.Error
	if errors.As(err, &e) {
		a.headers(e)
	}
	h := a.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	a.WriteHeader(http.StatusUnauthorized)
	_, _ = a.Write(page)
}

// rpcRefusal is a refusal that the caller's JSON-RPC reader, and so its model, can read.
func rpcRefusal(e *gatehouse.Error, call *mcp.Call, id string) []byte {
	code := -32603
	if e.Status < http.StatusInternalServerError {
		code = -32600
	}
	out := &mcp.Error{Status: e.Status, Code: code, Message: e.Description, Data: map[string]string{"code": e.Code, "request_id": id}}
	if call != nil && !call.Batch {
		out.ID = call.Messages[0].ID
	}
	return out.JSON()
}

// slug is the error member of a refusal. RFC 6750 §3.1
func slug(e *gatehouse.Error) string {
	if e.Challenge != nil && e.Challenge.Error != "" {
		return e.Challenge.Error
	}
	switch {
	case e.Status == http.StatusUnauthorized:
		return "unauthorized"
	case e.Status >= http.StatusInternalServerError:
		return "server_error"
	default:
		return "invalid_request"
	}
}

// reason is what the log says about a refusal: the full story.
func reason(err error) []slog.Attr {
	var e *gatehouse.Error
	if errors.As(err, &e) {
		attrs := []slog.Attr{slog.String("code", e.Code), slog.String("refused", printable(e.Description))}
		if e.Cause != nil {
			attrs = append(attrs, slog.String("cause", printable(e.Cause.Error())))
		}
		return attrs
	}
	attrs := []slog.Attr{slog.String("error", printable(err.Error()))}
	var rpc *mcp.Error
	if errors.As(err, &rpc) && rpc.Cause != nil {
		attrs = append(attrs, slog.String("cause", printable(rpc.Cause.Error())))
	}
	return attrs
}

// ours finds a key of ours wherever somebody has put it: in the name of a tool,
// of a query parameter, of a method. Its id may be seen, the rest not.
var ours = regexp.MustCompile(`gthk_([0-9A-Za-z_]{0,12})[0-9A-Za-z_]*`)

// printable makes text from outside fit for a log: at most 256 characters, none
// that moves a cursor or turns the direction of a line, and no key.
func printable(s string) string {
	const limit = 256
	if len(s) <= limit && plain(s) {
		return s
	}
	out, more := make([]rune, 0, min(len(s), limit)), ""
	for _, r := range s {
		if len(out) == limit {
			more = "…"
			break
		}
		if !unicode.IsPrint(r) {
			r = '\uFFFD'
		}
		out = append(out, r)
	}
	return ours.ReplaceAllString(string(out), "gthk_${1}…") + more
}

// plain says whether a text is ASCII that can be shown as it is, and has
// nothing in it that begins like a key.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return !strings.Contains(s, "gthk_")
}

package signin

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode"

	"github.com/gatehouse-mcp/gatehouse/internal/proxy"
)

// Codes of what goes wrong. docs/reference/errors.md
const (
	CodeNoWay      = "GH-2220" // the server does not say how to sign in
	CodeResource   = "GH-2221" // its metadata is wrong, or of another resource
	CodeMetadata   = "GH-2222" // the authorization server's metadata is missing, or of another issuer
	CodePKCE       = "GH-2223" // the authorization server does not bind codes with S256
	CodeClient     = "GH-2224" // there is no way to become a client, or it failed
	CodeAnswer     = "GH-2225" // the answer to a sign-in is not one
	CodeUnsafe     = "GH-2226" // a URL that is not followed
	CodeToken      = "GH-2227" // the token endpoint refused
	CodeRefused    = "GH-2228" // signed in, and refused all the same
	CodeNobody     = "GH-2229" // nobody signed in
	CodeKeychain   = "GH-2230" // what is kept cannot be read or written
	CodeSettings   = "GH-2231" // the settings do not fit the grant
	CodeUnanswered = "GH-2232" // a server did not answer
	CodeOtherAS    = "GH-2235" // the authorization server is not the one that the client was registered with
	CodeProof      = "GH-2240" // a token that is bound to a key is wanted, and cannot be had or used
	CodeProxy      = "GH-2245" // the proxy leads to no server
)

// Error says why there is no access. Its text is for the user: nothing in it is secret,
// and what servers said in it is bare of control characters.
type Error struct {
	Code    string // stable, such as GH-2220
	Text    string // sentences: what, the values, the fix
	Cause   error  // nil: the text says it all
	Request string // id that the server gave the request, by which its operator finds it; empty: none
}

// Error returns the sentences, the cause and the request's id.
func (e *Error) Error() string {
	text := e.Text
	if e.Cause != nil {
		text += " (" + plainText(e.Cause.Error()) + ")"
	}
	return text + AskOperator(e.Request)
}

// Of returns a copy that has the id of the request that was refused.
func (e *Error) Of(h http.Header) *Error {
	out := *e
	out.Request = RequestID(h)
	return &out
}

// RequestID is the id that a server gave a request, if it is fit to be repeated; else
// it is empty. It is the server's word: only what a Gatehouse's id may have is taken.
func RequestID(h http.Header) string {
	id := h.Get("X-Request-Id")
	if len(id) > 64 || strings.ContainsFunc(id, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && r != '-' && r != '_'
	}) {
		return ""
	}
	return id
}

// AskOperator is the sentence that brings a request's id to whoever can look it up.
func AskOperator(id string) string {
	if id == "" {
		return ""
	}
	return " Whoever runs the server finds out more by the request's id: gatehouse why " + id
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Passes says whether the same may succeed in a while: a server did not answer, or
// is just being restarted.
func (e *Error) Passes() bool {
	if by := proxy.Of(e.Cause); by != nil {
		return !by.Final()
	}
	var refused *tokenError
	if errors.As(e.Cause, &refused) {
		return refused.Status == http.StatusBadGateway || refused.Status == http.StatusServiceUnavailable || refused.Status == http.StatusGatewayTimeout
	}
	return e.Code == CodeUnanswered
}

func passes(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Passes()
}

func fail(code, format string, args ...any) *Error {
	return &Error{Code: code, Text: fmt.Sprintf(format, args...)}
}

func because(code string, cause error, format string, args ...any) *Error {
	return &Error{Code: code, Text: fmt.Sprintf(format, args...), Cause: cause}
}

func storeErr(err error) error {
	if isSealed(err) {
		return because(CodeKeychain, err, "What was kept of a sign-in cannot be opened. If the passphrase is right and the keyring is yours, sign in again: gatehouse bridge login, with what you gave before.")
	}
	return because(CodeKeychain, err, "What was kept of a sign-in cannot be used.")
}

// plainText is what a stranger said, made fit for a terminal and a log: one line
// of bounded length without what moves a cursor or turns text around.
func plainText(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case unicode.IsPrint(r):
			return r
		}
		return '\ufffd'
	}, strings.ToValidUTF8(s, "\ufffd"))
	if r := []rune(s); len(r) > 600 {
		return string(r[:600]) + "…"
	}
	return s
}

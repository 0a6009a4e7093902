package gatehouse

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

// Operation is what a request asks an MCP server to do.
type Operation struct {
	Method    string // "tools/call"; empty: a request without a message, for a stream or the end of a session
	Name      string // of the tool or prompt, or the URI of the resource; empty: it is about none
	Arguments []byte // JSON object of a tool's or a prompt's arguments; nil: none
}

const maxBody = 4 << 20 // bytes of a request

// RequireScopes returns a handler that lets a request through to next only if
// its caller has every scope that its operation needs. It has to stand inside
// [Protect]: Protect(RequireScopes(mcpHandler, need), resource, verifier).
//
// need returns all scopes of an operation, none when it needs none. It is asked
// before next sees the request, because a server that has begun to answer can
// no longer ask for more: the refusal is a 403 with insufficient_scope and all
// scopes of the operation, which makes clients sign in anew for them and try
// again. A caller whose credential does not speak of scopes has none.
//
// Requests are read strictly to tell what they ask for; what two readers may
// read differently is refused. A batch needs what all of its messages need.
func RequireScopes(next http.Handler, need func(op *Operation) []string) http.Handler {
	s := &scoped{next: next, need: need}
	s.incomplete = s.Check()
	return s
}

type scoped struct {
	next       http.Handler
	need       func(op *Operation) []string
	incomplete error
}

// Check says what is missing.
func (s *scoped) Check() error {
	if s.need == nil {
		return errors.New("RequireScopes: need is required")
	}
	return checked("RequireScopes: next", s.next)
}

// ServeHTTP reads the request, and hands it on whole.
func (s *scoped) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v := visiting(r.Context())
	switch {
	case v == nil || v.identity == nil || v.door == nil:
		(&door{}).refuse(w, errors.New("RequireScopes stands outside Protect"), nil)
		return
	case s.incomplete != nil:
		v.door.refuse(w, s.incomplete, nil)
		return
	}
	r, message, err := s.judge(v, w, r)
	if err != nil {
		v.door.refuse(w, err, message)
		return
	}
	s.next.ServeHTTP(w, r)
}

// judge returns the request as next may see it, or why it may not. message is
// what is refused, once it was read.
func (s *scoped) judge(v *visit, w http.ResponseWriter, r *http.Request) (whole *http.Request, message *mcp.Message, err error) {
	if r.Method != http.MethodPost {
		return r, nil, v.need(s.need(&Operation{}))
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return nil, nil, unread(err)
	}
	call, err := mcp.Limits{}.Read(body, r.Header)
	if err != nil {
		return nil, nil, err
	}
	if err := v.need(s.all(call)); err != nil {
		if call.Batch {
			return nil, &mcp.Message{}, err
		}
		return nil, &call.Messages[0], err
	}
	whole = r.WithContext(r.Context()) // the caller's request is not ours to change
	whole.Body, whole.ContentLength, whole.TransferEncoding = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
	return whole, nil, nil
}

// all returns what the messages of a call need together.
func (s *scoped) all(call *mcp.Call) []string {
	var all []string
	for i := range call.Messages {
		m := &call.Messages[i]
		if m.Kind == mcp.Response { // the caller answers what the server has asked
			continue
		}
		for _, scope := range s.need(&Operation{Method: m.Method, Name: m.Name, Arguments: mcp.Arguments(m.Raw)}) {
			if !slices.Contains(all, scope) {
				all = append(all, scope)
			}
		}
	}
	return all
}

func unread(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return &Error{Code: "GH-1009", Status: http.StatusRequestEntityTooLarge, Description: "The body is larger than this server accepts."}
	}
	return &Error{Code: "GH-1307", Status: http.StatusBadRequest, Description: "The body ended early or came too slowly.", Cause: err}
}

// Need returns nil if the caller has every one of the scopes, and else a refusal
// (GH-1201, 403) that names all of them: for handlers that answer HTTP
// themselves, and for what only the middle of an operation tells. Inside an MCP
// server's tool it becomes that tool's error, which no client takes as a reason
// to ask for more: what can be told from the request belongs to [RequireScopes].
func Need(ctx context.Context, scopes ...string) error {
	v := visiting(ctx)
	if v == nil || v.identity == nil {
		return &Error{Code: "GH-1001", Status: http.StatusUnauthorized, Description: "No credentials.", Challenge: &Challenge{}}
	}
	return v.need(scopes)
}

// need is Need.
func (v *visit) need(scopes []string) error {
	var missing []string
	for _, s := range scopes {
		if !v.has(s) {
			missing = append(missing, s)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	description := "This needs the scope " + strings.Join(scopes, " ") + "."
	e := &Error{
		Code: "GH-1201", Status: http.StatusForbidden, Description: description,
		Challenge: &Challenge{Error: "insufficient_scope", Description: description, Scope: strings.Join(scopes, " ")}, // RFC 6750 §3.1
		Cause:     fmt.Errorf("%s of %q lacks %s", v.identity.Subject, v.identity.Issuer, strings.Join(missing, " ")),
	}
	if v.door != nil {
		e.Challenge.ResourceMetadata = v.door.metadataURL
	}
	return e
}

// has says whether the caller has a scope, by itself or in another one.
func (v *visit) has(scope string) bool {
	if slices.Contains(v.identity.Scopes, scope) {
		return true
	}
	if v.door == nil {
		return false
	}
	return slices.ContainsFunc(v.door.includes[scope], func(wider string) bool { return slices.Contains(v.identity.Scopes, wider) })
}

// closure turns what each scope includes into the scopes by which each is had.
func closure(includes map[string][]string) map[string][]string {
	had := map[string][]string{}
	for wide := range includes {
		seen, next := map[string]bool{wide: true}, []string{wide}
		for len(next) > 0 {
			one := next[0]
			next = next[1:]
			for _, narrow := range includes[one] {
				if !seen[narrow] {
					seen[narrow] = true
					had[narrow] = append(had[narrow], wide)
					next = append(next, narrow)
				}
			}
		}
	}
	return had
}

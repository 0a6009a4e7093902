package authserver

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

// writeJSON answers a client. Nothing of it may be kept by anybody. OAuth 2.1 §3.2.3
func writeJSON(w http.ResponseWriter, status int, v any) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	body, err := json.Marshal(v)
	if err != nil { // only our own types come here
		status, body = http.StatusInternalServerError, []byte(`{"error":"server_error"}`)
	}
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // nobody is left to tell
}

// refused is a refusal as clients read it. RFC 6749 §5.2
type refused struct {
	Error       string `json:"error"`
	Description string `json:"error_description,omitempty"`
	Code        string `json:"code,omitempty"`
	Request     string `json:"request_id,omitempty"`
}

// refusalOf is an error as clients may see it. What is no refusal is ours: the
// client may come again.
func refusalOf(err error) *oauth.Error {
	if e, ok := errors.AsType[*oauth.Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[*gatehouse.Error](err); ok && e.Status >= http.StatusInternalServerError {
		return &oauth.Error{Code: oauth.Unavailable, Status: e.Status, Ref: e.Code, Description: "this cannot be answered at present, try again", Cause: err}
	}
	if errors.Is(err, audit.ErrUnwritable) { // a full disk is no mistake of ours, and passes
		return &oauth.Error{Code: oauth.Unavailable, Status: http.StatusServiceUnavailable, Ref: "GH-1903", Description: "this cannot be written down at present, so it is not done; try again", Cause: err}
	}
	return &oauth.Error{Code: oauth.ServerError, Status: http.StatusInternalServerError, Ref: "GH-1901", Description: "something went wrong here", Cause: err}
}

// refuse answers a client with what went wrong.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	e := refusalOf(err)
	status := e.Status
	if status == 0 {
		status = http.StatusBadRequest
	}
	if e.Challenge != "" {
		w.Header().Set("WWW-Authenticate", e.Challenge)
	}
	if status >= http.StatusInternalServerError {
		s.Log.Error("a client cannot be answered", "request", requestID(r), "path", r.URL.Path, "error", e.Error())
		if w.Header().Get("Retry-After") == "" {
			w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
		}
	}
	writeJSON(w, status, refused{Error: e.Code, Description: e.Description, Code: e.Ref, Request: requestID(r)})
}

const retryAfter = 5 // seconds

// What programs in browsers may send, and may read of an answer.
const (
	browserHeaders = "Authorization, Content-Type, DPoP, MCP-Protocol-Version"
	browserReads   = "DPoP-Nonce, Retry-After, WWW-Authenticate, X-Request-Id"
)

// browser lets programs in browsers call an endpoint: whoever does brings all
// that counts in the request itself, and no cookie of ours means anything there.
func (s *Server) browser(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Access-Control-Expose-Headers", browserReads)
		next(w, r)
	}
}

// preflight tells a browser what a program in it may do.
func (s *Server) preflight(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE")
	h.Set("Access-Control-Allow-Headers", browserHeaders)
	h.Set("Access-Control-Max-Age", "86400")
	w.WriteHeader(http.StatusNoContent)
}

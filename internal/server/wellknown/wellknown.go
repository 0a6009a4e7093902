// Package wellknown is the door to what everybody may know of us, without a
// credential: the public halves of the keys that we sign with, what a protected
// resource is called, and where its authorization server is.
package wellknown

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/signing"
)

// Path is where the keys are found, at the root of the issuer. RFC 8615
const Path = "/.well-known/jwks.json"

const bodyWait = time.Second // for a body, which no request here has

// Keys are the published keys: signing.Keys.
type Keys interface {
	// JWKS returns the public halves as a JWK Set and an entity tag of it. A
	// *gatehouse.Error says under which status there is none.
	JWKS(ctx context.Context) (body []byte, etag string, err error)
}

// JWKS serves the published keys. Nothing of a request but its method and its
// If-None-Match is looked at.
type JWKS struct {
	Keys Keys         // required
	Log  *slog.Logger // required
}

// ServeHTTP answers GET, HEAD and OPTIONS, to web pages too.
func (j *JWKS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if asked(w, r) {
		j.serve(w, r)
	}
}

// asked says whether a request is for the document itself; else it is answered.
// What is served here is public, and a credential changes nothing.
func asked(w http.ResponseWriter, r *http.Request) bool {
	h := w.Header()
	if r.ContentLength != 0 { // net/http would wait for a body that nobody reads
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyWait))
		h.Set("Connection", "close")
	}
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Access-Control-Allow-Origin", "*")
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		return true
	case http.MethodOptions:
		h.Set("Access-Control-Allow-Methods", "GET, HEAD")
		h.Set("Access-Control-Allow-Headers", "MCP-Protocol-Version") // the TypeScript SDK sends it with discovery too
		h.Set("Access-Control-Max-Age", "86400")
		w.WriteHeader(http.StatusNoContent)
	default:
		h.Set("Allow", "GET, HEAD, OPTIONS")
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
	return false
}

func (j *JWKS) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	body, etag, err := j.Keys.JWKS(r.Context())
	if err != nil {
		h.Set("Cache-Control", "no-store")
		w.WriteHeader(j.refusal(err))
		return
	}
	send(w, r, body, etag, "application/jwk-set+json", signing.CacheTime) // RFC 7517 §8.5.2
}

// send answers with a document, or says that the one the client has will do.
func send(w http.ResponseWriter, r *http.Request, body []byte, etag, kind string, fresh time.Duration) {
	h := w.Header()
	h.Set("Cache-Control", "public, max-age="+strconv.Itoa(int(fresh.Seconds())))
	h.Set("ETag", etag)
	if matches(r.Header.Get("If-None-Match"), etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", kind)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(body) // nobody is left to tell
	}
}

// refusal returns the status of an error. That there are no keys is no trouble.
func (j *JWKS) refusal(err error) int {
	status := http.StatusInternalServerError
	if e, ok := errors.AsType[*gatehouse.Error](err); ok {
		status = e.Status
	}
	if status >= http.StatusInternalServerError {
		j.Log.Error("the signing keys cannot be published", "error", err, "cause", errors.Unwrap(err))
	}
	return status
}

// matches says whether an If-None-Match has the tag. RFC 9110 §13.1.2
func matches(sent, etag string) bool {
	for one := range strings.SplitSeq(sent, ",") {
		if one = strings.TrimPrefix(strings.TrimSpace(one), "W/"); one == etag || one == "*" {
			return true
		}
	}
	return false
}

package wellknown

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"time"
)

// ResourcePath is where the metadata of a protected resource is: at the root,
// and with the resource's path after it. RFC 9728 §3.1
const ResourcePath = "/.well-known/oauth-protected-resource"

const resourceFresh = 5 * time.Minute // how long a client need not ask again

// Resource serves the metadata of one protected resource. What it says was made
// of the configuration: nothing of a request but its method and its
// If-None-Match is looked at, so no Host can make it speak of another. RFC 9728 §7.3
type Resource struct {
	document []byte
	etag     string
}

// NewResource returns the door to a document.
func NewResource(document []byte) *Resource {
	sum := sha256.Sum256(document)
	return &Resource{document: document, etag: `"` + hex.EncodeToString(sum[:8]) + `"`}
}

// ServeHTTP answers GET, HEAD and OPTIONS, to web pages too.
func (s *Resource) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if asked(w, r) {
		send(w, r, s.document, s.etag, "application/json", resourceFresh)
	}
}

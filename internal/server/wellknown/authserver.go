package wellknown

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"net/http"
	"time"
)

// AuthServerPath is where the metadata of an authorization server is. RFC 8414 §3
const AuthServerPath = "/.well-known/oauth-authorization-server"

// OpenIDPath is where OpenID Connect Discovery has it. §4
const OpenIDPath = "/.well-known/openid-configuration"

const authServerFresh = time.Minute // the issuer may change what it says

// AuthServer serves a copy of an issuer's metadata at our root, where clients of
// 2025-03-26 look for it: for them the MCP server is the authorization server.
// Newer ones find the issuer by the resource's metadata and do not ask here.
// MCP 2025-03-26 authorization §2.3
type AuthServer struct {
	// Document returns the issuer's metadata as it came, at most a few minutes
	// old; an error if there is none.
	Document func(ctx context.Context) ([]byte, error)
	Log      *slog.Logger // required
}

// ServeHTTP answers GET, HEAD and OPTIONS, to web pages too.
func (s *AuthServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !asked(w, r) {
		return
	}
	document, err := s.Document(r.Context())
	if err != nil {
		s.Log.Warn("the issuer's metadata cannot be had", "error", err.Error())
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Retry-After", "5")
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	sum := sha256.Sum256(document)
	send(w, r, document, `"`+hex.EncodeToString(sum[:8])+`"`, "application/json", authServerFresh)
}

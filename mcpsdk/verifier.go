package mcpsdk

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/modelcontextprotocol/go-sdk/auth"

	"github.com/gatehouse-mcp/gatehouse"
)

// Verifier returns v in the SDK's form, for those who stay with
// auth.RequireBearerToken. It judges the whole request as [gatehouse.Protect]
// does, r's origins included. The SDK's middleware takes the Bearer scheme only, names no error
// in its challenges, so that clients do not step up, and wants
// AllowMissingExpiration for credentials that do not end; [Handler] and [Wrap]
// have none of these limits. Its error is that of Protect.
func Verifier(r gatehouse.Resource, v gatehouse.Verifier) (auth.TokenVerifier, error) {
	door, err := gatehouse.Protect(http.HandlerFunc(note), r, v)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, _ string, req *http.Request) (*auth.TokenInfo, error) {
		seen := &sighting{header: http.Header{}}
		door.ServeHTTP(seen, req.WithContext(context.WithValue(ctx, sightingKey{}, seen)))
		if seen.id != nil {
			return TokenInfo(seen.id), nil
		}
		return nil, seen.refusal()
	}, nil
}

type sightingKey struct{}

// sighting is what came of a request at the door: an identity, or an answer.
type sighting struct {
	id     *gatehouse.Identity
	header http.Header
	status int
	body   bytes.Buffer
}

func note(_ http.ResponseWriter, r *http.Request) {
	seen, _ := r.Context().Value(sightingKey{}).(*sighting)
	seen.id, _ = gatehouse.FromContext(r.Context())
}

// Header implements http.ResponseWriter.
func (s *sighting) Header() http.Header { return s.header }

// Write implements http.ResponseWriter.
func (s *sighting) Write(p []byte) (int, error) { return s.body.Write(p) }

// WriteHeader implements http.ResponseWriter.
func (s *sighting) WriteHeader(status int) { s.status = status }

// refusal is the answer in the SDK's words. It is shown to the caller.
func (s *sighting) refusal() error {
	var told struct {
		Description string `json:"error_description"`
		Code        string
	}
	if json.Unmarshal(s.body.Bytes(), &told) != nil || told.Code == "" {
		told.Code, told.Description = "GH-1901", "Nobody was let in."
	}
	switch s.status {
	case http.StatusUnauthorized:
		return fmt.Errorf("%w: %s: %s", auth.ErrInvalidToken, told.Code, told.Description)
	case http.StatusBadRequest, http.StatusForbidden:
		return fmt.Errorf("%w: %s: %s", auth.ErrOAuth, told.Code, told.Description)
	}
	return fmt.Errorf("%s: %s", told.Code, told.Description)
}

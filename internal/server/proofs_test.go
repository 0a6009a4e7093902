package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/grant"
	"github.com/gatehouse-mcp/gatehouse/internal/store"
)

// A proof of possession that one replica has taken is a replay at every other.
func TestReplicasShareTheProofsTheySaw(t *testing.T) {
	db, err := store.Open(t.Context(), store.Config{SQLite: filepath.Join(t.TempDir(), "state", "g.db")})
	must(t, err)
	t.Cleanup(func() { _ = db.Close() })
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, &jose.SignerOptions{EmbedJWK: true, ExtraHeaders: map[jose.HeaderKey]any{"typ": "dpop+jwt"}})
	must(t, err)
	signed, err := s.Sign(fmt.Appendf(nil, `{"jti":%q,"htm":"POST","htu":"https://mcp.test/token","iat":%d}`, rand.Text(), time.Now().Unix()))
	must(t, err)
	text, err := signed.CompactSerialize()
	must(t, err)
	came := &gatehouse.Credential{Proofs: []string{text}, Method: "POST", URL: "https://mcp.test/token"}
	for i, wanted := range []bool{true, false, false} {
		replica := doorProofs(&gatehouse.DPoP{NonceKey: make([]byte, 32)}, &grant.Once{Store: db.Once()})
		if _, err := replica.Key(t.Context(), came); (err == nil) != wanted {
			t.Errorf("replica %d: got %v", i, err)
		}
	}
	for _, asks := range []bool{true, false} {
		door := doorProofs(&gatehouse.DPoP{NonceKey: make([]byte, 32), RequireNonce: asks}, &grant.Once{Store: db.Once()})
		if got := door.Nonce(); (got != "") != asks {
			t.Errorf("where nonces are wanted (%v) it gives %q", asks, got)
		}
	}
}

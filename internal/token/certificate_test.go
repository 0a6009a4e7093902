package token_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/token"
)

// bound takes a token only with the certificate that it is bound to, or with a proof.
type bound struct{ *provider }

func (b bound) Verify(ctx context.Context, c *gatehouse.Credential) (*gatehouse.Identity, error) {
	if c.Certificate == nil && c.Presented == nil && len(c.Proofs) == 0 || c.Scheme == "DPoP" && len(c.Proofs) == 0 {
		return nil, gatehouse.Refuse("GH-1116", "bound", nil)
	}
	return b.provider.Verify(ctx, c)
}

// What is bound to a certificate is asked about with it as long as a stream lasts,
// whether an authority vouches for it or not (RFC 8705 §2.2). What is bound to a
// key cannot be: its stream ends for want of an answer, not with a refusal.
func TestStreamsOfBoundTokensAreAskedAbout(t *testing.T) {
	cert := []byte("der")
	for _, tt := range []struct {
		name string
		c    gatehouse.Credential
		code string // empty: the stream goes on
	}{
		{"vouched for", gatehouse.Credential{Scheme: "Bearer", Certificate: cert}, ""},
		{"self-signed", gatehouse.Credential{Scheme: "Bearer", Presented: cert}, ""},
		{"a key, over a connection with a certificate", gatehouse.Credential{Scheme: "DPoP", Presented: cert, Certificate: cert, Proofs: []string{"p"}}, "GH-1120"},
	} {
		synctest.Test(t, func(t *testing.T) {
			v, acme := running(t, newMemory(), func(v *token.Verifier) {
				v.Issuers[0].Verifier = bound{v.Issuers[0].Verifier.(*provider)}
			})
			acme.set(func() {
				acme.active["opaque"] = gatehouse.Identity{Issuer: acmeIDP, Subject: "ada", Claims: []byte(`{"cnf":{"x5t#S256":"x"}}`)}
			})
			tt.c.Text = "opaque"
			a, err := v.Verify(t.Context(), &tt.c)
			must(t, err)
			watched, stop := v.Watch(t.Context(), a)
			t.Cleanup(func() { stop(nil) })
			time.Sleep(10 * time.Minute)
			switch {
			case tt.code == "" && watched.Err() != nil:
				t.Errorf("%s: the stream was cut: %v", tt.name, context.Cause(watched))
			case tt.code != "":
				wantCode(t, context.Cause(watched), tt.code)
			}
		})
	}
}

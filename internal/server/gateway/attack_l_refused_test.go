package gateway_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/access"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/server/gateway"
	"github.com/gatehouse-mcp/gatehouse/internal/token"
)

// verdict is what becomes of every token.
type verdict struct {
	active *token.Active
	err    error
}

func (v *verdict) Verify(context.Context, *gatehouse.Credential) (*token.Active, error) {
	return v.active, v.err
}

func (v *verdict) Watch(ctx context.Context, _ *token.Active) (context.Context, func(error)) {
	return ctx, func(error) {}
}

// TestA169WhoseTokenWasRefused: the trail tells whose a genuine token was that was
// refused, and the answer does not.
func TestA169WhoseTokenWasRefused(t *testing.T) {
	who := gatehouse.Identity{Issuer: "https://canary.test", Subject: "canary-ada", Client: "canary-client", TokenID: "canary-jti"}
	active := &token.Active{Identity: who, TenantName: "canary-tenant"}
	for name, tt := range map[string]struct {
		code   string
		status int
		tokens verdict
		known  bool
	}{
		"revoked":           {"GH-1130", 401, verdict{err: active.Refused(gatehouse.Refuse("GH-1130", "The token was revoked.", nil))}, true},
		"of no tenant":      {"GH-1206", 403, verdict{err: fmt.Errorf("judge: %w", active.Refused(&gatehouse.Error{Code: "GH-1206", Status: 403, Description: "No."}))}, true},
		"of another tenant": {"GH-1204", 403, verdict{active: active}, true},
		"forged":            {"GH-1102", 401, verdict{err: gatehouse.Refuse("GH-1102", "No.", nil)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := protect(t, http.HandlerFunc(echo), func(g *gateway.Gateway) {
				g.Guard = &access.Guard{Tokens: &tt.tokens, Tenants: map[string]struct{}{"acme": {}}, Audit: g.Guard.Audit}
			})
			got := f.do("POST", "a.b.c", ping)
			events := f.trail.of(got.header.Get("X-Request-Id"))
			if got.status != tt.status || len(events) != 1 {
				t.Fatalf("got %d %s and %d events, want %d and one", got.status, got.body, len(events), tt.status)
			}
			want := gatehouse.Identity{}
			if tt.known {
				want = who
			}
			if e := events[0]; e.Kind != config.AuditAuthFailed || e.Code != tt.code || e.Issuer != want.Issuer || e.Subject != want.Subject ||
				e.ClientID != want.Client || e.TokenID != want.TokenID || e.Tenant != "" {
				t.Errorf("got %+v, want %s of %+v", e, tt.code, want)
			}
			if all := fmt.Sprint(got.header, got.body); strings.Contains(all, "canary") {
				t.Errorf("the caller is told %s", all)
			}
			f.untouched()
		})
	}
}

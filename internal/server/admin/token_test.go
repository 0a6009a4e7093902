package admin_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/server/admin"
)

// issuers of a configuration.
func configured() []admin.Issuer {
	return []admin.Issuer{
		{Name: "auth0", Values: []string{"https://acme.us.auth0.com/"}, Lives: time.Hour},
		{Name: "scalekit", Values: []string{"https://new.example", "https://old.example"}},
	}
}

func TestRevokingByName(t *testing.T) {
	f := newFixture(t)
	f.issuers = configured()
	ctx := t.Context()
	for _, tt := range []struct {
		name           string
		in             adminapi.NewRevocation
		issuer, called string
		expires        time.Duration // from now; 0: never
	}{
		{"by name", adminapi.NewRevocation{Kind: "subject", Value: "ada", Issuer: "auth0"}, "https://acme.us.auth0.com/", "auth0", time.Hour},
		{"by iss", adminapi.NewRevocation{Kind: "subject", Value: "bob", Issuer: "https://acme.us.auth0.com/"}, "https://acme.us.auth0.com/", "auth0", time.Hour},
		{"by another iss of it", adminapi.NewRevocation{Kind: "issuer", Issuer: "https://old.example"}, "https://new.example", "scalekit", 0},
		{"of one that is not configured", adminapi.NewRevocation{Kind: "jti", Value: "1", Issuer: "https://gone.example"}, "https://gone.example", "", 0},
		{"of whoever, one of whom says nothing of lives", adminapi.NewRevocation{Kind: "client", Value: "c"}, "", "", 0},
		{"for a time", adminapi.NewRevocation{Kind: "client", Value: "d", Expires: "30d"}, "", "", 30 * 24 * time.Hour},
		{"for good, whatever is known", adminapi.NewRevocation{Kind: "subject", Value: "eve", Issuer: "auth0", Expires: "never"}, "https://acme.us.auth0.com/", "auth0", 0},
	} {
		r, err := f.RevokeTokens(ctx, tt.in)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if r.Issuer != tt.issuer || r.IssuerName != tt.called || r.By != "ada" || (r.Expires == nil) != (tt.expires == 0) {
			t.Errorf("%s: got %+v", tt.name, r)
		}
		if r.Expires != nil && (r.Expires.Sub(f.now) < tt.expires-time.Second || r.Expires.Sub(f.now) > tt.expires+time.Second) {
			t.Errorf("%s: kept for %s, want %s", tt.name, r.Expires.Sub(f.now), tt.expires)
		}
	}
	list, err := f.Issuers(ctx)
	if err != nil || len(list) != 2 || list[1].Name != "scalekit" || list[1].Also[0] != "https://old.example" {
		t.Errorf("got %+v, %v", list, err)
	}
}

func TestRevocationsRefused(t *testing.T) {
	f := newFixture(t)
	f.issuers = configured()
	for name, in := range map[string]adminapi.NewRevocation{
		"no kind":            {Value: "x"},
		"an unknown issuer":  {Kind: "subject", Value: "ada", Issuer: "okta"},
		"a wrong time":       {Kind: "client", Value: "x", Before: "yesterday"},
		"a wrong end":        {Kind: "client", Value: "x", Expires: "soon"},
		"control characters": {Kind: "client", Value: "x\ny"},
	} {
		_, err := f.RevokeTokens(t.Context(), in)
		if e, ok := err.(*adminapi.Error); !ok || e.Status != http.StatusBadRequest || e.Code != "GH-2403" {
			t.Errorf("%s: got %v, want GH-2403", name, err)
		}
	}
	_, err := f.RevokeTokens(t.Context(), adminapi.NewRevocation{Kind: "subject", Value: "ada", Issuer: "okta"})
	if err == nil || !strings.Contains(err.Error(), "auth0, scalekit") {
		t.Errorf("got %v, want the names that there are", err)
	}
	if list, err := f.Revocations(t.Context(), adminapi.RevocationFilter{}); err != nil || list.Total != 0 {
		t.Errorf("got %+v, %v, want nothing", list, err)
	}
}

// A169: who revoked what, and who took it back, is in the trail.
func TestA169RevocationsAreRecorded(t *testing.T) {
	f := newFixture(t)
	f.issuers = configured()
	ctx := t.Context()
	r, err := f.RevokeTokens(ctx, adminapi.NewRevocation{Kind: "tenant", Value: "default", Reason: "breach"})
	if err != nil || r.Tenant != "default" {
		t.Fatalf("got %+v, %v", r, err)
	}
	if _, err := f.RemoveRevocation(ctx, r.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := f.CreateTenant(ctx, "acme", adminapi.ExternalID{Issuer: "auth0", Value: "org_1"}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.UnlinkTenant(ctx, "acme", adminapi.ExternalID{Issuer: "auth0", Value: "org_1"}); err != nil {
		t.Fatal(err)
	}
	var actions []string
	for _, e := range f.take() {
		if e.Phase != "result" {
			continue
		}
		actions = append(actions, e.Action)
		if e.Action == "token.revoke" && (e.Tenant != "default" || e.TenantID != r.Value || e.Detail["reason"] != "breach" || e.Detail["kind"] != "tenant" || e.KeyID != "") {
			got, _ := json.Marshal(e)
			t.Errorf("got %s", got)
		}
	}
	if got := strings.Join(actions, " "); got != "token.revoke token.restore tenant.create tenant.unlink" {
		t.Errorf("got %s", got)
	}
}

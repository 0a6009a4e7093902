package federation_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/federation"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// Whoever is shut out here has their provider's tokens ended there too.
func TestForgottenTokensAreRevokedAtTheProvider(t *testing.T) {
	d := newDouble(t)
	ctx, at := t.Context(), tenant.ID("t1")
	vault := func(metadata map[string]any, change func(*federation.Settings)) *federation.Vault {
		d.metadata = metadata
		s := d.settings()
		change(s)
		return &federation.Vault{Store: database(t).Federation(), Seal: sealKey(t, "k"), Providers: map[string]federation.Provider{"acme": open(t, s)}}
	}
	end := func(v *federation.Vault, tokens *federation.Tokens) error {
		t.Helper()
		if err := v.Keep(ctx, at, "usr_1", "acme", tokens); err != nil {
			t.Fatal(err)
		}
		all, err := v.End(ctx, at, "usr_1")
		if err != nil || len(all) != 1 || all[0].Provider != "acme" {
			t.Fatalf("got %v, %v", all, err)
		}
		if again, err := v.End(ctx, at, "usr_1"); err != nil || len(again) != 0 {
			t.Errorf("again: got %v, %v", again, err)
		}
		return all[0].Revoke(ctx)
	}
	offered := map[string]any{"revocation_endpoint": d.URL + "/revoke"}
	both := &federation.Tokens{Access: "access-canary", Refresh: "refresh-canary"}
	if err := end(vault(offered, func(*federation.Settings) {}), both); err != nil || d.form.Get("token") != "refresh-canary" || d.basic != [2]string{"our-client", "our-secret"} || d.form.Has("client_secret") {
		t.Errorf("got %v %v, %v", d.form, d.basic, err)
	}
	d.basic = [2]string{}
	if err := end(vault(offered, func(s *federation.Settings) { s.ClientSecret = "" }), &federation.Tokens{Access: "access-canary"}); err != nil ||
		d.form.Encode() != (url.Values{"token": {"access-canary"}, "token_type_hint": {"access_token"}, "client_id": {"our-client"}}).Encode() || d.basic[0] != "" {
		t.Errorf("got %v %v, %v", d.form, d.basic, err)
	}
	if err := end(vault(nil, func(*federation.Settings) {}), both); !errors.Is(err, federation.ErrNoRevocation) {
		t.Errorf("not offered: got %v", err)
	}
	d.token = func(w http.ResponseWriter) bool {
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	}
	if err := end(vault(offered, func(*federation.Settings) {}), both); err == nil || !strings.Contains(err.Error(), "503") || strings.Contains(err.Error(), "canary") {
		t.Errorf("away: got %v", err)
	}
}

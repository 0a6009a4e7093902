package federation_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/federation"
	"github.com/gatehouse-mcp/gatehouse/internal/login"
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

// ending is a provider that is told of what has ended.
type ending struct {
	issuing
	told []string
}

func (e *ending) Revoke(_ context.Context, tokens *federation.Tokens) error {
	e.told = append(e.told, tokens.Refresh)
	return nil
}

// Whoever is shut out while a provider answers for them leaves nothing here.
func TestNothingIsKeptOfWhoIsGone(t *testing.T) {
	p := &ending{}
	v, c := newVault(t, p)
	db, ctx := database(t), t.Context()
	v.Store = db.Federation()
	shutOut := func() {
		t.Helper()
		if _, _, err := db.Login().SetState(ctx, "", "usr_1", login.Disabled); err != nil {
			t.Fatal(err)
		}
		if err := v.Forget(ctx, acme, "usr_1", ""); err != nil {
			t.Fatal(err)
		}
	}
	p.give = func(string, int64) (*federation.Tokens, error) { // they are disabled while they are renewed
		shutOut()
		return &federation.Tokens{Access: "a2", Refresh: "r2"}, nil
	}
	if err := v.Keep(ctx, acme, "usr_1", "acme", &federation.Tokens{Access: "a1", Refresh: "r1", Expires: c.now()}); err != nil {
		t.Fatal(err)
	}
	got, err := v.Token(ctx, acme, "usr_1", "acme")
	wantRefusal(t, "renewed", nil, err, federation.CodeSignIn)
	if err := v.Keep(ctx, acme, "usr_1", "acme", &federation.Tokens{Access: "a3", Refresh: "r3"}); err != nil {
		t.Error(err)
	}
	_, err = v.Store.Tokens(ctx, acme, "usr_1", "acme")
	if !errors.Is(err, federation.ErrNotFound) || got != "" || !slices.Equal(p.told, []string{"r2", "r3"}) {
		t.Errorf("got %q and %v, and the provider was told of %v", got, err, p.told)
	}
}

package client_test

import (
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/client"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
	"github.com/gatehouse-mcp/gatehouse/internal/seal"
	"github.com/gatehouse-mcp/gatehouse/internal/store"
)

func TestClientsOfAnAdministrator(t *testing.T) {
	h, ctx := newHouse(t), t.Context()
	service, secret, err := h.Create(ctx, &client.Spec{ID: "ci", Name: "CI", Scopes: []string{"notes:read"}, By: "ada"})
	if err != nil || len(secret) < 40 || !service.May(oauth.ClientCredentials) || service.Public() || service.State != client.Approved {
		t.Fatalf("got %+v, %q, %v", service, secret, err)
	}
	app, secret, err := h.Create(ctx, &client.Spec{Name: "App", Redirects: []string{"http://127.0.0.1/cb"}, Method: "none"})
	if err != nil || secret != "" || !app.Public() || !app.Native || !app.May(oauth.RefreshToken) || !strings.HasPrefix(app.ID, "cl_") {
		t.Fatalf("got %+v, %q, %v", app, secret, err)
	}
	if _, _, err := h.Create(ctx, &client.Spec{ID: "ci", Name: "Again"}); err == nil {
		t.Error("an id is given twice")
	}
	if _, err := h.Preview(ctx, &client.Spec{ID: "ci", Name: "Again"}); err == nil {
		t.Error("an id would be given twice")
	}
	for what, s := range map[string]client.Spec{
		"no name": {}, "a name that cannot be seen": {Name: "a\u202eb"}, "an id of ours": {Name: "a", ID: "dcr_x"}, "an id with a space": {Name: "a", ID: "a b"}, "a URL for an id": {Name: "a", ID: "https://a.test/x"},
		"a scheme that is not on the list": {Name: "a", Redirects: []string{"javascript:x"}}, "another": {Name: "a", Redirects: []string{"com.evil:/x"}},
		"a method that is not there": {Name: "a", Method: "x"}, "keys that are missing": {Name: "a", Method: oauth.AuthPrivateKeyJWT}, "keys that are none": {Name: "a", JWKS: []byte("{}")},
		"a grant that is not there": {Name: "a", Grants: []string{"password"}}, "a code without a URI": {Name: "a", Grants: []string{oauth.AuthorizationCode}},
		"credentials of a public one": {Name: "a", Method: "none"}, "a scope that is none": {Name: "a", Scopes: []string{`a"b`}},
		"no certificate": {Name: "a", Method: oauth.AuthTLSSelfSigned},
	} {
		_, _, err := h.Create(ctx, &s)
		wantErr(t, what, err, client.ErrWrong)
	}
	if _, err := h.Revoke(ctx, "ci", "ada", "old"); err != nil {
		t.Fatal(err)
	}
	if len(h.ended) != 1 {
		t.Errorf("ended %v", h.ended)
	}
	_, err = h.Find(ctx, "ci")
	wantErr(t, "revoked", err, client.ErrUnknown)
	if _, _, err := h.Create(ctx, &client.Spec{ID: "ci", Name: "Again"}); err == nil {
		t.Error("the id of a client that is gone is given again")
	}
	_, err = h.Decide(ctx, "nobody", client.Approved, "ada", "")
	wantErr(t, "nobody", err, client.ErrUnknown)
}

// Ids and secrets of registrations outlive the key that the secret is sealed under.
func TestTheSecretOutlivesItsSeal(t *testing.T) {
	d, err := store.Open(t.Context(), store.Config{SQLite: t.TempDir() + "/state/db"})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	key := func(text string) *seal.Key {
		k, err := seal.Derive(strings.Repeat(text, 32))
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	old, fresh := key("a"), key("b")
	first, err := client.Secret(t.Context(), d.Secrets(), old)
	if err != nil || len(first) != 32 {
		t.Fatal(err)
	}
	for i, k := range []*seal.Key{old, fresh.After(old)} { // the same; then a new one beside it
		if again, err := client.Secret(t.Context(), d.Secrets(), k); err != nil || string(again) != string(first) {
			t.Errorf("key %d: got another secret, %v", i, err)
		}
	}
	if again, err := client.Secret(t.Context(), d.Secrets(), fresh); err != nil || string(again) != string(first) {
		t.Errorf("the new one alone: %v", err)
	}
	if _, err := client.Secret(t.Context(), d.Secrets(), old); err == nil {
		t.Error("the old one still opens it")
	}
}

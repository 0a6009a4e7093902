package upstream_test

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"testing"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
	"github.com/gatehouse-mcp/gatehouse/internal/upstream"
)

// given are tokens by tenant, user and provider.
type given map[[3]string]string

func (g given) Token(_ context.Context, t tenant.ID, user, provider string) (string, error) {
	if token := g[[3]string{string(t), user, provider}]; token != "" {
		return token, nil
	}
	return "", &gatehouse.Error{Code: "GH-1448", Status: http.StatusForbidden, Description: "Sign in again."}
}

const house = "https://mcp.example.com"

func TestA034UpstreamTokensAreOfTheirOwnUsersAlone(t *testing.T) {
	f := &upstream.Forward{
		Forward: config.Forward{UpstreamToken: "google"}, House: house, Server: "files",
		Tokens: given{{"TENANTID", "usr_ada", "google"}: "ya29.canary"},
	}
	if err := f.Open(); err != nil {
		t.Fatal(err)
	}
	of := func(change func(*upstream.Caller)) *upstream.Caller {
		c := &upstream.Caller{Subject: "usr_ada", Tenant: "TENANTID", Token: &gatehouse.Identity{Issuer: house, Subject: "usr_ada", Kind: gatehouse.KindUser}}
		change(c)
		return c
	}
	h := http.Header{"authorization": {"Bearer the client's"}, "Accept": {"x"}}
	want := http.Header{"Accept": {"x"}, "Authorization": {"Bearer ya29.canary"}}
	if err := f.Attach(t.Context(), h, of(func(*upstream.Caller) {})); err != nil || !reflect.DeepEqual(h, want) {
		t.Errorf("got %v, %v, want %v", h, err, want)
	}
	for name, change := range map[string]func(*upstream.Caller){
		"a key":                            func(c *upstream.Caller) { c.Token = nil },
		"another issuer's same subject":    func(c *upstream.Caller) { c.Token.Issuer = "https://evil.example" },
		"no issuer":                        func(c *upstream.Caller) { c.Token.Issuer = "" },
		"a program with a user's name":     func(c *upstream.Caller) { c.Token.Kind = gatehouse.KindService },
		"another user":                     func(c *upstream.Caller) { c.Token.Subject = "usr_eve" },
		"another tenant's user":            func(c *upstream.Caller) { c.Tenant = "OTHER" },
		"a subject that the token has not": func(c *upstream.Caller) { c.Subject, c.Token.Subject = "usr_ada", "" },
	} {
		h := http.Header{}
		err := f.Attach(t.Context(), h, of(change))
		var refused *gatehouse.Error
		if !errors.As(err, &refused) || refused.Code != "GH-1448" || refused.Status != http.StatusForbidden || len(h) != 0 {
			t.Errorf("%s: got %v, %v, want a refusal", name, h, err)
		}
	}
	h = http.Header{}
	if err := f.Attach(t.Context(), h, &upstream.Caller{Subject: upstream.Ourselves}); err != nil || len(h) != 0 {
		t.Errorf("on our own account: got %v, %v", h, err)
	}
	for name, bad := range map[string]*upstream.Forward{
		"no tokens":          {Forward: config.Forward{UpstreamToken: "google"}, House: house},
		"no house":           {Forward: config.Forward{UpstreamToken: "google"}, Tokens: given{}},
		"two for one header": {Forward: config.Forward{UpstreamToken: "google", Authorization: "Bearer x"}, Tokens: given{}, House: house},
	} {
		if err := bad.Open(); err == nil {
			t.Errorf("%s: it was opened", name)
		}
	}
}

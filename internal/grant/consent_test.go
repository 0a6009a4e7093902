package grant_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/grant"
)

// A decision holds for exactly what it was made for.
func TestA023ConsentIsForWhatWasShown(t *testing.T) {
	h := newHouse(t)
	c, ctx := &grant.Consents{Store: h.db.Consents(), For: 90 * 24 * time.Hour, Now: h.now}, t.Context()
	key := grant.ConsentKey{Tenant: h.def, User: "usr_ada", Client: "cli", Version: "1", Resource: resource, Host: "app.test"}
	if _, err := c.Allowed(ctx, key); !errors.Is(err, grant.ErrNotFound) {
		t.Fatalf("got %v, want ErrNotFound", err)
	}
	for _, scopes := range [][]string{{"read"}, {"write", "read"}} { // what is allowed later is added
		if err := c.Remember(ctx, &grant.Consent{ConsentKey: key, Scopes: scopes}); err != nil {
			t.Fatal(err)
		}
	}
	one, err := c.Allowed(ctx, key)
	if err != nil || !slices.Equal(one.Scopes, []string{"read", "write"}) || !one.Covers([]string{"write"}) || one.Covers([]string{"write", "admin"}) {
		t.Fatalf("got %+v, %v", one, err)
	}
	for name, edit := range map[string]func(*grant.ConsentKey){
		"another user":     func(k *grant.ConsentKey) { k.User = "usr_bob" },
		"another tenant":   func(k *grant.ConsentKey) { k.Tenant = "other" },
		"another client":   func(k *grant.ConsentKey) { k.Client = "evil" },
		"a changed client": func(k *grant.ConsentKey) { k.Version = "2" },
		"another resource": func(k *grant.ConsentKey) { k.Resource += "2" },
		"another host":     func(k *grant.ConsentKey) { k.Host = "evil.test" },
	} {
		other := key
		edit(&other)
		if got, err := c.Allowed(ctx, other); !errors.Is(err, grant.ErrNotFound) {
			t.Errorf("%s: got %+v, %v, want ErrNotFound", name, got, err)
		}
	}
	h.pass(90 * 24 * time.Hour)
	if _, err := c.Allowed(ctx, key); !errors.Is(err, grant.ErrNotFound) {
		t.Errorf("later: got %v, want ErrNotFound", err)
	}
}

func TestConsentIsForgotten(t *testing.T) {
	h := newHouse(t)
	c, ctx := &grant.Consents{Store: h.db.Consents(), For: time.Hour, Now: h.now}, t.Context()
	for _, client := range []string{"a", "a", "b"} {
		key := grant.ConsentKey{Tenant: h.def, User: "usr_ada", Client: client, Resource: resource}
		if err := c.Remember(ctx, &grant.Consent{ConsentKey: key, Scopes: []string{"read"}}); err != nil {
			t.Fatal(err)
		}
	}
	if all, err := c.List(ctx, h.def, "usr_ada"); err != nil || len(all) != 2 {
		t.Errorf("got %+v, %v, want two", all, err)
	}
	if n, err := c.Forget(ctx, h.def, "usr_ada", "a"); err != nil || n != 1 {
		t.Errorf("got %d, %v", n, err)
	}
	if all, err := c.List(ctx, h.def, "usr_ada"); err != nil || len(all) != 1 || all[0].Client != "b" {
		t.Errorf("got %+v, %v, want the other one", all, err)
	}
	c.For = 0 // nothing is remembered any more, and nothing that was counts
	if _, err := c.Allowed(ctx, grant.ConsentKey{Tenant: h.def, User: "usr_ada", Client: "b", Resource: resource}); !errors.Is(err, grant.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
}

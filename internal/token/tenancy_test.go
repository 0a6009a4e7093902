package token_test

import (
	"context"
	"errors"
	"testing"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
	"github.com/gatehouse-mcp/gatehouse/internal/token"
)

func TestTheTenantOfAToken(t *testing.T) {
	h := newHouse(t)
	h.tenant(t, "acme", tenant.Link{Issuer: acmeIDP, External: "org_1"}, tenant.Link{Issuer: acmeIDP, External: "bolt"})
	h.tenant(t, "bolt", tenant.Link{Issuer: boltIDP, External: "org_1"})
	asleep := h.tenant(t, "asleep", tenant.Link{Issuer: acmeIDP, External: "org_9"})
	_, err := h.tenants.Suspend(t.Context(), asleep.ID, "")
	must(t, err)
	exp := h.clock().Unix() + 3600
	acme, old, bolt := acmeIDP, "https://acme-old.idp.example/", boltIDP
	for _, tt := range []struct {
		name     string
		iss, org string
		how      func(*token.Verifier)
		want     string // tenant's name, or a code
	}{
		{"a linked value", acme, "org_1", nil, "acme"},
		{"the same value of another issuer", bolt, "org_1", nil, "bolt"},
		{"another iss of the same issuer", old, "org_1", nil, "acme"},
		{"a link goes before a name", acme, "bolt", named, "acme"},
		{"a name that is no link", acme, "acme", nil, "GH-1206"},
		{"a name, of an issuer that may", acme, "acme", named, "acme"},
		{"a name, of another issuer", bolt, "acme", named, "GH-1206"},
		{"a name in capitals", acme, "ACME", named, "GH-1206"},
		{"a name in other letters", acme, "ａcme", named, "GH-1206"},
		{"a name and blanks", acme, "acme ", named, "GH-1206"},
		{"a path", acme, "acme/../bolt", named, "GH-1206"},
		{"a tenant's id", acme, string(asleep.ID), named, "GH-1206"},
		{"nothing", acme, "", nil, "default"},
		{"nothing, and it is required", acme, "", func(v *token.Verifier) { v.Tenancy.Require = true }, "GH-1206"},
		{"a suspended one", acme, "org_9", nil, "GH-1013"},
		{"claims do not count", acme, "org_1", func(v *token.Verifier) { v.Tenancy.Claim = false }, "default"},
		{"the issuer's", acme, "", tied("bolt"), "bolt"},
		{"the issuer's, and the claim agrees", acme, "org_1", tied("acme"), "acme"},
		{"the issuer's, and the claim does not", acme, "org_1", tied("bolt"), "GH-1207"},
		{"the issuer's, and the claim is of nobody", acme, "org_77", tied("bolt"), "GH-1207"},
		{"the issuer's, and the claim is of a suspended one", acme, "org_9", tied("bolt"), "GH-1207"},
		{"the issuer's does not exist", acme, "", tied("nobody"), "GH-1206"},
		{"the issuer's does not exist, and the claim's does", acme, "org_1", tied("nobody"), "GH-1207"},
		{"the server's", acme, "", at("bolt"), "bolt"},
		{"the server's, and the claim agrees", acme, "org_1", at("acme"), "acme"},
		{"the server's, and the claim does not", bolt, "org_1", at("acme"), "GH-1207"},
		{"three, of which one does not agree", acme, "org_1", func(v *token.Verifier) { tied("acme")(v); at("bolt")(v) }, "GH-1207"},
		{"three that agree", acme, "org_1", func(v *token.Verifier) { tied("acme")(v); at("acme")(v) }, "acme"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h.v = h.verifier(t, tt.how)
			a, err := h.sees(t, jwt(t, claims{Iss: tt.iss, Org: tt.org, Exp: exp}))
			switch {
			case tt.want[:2] == "GH":
				wantCode(t, err, tt.want)
				wantWhose(t, err, tt.iss)
			case err != nil:
				t.Errorf("got %v (%v), want %s", err, errors.Unwrap(err), tt.want)
			case a.TenantName != tt.want:
				t.Errorf("got %s, want %s", a.TenantName, tt.want)
			}
		})
	}
}

func named(v *token.Verifier) { v.Issuers[0].TenantNames = true }
func tied(name string) func(*token.Verifier) {
	return func(v *token.Verifier) { v.Issuers[0].BindTenant = name }
}
func at(name string) func(*token.Verifier) {
	return func(v *token.Verifier) { v.Tenancy.Name = name }
}

// A120: who is somebody else's caller, and who names a tenant that there is not,
// are told the same, byte for byte.
func TestA120RefusalsDoNotTellWhichTenantsExist(t *testing.T) {
	h := newHouse(t)
	h.tenant(t, "acme", tenant.Link{Issuer: acmeIDP, External: "org_1"})
	asleep := h.tenant(t, "asleep", tenant.Link{Issuer: acmeIDP, External: "org_9"})
	_, err := h.tenants.Suspend(t.Context(), asleep.ID, "")
	must(t, err)
	h.tenant(t, "bolt")
	for name, how := range map[string]func(*token.Verifier){"a server of one tenant": at("bolt"), "an issuer of one tenant": tied("bolt")} {
		h.v = h.verifier(t, how)
		var first *gatehouse.Error
		for _, org := range []string{"org_1", "org_9", "org_77", "acme", "default"} {
			_, err := h.sees(t, jwt(t, claims{Org: org, Exp: h.clock().Unix() + 3600}))
			e := wantCode(t, err, "GH-1207")
			if first == nil {
				first = e
			}
			if e.Error() != first.Error() || e.Status != first.Status || e.Challenge != nil {
				t.Errorf("%s, claim %s: got %v, want the answer that the others get", name, org, e)
			}
		}
	}
}

// A113: two issuers' subjects of one name are two people, and one person in two
// tenants is two as well.
func TestA113WhoComesWithATokenIsOfOneIssuerAndTenant(t *testing.T) {
	h := newHouse(t)
	exp := h.clock().Unix() + 3600
	h.tenant(t, "acme", tenant.Link{Issuer: acmeIDP, External: "org_1"})
	one, two := h.in(t, jwt(t, claims{Exp: exp})), h.in(t, jwt(t, claims{Iss: boltIDP, Exp: exp}))
	if one.ID == two.ID || one.Issuer == two.Issuer {
		t.Errorf("got %q for both", one.ID)
	}
	if other := h.in(t, jwt(t, claims{Org: "org_1", Exp: exp})); other.Tenant == one.Tenant {
		t.Error("one tenant for two")
	}
}

// A121: a tenant that is made anew under an old name or link is another one: what
// was open for the old one ends, and the old link leads nowhere.
func TestA121ARecycledTenantRefusesOldTokens(t *testing.T) {
	h := newHouse(t)
	l := tenant.Link{Issuer: acmeIDP, External: "org_1"}
	first := h.tenant(t, "acme", l)
	text := jwt(t, claims{Org: "org_1", Exp: h.clock().Unix() + 3600})
	a := h.in(t, text)
	watched, stop := h.v.Watch(t.Context(), a)
	defer stop(nil)
	_, err := h.tenants.Delete(t.Context(), first.ID, "")
	must(t, err)
	wantCode(t, context.Cause(watched), "GH-1206")
	h.out(t, text, "GH-1206")
	second := h.tenant(t, "acme")
	h.out(t, text, "GH-1206") // the name alone gives nobody the link
	_, err = h.tenants.Link(t.Context(), second.ID, l)
	must(t, err)
	b := h.in(t, text)
	if b.Tenant == a.Tenant || b.Tenant != string(second.ID) {
		t.Errorf("got tenant %s for the old one's %s", b.Tenant, a.Tenant)
	}
	late, stop := h.v.Watch(t.Context(), a) // who kept the old answer has nothing of it
	defer stop(nil)
	wantCode(t, context.Cause(late), "GH-1206")
	// A revocation of the old tenant says nothing of the new one.
	h.revoke(t, token.Spec{Target: token.Target{Kind: token.KindTenant, Value: string(first.ID)}})
	h.in(t, text)
}

func TestLinksMove(t *testing.T) {
	h := newHouse(t)
	l := tenant.Link{Issuer: acmeIDP, External: "org_1"}
	acme, bolt := h.tenant(t, "acme", l), h.tenant(t, "bolt")
	text := jwt(t, claims{Org: "org_1", Exp: h.clock().Unix() + 3600})
	unwatched := jwt(t, claims{Sub: "bob", Org: "org_1", Exp: h.clock().Unix() + 3600})
	h.in(t, unwatched)
	a := h.in(t, text)
	watched, stop := h.v.Watch(t.Context(), a)
	defer stop(nil)
	if _, err := h.tenants.Link(t.Context(), bolt.ID, l); !errors.Is(err, tenant.ErrLinked) {
		t.Errorf("got %v, want ErrLinked", err)
	}
	if _, err := h.tenants.Create(t.Context(), "third", l); !errors.Is(err, tenant.ErrLinked) {
		t.Errorf("got %v, want ErrLinked", err)
	}
	must(t, watched.Err())
	_, err := h.tenants.Unlink(t.Context(), acme.ID, l)
	must(t, err)
	wantCode(t, context.Cause(watched), "GH-1206")
	_, err = h.tenants.Link(t.Context(), bolt.ID, l)
	must(t, err)
	for _, one := range []string{text, unwatched} {
		if b := h.in(t, one); b.TenantName != "bolt" {
			t.Errorf("got %s, want bolt", b.TenantName)
		}
	}
	if _, err := h.tenants.Unlink(t.Context(), acme.ID, l); !errors.Is(err, tenant.ErrNotLinked) {
		t.Errorf("got %v, want ErrNotLinked", err)
	}
}

// Each iss of an issuer may have links; if they lead to two tenants, to none.
func TestTwoLinksOfOneIssuerThatDisagree(t *testing.T) {
	h := newHouse(t)
	h.tenant(t, "acme", tenant.Link{Issuer: acmeIDP, External: "org_1"})
	h.tenant(t, "bolt", tenant.Link{Issuer: "https://acme-old.idp.example/", External: "org_1"})
	h.out(t, jwt(t, claims{Org: "org_1", Exp: h.clock().Unix() + 3600}), "GH-1207")
}

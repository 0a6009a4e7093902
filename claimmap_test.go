package gatehouse_test

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse"
)

var claimMaps = map[string]struct {
	m      gatehouse.ClaimMap
	claims string // beside sub
	want   gatehouse.Identity
}{
	"nothing is not empty":       {gatehouse.ClaimMap{}, ``, gatehouse.Identity{}},
	"null is nothing":            {gatehouse.ClaimMap{}, `"scope":null,"roles":null,"groups":null`, gatehouse.Identity{}},
	"empty is not nothing":       {gatehouse.ClaimMap{}, `"scope":"","roles":[],"groups":[]`, gatehouse.Identity{Scopes: []string{}, Roles: []string{}, Groups: []string{}}},
	"scopes as a text":           {gatehouse.ClaimMap{}, `"scope":"a b  a "`, gatehouse.Identity{Scopes: []string{"a", "b"}}},
	"scopes as a list":           {gatehouse.ClaimMap{Scopes: []string{"scp"}}, `"scp":["a","b"]`, gatehouse.Identity{Scopes: []string{"a", "b"}}},
	"scp before scope":           {gatehouse.ClaimMap{Scopes: []string{"scp", "scope"}}, `"scope":"x","scp":"a"`, gatehouse.Identity{Scopes: []string{"a"}}},
	"scope where scp is missing": {gatehouse.ClaimMap{Scopes: []string{"scp", "scope"}}, `"scope":"x"`, gatehouse.Identity{Scopes: []string{"x"}}},
	"an empty list asks nothing": {gatehouse.ClaimMap{Scopes: []string{}, Roles: []string{}}, `"scope":"x","roles":["r"]`, gatehouse.Identity{}},
	"a prefix of Cognito": {gatehouse.ClaimMap{ScopePrefix: []string{"https://r/", "api://x/"}}, `"scope":"openid https://r/read https://r/ api://x/w"`,
		gatehouse.Identity{Scopes: []string{"openid", "read", "https://r/", "w"}}},
	"roles of SCIM": {gatehouse.ClaimMap{}, `"roles":[{"value":"a","display":"A"},"b"]`, gatehouse.Identity{Roles: []string{"a", "b"}}},
	"roles of Keycloak": {
		gatehouse.ClaimMap{Roles: []string{"realm_access.roles", "resource_access.*.roles"}, Drop: []string{"offline_access", "account:*"}},
		`"realm_access":{"roles":["offline_access","editor"]},"resource_access":{"mcp":{"roles":["admin"]},"account":{"roles":["view"]}}`,
		gatehouse.Identity{Roles: []string{"editor", "mcp:admin"}}},
	"roles of ZITADEL": {gatehouse.ClaimMap{Roles: []string{"urn:zitadel:iam:org:project:1:roles.*"}, Tenant: []string{"urn:zitadel:iam:org:project:1:roles.*.*"}},
		`"urn:zitadel:iam:org:project:1:roles":{"editor":{"162":"acme"},"viewer":{"162":"acme"}}`, gatehouse.Identity{Roles: []string{"editor", "viewer"}, Tenant: "162"}},
	"a name that is a URL": {gatehouse.ClaimMap{Roles: []string{"https://acme.com/roles"}, Tenant: []string{"https://stytch.com/organization.organization_id"}},
		`"https://acme.com/roles":["r"],"https://stytch.com/organization":{"organization_id":"o"}`, gatehouse.Identity{Roles: []string{"r"}, Tenant: "o"}},
	"the tenant that a claim names": {gatehouse.ClaimMap{Tenant: []string{"dct"}, Permissions: []string{"tenants.{dct}.permissions"}, Roles: []string{"tenants.{dct}.roles"}},
		`"dct":"T1","tenants":{"T1":{"permissions":["p"],"roles":["r"]},"T2":{"permissions":["q"]}}`,
		gatehouse.Identity{Tenant: "T1", Permissions: []string{"p"}, Roles: []string{"r"}}},
	"no tenant that a claim names": {gatehouse.ClaimMap{Permissions: []string{"tenants.{dct}.permissions"}}, `"tenants":{"T1":{"permissions":["p"]}}`, gatehouse.Identity{}},
	"no star by a claim":           {gatehouse.ClaimMap{Permissions: []string{"tenants.{dct}.permissions"}}, `"dct":"*","tenants":{"T1":{"permissions":["p"]}}`, gatehouse.Identity{}},
	"groups":                       {gatehouse.ClaimMap{Drop: []string{"Every*"}}, `"groups":["a","Everyone"]`, gatehouse.Identity{Groups: []string{"a"}}},
	"groups left out": {gatehouse.ClaimMap{GroupsOmitted: []string{"_claim_names.groups", "hasgroups"}}, `"groups":["a"],"_claim_names":{"groups":"src1"}`,
		gatehouse.Identity{GroupsOmitted: true}},
	"groups not left out": {gatehouse.ClaimMap{GroupsOmitted: []string{"_claim_names.groups", "hasgroups"}}, `"groups":["a"],"hasgroups":false`, gatehouse.Identity{Groups: []string{"a"}}},
	"all paths of roles":  {gatehouse.ClaimMap{Roles: []string{"role", "roles"}}, `"role":"a","roles":["b"]`, gatehouse.Identity{Roles: []string{"a", "b"}}},
	"a tenant in digits":  {gatehouse.ClaimMap{Tenant: []string{"org"}}, `"org":42`, gatehouse.Identity{Tenant: "42"}},
	"a subject of GitHub": {gatehouse.ClaimMap{Subject: []string{"id"}}, `"id":583231`, gatehouse.Identity{Subject: "583231"}},
	"the first tenant":    {gatehouse.ClaimMap{Tenant: []string{"none", "a", "b"}}, `"a":"x","b":"y"`, gatehouse.Identity{Tenant: "x"}},
	"a verified email":    {gatehouse.ClaimMap{Email: []string{"email"}, Name: []string{"name"}}, `"email":"ada@x.org","email_verified":true,"name":"Ada"`, gatehouse.Identity{Email: "ada@x.org", Name: "Ada"}},
	"an unverified email": {gatehouse.ClaimMap{Email: []string{"email"}}, `"email":"ada@x.org","email_verified":false`, gatehouse.Identity{}},
	"a text of true":      {gatehouse.ClaimMap{Email: []string{"email"}}, `"email":"ada@x.org","email_verified":"true"`, gatehouse.Identity{}},
	"a one for true":      {gatehouse.ClaimMap{Email: []string{"email"}}, `"email":"ada@x.org","email_verified":1`, gatehouse.Identity{}},
	"two addresses":       {gatehouse.ClaimMap{Email: []string{"email"}}, `"email":"a@x.org,b@evil.example","email_verified":true`, gatehouse.Identity{}},
	"two ats":             {gatehouse.ClaimMap{Email: []string{"email"}}, `"email":"a@evil@x.org","email_verified":true`, gatehouse.Identity{}},
	"a name to show":      {gatehouse.ClaimMap{Name: []string{"name"}}, `"name":"A\u001b[31m"`, gatehouse.Identity{}},
	"a client":            {gatehouse.ClaimMap{Client: []string{"client_id", "azp"}}, `"azp":"app"`, gatehouse.Identity{Client: "app"}},
	"a service by rule":   {gatehouse.ClaimMap{Service: []gatehouse.ClaimRule{{Claim: "idtyp", Equals: "app"}}}, `"idtyp":"app"`, gatehouse.Identity{Kind: gatehouse.KindService}},
	"a user by rule":      {gatehouse.ClaimMap{Service: []gatehouse.ClaimRule{{Claim: "idtyp", Equals: "app"}}}, `"idtyp":"user"`, gatehouse.Identity{Kind: gatehouse.KindUser}},
	"a service by itself": {gatehouse.ClaimMap{}, `"client_id":"ada"`, gatehouse.Identity{Kind: gatehouse.KindService, Client: "ada"}},
}

func TestClaimMapReadsRights(t *testing.T) {
	for name, tt := range claimMaps {
		t.Run(name, func(t *testing.T) {
			claims := `{"sub":"ada"`
			if tt.claims != "" {
				claims += "," + tt.claims
			}
			claims += "}"
			id, err := tt.m.Identity([]byte(claims))
			if err != nil {
				t.Fatal(errors.Unwrap(err))
			}
			tt.want.Subject, tt.want.Claims = cmp.Or(tt.want.Subject, "ada"), []byte(claims)
			if !reflect.DeepEqual(*id, tt.want) {
				t.Errorf("got %+v\nwant %+v", *id, tt.want)
			}
		})
	}
}

// listOf is a JSON list of the same text so many times.
func listOf(n int, item string) string { return `["` + strings.Repeat(item+`","`, n-1) + item + `"]` }

var unclearClaims = map[string]string{
	"no subject":               `{"scope":"a"}`,
	"an empty subject":         `{"sub":""}`,
	"a subject that is null":   `{"sub":null}`,
	"a subject as a list":      `{"sub":["ada"]}`,
	"a subject in digits":      `{"sub":1}`,
	"a subject in fractions":   `{"sub":1.5}`,
	"a subject as an exponent": `{"sub":1e3}`,
	"a negative subject":       `{"sub":-1}`,
	"a subject of true":        `{"sub":true}`,
	"a long subject":           `{"sub":"` + strings.Repeat("x", 513) + `"}`,
	"a line end in a subject":  `{"sub":"ada\nroot"}`,
	"a NUL in a subject":       `{"sub":"ada\u0000"}`,
	"a subject from the right": `{"sub":"\u202eada"}`,
	"a client as a list":       `{"sub":"ada","azp":["x"]}`,
	"two tenants":              `{"sub":"ada","orgs":{"a":{"id":"1"},"b":{"id":"2"}}}`,
	"scopes as a number":       `{"sub":"ada","scope":1}`,
	"scopes as an object":      `{"sub":"ada","scope":{"a":true}}`,
	"a number among scopes":    `{"sub":"ada","scope":["a",1]}`,
	"a scope with a blank":     `{"sub":"ada","scope":["a b"]}`,
	"an empty scope":           `{"sub":"ada","scope":[""]}`,
	"a tab in a scope":         `{"sub":"ada","scope":"a\tb"}`,
	"a long scope":             `{"sub":"ada","scope":"` + strings.Repeat("x", 513) + `"}`,
	"too many scopes":          `{"sub":"ada","scope":` + listOf(1025, "x") + `}`,
	"a true role":              `{"sub":"ada","roles":true}`,
	"a number among roles":     `{"sub":"ada","roles":["a",1]}`,
	"a role without value":     `{"sub":"ada","roles":[{"display":"A"}]}`,
	"an empty role":            `{"sub":"ada","roles":[""]}`,
	"an object of roles":       `{"sub":"ada","roles":{"a":{}}}`,
	"too many roles":           `{"sub":"ada","roles":` + listOf(1000, "x") + `,"access":{"a":{"roles":` + listOf(25, "y") + `}}}`,
	"a long role by its name":  `{"sub":"ada","access":{"` + strings.Repeat("x", 511) + `":{"roles":["r"]}}}`,
	"a number of groups":       `{"sub":"ada","groups":7}`,
	"permissions as an object": `{"sub":"ada","permissions":{}}`,
	"jti as a number":          `{"sub":"ada","jti":7}`,
	"a long jti":               `{"sub":"ada","jti":"` + strings.Repeat("x", 513) + `"}`,
	"jti with a line end":      `{"sub":"ada","jti":"a\nb"}`,
	"auth_time as a text":      `{"sub":"ada","auth_time":"1"}`,
	"auth_time without end":    `{"sub":"ada","auth_time":1e30}`,
	"auth_time before time":    `{"sub":"ada","auth_time":-1}`,
	"act as a text":            `{"sub":"ada","act":"x"}`,
	"act of nobody":            `{"sub":"ada","act":{}}`,
	"act of a line end":        `{"sub":"ada","act":{"sub":"a\nb"}}`,
	"act of a long name":       `{"sub":"ada","act":{"sub":"` + strings.Repeat("x", 2049) + `"}}`,
	"a subject of 21 digits":   `{"sub":` + strings.Repeat("9", 21) + `}`,
	"a role with a line end":   `{"sub":"ada","roles":["a\nb"]}`,
	"too many words of scope":  `{"sub":"ada","scope":"` + strings.Repeat("x ", 1025) + `"}`,
	"act twice spelled":        `{"sub":"ada","act":{"sub":"a","Sub":"b"}}`,
	"a long chain":             `{"sub":"ada","act":` + strings.Repeat(`{"sub":"a","act":`, 9) + `null` + strings.Repeat("}", 9) + `}`,
}

func TestClaimMapRefusesWhatIsNotClear(t *testing.T) {
	full := gatehouse.ClaimMap{
		Client: []string{"azp"}, Tenant: []string{"orgs.*.id"}, Permissions: []string{"permissions"}, Roles: []string{"roles", "access.*.roles"},
	}
	for name, claims := range unclearClaims {
		t.Run(name, func(t *testing.T) {
			id, err := full.Identity([]byte(claims))
			refusedAs(t, id, err, "GH-1117")
		})
	}
	for _, claims := range []string{``, `[]`, `{"sub":"a","sub":"b"}`, `{"sub":"a","Sub":"b"}`} {
		id, err := full.Identity([]byte(claims))
		refusedAs(t, id, err, "GH-1101")
	}
	counted := gatehouse.ClaimMap{Subject: []string{"id"}}
	for _, id := range []string{`1.5`, `-1`, `1e3`, `true`, `[1]`, `{"a":1}`, strings.Repeat("9", 21)} {
		who, err := counted.Identity([]byte(`{"id":` + id + `}`))
		refusedAs(t, who, err, "GH-1117")
	}
	bad := gatehouse.ClaimMap{Groups: []string{""}}
	if id, err := bad.Identity([]byte(`{"sub":"ada"}`)); err == nil || id != nil || !strings.Contains(err.Error(), "ClaimMap.Groups") {
		t.Errorf("got %v, %v, want the field named", id, err)
	}
}

func TestPatternsOfWhatSaysNothing(t *testing.T) {
	for _, tt := range []struct {
		pattern, s string
		want       bool
	}{
		{"a", "a", true}, {"a", "ab", false}, {"a*", "ab", true}, {"*b", "ab", true}, {"*", "", true}, {"a*c", "abc", true}, {"a*c", "abd", false}, {"a*a", "a", false},
		{"default-roles-*", "default-roles-acme", true}, {"*x*", "axb", true}, {"*x*", "ab", false}, {"a*b*c", "a1b2c", true}, {"a*b*c", "a1c2b", false}, {"**", "x", true},
	} {
		if got := gatehouse.Like(tt.pattern, tt.s); got != tt.want {
			t.Errorf("%s, %s: got %v, want %v", tt.pattern, tt.s, got, tt.want)
		}
	}
}

func ExampleClaimMap() {
	keycloak := gatehouse.ClaimMap{
		Client: []string{"azp"},
		Roles:  []string{"realm_access.roles", "resource_access.*.roles"},
		Drop:   []string{"offline_access", "account:*"},
	}
	id, err := keycloak.Identity([]byte(`{
		"iss": "https://sso.example.com/realms/acme", "sub": "f3b0", "azp": "app", "scope": "openid tools:read",
		"realm_access": {"roles": ["offline_access", "editor"]},
		"resource_access": {"crm": {"roles": ["admin"]}}
	}`))
	fmt.Println(id.Subject, id.Client, id.Scopes, id.Roles, err)
	// Output: f3b0 app [openid tools:read] [editor crm:admin] <nil>
}

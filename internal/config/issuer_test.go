package config

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/idp"
)

// issuers is a file of which the issuers are to be judged.
func issuers(s string) string { return "version: 1\n" + one + allow + "auth: {issuers: [" + s + "]}\n" }

const auth0Short = "{preset: auth0, domain: acme.us.auth0.com}"

func TestPresetIsExpandedWithOrigins(t *testing.T) {
	c := parsed(t, issuers("{preset: auth0, domain: acme.us.auth0.com, claims: {roles: 'https://acme.com/roles'}, clock_skew: 30s}"), outside)
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	got := c.Auth.Issuers[0]
	want := Issuer{
		Name: "auth0", Preset: "auth0", Params: map[string]string{"domain": "acme.us.auth0.com"},
		Issuer: "https://acme.us.auth0.com/", Keys: IssuerKeys{From: KeysDiscovery, Refresh: 10 * time.Minute, MaxStale: 24 * time.Hour},
		Algorithms: []string{"RS256", "PS256"}, TokenTypes: []string{"at+jwt", "JWT"}, Audience: Audience{Mode: AudienceExact, Values: []string{idp.Resource}},
		ClockSkew: 30 * time.Second, DPoP: BoundAccepted, MTLS: BoundAccepted, Advertise: true,
		Claims: Claims{
			Subject: []string{"sub"}, Client: []string{"client_id", "azp"}, Tenant: []string{"org_id"}, Scopes: []string{"scope"},
			Name: []string{"name", "preferred_username"}, Email: []string{"email"}, Permissions: []string{"permissions"}, Roles: []string{"https://acme.com/roles"},
			Service: []ClaimTest{{Claim: "gty", Equals: "client-credentials"}},
		},
		RejectIf: []ClaimTest{{Claim: "gty", Equals: "password"}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	origins := map[string]string{}
	for _, s := range c.Settings() {
		origins[s.Path] = s.Origin + " " + s.Text()
	}
	for path, want := range map[string]string{
		"auth.issuers[auth0].issuer":                   "preset auth0 https://acme.us.auth0.com/",
		"auth.issuers[auth0].domain":                   "f:4:",
		"auth.issuers[auth0].algorithms":               "preset auth0 [RS256, PS256]",
		"auth.issuers[auth0].claims.roles":             "f:4:",
		"auth.issuers[auth0].claims.service[0].equals": "preset auth0 client-credentials",
		"auth.issuers[auth0].clock_skew":               "f:4:",
		"auth.issuers[auth0].keys.from":                "default discovery",
		"auth.issuers[auth0].audience.values":          `preset auth0 ["{resource}"]`,
		"auth.issuers[auth0].name":                     "default auth0",
	} {
		if !strings.HasPrefix(strings.Replace(origins[path], "f:4 ", "f:4: ", 1), want) {
			t.Errorf("%s: got %q, want %q", path, origins[path], want)
		}
	}
	c.Complete()
	if !reflect.DeepEqual(c.Auth.Issuers[0], want) {
		t.Error("completing again changes something")
	}
}

func TestEveryFieldOfAPresetCanBeOverridden(t *testing.T) {
	c := parsed(t, issuers(`{name: own, preset: cognito, region: us-east-1, user_pool: us-east-1_A, audience_mode: client, clients: [a], issuer: "https://login.acme.com",
  keys: {file: jwks.json}, algorithms: ES256, token_types: [at+jwt], claims: {subject: uid, groups: teams}, require: {claim: x}, advertise: false}`), outside)
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	u := c.Auth.Issuers[0]
	if u.Issuer != "https://login.acme.com" || u.Keys.From != KeysFile || u.Keys.File != "jwks.json" || !slices.Equal(u.Algorithms, []string{"ES256"}) ||
		!slices.Equal(u.Claims.Subject, []string{"uid"}) || !slices.Equal(u.Claims.Groups, []string{"teams"}) || !slices.Equal(u.Require, []ClaimTest{{Claim: "x"}}) ||
		u.Advertise || u.Audience.Mode != AudienceClient || u.Audience.Values != nil {
		t.Errorf("got %+v", u)
	}
	short := parsed(t, issuers("{preset: clerk, frontend_api: clerk.acme.com, audience: [one, two]}"), outside)
	if a := short.Auth.Issuers[0].Audience; a.Mode != AudienceExact || !slices.Equal(a.Values, []string{"one", "two"}) {
		t.Errorf("values alone: got %+v, want them compared exactly", a)
	}
	hydra := parsed(t, issuers("{preset: hydra, issuer: 'https://auth.acme.com/', admin_url: 'http://127.0.0.1:4445/', private: 127.0.0.1}"), outside)
	if i := hydra.Auth.Issuers[0].Introspect; i == nil || i.URL != "http://127.0.0.1:4445/admin/oauth2/introspect" || i.CacheFor != MaxCacheFor {
		t.Errorf("introspection of Hydra: got %+v", i)
	}
	if i := parsed(t, issuers("{preset: clerk, frontend_api: c.acme.com, clients: any}"), outside).Auth.Issuers[0].Introspect; i != nil {
		t.Errorf("Clerk is asked without a client: %+v", i)
	}
}

// refusedIssuers are issuers, and what is said of them.
var refusedIssuers = []struct{ name, issuer, want string }{
	{"an unknown preset", "{preset: auht0, domain: x}", `"auht0" is not`},
	{"an unknown preset, with its neighbour", "{preset: aut0, domain: x}", `Did you mean "auth0"?`},
	{"a parameter that is missing", "{preset: auth0}", "auth.issuers[0].domain is missing: The tenant's domain, or its custom domain. For example: domain: acme.us.auth0.com"},
	{"a parameter of another preset", "{preset: auth0, domain: a.example, realm_url: 'https://x/realms/y'}", "f:4:64: auth.issuers[0].realm_url is not a parameter of auth0, which has domain"},
	{"a misspelt parameter", "{preset: auth0, domian: a.example}", `unknown key "domian" under auth.issuers[0]. Did you mean "domain"?`},
	{"a URL for a host", "{preset: auth0, domain: 'https://acme.us.auth0.com/'}", "write the host alone: acme.us.auth0.com"},
	{"an Auth0 issuer without its slash", "{preset: auth0, domain: a.example, issuer: 'https://a.example'}", `Auth0's issuers end with "/"`},
	{"Okta without authorization server", "{preset: okta, domain: acme.okta.com}", "nobody else can verify them. Make a custom one"},
	{"Okta's org", "{preset: okta, domain: acme.okta.com, authorization_server: org}", "is the org's own authorization server"},
	{"everybody's Entra", "{preset: entra, tenant: common, app_id: 835f09b6-0f0f-40cc-85cb-f32c5829a149}", `auth.issuers[0].tenant "common" stands for many tenants`},
	{"all organizations' Entra", "{preset: entra, tenant: organizations, app_id: 835f09b6-0f0f-40cc-85cb-f32c5829a149}", "stands for many tenants"},
	{"an Entra tenant by name", "{preset: entra, tenant: acme, app_id: 835f09b6-0f0f-40cc-85cb-f32c5829a149}", `"acme" is not a GUID`},
	{"Google", "{preset: google}", "belong to a Google client, not to this server, so they cannot be accepted directly. Use broker mode"},
	{"GitHub", "{preset: github}", "bound to an app of GitHub"},
	{"Dex", "{preset: dex, issuer: 'https://dex.acme.com/dex'}", "Or say direct: true and client_id"},
	{"Supabase without a choice", "{preset: supabase, project_url: 'https://a.supabase.co'}", `auth.issuers[0].audience_mode is missing: aud is "authenticated"`},
	{"Supabase with a choice and no clients", "{preset: supabase, project_url: 'https://a.supabase.co', audience_mode: issuer_and_client}", "auth.issuers[0].clients is missing: nothing in a token says that it is for us"},
	{"Clerk without clients", "{preset: clerk, frontend_api: clerk.acme.com}", "auth.issuers[0].clients is missing"},
	{"any among others", "{preset: clerk, frontend_api: clerk.acme.com, clients: [any, a]}", "lists any among others"},
	{"no issuer", "{name: a}", "auth.issuers[0].issuer is missing"},
	{"an issuer over plain HTTP", "{issuer: 'http://login.acme.com'}", "say private: [login.acme.com]"},
	{"an issuer with a query", "{issuer: 'https://login.acme.com/?a=b'}", "has a query"},
	{"an issuer with a fragment", "{issuer: 'https://login.acme.com/#a'}", "has a fragment"},
	{"an issuer with a password", "{issuer: 'https://a:b@login.acme.com'}", "carries a user name or password"},
	{"HMAC", "{issuer: 'https://a.example', algorithms: [HS256]}", `"HS256" is a shared secret`},
	{"no signature", "{issuer: 'https://a.example', algorithms: [none]}", `"none" is no signature`},
	{"an unknown algorithm", "{issuer: 'https://a.example', algorithms: [RS255]}", `Did you mean "RS256"?`},
	{"two of one name", auth0Short + ", {preset: auth0, domain: b.us.auth0.com}", `auth.issuers[1].name "auth0" appears twice`},
	{"two of one issuer", auth0Short + ", {name: b, preset: auth0, domain: acme.us.auth0.com, audience: other}", `is that of "auth0" already. One issuer has one entry`},
	{"two of one issuer, by another name of it", "{issuer: 'https://a.example'}, {name: b, issuer: 'https://b.example', also_issuer: 'https://a.example'}", `is that of "oidc" already`},
	{"a long skew", "{issuer: 'https://a.example', clock_skew: 5m}", "is more than 1m0s"},
	{"a long memory of answers", "{issuer: 'https://a.example', introspection: {url: 'https://a.example/i', cache_for: 1m}}", "is more than 30s"},
	{"half a client", "{issuer: 'https://a.example', introspection: {url: 'https://a.example/i', client_id: a}}", "both client_id and client_secret"},
	{"a literal secret", "{issuer: 'https://a.example', introspection: {url: 'https://a.example/i', client_id: a, client_secret: b}}", "is a secret, and a file is copied"},
	{"introspection nowhere", "{issuer: 'https://a.example', introspection: {client_id: a, client_secret: '${TOKEN}'}}", "introspection.url is missing"},
	{"keys in two places", "{issuer: 'https://a.example', keys: {url: 'https://a.example/k', file: k}}", "keys come from one"},
	{"keys nowhere", "{issuer: 'https://a.example', keys: {from: file}}", "keys.file is missing"},
	{"keys over plain HTTP", "{issuer: 'https://a.example', keys: {url: 'http://a.example/k'}}", "is plain HTTP"},
	{"keys that are stale before they are fresh", "{issuer: 'https://a.example', keys: {refresh: 1h, max_stale: 1m}}", "is shorter than refresh"},
	{"a path into nothing", "{issuer: 'https://a.example', claims: {roles: [a..b]}}", "empty name"},
	{"a path to everything", "{issuer: 'https://a.example', claims: {roles: '*'}}", "every claim there is"},
	{"values that are not looked at", "{issuer: 'https://a.example', clients: [a], audience: {mode: none, values: [x]}}", "are not looked at"},
	{"everything private", "{issuer: 'https://a.example', private: [0.0.0.0/0]}", "is everything"},
	{"a tenant that cannot be", "{issuer: 'https://a.example', bind_tenant: ACME}", "is not the name of a tenant"},
	{"an audience of nothing", "{issuer: 'https://a.example', audience: '*'}", "is no audience"},
}

// TestOneMistakeInAnIssuerIsSaidOnce: what only follows from it would send people elsewhere.
func TestOneMistakeInAnIssuerIsSaidOnce(t *testing.T) {
	for _, issuer := range []string{"{preset: autho, domain: acme.us.auth0.com}", "{preset: auth0}"} {
		if all := verdict(t, issuers(issuer)); len(all) != 1 {
			t.Errorf("%s: got %v, want one mistake", issuer, all)
		}
	}
}

func TestA051IssuersThatSayTooLittleAreRefused(t *testing.T) {
	for _, tt := range refusedIssuers {
		t.Run(tt.name, func(t *testing.T) {
			var said []string
			for _, m := range verdict(t, issuers(tt.issuer)) {
				said = append(said, m.Code+" "+m.Error())
				if m.Line == 0 {
					t.Errorf("no place: %v", m)
				}
			}
			if all := strings.Join(said, "\n"); !strings.Contains(all, tt.want) {
				t.Errorf("got %q, want it to contain %q", all, tt.want)
			}
			if len(said) > 2 {
				t.Errorf("one mistake is said as %d: %q", len(said), said)
			}
		})
	}
}

func TestIssuersAloneLetPeopleIn(t *testing.T) {
	if all := verdict(t, issuers(auth0Short)); len(all) > 0 {
		t.Errorf("got %v, want it accepted", all)
	}
}

func TestWarningsOfIssuers(t *testing.T) {
	tests := []struct{ name, issuer, want string }{
		{"a token for us", auth0Short, ""},
		{"clients by name", "{preset: clerk, frontend_api: c.acme.com, clients: [a]}", "audience.mode is none: nothing in a token of Clerk says which server it is for"},
		{"any client", "{preset: clerk, frontend_api: c.acme.com, clients: any}", "clients is any: a token that anybody's client got from clerk works here"},
		{"Supabase's one audience", "{preset: supabase, project_url: 'https://a.supabase.co', audience_mode: issuer_and_client, clients: [a]}", "the same for every application of the project"},
		{"Supabase with its hook", "{preset: supabase, project_url: 'https://a.supabase.co', audience_mode: resource}", ""},
		{"that audience by hand", "{preset: supabase, project_url: 'https://a.supabase.co', audience_mode: resource, audience: ['{resource}', authenticated]}", `has "authenticated"`},
		{"Okta's default server", "{preset: okta, domain: a.okta.com, authorization_server: default, audience: ['{resource}', 'api://default']}", "every application of the org can ask"},
		{"a project", "{preset: zitadel, issuer: 'https://a.zitadel.cloud', project_id: '1'}", "audience.values has 1: aud is a project of Zitadel"},
		{"Dex, meant", "{preset: dex, issuer: 'https://a.example/dex', direct: true, client_id: a}", "aud is a client of Dex"},
		{"a client of authentik", "{preset: authentik, issuer: 'https://a.example/application/o/m/', client_id: a}", "has a: aud is a client of authentik"},
		{"a second audience", "{preset: cognito, region: r, user_pool: p, audience: ['{resource}', 'https://api.example']}", ""},
		{"an app of its own", "{preset: entra, tenant: 08541b6e-646d-43de-a0eb-834e6713d6d5, app_id: 835f09b6-0f0f-40cc-85cb-f32c5829a149}", ""},
		{"old keys", "{issuer: 'https://a.example', keys: {max_stale: 30d}}", "is 30 days"},
		{"plain HTTP", "{issuer: 'http://127.0.0.1:1', private: [127.0.0.1]}", "by plain HTTP"},
		{"a wide network", "{issuer: 'https://a.example', private: [10.0.0.0/8]}", "is a wide network"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := parsed(t, issuers(tt.issuer), outside)
			if err := c.Check(); err != nil {
				t.Fatal(err)
			}
			got := c.Weakened()
			if tt.want == "" && len(got) == 0 {
				return
			}
			if len(got) != 1 || tt.want == "" || !strings.Contains(got[0], tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestTenantsAndScopes(t *testing.T) {
	c := parsed(t, base+"tenants: {resolve: [api_key, {claim: org_id}, claim]}\n", outside)
	if !c.Tenants.Require || c.Tenants.Resolve[1] != (TenantSource{TenantClaim, "org_id"}) {
		t.Errorf("got %+v", c.Tenants)
	}
	if c = parsed(t, base+"tenants: {resolve: api_key, require: false}\n", outside); c.Tenants.Require {
		t.Error("require: false is not obeyed")
	}
	c = parsed(t, base+"scopes: {'notes:read': Read, 'notes:write': {title: Write, includes: ['notes:read'], default: true}}\n", outside)
	if want := []Scope{{Name: "notes:read", Title: "Read"}, {Name: "notes:write", Title: "Write", Default: true, Includes: []string{"notes:read"}}}; !reflect.DeepEqual(c.Scopes, want) {
		t.Errorf("got %+v", c.Scopes)
	}
	for text, want := range map[string]string{
		"tenants: {resolve: [apikey]}":                                    `"apikey" is not api_key, claim, issuer or host. Did you mean "api_key"?`,
		"tenants: {resolve: [api_key, api_key]}":                          "says api_key twice",
		"tenants: {resolve: [host]}":                                      "no server names just one tenant",
		"tenants: {resolve: [issuer]}":                                    "no issuer has bind_tenant",
		"tenants: {resolve: [{from: host, claim: x}]}":                    "has a meaning only with from: claim",
		"tenants: {isolation: {upstream_by_tenant: {ACME: 'http://h/'}}}": "is not the name of a tenant",
		"tenants: {isolation: {upstream_by_tenant: {acme: 'ftp://h/'}}}":  "tenants.isolation.upstream_by_tenant.acme needs to begin with http",
		"tenants: {attributes: {acme: {name: x}}}":                        "is the tenant's own name",
		"tenants: {attributes: {acme: {Root: x}}}":                        "is not the name of an attribute",
		"tenants: {attributes: {acme: x}}":                                "needs to be a mapping",
		"scopes: {a: {includes: [b]}}":                                    `there is no scope "b"`,
		"scopes: {a: {includes: [b]}, b: {includes: [a]}}":                "leads back to a",
		"scopes: {'a b': x}":                                              "is not the name of a scope",
		"scopes: {offline_access: {default: true}}":                       "a resource does not ask for refresh tokens",
		"scopes: {a: {titel: x}}":                                         `Did you mean "title"?`,
	} {
		var said []string
		for _, m := range verdict(t, base+text+"\n") {
			said = append(said, m.Error())
		}
		if all := strings.Join(said, "\n"); !strings.Contains(all, want) {
			t.Errorf("%s: got %q, want %q", text, all, want)
		}
	}
}

package federation

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// reading is a provider of settings that is never asked.
func reading(t *testing.T, preset string, params map[string]string, issuer string) *OIDC {
	t.Helper()
	s := &Settings{Name: "login", House: "Acme", Preset: preset, Params: params, Issuer: issuer, ClientID: "id", ClientSecret: "s", Allow: Allow{Everyone: true}}
	p, err := Open(s)
	if err != nil {
		t.Fatal(err)
	}
	o, ok := p.(*OIDC)
	if !ok {
		t.Fatalf("%s is no OpenID provider", preset)
	}
	return o
}

const tenantOfEntra = "08541b6e-646d-43de-a0eb-834e6713d6d5"

// readings are ID tokens as the providers' documentation has them, and who that is.
var readings = []struct {
	name, preset, issuer string
	params               map[string]string
	claims               string
	want                 Profile
	refused              string // part of the refusal's cause; empty: it is none
}{
	{
		name: "Google's Workspace", preset: "google",
		claims: `{"iss":"https://accounts.google.com","sub":"110169484474386276334","hd":"Acme.com","email":"ada@acme.com","email_verified":true,"name":"Ada"}`,
		want:   Profile{Subject: "110169484474386276334", Tenant: "Acme.com", Domain: "acme.com", Email: "ada@acme.com", Name: "Ada", Vouched: true},
	},
	{
		name: "a private account with an address of the company", preset: "google",
		claims: `{"sub":"1","email":"ada@acme.com","email_verified":true}`,
		want:   Profile{Subject: "1", Email: "ada@acme.com"},
	},
	{
		name: "Gmail, which Google gives out itself", preset: "google",
		claims: `{"sub":"1","email":"ada@gmail.com","email_verified":true}`,
		want:   Profile{Subject: "1", Email: "ada@gmail.com", Vouched: true},
	},
	{name: "an address that Google has not verified", preset: "google", claims: `{"sub":"1","hd":"acme.com","email":"ada@acme.com","email_verified":false}`, refused: "email_verified=true"},
	{name: "another Workspace", preset: "google", params: map[string]string{"hosted_domain": "acme.com"}, claims: `{"sub":"1","hd":"evil.example","email":"ada@acme.com","email_verified":true}`, refused: "hd=acme.com"},
	{name: "no Workspace", preset: "google", params: map[string]string{"hosted_domain": "acme.com"}, claims: `{"sub":"1","email":"ada@acme.com","email_verified":true}`, refused: "hd=acme.com"},
	{
		name: "Entra", preset: "entra", params: map[string]string{"tenant": tenantOfEntra},
		claims: `{"sub":"pairwise","oid":"690222be-ff1a-4d56-abd1-7e4f7d38e474","tid":"` + tenantOfEntra + `","email":"ada@acme.com","preferred_username":"ada@acme.com","name":"Ada","roles":["Mcp.Operator"],"groups":["g1"]}`,
		want:   Profile{Subject: "690222be-ff1a-4d56-abd1-7e4f7d38e474", Tenant: tenantOfEntra, Name: "Ada", Username: "ada@acme.com", Roles: []string{"Mcp.Operator"}, Groups: []string{"g1"}},
	},
	{
		name: "Entra, of a domain that the directory has proven", preset: "entra", params: map[string]string{"tenant": tenantOfEntra},
		claims: `{"oid":"o","tid":"` + tenantOfEntra + `","email":"ada@acme.com","xms_edov":true}`,
		want:   Profile{Subject: "o", Tenant: tenantOfEntra, Email: "ada@acme.com", Domain: "acme.com"},
	},
	{
		name: "Entra, of one that it has not", preset: "entra", params: map[string]string{"tenant": tenantOfEntra},
		claims: `{"oid":"o","tid":"` + tenantOfEntra + `","email":"ada@acme.com","xms_edov":false}`,
		want:   Profile{Subject: "o", Tenant: tenantOfEntra},
	},
	{
		name: "Entra, in too many groups", preset: "entra", params: map[string]string{"tenant": tenantOfEntra},
		claims: `{"oid":"o","tid":"` + tenantOfEntra + `","_claim_names":{"groups":"src1"},"_claim_sources":{"src1":{"endpoint":"https://graph.windows.net/x"}}}`,
		want:   Profile{Subject: "o", Tenant: tenantOfEntra, GroupsOmitted: true},
	},
	{name: "Entra, of another directory", preset: "entra", params: map[string]string{"tenant": tenantOfEntra}, claims: `{"oid":"o","tid":"another"}`, refused: "tid=" + tenantOfEntra},
	{name: "Entra, without oid", preset: "entra", params: map[string]string{"tenant": tenantOfEntra}, claims: `{"sub":"pairwise","tid":"` + tenantOfEntra + `"}`, refused: "no subject"},
	{
		name: "Okta", preset: "okta", params: map[string]string{"domain": "acme.okta.com"},
		claims: `{"sub":"00uid4BxXw6I6TV4m0g3","email":"ada@acme.com","email_verified":true,"groups":["mcp-users","Everyone"]}`,
		want:   Profile{Subject: "00uid4BxXw6I6TV4m0g3", Email: "ada@acme.com", Domain: "acme.com", Groups: []string{"mcp-users", "Everyone"}},
	},
	{name: "Auth0, of another organization", preset: "auth0", params: map[string]string{"domain": "acme.us.auth0.com", "organization": "org_1"}, claims: `{"sub":"auth0|1","org_id":"org_2"}`, refused: "org_id=org_1"},
	{
		name: "Auth0, with roles of an Action", preset: "auth0", params: map[string]string{"domain": "acme.us.auth0.com", "roles_claim": "https://acme.com/roles"},
		claims: `{"sub":"auth0|1","org_id":"org_2","https://acme.com/roles":["editor"]}`,
		want:   Profile{Subject: "auth0|1", Tenant: "org_2", Roles: []string{"editor"}},
	},
	{
		name: "Keycloak", preset: "keycloak", params: map[string]string{"realm_url": "https://sso.acme.com/realms/acme"},
		claims: `{"sub":"f3b0","preferred_username":"ada","realm_access":{"roles":["offline_access","editor","default-roles-acme"]},"resource_access":{"mcp":{"roles":["admin"]},"account":{"roles":["x"]}},"groups":["/eng"]}`,
		want:   Profile{Subject: "f3b0", Tenant: "acme", Name: "ada", Username: "ada", Roles: []string{"editor", "mcp:admin"}, Groups: []string{"/eng"}},
	},
	{
		name: "Cognito", preset: "cognito", params: map[string]string{"region": "us-east-1", "user_pool": "us-east-1_Abc123"},
		claims: `{"sub":"aaaa","cognito:groups":["editors"],"cognito:username":"ada","email":"ada@acme.com","email_verified":true,"token_use":"id"}`,
		want:   Profile{Subject: "aaaa", Name: "ada", Email: "ada@acme.com", Domain: "acme.com", Groups: []string{"editors"}},
	},
	{
		name: "Zitadel, of our project alone", preset: "zitadel", issuer: "https://acme.zitadel.cloud", params: map[string]string{"project_id": "1"},
		claims: `{"sub":"163","urn:zitadel:iam:user:resourceowner:id":"org1","urn:zitadel:iam:org:project:1:roles":{"editor":{"org1":"acme.zitadel.cloud"}},"urn:zitadel:iam:org:project:2:roles":{"admin":{"org1":"x"}}}`,
		want:   Profile{Subject: "163", Tenant: "org1", Roles: []string{"editor"}},
	},
	{
		name: "Dex", preset: "dex", issuer: "https://dex.acme.com/dex",
		claims: `{"sub":"CgEx","groups":["eng"],"federated_claims":{"connector_id":"github"},"email":"ada@acme.com","email_verified":true}`,
		want:   Profile{Subject: "CgEx", Tenant: "github", Email: "ada@acme.com", Domain: "acme.com", Groups: []string{"eng"}},
	},
}

func TestPresetsReadPeople(t *testing.T) {
	for _, tt := range readings {
		t.Run(tt.name, func(t *testing.T) {
			o := reading(t, tt.preset, tt.params, tt.issuer)
			claims, err := readClaims([]byte(tt.claims))
			if err != nil {
				t.Fatal(err)
			}
			got, err := o.read(claims, object(claims))
			var r *Refusal
			if tt.refused != "" {
				if got != nil || !errors.As(err, &r) || !strings.Contains(r.Error(), tt.refused) {
					t.Errorf("got %+v, %v, want a refusal for %s", got, err, tt.refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			w := tt.want
			if got.Subject != w.Subject || got.Tenant != w.Tenant || got.Name != w.Name || got.Username != w.Username || got.Email != w.Email || got.Domain != w.Domain ||
				got.Vouched != w.Vouched || got.GroupsOmitted != w.GroupsOmitted || !slices.Equal(got.Groups, w.Groups) || !slices.Equal(got.Roles, w.Roles) || got.Issuer != o.login.Issuer {
				t.Errorf("got %+v\nwant %+v", got, w)
			}
		})
	}
}

// What userinfo says of a Workspace does not count: hd is a claim of the ID token.
func TestDomainsAreSigned(t *testing.T) {
	o := reading(t, "google", nil, "")
	signed, err := readClaims([]byte(`{"sub":"1","email":"ada@acme.com","email_verified":true}`))
	if err != nil {
		t.Fatal(err)
	}
	more, err := readClaims([]byte(`{"sub":"1","hd":"acme.com"}`))
	if err != nil {
		t.Fatal(err)
	}
	if who, err := o.read(merge(signed, more), object(signed)); err != nil || who.Domain != "" || who.Vouched {
		t.Errorf("got %+v, %v", who, err)
	}
}

// A provider that anybody can have an account at admits nobody without a list,
// whatever let it be opened so.
func TestNobodyIsAdmittedByAnEmptyList(t *testing.T) {
	o := reading(t, "google", nil, "")
	o.settings.Allow = Allow{}
	if err := o.Admit(&Profile{Subject: "1", Email: "eve@gmail.com", Domain: "gmail.com"}); err == nil {
		t.Error("they are admitted")
	}
}

func TestScopesAreAskedFor(t *testing.T) {
	o := reading(t, "entra", map[string]string{"tenant": tenantOfEntra, "app_id": "835f09b6-0f0f-40cc-85cb-f32c5829a149"}, "")
	o.settings.Scopes, o.settings.KeepTokens = []string{"mcp.read", "openid", "api://other/x"}, true
	want := []string{"openid", "profile", "email", "offline_access", "api://835f09b6-0f0f-40cc-85cb-f32c5829a149/mcp.read", "api://other/x"}
	if got := o.scopes(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	g := reading(t, "google", map[string]string{"hosted_domain": "acme.com"}, "")
	g.settings.KeepTokens = true
	if p := g.parameters("", true); p["access_type"] != "offline" || p["prompt"] != "select_account consent" || p["hd"] != "acme.com" || p["login_hint"] != "" {
		t.Errorf("got %v", p)
	}
	if p := g.parameters(`x"><script>@acme.com`, false); p["login_hint"] != "" {
		t.Errorf("got %v", p)
	}
}

func TestGitHubsInterfaceIsFound(t *testing.T) {
	for issuer, want := range map[string]string{
		"https://github.com": "https://api.github.com", "https://acme.ghe.com": "https://api.acme.ghe.com", "https://git.acme.com": "https://git.acme.com/api/v3",
		"https://github.com.evil.example": "https://github.com.evil.example/api/v3",
	} {
		if got := githubAPI(issuer); got != want {
			t.Errorf("%s: got %s, want %s", issuer, got, want)
		}
	}
}

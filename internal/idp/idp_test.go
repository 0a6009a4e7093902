package idp

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// examples are the parameters of a preset by the examples that it gives.
func examples(p *Preset) (params map[string]string, issuer string) {
	params = map[string]string{}
	for i := range p.Params {
		if p.Params[i].Need || p.Params[i].Name == p.Unless || p.Unless != "" && p.Params[i].Name == "client_id" {
			params[p.Params[i].Name] = p.Params[i].Example
		}
	}
	return params, exampleIssuers[p.Name]
}

func TestEveryPresetIsWhole(t *testing.T) {
	if !slices.Equal(Names(), slices.Sorted(slices.Values(Names()))) || len(Names()) != 22 {
		t.Errorf("got %q", Names())
	}
	for _, p := range Presets() {
		t.Run(p.Name, func(t *testing.T) {
			if Find(p.Name).Name != p.Name || p.Title == "" || p.Verdict == "" || len(p.Gotchas) == 0 {
				t.Errorf("got %+v", p)
			}
			for i := range p.Params {
				q := &p.Params[i]
				if plain, why := q.judge(q.Example); why != "" || strings.TrimSuffix(q.Example, "/") != plain || !strings.HasSuffix(q.Doc, ".") {
					t.Errorf("%s: its example %q is %q, %s; doc %q", q.Name, q.Example, plain, why, q.Doc)
				}
			}
			for code := range p.Hints {
				if !regexp.MustCompile(`^GH-1[12]\d\d$`).MatchString(code) {
					t.Errorf("a hint for %q", code)
				}
				if h := p.Hint(code, "https://mcp.example.com/mcp"); strings.Contains(h, "{") {
					t.Errorf("%s: %q", code, h)
				}
			}
			out, problems := p.Expand(examples(p))
			if p.Refusal != "" && p.Unless == "" {
				if len(problems) != 1 || problems[0].Setting != "preset" || !strings.Contains(problems[0].Text, "Use broker mode") {
					t.Errorf("got %v, want a refusal", problems)
				}
				return
			}
			if len(problems) > 0 {
				t.Fatalf("got %v", problems)
			}
			all := fmt.Sprintf("%+v", out)
			if left := strings.NewReplacer(Resource, "", "{dct}", "").Replace(all); regexp.MustCompile(`\{[a-z_]+(:[a-z]+)?\}`).MatchString(left) {
				t.Errorf("something was not filled in: %s", left)
			}
			if out.Issuer == "" || len(out.Algorithms) == 0 || len(out.TokenTypes) == 0 || len(out.Claims.Subject) == 0 || len(out.Claims.Client) == 0 {
				t.Errorf("not whole: %s", all)
			}
			if (out.Mode == AudienceExact) != (len(out.Audiences) > 0) {
				t.Errorf("mode %s and audiences %q", out.Mode, out.Audiences)
			}
			for _, alg := range out.Algorithms {
				if strings.HasPrefix(alg, "HS") || alg == "none" {
					t.Errorf("%s is accepted", alg)
				}
			}
		})
	}
}

func TestExpandRefuses(t *testing.T) {
	tests := []struct {
		name, preset, issuer string
		params               map[string]string
		setting, want        string
	}{
		{"the org's server of Okta", "okta", "", map[string]string{"domain": "acme.okta.com"}, "authorization_server", "Make a custom one"},
		{"its issuer by hand", "okta", "https://acme.okta.com", map[string]string{"domain": "acme.okta.com", "authorization_server": "x"}, "issuer", "cannot be"},
		{"everybody's tenant", "entra", "", map[string]string{"tenant": "Common", "app_id": "835f09b6-0f0f-40cc-85cb-f32c5829a149"}, "tenant", "many tenants"},
		{"a host with a path", "auth0", "", map[string]string{"domain": "acme.us.auth0.com/x"}, "domain", "is not the name of a host"},
		{"a host with a blank", "auth0", "", map[string]string{"domain": "acme.us.auth0.com x"}, "domain", "is not the name of a host"},
		{"an issuer inside a word", "cognito", "", map[string]string{"region": "evil.example/#", "user_pool": "x"}, "region", "is not the name of a host"},
		{"a placeholder", "okta", "", map[string]string{"domain": "acme.okta.com", "authorization_server": "{resource}"}, "authorization_server", "a brace"},
		{"a URL with a query", "keycloak", "", map[string]string{"realm_url": "https://sso.acme.com/realms/a?b=c"}, "realm_url", "is not a URL"},
		{"a URL that is no realm", "keycloak", "", map[string]string{"realm_url": "https://sso.acme.com"}, "issuer", "ends with /realms/NAME"},
		{"authentik without slash", "authentik", "https://sso.acme.com/application/o/mcp", map[string]string{"client_id": "x"}, "issuer", `end with "/"`},
		{"no issuer", "hydra", "", nil, "issuer", "is missing: Ory Hydra has one for each customer"},
		{"a word that is no mode", "cognito", "", map[string]string{"region": "r", "user_pool": "p", "audience_mode": "off"}, "audience_mode", "is not resource or client"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, problems := Find(tt.preset).Expand(tt.params, tt.issuer)
			if !slices.ContainsFunc(problems, func(p Problem) bool { return p.Setting == tt.setting && strings.Contains(p.Text, tt.want) }) {
				t.Errorf("got %v, want %s: %q", problems, tt.setting, tt.want)
			}
		})
	}
}

func TestExpandFillsIn(t *testing.T) {
	out, problems := Find("keycloak").Expand(map[string]string{"realm_url": "https://sso.acme.com/auth/realms/acme/"}, "")
	if len(problems) > 0 || out.Issuer != "https://sso.acme.com/auth/realms/acme" || !slices.Contains(out.Claims.Tenant, "=acme") {
		t.Errorf("keycloak: got %+v and %v", out, problems)
	}
	out, _ = Find("cognito").Expand(map[string]string{"region": "r", "user_pool": "p", "audience_mode": "client"}, "")
	if out.Mode != AudienceClient || !slices.Equal(out.Claims.ScopePrefix, []string{"{resource}/"}) {
		t.Errorf("cognito: got %+v", out)
	}
	out, _ = Find("authentik").Expand(map[string]string{"client_id": "c"}, "https://sso.acme.com/application/o/mcp/")
	if out.Introspect != "https://sso.acme.com/application/o/introspect/" {
		t.Errorf("authentik: got %q", out.Introspect)
	}
	out, _ = Find("hydra").Expand(nil, "https://auth.acme.com/")
	if out.Introspect != "" {
		t.Errorf("hydra without admin_url: got %q", out.Introspect)
	}
	out, _ = Find("ping-aic").Expand(nil, "https://acme.forgeblocks.com:443/am/oauth2/alpha")
	if !slices.Equal(out.Audiences, []string{Resource}) {
		t.Errorf("ping-aic: got %q", out.Audiences)
	}
	// What is filled in must not change the preset of whoever asks next.
	if again, _ := Find("zitadel").Expand(map[string]string{"project_id": "1"}, "https://a.zitadel.cloud"); again.Claims.Roles[0] != "urn:zitadel:iam:org:project:1:roles.*" {
		t.Errorf("zitadel: got %q", again.Claims.Roles)
	}
	if again, _ := Find("zitadel").Expand(map[string]string{"project_id": "2"}, "https://a.zitadel.cloud"); again.Claims.Roles[0] != "urn:zitadel:iam:org:project:2:roles.*" {
		t.Errorf("zitadel again: got %q", again.Claims.Roles)
	}
}

func TestTokensOfOthersAreKnown(t *testing.T) {
	for token, want := range map[string]string{"ya29.x": "google", "gho_x": "github", "ghu_x": "github", "github_pat_x": "github", "oat_x": "clerk", "ory_at_x": "hydra"} {
		if p := OfOpaque(token); p == nil || p.Name != want {
			t.Errorf("%s: got %v, want %s", token, p, want)
		}
	}
	if p := OfOpaque("gthk_x"); p != nil {
		t.Errorf("got %v, want none", p)
	}
	okta := map[string]string{"domain": "acme.okta.com", "authorization_server": "x"}
	if f := Find("okta").OfForeign(okta, "https://acme.okta.com"); f == nil || f.Code != "GH-1104" {
		t.Errorf("got %v, want GH-1104 for the org", f)
	}
	if f := Find("okta").OfForeign(okta, "https://other.okta.com"); f != nil {
		t.Errorf("got %v, want none", f)
	}
	if f := Find("workos").OfForeign(map[string]string{"authkit_domain": "a.authkit.app"}, "https://api.workos.com/user_management/client_1"); f == nil || f.Code != "GH-1107" {
		t.Errorf("got %v, want GH-1107", f)
	}
	if f := Find("descope").OfForeign(nil, ""); f != nil {
		t.Errorf("a parameter that was left out matches: %v", f)
	}
}

// FuzzExpand: whatever a parameter is, it cannot lead an issuer to another host.
func FuzzExpand(f *testing.F) {
	for _, s := range []string{"acme.us.auth0.com", "a@b", "a/../b", "a#b", "a?b", "{resource}", "a:443", "..", "a\x00b", "é.example", "localhost:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if out, problems := Find("auth0").Expand(map[string]string{"domain": s}, ""); len(problems) == 0 && out.Issuer != "https://"+s+"/" && s != "" {
			t.Errorf("%q: got %q", s, out.Issuer)
		}
		out, problems := Find("cognito").Expand(map[string]string{"region": s, "user_pool": s}, "")
		if len(problems) == 0 && !regexp.MustCompile(`^https://cognito-idp\.[^/@]+\.amazonaws\.com/[^/]+$`).MatchString(out.Issuer) {
			t.Errorf("%q: got %q", s, out.Issuer)
		}
	})
}

package idp

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// loginExamples are the parameters that are needed to sign in, by their examples.
func loginExamples(p *Preset) (params map[string]string, issuer string) {
	params = map[string]string{}
	for _, q := range p.LoginParams() {
		if q.Need {
			params[q.Name] = q.Example
		}
	}
	return params, exampleIssuers[p.Name]
}

func TestEveryPresetSaysHowPeopleSignIn(t *testing.T) {
	for _, p := range Presets() {
		t.Run(p.Name, func(t *testing.T) {
			for _, q := range p.LoginParams() {
				if plain, why := q.judge(q.Example); why != "" || strings.TrimSuffix(q.Example, "/") != plain || !strings.HasSuffix(q.Doc, ".") {
					t.Errorf("%s: its example %q is %q, %s; doc %q", q.Name, q.Example, plain, why, q.Doc)
				}
			}
			l, problems := p.ExpandLogin(loginExamples(p))
			if p.Name == "gatehouse" {
				if l != nil || len(problems) != 1 || problems[0].Setting != "preset" {
					t.Errorf("got %+v, %v, want a refusal", l, problems)
				}
				return
			}
			if len(problems) > 0 {
				t.Fatalf("got %v", problems)
			}
			if l.Issuer == "" || len(l.Claims.Subject) == 0 || len(l.Scopes) == 0 || l.Reprove == "" || len(l.Lists) == 0 || len(l.Setup) == 0 || len(l.Gotchas) == 0 {
				t.Errorf("not whole: %+v", l)
			}
			all := fmt.Sprintf("%+v %+v %+v %+v %+v", l.Issuer, l.Send, l.OfflineSend, l.Require, l.Claims)
			if left := strings.ReplaceAll(all, "{dct}", ""); regexp.MustCompile(`\{[a-z_]+(:[a-z]+)?\}`).MatchString(left) {
				t.Errorf("something was not filled in: %s", left)
			}
			if !strings.Contains(strings.Join(l.Setup, " "), "{callback}") {
				t.Errorf("nobody is told to write the redirect URI down: %q", l.Setup)
			}
		})
	}
}

func TestLoginIsExpanded(t *testing.T) {
	tests := []struct {
		preset, issuer string
		params         map[string]string
		want           string // issuer
		send           map[string]string
		require        []ClaimTest
	}{
		{"google", "", nil, "https://accounts.google.com", nil, []ClaimTest{{"email_verified", "true"}}},
		{
			"google", "", map[string]string{"hosted_domain": "acme.com"}, "https://accounts.google.com",
			map[string]string{"hd": "acme.com"}, []ClaimTest{{"email_verified", "true"}, {"hd", "acme.com"}},
		},
		{"github", "", nil, "https://github.com", nil, nil},
		{"github", "", map[string]string{"host": "git.acme.com"}, "https://git.acme.com", nil, nil},
		{"okta", "", map[string]string{"domain": "acme.okta.com"}, "https://acme.okta.com", nil, nil},
		{"okta", "", map[string]string{"domain": "acme.okta.com", "authorization_server": "aus1"}, "https://acme.okta.com/oauth2/aus1", nil, nil},
		{
			"auth0", "", map[string]string{"domain": "acme.us.auth0.com", "organization": "org_1"}, "https://acme.us.auth0.com/",
			map[string]string{"organization": "org_1"}, []ClaimTest{{"org_id", "org_1"}},
		},
		{
			"entra", "", map[string]string{"tenant": "08541b6e-646d-43de-a0eb-834e6713d6d5"}, "https://login.microsoftonline.com/08541b6e-646d-43de-a0eb-834e6713d6d5/v2.0",
			nil, []ClaimTest{{"tid", "08541b6e-646d-43de-a0eb-834e6713d6d5"}},
		},
		{"supabase", "", map[string]string{"project_url": "https://abcd1234.supabase.co"}, "https://abcd1234.supabase.co/auth/v1", nil, nil},
		{"zitadel", "https://acme.zitadel.cloud", nil, "https://acme.zitadel.cloud", nil, nil},
		{"oidc", "https://login.acme.com/", nil, "https://login.acme.com/", nil, nil},
	}
	for _, tt := range tests {
		l, problems := Find(tt.preset).ExpandLogin(tt.params, tt.issuer)
		if len(problems) > 0 {
			t.Errorf("%s %v: got %v", tt.preset, tt.params, problems)
			continue
		}
		if l.Issuer != tt.want || !maps.Equal(l.Send, tt.send) || !slices.Equal(l.Require, tt.require) {
			t.Errorf("%s %v: got %q, sent %v, required %v", tt.preset, tt.params, l.Issuer, l.Send, l.Require)
		}
	}
}

func TestLoginIsRefused(t *testing.T) {
	tests := []struct {
		preset, issuer, setting string
		params                  map[string]string
	}{
		{"oidc", "", "issuer", nil},
		{"oidc", "login.acme.com", "issuer", nil},
		{"oidc", "https://login.acme.com/?x", "issuer", nil},
		{"entra", "", "tenant", nil},
		{"entra", "", "tenant", map[string]string{"tenant": "common"}},
		{"entra", "", "tenant", map[string]string{"tenant": consumers}},
		{"google", "", "audience", map[string]string{"audience": "x"}},
		{"google", "", "hosted_domain", map[string]string{"hosted_domain": "https://acme.com"}},
		{"keycloak", "", "realm_url", nil},
		{"supabase", "", "audience_mode", map[string]string{"project_url": "https://abcd1234.supabase.co", "audience_mode": "resource"}},
	}
	for _, tt := range tests {
		if l, problems := Find(tt.preset).ExpandLogin(tt.params, tt.issuer); l != nil || len(problems) == 0 || problems[0].Setting != tt.setting {
			t.Errorf("%s %v: got %+v, %v", tt.preset, tt.params, l, problems)
		}
	}
}

func TestAnybodyCanSignInThere(t *testing.T) {
	for issuer, public := range map[string]bool{
		"https://accounts.google.com": true, "https://ACCOUNTS.google.com": true, "https://acme.us.auth0.com/": true, "https://x.supabase.co/auth/v1": true,
		"https://login.microsoftonline.com/" + consumers + "/v2.0": true, "https://gitlab.com": true,
		"https://login.acme.com": false, "https://auth0.com.acme.com/": false, "https://myauth0.com/": false, "https://gitlab.com.acme.com": false,
	} {
		l, problems := Find("oidc").ExpandLogin(nil, issuer)
		if len(problems) > 0 || (l.Public != "") != public {
			t.Errorf("%s: got %+v, %v, want public %v", issuer, l, problems, public)
		}
	}
}

package federation_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/federation"
)

func valid() *federation.Settings {
	return &federation.Settings{Name: "google", Preset: "google", ClientID: "id", ClientSecret: "secret", Allow: federation.Allow{Domains: []string{"acme.com"}}}
}

// wrongSettings are what Check finds, one by one.
var wrongSettings = []struct {
	name, code, setting, says string
	change                    func(*federation.Settings)
}{
	{"nobody said who may come", "GH-2003", "allow", "anyone with a Google account could sign in", func(s *federation.Settings) { s.Allow = federation.Allow{} }},
	{"a domain of everybody's", "GH-2003", "allow.domains", "anybody can have an address", func(s *federation.Settings) { s.Allow.Domains = []string{"gmail.com"} }},
	{"everyone and a list", "GH-2001", "allow", "everyone", func(s *federation.Settings) { s.Allow.Everyone = true }},
	{"groups of Google", "GH-2001", "allow.groups", "does not tell", func(s *federation.Settings) { s.Allow.Groups = []string{"eng"} }},
	{"a pattern", "GH-2001", "allow.domains", "no domain", func(s *federation.Settings) { s.Allow.Domains = []string{"*.acme.com"} }},
	{"an address as a domain", "GH-2001", "allow.domains", "no domain", func(s *federation.Settings) { s.Allow.Domains = []string{"@acme.com"} }},
	{"a domain in capitals", "GH-2001", "allow.domains", "lower case", func(s *federation.Settings) { s.Allow.Domains = []string{"Acme.com"} }},
	{"an empty entry", "GH-2001", "allow.users", "is empty", func(s *federation.Settings) { s.Allow.Users = []string{""} }},
	{"two addresses in one", "GH-2001", "allow.users", "no address", func(s *federation.Settings) { s.Allow.Users = []string{"a@acme.com,b@acme.com"} }},
	{"no client", "GH-2001", "client_id", "is missing", func(s *federation.Settings) { s.ClientID = "" }},
	{"no secret", "GH-2001", "client_secret", "is missing", func(s *federation.Settings) { s.ClientSecret = "" }},
	{"a key that is none", "GH-2001", "client_secret", "no private key", func(s *federation.Settings) {
		s.ClientSecret = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
	}},
	{"a name that is a path", "GH-2001", "name", "redirect URI", func(s *federation.Settings) { s.Name = "../x" }},
	{"no such preset", "GH-2001", "preset", "There are:", func(s *federation.Settings) { s.Preset = "gogle" }},
	{"a parameter of another", "GH-2001", "organization", "is not a parameter of google", func(s *federation.Settings) { s.Params = map[string]string{"organization": "x"} }},
	{"a scope that is too long", "GH-2001", "scopes", "no scope", func(s *federation.Settings) { s.Scopes = []string{strings.Repeat("a", 257)} }},
	{"two scopes in one", "GH-2001", "scopes", "no scope", func(s *federation.Settings) { s.Scopes = []string{"a b"} }},
	{"an authority for no domain", "GH-2001", "authoritative", "no domain", func(s *federation.Settings) { s.Authoritative = []string{"acme"} }},
	{"a network with bits too many", "GH-2001", "private", "mask", func(s *federation.Settings) { s.Private = []string{"10.0.0.1/8"} }},
	{"an authority that is none", "GH-2001", "private", "no certificate", func(s *federation.Settings) { s.Roots = []byte("x") }},
	{"a login of GitHub", "GH-2001", "allow.users", "can be renamed", func(s *federation.Settings) {
		s.Preset, s.Allow = "github", federation.Allow{Users: []string{"octocat"}}
	}},
	{"a team without its organization", "GH-2001", "allow.teams", "acme/platform", func(s *federation.Settings) {
		s.Preset, s.Allow = "github", federation.Allow{Teams: []string{"platform"}}
	}},
	{"an organization with a path", "GH-2001", "allow.orgs", "no organization", func(s *federation.Settings) {
		s.Preset, s.Allow = "github", federation.Allow{Orgs: []string{"acme/../evil"}}
	}},
	{"GitHub without a list", "GH-2003", "allow", "anyone with a GitHub account", func(s *federation.Settings) { s.Preset, s.Allow = "github", federation.Allow{} }},
	{"Google in other words", "GH-2003", "allow", "anyone with a Google account", func(s *federation.Settings) {
		s.Preset, s.Issuer, s.Allow = "oidc", "https://accounts.google.com", federation.Allow{}
	}},
	{"sign-up for everybody", "GH-2003", "allow", "anyone who signs up", func(s *federation.Settings) {
		s.Preset, s.Params, s.Allow = "auth0", map[string]string{"domain": "acme.us.auth0.com"}, federation.Allow{}
	}},
	{"a Gatehouse", "GH-2001", "preset", "no ID tokens", func(s *federation.Settings) { s.Preset = "gatehouse" }},
	{"no issuer", "GH-2001", "issuer", "is missing", func(s *federation.Settings) { s.Preset, s.Allow = "oidc", federation.Allow{} }},
}

func TestSettingsAreChecked(t *testing.T) {
	if err := federation.Check(valid()); err != nil {
		t.Fatal(err)
	}
	for _, tt := range wrongSettings {
		s := valid()
		tt.change(s)
		err := federation.Check(s)
		var all federation.Problems
		if !errors.As(err, &all) || len(all) != 1 || all[0].Code != tt.code || all[0].Setting != tt.setting || !strings.Contains(all[0].Text, tt.says) {
			t.Errorf("%s: got %+v, want %s %s %q", tt.name, err, tt.code, tt.setting, tt.says)
		}
		if p, err := federation.Open(s); p != nil || err == nil {
			t.Errorf("%s: it was opened", tt.name)
		}
	}
}

func TestSettingsThatAreRight(t *testing.T) {
	for name, change := range map[string]func(*federation.Settings){
		"everyone, as it is said": func(s *federation.Settings) { s.Allow = federation.Allow{Everyone: true} },
		"one's own provider": func(s *federation.Settings) {
			s.Preset, s.Issuer, s.Allow = "oidc", "https://login.acme.com", federation.Allow{}
		},
		"GitHub's numbers": func(s *federation.Settings) {
			s.Preset, s.Allow = "github", federation.Allow{Users: []string{"583231"}}
		},
		"a public client of one's own": func(s *federation.Settings) {
			s.Preset, s.Issuer, s.ClientSecret = "oidc", "https://login.acme.com", ""
		},
	} {
		s := valid()
		change(s)
		if err := federation.Check(s); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhoIsAdmitted(t *testing.T) {
	ada := &federation.Profile{Subject: "sub-ada", Email: "Ada@acme.com", Domain: "acme.com", Groups: []string{"eng"}, Roles: []string{"admin"}}
	eve := &federation.Profile{Subject: "sub-eve", Email: "eve@gmail.com", Domain: "gmail.com"}
	tests := []struct {
		name  string
		allow federation.Allow
		who   *federation.Profile
		want  string // part of the refusal; empty: they are admitted
	}{
		{"anybody whom one's own provider knows", federation.Allow{}, eve, ""},
		{"everyone", federation.Allow{Everyone: true}, eve, ""},
		{"a domain", federation.Allow{Domains: []string{"bolt.com", "acme.com"}}, ada, ""},
		{"another domain", federation.Allow{Domains: []string{"acme.com"}}, eve, "You signed in to Acme ID as eve@gmail.com. Acme allows acme.com addresses."},
		{"an address, in another case", federation.Allow{Users: []string{"ada@ACME.com"}}, ada, ""},
		{"a subject", federation.Allow{Users: []string{"sub-ada"}}, ada, ""},
		{"a subject that reads like an address", federation.Allow{Users: []string{"ada@acme.com"}}, &federation.Profile{Subject: "ada@acme.com"}, "certain people only"},
		{"an address that folds into another", federation.Allow{Users: []string{"kim@acme.com"}}, &federation.Profile{Subject: "x", Email: "\u212aim@acme.com"}, "certain people only"},
		{"somebody else", federation.Allow{Users: []string{"ada@acme.com"}}, eve, "certain people only"},
		{"nobody's address", federation.Allow{Users: []string{"ada@acme.com"}}, &federation.Profile{Subject: "x"}, "certain people only"},
		{"a group", federation.Allow{Groups: []string{"ops", "eng"}}, ada, ""},
		{"a group of another case", federation.Allow{Groups: []string{"Eng"}}, ada, "certain groups"},
		{"no group", federation.Allow{Groups: []string{"eng"}}, eve, "certain groups"},
		{"a role", federation.Allow{Roles: []string{"admin"}}, ada, ""},
		{"a domain and a group", federation.Allow{Domains: []string{"acme.com"}, Groups: []string{"eng"}}, ada, ""},
		{"a domain, and not the group", federation.Allow{Domains: []string{"acme.com"}, Groups: []string{"ops"}}, ada, "certain groups"},
		{"a guest beside a domain", federation.Allow{Domains: []string{"acme.com"}, Users: []string{"eve@gmail.com"}}, eve, ""},
		{"an empty group", federation.Allow{Groups: []string{"eng"}}, &federation.Profile{Subject: "x", Groups: []string{""}}, "certain groups"},
		{"an address that is not verified", federation.Allow{Domains: []string{"acme.com"}}, &federation.Profile{Subject: "x", Username: "ada"}, "does not say that your address is verified"},
	}
	for _, tt := range tests {
		s := &federation.Settings{Name: "acme", Title: "Acme ID", House: "Acme", Preset: "oidc", Issuer: "https://login.acme.com", ClientID: "id", Allow: tt.allow}
		err := open(t, s).Admit(tt.who)
		if tt.want == "" {
			if err != nil {
				t.Errorf("%s: got %v", tt.name, err)
			}
			continue
		}
		if r := wantRefusal(t, tt.name, nil, err, federation.CodeAllow); !strings.Contains(r.Text, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, r.Text, tt.want)
		}
	}
	s := &federation.Settings{Name: "acme", Preset: "oidc", Issuer: "https://login.acme.com", ClientID: "id", Allow: federation.Allow{Groups: []string{"eng"}}}
	r := wantRefusal(t, "groups that were left out", nil, open(t, s).Admit(&federation.Profile{Subject: "x", Groups: []string{"eng"}, GroupsOmitted: true}), federation.CodeMembership)
	if !strings.Contains(r.Text, "too many") {
		t.Errorf("got %q", r.Text)
	}
}

package idp

import (
	"strings"
	"testing"
)

func TestJudgeByTheFacts(t *testing.T) {
	good := func() *Facts {
		return &Facts{
			Resource: "https://mcp.acme.com/mcp", Metadata: "https://x/.well-known/oauth-authorization-server", CodeChallenges: []string{"S256"},
			Registration: true, ClientMetadata: true, IssParameter: true, AuthMethods: []string{"none"}, KeysURL: "https://x/keys", Keys: []string{"RS256", "RSA"},
		}
	}
	tests := []struct {
		name, preset string
		edit         func(*Facts)
		want         Verdict
		check        string // and what is said of it
		says         string
	}{
		{"all is there", "auth0", func(*Facts) {}, Direct, "metadata", "the slash is part of it"},
		{"keys of another type", "auth0", func(f *Facts) { f.Keys = []string{"EC", "ES256"} }, Broker, "keys", "no key for RS256, PS256"},
		{"no keys", "supabase", func(f *Facts) { f.Keys, f.KeysWhy = nil, "status 404" }, Broker, "keys", "status 404"},
		{"no S256", "cognito", func(f *Facts) { f.CodeChallenges = nil }, Broker, "pkce", "no code_challenge_methods_supported"},
		{"plain alone", "auth0", func(f *Facts) { f.CodeChallenges = []string{"plain"} }, Broker, "pkce", "S256 is not among"},
		{"plain too", "auth0", func(f *Facts) { f.CodeChallenges = []string{"plain", "S256"} }, Direct, "pkce", "protects nothing"},
		{"no registration", "auth0", func(f *Facts) { f.Registration = false }, Direct, "clients", "as Cursor and Codex, need a client id"},
		{"neither", "auth0", func(f *Facts) { f.Registration, f.ClientMetadata = false, false }, Registered, "clients", "cannot register by themselves"},
		{"a registration that is closed", "okta", func(f *Facts) { f.ClientMetadata = false }, Registered, "clients", "administrator's API token only"},
		{"no public clients", "oidc", func(f *Facts) {
			f.AuthMethods, f.Registration, f.ClientMetadata = []string{"client_secret_basic"}, false, false
		}, Broker, "public", "lists no public clients"},
		{"no metadata", "oidc", func(f *Facts) { f.Metadata, f.Tried = "", []string{"https://x: status 404"} }, Broker, "metadata", "byte for byte"},
		{"no audience", "clerk", func(*Facts) {}, Weaker, "binding", "nothing in a token of Clerk"},
		{"a project's audience", "zitadel", func(*Facts) {}, Weaker, "binding", "aud is a project of Zitadel"},
		{"an audience that is not set by itself", "keycloak", func(*Facts) {}, Weaker, "binding", "does not set by itself"},
		{"an opaque token", "google", func(*Facts) {}, Broker, "tokens", "Use broker mode"},
		{"no iss", "auth0", func(f *Facts) { f.IssParameter = false }, Direct, "iss", "no iss"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := Find(tt.preset)
			i, problems := p.Expand(examples(p))
			if len(problems) > 0 && p.Refusal == "" {
				t.Fatal(problems)
			}
			f := good()
			tt.edit(f)
			got, checks := p.Judge(&i, f)
			if got != tt.want || got.Means() == "" {
				t.Errorf("got %s, want %s: %+v", got, tt.want, checks)
			}
			for _, c := range checks {
				if c.Name == tt.check {
					if !strings.Contains(c.Text+" "+c.Fix, tt.says) {
						t.Errorf("%s: got %q, want %q", c.Name, c.Text+" "+c.Fix, tt.says)
					}
					return
				}
			}
			t.Errorf("nothing is said of %s: %+v", tt.check, checks)
		})
	}
}

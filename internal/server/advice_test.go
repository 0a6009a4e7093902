package server

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// TestRefusalsSayWhatToDo: the operator reads what to change at the provider;
// strangers read nothing of it.
func TestRefusalsSayWhatToDo(t *testing.T) {
	for name, want := range map[string]string{
		"auth0-opaque-jwe":         "Resource Parameter Compatibility Profile",
		"more/auth0-wrong-aud":     "In Auth0 the API Identifier has to be exactly https://mcp.example.com/mcp",
		"more/auth0-hs256":         "anyone who knows the shared secret could mint tokens",
		"okta-org-as":              "the audience is the Okta org itself",
		"more/okta-default":        "every application of the org can ask",
		"supabase-oauth":           `aud is "authenticated", the same for every application of the project: set it to https://mcp.example.com/mcp by a Custom Access Token Hook, or opt in with audience_mode: issuer_and_client`,
		"more/supabase-hs256":      "migrate the project to asymmetric JWT signing keys",
		"more/authentik-hs256":     "choose a Signing Key",
		"cognito-unbound":          "The client has to send resource=https://mcp.example.com/mcp to managed login; or say audience_mode: client",
		"google-opaque":            "use broker mode",
		"more/github-opaque":       "use broker mode",
		"more/entra-v1":            "set api.requestedAccessTokenVersion to 2",
		"more/workos-session":      "session token of AuthKit",
		"more/workos-fallback-aud": "Resource indicators, add exactly https://mcp.example.com/mcp",
		"more/keycloak-stock":      "Included Custom Audience https://mcp.example.com/mcp",
		"clerk-session-v2":         "session token of a browser",
		"more/hydra-unasked":       "strategies.access_token: jwt",
		"more/logto-opaque":        "opaque unless the client sends resource=https://mcp.example.com/mcp",
	} {
		t.Run(name, func(t *testing.T) {
			f := readFixture(t, "testdata/tokens/"+name+".json")
			_, err := f.verify(t, f.preset(strings.TrimPrefix(name, "more/")))
			var refusal *gatehouse.Error
			if !errors.As(err, &refusal) || refusal.Cause == nil || !strings.Contains(refusal.Cause.Error(), want) {
				t.Fatalf("got %v: %v, want %q", err, errors.Unwrap(err), want)
			}
			if strings.Contains(refusal.Description, "mcp.example.com") || refusal.Challenge == nil || refusal.Challenge.Description != refusal.Description {
				t.Errorf("strangers read %q", refusal.Description)
			}
		})
	}
}

// TestRefusalsNameSettings: who wrote a configuration has never seen the fields of
// a verifier.
func TestRefusalsNameSettings(t *testing.T) {
	now := time.Now().Unix()
	claims := func(more string) string {
		return fmt.Sprintf(`{"iss":"https://idp.test","sub":"ada","aud":"https://mcp.test/mcp","client_id":"c","jti":"1","exp":%d%s}`, now+3600, more)
	}
	iat := fmt.Sprintf(`,"iat":%d`, now)
	for setting, tt := range map[string]struct {
		claims string
		set    func(*config.Issuer)
	}{
		"(reject_if)":         {claims(iat + `,"gty":"password"`), func(u *config.Issuer) { u.RejectIf = []config.ClaimTest{{Claim: "gty", Equals: "password"}} }},
		"(require)":           {claims(iat), func(u *config.Issuer) { u.Require = []config.ClaimTest{{Claim: "mfa"}} }},
		"accepted (max_life)": {claims(iat), func(u *config.Issuer) { u.MaxLife = time.Minute }},
		"told (max_life)":     {claims(""), func(u *config.Issuer) { u.MaxLife = 24 * time.Hour }},
		"(clients)":           {claims(iat), func(u *config.Issuer) { u.Clients = []string{"other"} }},
		"(dpop: required)":    {claims(iat), func(u *config.Issuer) { u.DPoP = config.BoundRequired }},
		"(mtls: required)":    {claims(iat), func(u *config.Issuer) { u.MTLS = config.BoundRequired }},
	} {
		u := config.Issuer{Name: "idp", Issuer: "https://idp.test", Claims: config.Claims{Subject: []string{"sub"}, Client: []string{"client_id"}}, TokenTypes: []string{"at+jwt"}, Audience: config.Audience{Mode: config.AudienceExact, Values: []string{"https://mcp.test/mcp"}}}
		tt.set(&u)
		b64 := base64.RawURLEncoding
		text := b64.EncodeToString([]byte(`{"alg":"ES256","typ":"at+jwt"}`)) + "." + b64.EncodeToString([]byte(tt.claims)) + "." + b64.EncodeToString(make([]byte, 64))
		found, _, err := JWTVerifier(&u, "https://mcp.test/mcp", nil).Explain(t.Context(), &gatehouse.Credential{Text: text})
		if err != nil {
			t.Fatal(err)
		}
		stories := ""
		for _, f := range found {
			if f.OK || f.Skipped {
				continue
			}
			told := advised(gatehouse.Refuse(f.Code, "No.", errors.New(f.Text)), "").Cause.Error()
			if told != InSettings(f.Text) {
				t.Errorf("got %q in the log, and %q in an explanation", told, InSettings(f.Text))
			}
			stories += told + "\n"
		}
		if !strings.Contains(stories, setting) || strings.Count(stories, "\n") != 1 {
			t.Errorf("got %q, want one refusal that names %s", stories, setting)
		}
	}
}

// TestEveryFieldHasASetting finds the fields that the refusals of verifiers name.
func TestEveryFieldHasASetting(t *testing.T) {
	files, err := filepath.Glob("../../*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	named := regexp.MustCompile("(?:refuse|unbound|wantsProof|notActive)\\(.*\\(([A-Z]\\w+)\\)[\"`]")
	seen := map[string]bool{}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range named.FindAllStringSubmatch(string(text), -1) {
			seen[m[1]] = true
			if settingOf[m[1]] == "" {
				t.Errorf("%s: %s has no setting", name, m[1])
			}
		}
	}
	for field := range settingOf {
		if !seen[field] {
			t.Errorf("no refusal names %s", field)
		}
	}
}

func TestKeysAreSharedAndOutliveAReload(t *testing.T) {
	made := 0
	k := &keySets{Client: func(*config.Issuer) (*http.Client, error) { made++; return http.DefaultClient, nil }}
	one := config.Issuer{Name: "one", Issuer: "https://login.example.com", Keys: config.IssuerKeys{From: config.KeysDiscovery, Refresh: time.Hour, MaxStale: time.Hour}}
	of := func(u config.Issuer) *keySet {
		t.Helper()
		s, err := k.of(&u)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	first := of(one)
	renamed := one
	renamed.Name, renamed.Claims.Roles, renamed.BindTenant = "two", []string{"x"}, "acme"
	if of(renamed) != first || made != 1 {
		t.Error("what does not concern the keys makes another set")
	}
	for name, edit := range map[string]func(*config.Issuer){
		"another issuer": func(u *config.Issuer) { u.Issuer = "https://other.example.com" },
		"another place": func(u *config.Issuer) {
			u.Keys = config.IssuerKeys{From: config.KeysURL, URL: "https://login.example.com/keys"}
		},
		"another period":  func(u *config.Issuer) { u.Keys.Refresh = time.Minute },
		"another network": func(u *config.Issuer) { u.Private = []string{"10.0.0.0/8"} },
	} {
		other := one
		edit(&other)
		if of(other) == first {
			t.Errorf("%s has the same set", name)
		}
	}
	k.keep([]config.Issuer{renamed})
	if of(one) != first || len(k.all) != 1 {
		t.Errorf("a reload does not keep the set in use alone: %d", len(k.all))
	}
	k.keep(nil)
	if of(one) == first {
		t.Error("a set that nobody uses is kept")
	}
	missing := one
	missing.CA = "testdata/none.pem"
	if _, err := k.of(&missing); err == nil {
		t.Error("authorities that cannot be read are no mistake")
	}
}

func TestKeysAreRenewedUntilNobodyUsesThem(t *testing.T) {
	house := newProvider(t, readFixture(t, "testdata/tokens/auth0-default.json"))
	house.issuer = "https://acme.us.auth0.com/"
	k := &keySets{Client: house.client}
	u := config.Issuer{Name: "a", Issuer: house.issuer, Keys: config.IssuerKeys{From: config.KeysDiscovery, Refresh: time.Hour, MaxStale: time.Hour}}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); k.Run(ctx) }()
	if _, err := k.of(&u); err != nil {
		t.Fatal(err)
	}
	for i := 0; ; i++ { // keep may come before Run has begun: then the next one starts it
		k.keep([]config.Issuer{u})
		if s, ok := k.status(&u); ok && !s.Fetched.IsZero() {
			break
		}
		if i > 1000 {
			t.Fatal("the keys are not fetched without a token")
		}
		time.Sleep(10 * time.Millisecond)
	}
	k.keep(nil)
	if _, ok := k.status(&u); ok {
		t.Error("a set that nobody uses has a state")
	}
	stop()
	<-ended
}

func TestVersionChangesWithTheSettings(t *testing.T) {
	u := config.Issuer{Name: "a", Issuer: "https://a.example", Introspect: &config.Introspect{ClientSecret: "one"}}
	version := func(u config.Issuer, resource string) string {
		t.Helper()
		v, err := settingsVersion(&u, resource)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	first := version(u, "r")
	other := u
	other.Introspect = &config.Introspect{ClientSecret: "two"}
	named := u
	named.BindTenant = "acme"
	if first != version(u, "r") || first == version(u, "s") || first == version(other, "r") || first == version(named, "r") {
		t.Error("versions do not tell settings apart")
	}
}

// FuzzUnclaimed: whatever a text is, it is refused by a code that is known, or
// passed on; nobody is let in by it.
func FuzzUnclaimed(f *testing.F) {
	for _, s := range []string{"", "ya29.x", "gho_x", "a.b.c", "a.b.c.d.e", "eyJhbGciOiJub25lIn0.e30.", "eyJhbGciOiJkaXIiLCJpc3MiOiJ4In0....", "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL2FjbWUub2t0YS5jb20iLCJhdWQiOlsxXX0.eA"} {
		f.Add(s)
	}
	v := &Unclaimed{Resource: fixtureResource, Issuers: []config.Issuer{
		{Name: "okta", Preset: "okta", Issuer: "https://acme.okta.com/oauth2/x", Params: map[string]string{"domain": "acme.okta.com", "authorization_server": "x"}},
		{Name: "odd", Preset: "nosuch"}, {Name: "hydra", Preset: "hydra", Issuer: "https://auth.acme.com/", Introspect: &config.Introspect{}},
	}}
	f.Fuzz(func(t *testing.T, text string) {
		who, err := v.Verify(context.Background(), &gatehouse.Credential{Text: text})
		var refusal *gatehouse.Error
		if who != nil || !errors.Is(err, gatehouse.ErrNotMine) && (!errors.As(err, &refusal) || refusal.Code == "" || refusal.Status != http.StatusUnauthorized) {
			t.Errorf("%q: got %v and %v", text, who, err)
		}
	})
}

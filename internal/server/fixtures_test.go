package server

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/idp"
)

// fixtureResource is the server that the tokens of the fixtures are presented to.
const fixtureResource = "https://mcp.example.com/mcp"

// fixtureTime is when they are presented, in seconds since 1970.
const fixtureTime = 1795460400

// fixture is a token as a provider makes it, and what has to become of it.
type fixture struct {
	Header, Payload map[string]json.RawMessage
	Wire            string          // an opaque token; "<opaque>" and "<36>" stand for random text
	Introspection   json.RawMessage // what the provider says of it, or of who signed in
	Expect          map[string]json.RawMessage

	Preset string         // empty: by the file's name
	Config map[string]any // settings of the issuer, in place of what is guessed; null takes one away
	Now    int64          // when the token is presented; zero: fixtureTime

	raw map[string]json.RawMessage
}

// TestTokenFixtures has the tokens of real providers' shape judged by the presets
// as they are shipped. With GATEHOUSE_TOKEN_FIXTURES=DIR it is those of that
// directory instead: a file needs no code.
func TestTokenFixtures(t *testing.T) {
	dir := "testdata/tokens"
	if other := os.Getenv("GATEHOUSE_TOKEN_FIXTURES"); other != "" {
		dir = other
		if _, err := os.Stat(dir); err != nil && !filepath.IsAbs(dir) {
			dir = filepath.Join("../..", other) // relative to the module
		}
	}
	var files []string
	if err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".json" {
			files = append(files, path)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatalf("there is no .json file in %s", dir)
	}
	for _, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			judgeFixture(t, name, readFixture(t, path))
		})
	}
}

func readFixture(t *testing.T, path string) *fixture {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{}
	if err := json.Unmarshal(data, f); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if err := json.Unmarshal(data, &f.raw); err != nil {
		t.Fatal(err)
	}
	if string(f.Introspection) == "null" {
		f.Introspection = nil
	}
	if f.Expect == nil {
		t.Fatalf("%s expects nothing", path)
	}
	return f
}

func judgeFixture(t *testing.T, name string, f *fixture) {
	p := f.preset(name)
	result := f.expected("result")
	if result == "broker-login" {
		f.compare(t, f.signIn(t, p))
		return
	}
	who, err := f.verify(t, p)
	var refusal *gatehouse.Error
	errors.As(err, &refusal)
	switch {
	case err != nil && refusal == nil:
		t.Fatalf("got %v, which is no refusal", err)
	case result == "accept" && refusal != nil:
		t.Fatalf("refused: %v: %v", refusal, refusal.Cause)
	case result == "accept":
		f.compare(t, who)
	case result != "reject":
		t.Fatalf("%q is no result that is known", result)
	case refusal == nil:
		t.Fatalf("accepted as %+v, want it refused: %s", who, f.Expect["reason"])
	default:
		if code := f.code(); code != "" && refusal.Code != code {
			t.Errorf("got %v: %v, want %s", refusal, refusal.Cause, code)
		}
		if refusal.Cause == nil {
			t.Errorf("%v has no story for the operator", refusal)
		}
	}
}

// preset is the one whose name the file's begins with.
func (f *fixture) preset(name string) *idp.Preset {
	if p := idp.Find(f.Preset); p != nil {
		return p
	}
	best := idp.Find(config.DefaultPreset)
	for _, p := range idp.Presets() {
		if strings.HasPrefix(name, p.Name) && (best.Name == config.DefaultPreset || len(p.Name) > len(best.Name)) {
			best = p
		}
	}
	return best
}

// verify has the token judged as a server would that has this one issuer.
func (f *fixture) verify(t *testing.T, p *idp.Preset) (*gatehouse.Identity, error) {
	t.Helper()
	house := newProvider(t, f)
	var all []config.Issuer
	if p.Refusal != "" && p.Unless == "" {
		// Such a provider cannot be configured; its tokens come all the same.
		_, err := f.configure(map[string]any{"preset": p.Name})
		if err == nil || !strings.Contains(err.Error(), "Use broker mode") {
			t.Fatalf("preset %s: got %v, want a refusal that says what to do", p.Name, err)
		}
	} else {
		settings := f.settings(p)
		c, err := f.configure(settings)
		if err != nil {
			t.Fatalf("%v\nof %v", err, settings)
		}
		all = c.Auth.Issuers
	}
	now := func() time.Time { return time.Unix(f.now(), 0) }
	b := &issuers{Keys: &keySets{Client: house.client, Now: now}, Now: now}
	credential := &gatehouse.Credential{Text: house.token(t)}
	var last error = gatehouse.ErrNotMine
	for i := range all {
		house.issuer = all[i].Issuer
		of, err := b.of(&all[i], fixtureResource)
		if err != nil {
			t.Fatal(err)
		}
		who, err := of.Verifier.Verify(context.Background(), credential)
		if !errors.Is(err, gatehouse.ErrNotMine) {
			return who, err
		}
		last = err
	}
	if _, err := (&Unclaimed{Issuers: all, Resource: fixtureResource}).Verify(context.Background(), credential); !errors.Is(err, gatehouse.ErrNotMine) {
		return nil, err
	}
	return nil, last
}

// configure reads the issuer as a file has it.
func (f *fixture) configure(issuer map[string]any) (*config.Config, error) {
	text, err := json.Marshal(map[string]any{
		"version": 1, "servers": []any{map[string]any{"name": "a", "url": "http://127.0.0.1:1/mcp"}},
		"auth": map[string]any{"issuers": []any{issuer}}, "policy": map[string]any{"default": "allow"},
	})
	if err != nil {
		return nil, err
	}
	o := config.Outside{Lookup: func(string) (string, bool) { return "a-secret-of-the-fixture", true }}
	c, err := config.Parse("fixture", text, o)
	if err == nil {
		err = c.Check()
	}
	return c, err
}

// signIn maps what the provider says of who signed in.
func (f *fixture) signIn(t *testing.T, p *idp.Preset) *gatehouse.Identity {
	t.Helper()
	claims := []byte(f.Introspection)
	if claims == nil {
		claims = []byte(f.raw["payload"])
	}
	mapping := p.Issuer.Claims
	if p.Login != nil {
		mapping = p.Login.Claims
	}
	m := claimMap(&mapping, fixtureResource)
	who, err := m.Identity(claims)
	if err != nil {
		var e *gatehouse.Error
		errors.As(err, &e)
		t.Fatalf("got %v: %v", err, errors.Unwrap(err))
	}
	return who
}

func (f *fixture) now() int64 {
	var iat, exp int64
	_ = json.Unmarshal(f.Payload["iat"], &iat)
	_ = json.Unmarshal(f.Payload["exp"], &exp)
	const month = 30 * 24 * 3600
	switch {
	case f.Now != 0:
		return f.Now
	case iat != 0 && exp != 0 && (max(iat, exp) < fixtureTime-month || min(iat, exp) > fixtureTime+month): // of another time
		return iat
	}
	return fixtureTime
}

// expected is a text of what is expected, "" if it is null or not there.
func (f *fixture) expected(key string) string {
	var s string
	_ = json.Unmarshal(f.Expect[key], &s)
	return s
}

var leadingCode = regexp.MustCompile(`^\s*(GH-\d{4})`)

// code is that of the refusal; the sentence behind it is for people.
func (f *fixture) code() string {
	for _, key := range []string{"code", "reason"} {
		if m := leadingCode.FindStringSubmatch(f.expected(key)); m != nil {
			return m[1]
		}
	}
	return ""
}

var aside = regexp.MustCompile(`\s+\([^)]*\)$`) // "acme (realm)"

// compare holds an identity to everything that is said of it. null says that the
// credential does not speak of it; an empty list, that there is nothing.
func (f *fixture) compare(t *testing.T, who *gatehouse.Identity) {
	t.Helper()
	texts := map[string]string{
		"subject": who.Subject, "client": who.Client, "tenant": who.Tenant, "kind": string(who.Kind), "issuer": who.Issuer,
		"email": who.Email, "name": who.Name, "token_id": who.TokenID,
	}
	var warnings []string
	if who.GroupsOmitted {
		warnings = []string{"groups_overage"}
	}
	lists := map[string][]string{
		"scopes": who.Scopes, "permissions": who.Permissions, "roles": who.Roles, "groups": who.Groups, "actor": who.Actor, "warnings": warnings,
	}
	if f.Expect["warnings"] == nil && len(warnings) > 0 {
		t.Errorf("warnings: got %q, want none", warnings)
	}
	for key, raw := range f.Expect {
		var list []string
		switch {
		case key == "result" || key == "reason" || key == "note":
		case key == "kind" && f.expected(key) == string(gatehouse.KindUser):
			if who.Kind == gatehouse.KindService {
				t.Errorf("kind: got %q, want a user", who.Kind)
			}
		case texts[key] != "" || string(raw) == "null" && lists[key] == nil:
			want := aside.ReplaceAllString(f.expected(key), "")
			if _, known := texts[key]; known && texts[key] != want {
				t.Errorf("%s: got %q, want %s", key, texts[key], raw)
			}
		case json.Unmarshal(raw, &list) != nil:
			if _, known := texts[key]; !known {
				t.Errorf("%s: %s: nobody knows what that is", key, raw)
			} else if f.expected(key) != "" {
				t.Errorf("%s: got nothing, want %s", key, raw)
			}
		default:
			got, known := lists[key]
			if !known {
				t.Errorf("%s: %s: nobody knows what that is", key, raw)
			}
			sameRights(t, key, got, list)
		}
	}
}

// sameRights compares sets: their order says nothing.
func sameRights(t *testing.T, key string, got, want []string) {
	t.Helper()
	g, w := slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	if !slices.Equal(g, w) || want == nil && got != nil {
		t.Errorf("%s: got %q, want %q", key, got, want)
	}
}

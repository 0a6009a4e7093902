package client_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/client"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
	"github.com/gatehouse-mcp/gatehouse/internal/store"
)

// What clients are known to send, and what becomes of it.
func TestRegistrationsOfRealClients(t *testing.T) {
	h := newHouse(t)
	for _, tt := range []struct {
		name, body string
		redirects  []string
		method     string
		native     bool
		dropped    int
	}{
		{"Claude Code", `{"client_name":"Claude Code (files)","redirect_uris":["http://localhost:53123/callback"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none"}`,
			[]string{"http://localhost:53123/callback"}, "none", true, 0},
		{"Cursor", `{"client_name":"Cursor","redirect_uris":["cursor://anysphere.cursor-mcp/oauth/callback","https://www.cursor.com/agents/mcp/oauth/callback","http://localhost:8787/callback"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none"}`,
			[]string{"cursor://anysphere.cursor-mcp/oauth/callback", "https://www.cursor.com/agents/mcp/oauth/callback", "http://localhost:8787/callback"}, "none", true, 0},
		{"Cursor, one of whose URIs is not on the list", `{"client_name":"Cursor","redirect_uris":["cursor://anysphere.cursor-retrieval/oauth/user-1/callback","https://www.cursor.com/agents/mcp/oauth/callback"],"token_endpoint_auth_method":"none"}`,
			[]string{"https://www.cursor.com/agents/mcp/oauth/callback"}, "none", false, 1},
		{"VS Code", `{"client_name":"Visual Studio Code","client_uri":"https://code.visualstudio.com","grant_types":["authorization_code","refresh_token","urn:ietf:params:oauth:grant-type:device_code"],"response_types":["code"],"redirect_uris":["https://insiders.vscode.dev/redirect","https://vscode.dev/redirect","http://127.0.0.1/","http://127.0.0.1:33418/"],"token_endpoint_auth_method":"none","application_type":"native","scope":"a b"}`,
			[]string{"https://insiders.vscode.dev/redirect", "https://vscode.dev/redirect", "http://127.0.0.1/", "http://127.0.0.1:33418/"}, "none", true, 0},
		{"MCP Inspector", `{"redirect_uris":["http://localhost:6274/oauth/callback"],"token_endpoint_auth_method":"none","grant_types":["authorization_code","refresh_token"],"response_types":["code"],"client_name":"MCP Inspector","client_uri":"https://github.com/modelcontextprotocol/inspector","application_type":"native"}`,
			[]string{"http://localhost:6274/oauth/callback"}, "none", true, 0},
		{"who says next to nothing, on a machine", `{"redirect_uris":["http://127.0.0.1/cb"]}`, []string{"http://127.0.0.1/cb"}, "none", true, 0},
		{"who says next to nothing, on the web", `{"redirect_uris":["https://app.test/cb"]}`, []string{"https://app.test/cb"}, "client_secret_basic", false, 0},
		{"null and unknown members", `{"redirect_uris":["https://app.test/cb"],"client_name":null,"scope":null,"contacts":null,"logo_uri":"http://169.254.169.254/x","x":{"y":[1]},"token_endpoint_auth_method":"client_secret_post"}`,
			[]string{"https://app.test/cb"}, "client_secret_post", false, 0},
		{"the same URI twice", `{"redirect_uris":["https://app.test/cb","https://app.test/cb"],"token_endpoint_auth_method":"none"}`, []string{"https://app.test/cb"}, "none", false, 0},
	} {
		r := h.register(t, tt.body)
		if !slices.Equal(r.Redirects, tt.redirects) || r.Method != tt.method || len(r.Dropped) != tt.dropped || (r.Application == "native") != tt.native {
			t.Errorf("%s: got %+v", tt.name, r)
		}
		if secret := tt.method != "none"; (r.Secret != "") != secret || (r.SecretExpires != nil) != secret {
			t.Errorf("%s: secret %q, expires %v", tt.name, r.Secret, r.SecretExpires)
		}
		if strings.Contains(marshal(t, r), "null") {
			t.Errorf("%s: there is a null in %s", tt.name, marshal(t, r))
		}
		c := h.find(t, r.ID)
		if !slices.Equal(c.RedirectURIs, tt.redirects) || c.Kind != client.Dynamic || c.State != client.Known || c.Native != tt.native || !c.May(oauth.AuthorizationCode) {
			t.Errorf("%s: found %+v", tt.name, c)
		}
		if len(r.ID) > 1536 || len(r.ID) < 20 {
			t.Errorf("%s: the id has %d characters", tt.name, len(r.ID))
		}
	}
}

// TestA013Registrations refuses what cannot be registered, with the code that
// tells a client which part it is.
func TestA013Registrations(t *testing.T) {
	h := newHouse(t)
	for _, uri := range []string{
		"javascript:alert(1)", "data:text/html,x", "file:///x", "vbscript:x", "blob:https://a/b", "about:blank", "http://app.test", "cursor:",
		"ms-settings:x", "intent:x", "com.evil:/cb", "https://app.test/#f", "https://u:p@app.test/",
	} {
		_, err := h.Register(t.Context(), []byte(fmt.Sprintf(`{"redirect_uris":[%q],"token_endpoint_auth_method":"none"}`, uri)))
		wantCode(t, uri, err, oauth.InvalidRedirectURI, "GH-1408")
	}
	var many []string
	for i := range 33 {
		many = append(many, fmt.Sprintf("https://app.test/%d", i))
	}
	for what, body := range map[string]string{
		"no JSON":                    `redirect_uris=x`,
		"an array":                   `[]`,
		"a member twice":             `{"redirect_uris":["https://a.test/"],"redirect_uris":["https://b.test/"]}`,
		"another spelling":           `{"redirect_uris":["https://a.test/"],"Redirect_uris":["https://b.test/"]}`,
		"a string for a list":        `{"redirect_uris":"https://a.test/"}`,
		"a list for a string":        `{"redirect_uris":["https://a.test/"],"client_name":["x"]}`,
		"too many URIs":              `{"redirect_uris":` + marshal(t, many) + `}`,
		"client credentials":         `{"redirect_uris":["https://a.test/"],"grant_types":["client_credentials"]}`,
		"implicit":                   `{"redirect_uris":["https://a.test/"],"grant_types":["implicit"]}`,
		"refresh alone":              `{"redirect_uris":["https://a.test/"],"grant_types":["refresh_token"]}`,
		"response types without one": `{"redirect_uris":["https://a.test/"],"response_types":["token"]}`,
		"a method that is not ours":  `{"redirect_uris":["https://a.test/"],"token_endpoint_auth_method":"client_secret_jwt"}`,
		"keys that are missing":      `{"redirect_uris":["https://a.test/"],"token_endpoint_auth_method":"private_key_jwt"}`,
		"keys that are none":         `{"redirect_uris":["https://a.test/"],"token_endpoint_auth_method":"private_key_jwt","jwks":{"keys":[]}}`,
		"a secret key":               `{"redirect_uris":["https://a.test/"],"token_endpoint_auth_method":"private_key_jwt","jwks":{"keys":[{"kty":"oct","k":"eA"}]}}`,
		"two sources of keys":        `{"redirect_uris":["https://a.test/"],"token_endpoint_auth_method":"private_key_jwt","jwks_uri":"https://a.test/k","jwks":{"keys":[]}}`,
		"keys over plain HTTP":       `{"redirect_uris":["https://a.test/"],"token_endpoint_auth_method":"private_key_jwt","jwks_uri":"http://a.test/k"}`,
		"keys in a file":             `{"redirect_uris":["https://a.test/"],"token_endpoint_auth_method":"private_key_jwt","jwks_uri":"file:///etc/passwd"}`,
		"no subject":                 `{"redirect_uris":["https://a.test/"],"token_endpoint_auth_method":"tls_client_auth"}`,
		"no certificate":             `{"redirect_uris":["https://a.test/"],"token_endpoint_auth_method":"self_signed_tls_client_auth"}`,
		"too much":                   `{"redirect_uris":["https://a.test/"],"x":"` + strings.Repeat("x", 70<<10) + `"}`,
		"depth":                      `{"redirect_uris":["https://a.test/"],"x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`,
	} {
		_, err := h.Register(t.Context(), []byte(body))
		wantCode(t, what, err, oauth.InvalidMetadata, "GH-1408")
	}
	for what, body := range map[string]string{"no URIs": `{}`, "an empty list": `{"redirect_uris":[]}`} {
		_, err := h.Register(t.Context(), []byte(body))
		wantCode(t, what, err, oauth.InvalidRedirectURI, "GH-1408")
	}
	h.Settings.Registration = false
	_, err := h.Register(t.Context(), []byte(`{"redirect_uris":["https://a.test/"]}`))
	wantCode(t, "when it is off", err, oauth.AccessDenied, "GH-1408")
}

// Long registrations are refused clearly, and what cannot be compressed fits until then.
func TestLongRegistrations(t *testing.T) {
	h := newHouse(t)
	var uris []string
	refused := false
	for i := range 32 {
		// What is random does not get shorter.
		uris = append(uris, "https://app.test/"+h.register(t, fmt.Sprintf(`{"redirect_uris":["https://a.test/%d"]}`, i)).Secret)
		r, err := h.Register(t.Context(), []byte(`{"token_endpoint_auth_method":"none","redirect_uris":`+marshal(t, uris)+`}`))
		if err != nil {
			wantCode(t, "a long one", err, oauth.InvalidMetadata, "GH-1408")
			refused = true
			if i < 15 {
				t.Errorf("%d URIs of 60 characters do not fit", i+1)
			}
			continue
		}
		if refused || len(r.ID) > 1536 {
			t.Errorf("an id of %d characters for %d URIs", len(r.ID), i+1)
		}
		if c := h.find(t, r.ID); !slices.Equal(c.RedirectURIs, uris) {
			t.Errorf("got %v", c.RedirectURIs)
		}
	}
	if !refused {
		t.Error("32 URIs of 60 random characters fit")
	}
}

// Whoever says the same of themselves again has the same id, unless there is a
// secret in it that only one may know.
func TestRegisteringAgain(t *testing.T) {
	h := newHouse(t)
	const public, secret = `{"redirect_uris":["http://127.0.0.1/cb"],"client_name":"A","token_endpoint_auth_method":"none"}`, `{"redirect_uris":["https://a.test/cb"]}`
	first := h.register(t, public)
	h.clock.add(29 * time.Minute) // the same day
	if again := h.register(t, `{"client_name": "A", "redirect_uris": ["http://127.0.0.1/cb"], "token_endpoint_auth_method": "none", "x": 1}`); again.ID != first.ID {
		t.Error("the same registration has another id")
	}
	h.clock.add(2 * time.Minute) // the next
	if again := h.register(t, public); again.ID == first.ID {
		t.Error("the registration of another day has the same id, and would end with it")
	}
	a, b := h.register(t, secret), h.register(t, secret)
	if a.ID == b.ID || a.Secret == b.Secret || a.Token == b.Token {
		t.Error("two clients share a secret")
	}
}

func TestRegistrationsEndUnlessTheyAreUsed(t *testing.T) {
	h := newHouse(t)
	const body = `{"redirect_uris":["http://127.0.0.1/cb"],"token_endpoint_auth_method":"none"}`
	unused := h.register(t, body)
	used := h.register(t, `{"redirect_uris":["http://127.0.0.1/other"],"token_endpoint_auth_method":"none"}`)
	c := h.find(t, used.ID)
	if want := time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC).Add(30 * 24 * time.Hour); !c.Expires.Equal(want) {
		t.Errorf("it ends %s, want %s", c.Expires, want)
	}
	if err := h.Used(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	h.clock.add(30 * 24 * time.Hour)
	h.find(t, unused.ID) // to the end of its last day
	h.clock.add(31 * time.Minute)
	_, err := h.Find(t.Context(), unused.ID)
	wantErr(t, "one that was not used", err, client.ErrUnknown)
	wantCode(t, "as a refusal", client.Refusal(err), oauth.InvalidClient, "GH-1401")
	h.clock.add(3 * 365 * 24 * time.Hour)
	if c := h.find(t, used.ID); !c.Expires.IsZero() || c.LastUsed.IsZero() {
		t.Errorf("one that was used: got %+v", c)
	}
}

// TestA081ManagementToken keeps a registration to whoever made it.
func TestA081ManagementToken(t *testing.T) {
	h, ctx := newHouse(t), t.Context()
	mine := h.register(t, `{"redirect_uris":["https://a.test/cb"],"client_name":"Mine"}`)
	theirs := h.register(t, `{"redirect_uris":["https://b.test/cb"],"client_name":"Theirs"}`)
	for what, token := range map[string]string{"none": "", "another's": theirs.Token, "its secret": mine.Secret, "cut": mine.Token[:20], "longer": mine.Token + "A"} {
		_, err := h.Read(ctx, mine.ID, token)
		wantCode(t, "read by "+what, err, "invalid_token", "GH-1409")
		_, err = h.Update(ctx, mine.ID, token, []byte(`{}`))
		wantCode(t, "update by "+what, err, "invalid_token", "GH-1409")
		wantCode(t, "delete by "+what, h.Delete(ctx, mine.ID, token), "invalid_token", "GH-1409")
	}
	_, err := h.Read(ctx, "dcr_x", mine.Token)
	wantCode(t, "no such client", err, "invalid_token", "GH-1409")

	// What was read and is sent back changes nothing, in either direction.
	read, err := h.Read(ctx, mine.ID, mine.Token)
	if err != nil || marshal(t, read) != marshal(t, mine) {
		t.Fatalf("got %s, %v, want %s", marshal(t, read), err, marshal(t, mine))
	}
	before := h.find(t, mine.ID)
	if _, err := h.Update(ctx, mine.ID, mine.Token, []byte(marshal(t, read))); err != nil {
		t.Fatal(err)
	}
	if after := h.find(t, mine.ID); marshal(t, after) != marshal(t, before) {
		t.Errorf("got %s, want %s", marshal(t, after), marshal(t, before))
	}
	if _, total, _ := h.List(ctx, client.Filter{}); total != 0 {
		t.Error("a round trip made a row")
	}

}

// TestA081Changes keeps the id through a change, and nothing of what was approved.
func TestA081Changes(t *testing.T) {
	h, ctx := newHouse(t), t.Context()
	mine := h.register(t, `{"redirect_uris":["https://a.test/cb"],"client_name":"Mine"}`)
	theirs := h.register(t, `{"redirect_uris":["https://b.test/cb"],"client_name":"Theirs"}`)
	before := h.find(t, mine.ID)
	if _, err := h.Decide(ctx, mine.ID, client.Approved, "ada", ""); err != nil {
		t.Fatal(err)
	}
	body := map[string]any{"client_id": mine.ID, "client_secret": mine.Secret, "redirect_uris": []string{"https://a.test/new"}, "client_name": "Mine", "token_endpoint_auth_method": "client_secret_basic"}
	now, err := h.Update(ctx, mine.ID, mine.Token, []byte(marshal(t, body)))
	if err != nil || now.ID != mine.ID || now.Secret != mine.Secret || now.Token != mine.Token {
		t.Fatalf("got %+v, %v", now, err)
	}
	c := h.find(t, mine.ID)
	if c.State != client.Known || !slices.Equal(c.RedirectURIs, []string{"https://a.test/new"}) || c.Version == before.Version {
		t.Errorf("got %+v", c)
	}
	for what, change := range map[string]func(map[string]any){
		"another id":     func(m map[string]any) { m["client_id"] = theirs.ID },
		"no id":          func(m map[string]any) { delete(m, "client_id") },
		"another secret": func(m map[string]any) { m["client_secret"] = "chosen" },
		"no proof":       func(m map[string]any) { m["token_endpoint_auth_method"] = "none" },
	} {
		var bad map[string]any
		if err := json.Unmarshal([]byte(marshal(t, body)), &bad); err != nil {
			t.Fatal(err)
		}
		change(bad)
		_, err := h.Update(ctx, mine.ID, mine.Token, []byte(marshal(t, bad)))
		wantCode(t, what, err, oauth.InvalidMetadata, "GH-1408")
	}

	// Deleted, it is gone, for whoever asks, and so is what it was allowed.
	if err := h.Delete(ctx, mine.ID, mine.Token); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(h.ended, []string{mine.ID}) {
		t.Errorf("ended %v", h.ended)
	}
	_, err = h.Find(ctx, mine.ID)
	wantErr(t, "deleted", err, client.ErrUnknown)
	_, err = h.Read(ctx, mine.ID, mine.Token)
	wantCode(t, "read when it is gone", err, "invalid_token", "GH-1409")
}

// TestA081DeletedStaysDeleted keeps a registration gone for as long as its id could
// have come back, and no longer than anybody needs it.
func TestA081DeletedStaysDeleted(t *testing.T) {
	h, ctx := newHouse(t), t.Context()
	gone := h.register(t, `{"redirect_uris":["https://a.test/cb"]}`)
	if err := h.Delete(ctx, gone.ID, gone.Token); err != nil {
		t.Fatal(err)
	}
	sweep := func() {
		other := h.register(t, `{"redirect_uris":["https://b.test/cb"]}`)
		if err := h.Delete(ctx, other.ID, other.Token); err != nil {
			t.Fatal(err)
		}
	}
	for range 35 {
		h.clock.add(24 * time.Hour)
		sweep()
		_, err := h.Find(ctx, gone.ID)
		wantErr(t, "deleted", err, client.ErrUnknown)
	}
	if _, err := h.Store.Client(ctx, gone.ID); !errors.Is(err, client.ErrUnknown) {
		t.Errorf("it is still kept: %v", err)
	}
}

// TestA081SharedRegistrations lets nobody change or end a client that others have
// too: whoever registers the same has its id and its token.
func TestA081SharedRegistrations(t *testing.T) {
	h, ctx := newHouse(t), t.Context()
	const body = `{"redirect_uris":["http://127.0.0.1/cb"],"client_name":"Everybody's","token_endpoint_auth_method":"none"}`
	victim, attacker := h.register(t, body), h.register(t, body)
	if victim.ID != attacker.ID {
		t.Fatal("not shared")
	}
	read, err := h.Read(ctx, attacker.ID, attacker.Token)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Update(ctx, attacker.ID, attacker.Token, []byte(marshal(t, read))); err != nil {
		t.Errorf("unchanged: %v", err)
	}
	read.Redirects = []string{"https://evil.test/cb"}
	_, err = h.Update(ctx, attacker.ID, attacker.Token, []byte(marshal(t, read)))
	wantCode(t, "change", err, oauth.AccessDenied, "GH-1408")
	wantCode(t, "delete", h.Delete(ctx, attacker.ID, attacker.Token), oauth.AccessDenied, "GH-1408")
	if c := h.find(t, victim.ID); !slices.Equal(c.RedirectURIs, []string{"http://127.0.0.1/cb"}) {
		t.Errorf("got %v", c.RedirectURIs)
	}
}

// TestA079RegistrationsCostNoDisk keeps nothing of registrations, nor of looking
// them up, nor of refused attempts to use them.
func TestA079RegistrationsCostNoDisk(t *testing.T) {
	h := newHouse(t)
	for i := range 100 {
		r := h.register(t, fmt.Sprintf(`{"redirect_uris":["https://app%d.test/cb"],"client_name":"App %d"}`, i, i))
		h.find(t, r.ID)
		_, err := h.Authenticate(t.Context(), &client.Attempt{Form: form(t, "client_secret=wrong&client_id="+r.ID)})
		wantCode(t, "a wrong secret", err, oauth.InvalidClient, "GH-1409")
	}
	if _, total, err := h.List(t.Context(), client.Filter{}); err != nil || total != 0 {
		t.Errorf("got %d rows, %v", total, err)
	}
}

// BenchmarkRegister has each registration be another one; a million of them are
// -benchtime 1000000x. The database does not grow.
func BenchmarkRegister(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "state")
	d, err := store.Open(b.Context(), store.Config{SQLite: filepath.Join(dir, "gatehouse.db")})
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	size := func() (n int64) {
		files, err := os.ReadDir(dir)
		if err != nil {
			b.Fatal(err)
		}
		for _, f := range files {
			if info, err := f.Info(); err == nil {
				n += info.Size()
			}
		}
		return n
	}
	before := size()
	g := &client.Registry{Store: d.Clients(), Secret: make([]byte, 32), Issuer: issuer, Settings: client.Settings{Registration: true}}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		if _, err := g.Register(b.Context(), []byte(fmt.Sprintf(`{"redirect_uris":["http://localhost:%d/callback"],"client_name":"Claude Code (server-%d)","grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none"}`, n%60000+1, n))); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(size()-before), "disk-B")
}

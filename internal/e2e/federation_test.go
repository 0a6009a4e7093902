package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// houses is the configuration of an installation whose people sign in with a provider.
const houses = `version: 1
server:
  public_url: https://ADDRESS
  listen: ADDRESS
  tls: {files: {cert: DIR/cert.pem, key: DIR/key.pem}}
servers:
  - {name: front, path: /mcp, url: "UPSTREAM", forward: {identity: headersTOKEN}}
auth:
  api_keys: {}
  embedded:
    login:
      - {LOGIN, ca: CA, private: [127.0.0.1]}
scopes:
  tools:read: {title: Use what only reads, default: true}
policy:
  default: deny
  rules:
    - {name: read, tools: [test_simple_text], require: {scopes: [tools:read]}}
    - {name: everybody, tools: [test_multiple_content_types]}
limits: {per_key: off, failed_auth: {per_ip: 1000000/min, ban: 1m}}
store: {sqlite: DIR/state/gatehouse.db, encryption_key: "${file:DIR/kek}"}
admin: {listen: 127.0.0.1:0}
`

// overlooked is a server that notes the Authorization of what it is sent.
type overlooked struct {
	url string
	mu  sync.Mutex
	saw []string
}

func overlook(t *testing.T) *overlooked {
	t.Helper()
	to, err := url.Parse(goServer(t, true))
	if err != nil {
		t.Fatal(err)
	}
	w := &overlooked{}
	pass := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: to.Scheme, Host: to.Host}) }}
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.saw = append(w.saw, r.Header.Get("Authorization"))
		w.mu.Unlock()
		pass.ServeHTTP(rw, r)
	}))
	t.Cleanup(s.Close)
	w.url = s.URL + to.Path
	return w
}

func (w *overlooked) calls() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.saw)
}

func (w *overlooked) last() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.saw) == 0 {
		return ""
	}
	return w.saw[len(w.saw)-1]
}

// brokered is a provider that people sign in with, and one of them.
type brokered struct {
	name    string
	start   func(t *testing.T, callback string) *provider
	login   string // of the configuration; ISSUER is the provider's
	refused string // the same, with an allow-list that does not have the person
	user    string
	subject string // empty: any
	iss     bool   // its answers say whose they are
}

func brokers() []brokered {
	return []brokered{
		{
			"node oidc-provider",
			func(t *testing.T, callback string) *provider {
				return nodeProvider(t, map[string]map[string]any{"ada": {"email": "ada@acme.com", "email_verified": true, "groups": []string{"eng"}, "name": "Ada"}},
					map[string]nodeResource{mcpResource: {Scope: "tools:read"}},
					"claims", map[string][]string{"openid": {"sub"}, "email": {"email", "email_verified"}, "profile": {"name", "groups"}},
					"clients", []any{map[string]any{
						"client_id": "ours", "client_secret": notASecret, "redirect_uris": []string{callback}, "grant_types": []string{"authorization_code", "refresh_token"},
						"response_types": []string{"code"}, "token_endpoint_auth_method": "client_secret_basic",
					}})
			},
			`name: acme, issuer: "ISSUER", client_id: ours, client_secret: "${file:DIR/secret}", allow: {domains: [acme.com], groups: [eng]}`,
			`name: acme, issuer: "ISSUER", client_id: ours, client_secret: "${file:DIR/secret}", allow: {domains: [bolt.com]}`,
			"ada", "ada", true,
		},
		{
			"zitadel",
			func(t *testing.T, callback string) *provider { return zitadelProvider(t, "-web", callback) },
			`name: acme, issuer: "ISSUER", client_id: web, client_secret: "${file:DIR/secret}", allow: {users: [test-user@zitadel.ch]}`,
			`name: acme, issuer: "ISSUER", client_id: web, client_secret: "${file:DIR/secret}", allow: {users: [test-user2@zitadel.ch]}`,
			"id1", "id1", false,
		},
		{
			"glewlwyd",
			func(t *testing.T, callback string) *provider {
				return glewlwydProvider(t, []string{"ada"}, map[string][]string{"tools:read": {mcpResource}}, map[string]any{
					"client_id": "ours", "name": "ours", "confidential": true, "client_secret": notASecret, "enabled": true, "scope": []string{"openid", "tools:read"},
					"redirect_uri": []string{callback}, "authorization_type": []string{"code", "refresh_token"},
					"token_endpoint_auth_method": []string{"client_secret_basic"},
				})
			},
			`name: acme, issuer: "ISSUER", client_id: ours, client_secret: "${file:DIR/secret}", scopes: ["tools:read"]`,
			`name: acme, issuer: "ISSUER", client_id: ours, client_secret: "${file:DIR/secret}", scopes: ["tools:read"], allow: {users: [nobody]}`,
			"ada", "", true,
		},
	}
}

var (
	formOf    = regexp.MustCompile(`(?s)<form method="post" action="(/auth/consent)">\s*<input type="hidden" name="flow" value="([^"]+)">(.*?)</form>`)
	boxOf     = regexp.MustCompile(`name="scope" value="([^"]+)"[^>]* checked`)
	refreshOf = regexp.MustCompile(`http-equiv="refresh" content="0;url=([^"]+)"`)
)

// houseText is the configuration of a front whose people sign in with a provider.
func houseText(t *testing.T, f *front, p *provider, upstream, login string, tokens bool) string {
	write(t, filepath.Join(f.dir, "secret"), notASecret)
	write(t, filepath.Join(f.dir, "kek"), strings.Repeat("k", 40))
	forward := ""
	if tokens {
		forward = ", upstream_token: acme"
	}
	return strings.NewReplacer("ADDRESS", f.address, "UPSTREAM", upstream, "LOGIN", login, "CA", p.file("cert.pem"), "ISSUER", p.issuer, "TOKEN", forward).Replace(
		strings.ReplaceAll(houses, "LOGIN", login))
}

// TestPeopleSignInWithRealProviders goes from a client over our pages and a real
// provider to a tool, which gets the provider's token and never ours.
func TestPeopleSignInWithRealProviders(t *testing.T) {
	for _, b := range brokers() {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			f := reserved(t)
			p := b.start(t, "https://"+f.address+"/auth/callback/acme")
			up := overlook(t)
			f.open(t, houseText(t, f, p, up.url, b.login, true), p)
			v := newVisitor(t, f, p, b.user)
			client := registered(t, v, f)
			told, verifier := signsIn(t, v, f, client)
			if told.Get("code") == "" || told.Get("state") != "a-state" || told.Get("iss") != "https://"+f.address {
				t.Fatalf("got %v after %q: %d %s\n%s", told, v.seen, v.status, v.page, refusedSignIns(t, f))
			}
			consent, sign := slices.Index(v.seen, f.address+"/auth/consent"), slices.Index(v.seen, f.address+"/auth/login/acme")
			if consent < 0 || sign < consent || slices.IndexFunc(v.seen, func(s string) bool { return strings.HasPrefix(s, p.address) }) < sign {
				t.Errorf("the way was %q", v.seen)
			}
			token := redeemed(t, v, f, client, told.Get("code"), verifier)
			_, claims := peek(t, token)
			who, _ := claims["idp"].(map[string]any)
			if sub := fmt.Sprint(who["sub"]); who["iss"] != p.issuer || b.subject != "" && sub != b.subject || claims["sub"] == sub || claims["aud"] != f.url {
				t.Errorf("got %v", claims)
			}
			answer := ""
			status := callJSON(t, v.browser, f.url, token, map[string]any{
				"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": map[string]any{"name": reading, "arguments": map[string]any{}},
			}, &answer)
			upstream := strings.TrimPrefix(up.last(), "Bearer ")
			if status != http.StatusOK || !strings.Contains(answer, "simple text response") || upstream == "" || upstream == token || strings.Contains(answer, upstream) {
				t.Errorf("got %d %s; the server saw %q", status, answer, up.last())
			}
			if key := up.last(); !strings.HasPrefix(key, "Bearer ") {
				t.Errorf("the server saw %q", key)
			}
			refusesKeys(t, v, f, up)
			if log := f.stdout.String() + f.stderr.String(); strings.Contains(log, upstream) || strings.Contains(log, told.Get("code")) {
				t.Error("the log has a token or a code")
			}
		})
	}
}

// refusesKeys wants the server not to be called for somebody who has nothing of a provider.
func refusesKeys(t *testing.T, v *visitor, f *front, up *overlooked) {
	t.Helper()
	_, key := f.key("--name", "machine", "--tools", "*")
	before, answer := up.calls(), ""
	status := callJSON(t, v.browser, f.url, key, map[string]any{
		"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": map[string]any{"name": writing, "arguments": map[string]any{}},
	}, &answer)
	if status != http.StatusForbidden || !strings.Contains(answer, "GH-1448") || up.calls() != before {
		t.Errorf("with a key: got %d %s", status, answer)
	}
}

// TestPeopleWhoAreNotAllowedAreToldSo: of whom the allow-list does not have there
// is no code, and no account.
func TestPeopleWhoAreNotAllowedAreToldSo(t *testing.T) {
	for _, b := range brokers() {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			f := reserved(t)
			p := b.start(t, "https://"+f.address+"/auth/callback/acme")
			f.open(t, houseText(t, f, p, overlook(t).url, b.refused, false), p)
			v := newVisitor(t, f, p, b.user)
			if told, _ := signsIn(t, v, f, registered(t, v, f)); told != nil || v.status != http.StatusForbidden || !strings.Contains(v.page, "GH-1444") || !strings.Contains(v.page, f.address+" allows") {
				t.Errorf("got %v, %d %s\n%s", told, v.status, v.page, refusedSignIns(t, f))
			}
		})
	}
}

// TestLoginTestShowsWhatAProviderSays runs the command, signs in as it says, and
// wants to hear of the allow-list.
func TestLoginTestShowsWhatAProviderSays(t *testing.T) {
	b := brokers()[0]
	f := reserved(t)
	port := freeAddress(t)
	callback := "http://" + port + "/auth/callback/acme"
	p := b.start(t, callback)
	f.trust(t, p)
	for _, tt := range []struct {
		login string
		exit  int
		want  string
	}{{b.login, 0, "would be admitted"}, {b.refused, 1, "GH-1444 would be refused"}} {
		f.configure(t, houseText(t, f, p, "http://127.0.0.1:1/mcp", tt.login, false))
		text, exit := loggedIn(t, exec.Command(gatehouseBinary(t), "idp", "login-test", "-c", f.file, "acme", "--redirect", callback), func(at string) {
			newVisitor(t, f, p, b.user).travel(at)
		})
		if exit != tt.exit || !strings.Contains(text, tt.want) || !strings.Contains(text, "ada@acme.com") || !strings.Contains(text, "eng") {
			t.Errorf("got %d, %s", exit, text)
		}
	}
}

var signInAt = regexp.MustCompile(`(?m)^  (https://\S+)$`)

// loggedIn runs a command that waits for somebody to sign in where it says.
func loggedIn(t *testing.T, cmd *exec.Cmd, sign func(at string)) (text string, exit int) {
	t.Helper()
	run := start(t, cmd)
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if at := signInAt.FindStringSubmatch(run.stderr.String()); at != nil {
			sign(at[1])
			break
		}
		if time.Now().After(end) {
			t.Fatalf("it does not say where to sign in: %s", run.stderr)
		}
	}
	select {
	case <-run.done:
	case <-time.After(patience):
		t.Fatal("it does not end")
	}
	return run.stdout.String(), cmd.ProcessState.ExitCode()
}

// refusedSignIns are what the trail has of sign-ins that were refused.
func refusedSignIns(t *testing.T, f *front) string {
	t.Helper()
	text, _ := exec.Command(gatehouseBinary(t), "audit", "search", "-c", f.file, "--kind", "sign_in", "--outcome", "refused", "--json").CombinedOutput()
	return string(text)
}

package e2e

import (
	"bytes"
	"compress/gzip"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite" // glewlwyd keeps what it knows in a database
)

// glewlwydProvider starts glewlwyd with users who may have the scopes, and
// with the resources that each scope is for. Their password is notASecret.
func glewlwydProvider(t testing.TB, users []string, scopes map[string][]string, clients ...map[string]any) *provider {
	t.Helper()
	p := newProvider(t, "glewlwyd")
	p.issuer += "/api/oidc"
	p.client = "client"
	installed := filepath.Join(root(t), ".tools", "glewlwyd")
	if _, err := os.Stat(filepath.Join(installed, "usr", "bin", "glewlwyd")); err != nil {
		missing(t, "glewlwyd")
	}
	p.glewlwydDatabase(installed)
	if err := os.Mkdir(p.file("none"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, p.file("glewlwyd.conf"), p.glewlwydConfiguration(installed))
	p.command = func() *exec.Cmd {
		return exec.Command(filepath.Join(installed, "usr", "bin", "glewlwyd"), "-c", p.file("glewlwyd.conf"))
	}
	p.start()
	admin := p.glewlwydSession("admin", "password")
	names := make([]string, 0, len(scopes))
	for s := range scopes {
		names = append(names, s)
		p.glewlwydCall(admin, http.MethodPost, "/api/scope/", map[string]any{"name": s, "display_name": s, "password_required": true, "scheme": map[string]any{}})
	}
	for _, u := range users {
		p.glewlwydCall(admin, http.MethodPost, "/api/user/", map[string]any{"username": u, "password": notASecret, "enabled": true, "scope": append([]string{"g_profile", "openid"}, names...)})
	}
	p.glewlwydCall(admin, http.MethodPost, "/api/client/", map[string]any{
		"client_id": p.client, "name": p.client, "confidential": false, "enabled": true, "scope": names, "redirect_uri": []string{redirectURI},
		"authorization_type": []string{"code", "refresh_token"}, "token_endpoint_auth_method": []string{"none"},
	})
	for _, c := range clients {
		p.glewlwydCall(admin, http.MethodPost, "/api/client/", c)
	}
	keys := []json.RawMessage{privateKey(t, "key-1")}
	p.glewlwydCall(admin, http.MethodPost, "/api/mod/plugin/", p.glewlwydPlugin(keys, scopes))
	p.rotate = func() {
		keys = append([]json.RawMessage{privateKey(t, fmt.Sprintf("key-%d", len(keys)+1))}, keys...)
		p.glewlwydCall(admin, http.MethodPut, "/api/mod/plugin/oidc", p.glewlwydPlugin(keys, scopes))
		p.glewlwydCall(admin, http.MethodPut, "/api/mod/plugin/oidc/reset/", nil)
	}
	p.page = func(browser *http.Client, at *url.URL, user string) (string, error) {
		if err := p.glewlwydTell(browser, http.MethodPost, "/api/auth/", map[string]any{"username": user, "password": notASecret}); err != nil {
			return "", err
		}
		q := at.Query()
		if err := p.glewlwydTell(browser, http.MethodPut, "/api/auth/grant/"+q.Get("client_id")+"/", map[string]any{"scope": q.Get("scope")}); err != nil {
			return "", err
		}
		return q.Get("callback_url") + "&g_continue", nil
	}
	return p
}

// glewlwydDatabase makes the database from the text that comes with the package.
func (p *provider) glewlwydDatabase(installed string) {
	p.t.Helper()
	f, err := os.Open(filepath.Join(installed, "usr", "share", "doc", "glewlwyd", "database", "init.sqlite3.sql.gz"))
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	unpacked, err := gzip.NewReader(f)
	if err != nil {
		p.t.Fatal(err)
	}
	text, err := io.ReadAll(unpacked)
	if err != nil {
		p.t.Fatal(err)
	}
	db, err := sql.Open("sqlite", p.file("glewlwyd.db"))
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(p.t.Context(), string(text)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *provider) glewlwydConfiguration(installed string) string {
	_, port, _ := strings.Cut(p.address, ":")
	return strings.NewReplacer("PORT", port, "ADDRESS", p.address, "MODULES", filepath.Join(installed, "usr", "lib", "glewlwyd"), "DIR", p.dir).Replace(`
port=PORT
bind_address="127.0.0.1"
external_url="https://ADDRESS"
login_url="login"
api_prefix="api"
static_files_path="DIR/none"
log_mode="console"
log_level="WARNING"
cookie_secure=1
user_module_path="MODULES/user"
user_middleware_module_path="DIR/none"
client_module_path="MODULES/client"
user_auth_scheme_module_path="MODULES/scheme"
plugin_module_path="MODULES/plugin"
use_secure_connection=true
secure_connection_key_file="DIR/key.pem"
secure_connection_pem_file="DIR/cert.pem"
hash_algorithm="SHA512"
database={ type="sqlite3" path="DIR/glewlwyd.db" };
`)
}

// glewlwydPlugin is the configuration of its OpenID provider.
func (p *provider) glewlwydPlugin(keys []json.RawMessage, scopes map[string][]string) map[string]any {
	return map[string]any{"module": "oidc", "name": "oidc", "display_name": "oidc", "parameters": map[string]any{
		"iss": p.issuer, "jwt-type": "ecdsa", "jwt-key-size": "256", "jwks-private": string(mustMarshal(p.t, map[string]any{"keys": keys})), "jwks-show": true,
		"access-token-duration": 600, "refresh-token-duration": 3600, "code-duration": 60, "allow-non-oidc": true,
		"auth-type-code-enabled": true, "auth-type-refresh-enabled": true, "pkce-allowed": true, "pkce-required": true,
		"resource-allowed": true, "resource-scope": scopes, "oauth-as-iss-id": true,
	}}
}

// glewlwydSession signs somebody in.
func (p *provider) glewlwydSession(user, password string) *http.Client {
	p.t.Helper()
	browser := p.browser()
	p.glewlwydCall(browser, http.MethodPost, "/api/auth/", map[string]any{"username": user, "password": password})
	return browser
}

// glewlwydCall asks its interface for administrators, and wants success.
func (p *provider) glewlwydCall(session *http.Client, method, path string, body any) {
	p.t.Helper()
	if err := p.glewlwydTell(session, method, path, body); err != nil {
		p.t.Fatal(err)
	}
}

func (p *provider) glewlwydTell(session *http.Client, method, path string, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	q, err := http.NewRequestWithContext(p.t.Context(), method, "https://"+p.address+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	q.Header.Set("Content-Type", "application/json")
	res, err := session.Do(q)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if answer, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusOK {
		return fmt.Errorf("glewlwyd: %s %s: %s %s", method, path, res.Status, answer)
	}
	return nil
}

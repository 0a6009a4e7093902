package server

import (
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/federation"
	"github.com/gatehouse-mcp/gatehouse/internal/login"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// Somebody who is disabled has nothing left at their provider, and what became of
// that is in the trail. A provider that does not answer holds nobody.
func TestADisabledUserLosesTheTokensOfTheirProvider(t *testing.T) {
	var revoked atomic.Value
	var idp *httptest.Server
	idp = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/revoke" {
			revoked.Store(r.FormValue("token"))
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{
			"issuer": idp.URL, "authorization_endpoint": idp.URL + "/a", "token_endpoint": idp.URL + "/t", "jwks_uri": idp.URL + "/k", "revocation_endpoint": idp.URL + "/revoke",
		})
	}))
	defer idp.Close()
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.pem")
	must(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: idp.Certificate().Raw}), 0o600))
	c := &config.Config{Auth: config.Auth{Embedded: &config.Embedded{Issuer: "https://auth.test", Login: []config.Login{{
		Name: "acme", Preset: "oidc", Issuer: idp.URL, ClientID: "c", ClientSecret: "s", Private: []string{"127.0.0.1"}, CA: ca,
		Allow: config.Admitted{Domains: []string{"acme.test"}}, KeepTokens: true,
	}}}}}
	i := opened(t, State{Dir: filepath.Join(dir, "state")}, strings.Repeat("k", 32))
	i.current.Store(c)
	ctx := t.Context()
	home, err := i.Tenants.Find(ctx, tenant.Default)
	must(t, err)
	key, _, err := i.sealKey(ctx)
	must(t, err)
	people := i.newPeople(c, key)
	for _, name := range []string{"ada", "bob"} {
		u, err := people.Create(ctx, &login.NewUser{Tenant: home.ID, Username: name})
		must(t, err)
		providers, err := newProviders(c)
		must(t, err)
		vault := &federation.Vault{Store: i.DB.Federation(), Seal: key, Providers: map[string]federation.Provider{"acme": providers[0]}}
		must(t, vault.Keep(ctx, home.ID, u.ID, "acme", &federation.Tokens{Access: "a", Refresh: "refresh of " + name, Expires: time.Now().Add(time.Hour)}))
		if name == "bob" {
			idp.Close() // it does not answer any more
		}
		_, err = i.adminPeople().Disable(ctx, home.ID, u.ID, "root", "left")
		must(t, err)
		i.ending.Wait()
		if _, err := vault.Store.Tokens(ctx, home.ID, u.ID, "acme"); err == nil {
			t.Errorf("%s: the tokens are still here", name)
		}
	}
	if got := revoked.Load(); got != "refresh of ada" {
		t.Errorf("the provider was told of %v", got)
	}
	must(t, i.Close())
	trail, err := os.ReadFile(filepath.Join(dir, "state", config.AuditFile))
	must(t, err)
	for _, want := range []string{`"outcome":"ok"`, `"outcome":"error"`} {
		if !strings.Contains(string(trail), want) || strings.Contains(string(trail), "refresh of") || strings.Count(string(trail), "user.revoke_upstream") != 2 {
			t.Errorf("want %s in\n%s", want, trail)
		}
	}
}

// Nothing is begun over an installation that has ended.
func TestNothingIsToldOnceTheInstallationEnds(t *testing.T) {
	var e endings
	told := make(chan struct{})
	if !e.begin(func() { close(told) }) {
		t.Fatal("nothing can be begun")
	}
	e.close()
	select {
	case <-told:
	default:
		t.Error("what was begun was not waited for")
	}
	if e.begin(func() { t.Error("it was begun after the end") }) {
		t.Error("want it said that nothing was begun")
	}
	e.Wait()
}

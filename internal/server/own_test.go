package server

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// counted is an upstream that counts the calls it gets.
func counted(t *testing.T) (url string, calls *atomic.Int64) {
	calls = &atomic.Int64{}
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			body, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(strings.NewReader(string(body)))
			if strings.Contains(string(body), "tools/call") {
				calls.Add(1)
			}
		}
		ticking(w, r)
	}))
	t.Cleanup(up.Close)
	return up.URL + "/mcp", calls
}

// TestA117TenantsWithAServerOfTheirOwn has one tenant's calls go to a server of
// its own and everybody else's to the shared one, over reloads.
func TestA117TenantsWithAServerOfTheirOwn(t *testing.T) {
	shared, atShared := counted(t)
	own, atOwn := counted(t)
	theirs := func(n *config.Config) { n.Tenants.Upstream = map[string]string{"default": own} }
	c := reloadable(t, shared, theirs)
	acme := newKeyOf(t, c.Running, "acme")
	ask := func(key string, wantShared, wantOwn int64) {
		t.Helper()
		before := c.key
		c.key = key
		defer func() { c.key = before }()
		a, b := atShared.Load(), atOwn.Load()
		if got := c.use("x"); got != http.StatusOK {
			t.Fatalf("got %d, want 200", got)
		}
		if a, b = atShared.Load()-a, atOwn.Load()-b; a != wantShared || b != wantOwn {
			t.Errorf("got %d calls at the shared server and %d at the tenant's own, want %d and %d", a, b, wantShared, wantOwn)
		}
	}
	ask(c.key, 0, 1)
	ask(acme, 1, 0)
	stream := c.listen()
	c.lives(stream)
	for i := range 3 { // what is not about it leaves it alone
		c.changed(func(n *config.Config) { n.Limits.Concurrent.PerKey = 10 + i })
		c.lives(stream)
	}
	c.changed(func(n *config.Config) { n.Tenants.Upstream = nil })
	c.ends(stream)
	ask(c.key, 1, 0)
	ask(acme, 1, 0)
	c.changed(theirs)
	ask(c.key, 0, 1)
	ask(acme, 1, 0)
}

func TestTenantsServersNeedOneToStandIn(t *testing.T) {
	url, _ := counted(t)
	c := reloadable(t, url)
	err := c.change(func(n *config.Config) {
		n.Servers = append(n.Servers, config.Upstream{Name: "other", Path: "/other", URL: url})
		n.Tenants.Upstream = map[string]string{"default": url}
	})
	if err == nil || !strings.Contains(fmt.Sprint(err), "2 servers have one") {
		t.Errorf("got %v, want to hear that two servers have a url", err)
	}
}

// newKeyOf makes a tenant and a key of it.
func newKeyOf(t *testing.T, r *Running, tenant string) string {
	t.Helper()
	c := &adminapi.Client{Transport: r.Admin}
	if _, err := c.CreateTenant(t.Context(), tenant); err != nil {
		t.Fatal(err)
	}
	k, err := c.CreateKey(t.Context(), adminapi.NewKey{Name: "test", Tenant: tenant})
	if err != nil {
		t.Fatal(err)
	}
	return k.Key
}

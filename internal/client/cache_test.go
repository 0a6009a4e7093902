package client_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/client"
)

// TestA089CacheRules asks again when a document is old, at most as often as a
// minute allows, and keeps nothing that went wrong.
func TestA089CacheRules(t *testing.T) {
	h := newHost(t)
	first := near(t, h)
	for _, tt := range []struct {
		name, control, age string
		fresh              time.Duration // until then it is not asked for
	}{
		{"nothing", "", "", time.Hour},
		{"ten years", "max-age=315360000", "", 24 * time.Hour},
		{"none", "max-age=0", "", time.Minute},
		{"no-store", "no-store, max-age=600", "", time.Minute},
		{"no-cache", "no-cache", "", time.Minute},
		{"ten minutes", `public, Max-Age="600"`, "", 10 * time.Minute},
		{"ten minutes, half of them gone", "max-age=600", "300", 5 * time.Minute},
		{"older than it may be", "max-age=600", "9999999", time.Minute},
		{"nonsense", "max-age=-5", "", time.Minute},
		{"more nonsense", "max-age=x", "y", time.Hour},
	} {
		g := first.again()
		h.requests.Store(0)
		h.says(h.document(""), "Cache-Control", tt.control, "Age", tt.age, "Vary", "*")
		g.find(t, h.id)
		g.clock.add(tt.fresh - time.Second)
		g.find(t, h.id)
		if n := h.requests.Load(); n != 1 {
			t.Errorf("%s: %d requests before %s", tt.name, n, tt.fresh)
		}
		g.clock.add(time.Second)
		g.find(t, h.id)
		if n := h.requests.Load(); n != 2 {
			t.Errorf("%s: %d requests after %s", tt.name, n, tt.fresh)
		}
	}
}

// TestA089FailuresAreNotKept tries again after ten seconds, not sooner, and takes
// the good answer then.
func TestA089FailuresAreNotKept(t *testing.T) {
	h := newHost(t)
	g := near(t, h)
	good := h.answer
	h.does(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	for range 20 {
		_, err := g.Find(t.Context(), h.id)
		wantErr(t, "while it fails", err, client.ErrFetch)
	}
	h.does(good)
	_, err := g.Find(t.Context(), h.id)
	wantErr(t, "at once afterwards", err, client.ErrFetch)
	if n := h.requests.Load(); n != 1 {
		t.Errorf("%d requests", n)
	}
	g.clock.add(10 * time.Second)
	g.find(t, h.id)
}

// TestA089ExactKeys takes no document of one URL for another's.
func TestA089ExactKeys(t *testing.T) {
	h := newHost(t)
	g := near(t, h)
	g.find(t, h.id)
	for _, id := range []string{h.URL + "/OAUTH/client.json", h.id + "?x=1", h.id + "/", strings.Replace(h.id, "client", "%63lient", 1)} {
		_, err := g.Find(t.Context(), id)
		wantErr(t, id, err, client.ErrInvalid)
	}
	// The policy is asked each time, also of what is kept.
	other := g.again(func(r *client.Registry) { r.Cache, r.Settings.Others = g.Cache, client.Refuse })
	_, err := other.Find(t.Context(), h.id)
	wantErr(t, "by another policy", err, client.ErrBlocked)
}

// A document that cannot be fetched serves as it was last, for a week; one that was
// withdrawn or changed to something else does not.
func TestLastGoodDocument(t *testing.T) {
	h := newHost(t)
	g := near(t, h)
	c := g.find(t, h.id)
	if err := g.Used(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	down := func(status int) { h.does(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }) }
	// another process, which has fetched nothing; the first one's row tells it
	again := g.again()
	down(403) // as content networks answer to clouds
	g.clock.add(2 * time.Hour)
	for what, one := range map[string]*house{"the process that knew it": g, "another": again} {
		if c, err := one.Find(t.Context(), h.id); err != nil || c.Version != g.find(t, h.id).Version {
			t.Errorf("%s: got %+v, %v", what, c, err)
		}
	}
	g.clock.add(8 * 24 * time.Hour)
	for what, one := range map[string]*house{"the process that knew it": g, "another": again} {
		_, err := one.Find(t.Context(), h.id)
		wantErr(t, what+", after a week", err, client.ErrFetch)
	}
	h.says(h.document(""))
	g.clock.add(time.Minute)
	g.find(t, h.id)
	for what, answer := range map[string]func(){
		"withdrawn": func() { down(410) }, "not there": func() { down(404) }, "changed": func() { h.says(`{"client_id":"x"}`) },
	} {
		answer()
		g.clock.add(2 * time.Hour)
		if c, err := g.Find(t.Context(), h.id); err == nil {
			t.Errorf("%s: got %+v", what, c)
		}
		h.says(h.document(""))
		g.clock.add(time.Minute)
		g.find(t, h.id)
	}
}

// Well-known clients are known where their documents cannot be fetched.
func TestPinnedDocuments(t *testing.T) {
	g := newHouse(t, func(g *client.Registry) {
		g.Settings.Trusted = []string{"claude.ai", "chatgpt.com", "vscode.dev", "zed.dev", "opencode.ai"}
	})
	client.BarTheWay(g.Registry)
	for id, redirect := range map[string]string{
		"https://claude.ai/oauth/mcp-oauth-client-metadata":   "https://claude.ai/api/mcp/auth_callback",
		"https://claude.ai/oauth/claude-code-client-metadata": "http://localhost/callback",
		"https://chatgpt.com/oauth/client.json":               "https://chatgpt.com/connector_platform_oauth_redirect",
		"https://chatgpt.com/oauth/codex/client.json":         "http://127.0.0.1/callback",
		"https://vscode.dev/oauth/client-metadata.json":       "http://127.0.0.1:33418/",
		"https://zed.dev/oauth/client-metadata.json":          "http://127.0.0.1/callback",
		"https://opencode.ai/oauth/opencode/client.json":      "http://127.0.0.1/callback",
	} {
		if c := g.find(t, id); c.State != client.Approved || c.RedirectURIs[0] != redirect && c.RedirectURIs[1] != redirect {
			t.Errorf("got %+v", c)
		}
	}
	_, err := g.Find(t.Context(), "https://claude.ai/oauth/other")
	wantErr(t, "another of the same domain", err, client.ErrFetch)
}

// TestA091FetchesAreBounded has no stranger make us ask a host more than it bears.
func TestA091FetchesAreBounded(t *testing.T) {
	h := newHost(t)
	var mu sync.Mutex
	var now, most int
	waiting, open := gate(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Cookie") != "" || r.Header.Get("Authorization") != "" || r.UserAgent() != "gatehouse" {
			t.Errorf("got headers %v", r.Header)
		}
		w.WriteHeader(404)
	})
	defer open()
	h.does(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		now++
		most = max(most, now)
		mu.Unlock()
		waiting(w, r)
		mu.Lock()
		now--
		mu.Unlock()
	})
	g, began := near(t, h), time.Now()
	var all sync.WaitGroup
	for i := range 500 {
		all.Go(func() {
			_, err := g.Find(t.Context(), fmt.Sprintf("%s/%d", h.URL, i))
			wantErr(t, "one of many", err, client.ErrFetch)
		})
	}
	until(t, func() bool { mu.Lock(); defer mu.Unlock(); return now == 4 })
	open()
	all.Wait()
	if most > 4 {
		t.Errorf("%d at once from one host", most)
	}
	for i := range 500 { // one after the other
		_, _ = g.Find(t.Context(), fmt.Sprintf("%s/again/%d", h.URL, i))
	}
	if n, most := h.requests.Load(), 61+int64(time.Since(began)/time.Second); n > most { // 60 at once, then one a second
		t.Errorf("%d requests, want at most %d", n, most)
	}
}

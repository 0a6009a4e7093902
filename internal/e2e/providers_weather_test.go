package e2e

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// traffic is calls without a pause, each with the next of several tokens.
type traffic struct {
	mu     sync.Mutex
	tokens []string
	over   atomic.Bool
	wait   sync.WaitGroup
	calls  atomic.Int64
	lost   atomic.Int64
	first  atomic.Pointer[got] // the first that was refused
}

// drive begins with calls to a front.
func (f *front) drive(t *testing.T, tokens ...string) *traffic {
	d := &traffic{tokens: tokens}
	for i := range 4 {
		d.wait.Go(func() {
			c := f.client()
			defer c.CloseIdleConnections()
			for n := i; !d.over.Load(); n++ {
				d.mu.Lock()
				token := d.tokens[n%len(d.tokens)]
				d.mu.Unlock()
				g := f.ask(c, http.MethodPost, f.url, toolCall(reading, `{}`), toolHeaders(token, reading)...)
				d.calls.Add(1)
				if g.status != http.StatusOK {
					d.lost.Add(1)
					d.first.CompareAndSwap(nil, &g)
				}
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	t.Cleanup(d.end)
	return d
}

// with adds a token.
func (d *traffic) with(token string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tokens = append(d.tokens, token)
}

func (d *traffic) end() {
	d.over.Store(true)
	d.wait.Wait()
}

// unharmed ends it and wants every call to have been let through.
func (d *traffic) unharmed(t *testing.T) {
	t.Helper()
	d.end()
	if d.lost.Load() != 0 || d.calls.Load() == 0 {
		first := d.first.Load()
		t.Errorf("got %d of %d calls refused, the first one with %+v", d.lost.Load(), d.calls.Load(), first)
	}
}

// TestKeysRotateWhileTrafficRuns has each provider sign with a new key while
// its users call: no token is refused, neither an old one nor the first that the
// new key signed, and one fetch is what it takes.
func TestKeysRotateWhileTrafficRuns(t *testing.T) {
	t.Parallel()
	for _, g := range guardedProviders() {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			f := reserved(t)
			p := g.start(t, f)
			f.open(t, f.text(newDouble(t, nil).URL, g.policy, p.yaml(g.yaml)), p)
			ask := request{user: g.user, resource: f.url, scopes: g.scopes}
			fetched := func() int {
				if p.name != "oidc-provider" {
					return 0
				}
				return p.seen()["/jwks"]
			}
			d := f.drive(t, p.token(ask).Access)
			eventually(t, "traffic", func() bool { return d.calls.Load() > 20 })
			before := fetched()
			p.rotate()
			for range 3 {
				d.with(p.token(ask).Access)
			}
			n := d.calls.Load()
			eventually(t, "more traffic", func() bool { return d.calls.Load() > n+100 })
			d.unharmed(t)
			if n := fetched() - before; p.name == "oidc-provider" && n != 1 {
				t.Errorf("got %d fetches of keys for a new one, want 1", n)
			}
		})
	}
}

// TestA057OutageWhileTrafficRuns takes the provider away while its users call:
// its keys serve as long as they may, then nobody is let in by them, and when
// it is back everybody is.
func TestA057OutageWhileTrafficRuns(t *testing.T) {
	t.Parallel()
	f := reserved(t)
	p := nodeProvider(t, map[string]map[string]any{"ada": {}, "bob": {}}, map[string]nodeResource{f.url: {Scope: "tools:read"}})
	up := newDouble(t, nil)
	f.open(t, f.text(up.URL, readsAndWrites, p.yaml("keys: {refresh: 1s, max_stale: 6s}")), p)
	ask := request{user: "ada", resource: f.url, scopes: "tools:read"}
	fresh := make([]string, 60) // never shown before: one that was is not judged anew for ten minutes
	for i := range fresh {
		fresh[i] = p.token(ask).Access
	}
	d := f.drive(t, p.token(ask).Access)
	eventually(t, "traffic", func() bool { return d.calls.Load() > 20 })
	gone := time.Now()
	p.kill()
	if got := f.call(fresh[0], reading); got.status != http.StatusOK {
		t.Errorf("got %d %s for a token that was not seen before, want 200: the key is known", got.status, got.body)
	}
	time.Sleep(3*time.Second - time.Since(gone))
	d.unharmed(t)
	unseen := fresh[3:]
	var refused got
	eventually(t, "the keys are too old", func() bool {
		time.Sleep(150 * time.Millisecond)
		before := up.count()
		refused, unseen = f.call(unseen[0], reading), unseen[1:]
		if refused.status != http.StatusOK && up.count() != before {
			t.Error("the server was asked all the same")
		}
		return refused.status != http.StatusOK
	})
	if after := time.Since(gone); after < 4*time.Second {
		t.Errorf("keys of 6 s were given up after %v", after)
	}
	refused.wantRefusal(t, "keys are too old", http.StatusServiceUnavailable, "GH-1111", "")
	if refused.header.Get("Retry-After") == "" {
		t.Error("nobody is told when to come back")
	}
	p.start()
	eventually(t, "the provider is back", func() bool { return f.call(fresh[2], reading).status == http.StatusOK })
}

package gatehouse_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/safehttp"
)

// keyIssuer is an issuer over TLS that publishes whatever it is told to.
type keyIssuer struct {
	*httptest.Server
	keys     atomic.Value // http.HandlerFunc of /keys
	metadata atomic.Value // http.HandlerFunc of the metadata
	fetches  atomic.Int64 // of /keys
	asked    atomic.Int64 // for metadata
}

func newKeyIssuer(t testing.TB) *keyIssuer {
	t.Helper()
	i := &keyIssuer{}
	mux := http.NewServeMux()
	mux.HandleFunc("/keys", func(w http.ResponseWriter, r *http.Request) {
		i.fetches.Add(1)
		i.keys.Load().(http.HandlerFunc)(w, r)
	})
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		i.asked.Add(1)
		i.metadata.Load().(http.HandlerFunc)(w, r)
	})
	i.Server = httptest.NewTLSServer(mux)
	i.Config.ErrorLog = nil
	t.Cleanup(i.Close)
	i.announce(`{"issuer":"` + i.URL + `","jwks_uri":"` + i.URL + `/keys"}`)
	return i
}

func (i *keyIssuer) announce(doc string) { i.metadata.Store(answering(doc)) }
func (i *keyIssuer) publish(doc []byte)  { i.keys.Store(answering(string(doc))) }
func (i *keyIssuer) serve(h http.HandlerFunc) {
	i.keys.Store(h)
}

func answering(doc string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(doc))
	}
}

func failing(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }

// trusted is a client that may reach loopback and trusts a test server.
func trusted(t testing.TB, s *httptest.Server) *http.Client {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	c, err := safehttp.Policy{Allow: []string{"127.0.0.1"}, Roots: roots}.Client()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// keyClock is a clock that is moved by hand.
type keyClock struct{ at atomic.Int64 }

func newKeyClock() *keyClock {
	c := &keyClock{}
	c.at.Store(time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *keyClock) now() time.Time          { return time.Unix(0, c.at.Load()) }
func (c *keyClock) advance(d time.Duration) { c.at.Add(int64(d)) }

func keySet(t testing.TB, kids ...string) []byte {
	t.Helper()
	set := jose.JSONWebKeySet{}
	for _, kid := range kids {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: &k.PublicKey, KeyID: kid, Use: "sig"})
	}
	text, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// finds reports how a lookup ends: "", "unknown", or the code of the refusal.
func finds(t testing.TB, k gatehouse.KeySet, kid string) string {
	t.Helper()
	keys, err := k.Keys(context.Background(), kid, "ES256")
	var e *gatehouse.Error
	switch {
	case err == nil && len(keys) > 0:
		return ""
	case len(keys) > 0:
		t.Fatalf("%d keys beside %v", len(keys), err)
	case errors.Is(err, gatehouse.ErrUnknownKey):
		return "unknown"
	case errors.As(err, &e):
		return e.Code
	}
	t.Fatalf("%s: %v", kid, err)
	return ""
}

func want(t testing.TB, k gatehouse.KeySet, kid, verdict string) {
	t.Helper()
	if got := finds(t, k, kid); got != verdict {
		_, err := k.Keys(context.Background(), kid, "ES256")
		var e *gatehouse.Error
		if errors.As(err, &e) {
			err = e.Cause
		}
		t.Fatalf("key %q: got %q, want %q (%v)", kid, got, verdict, err)
	}
}

// settle waits until a fetch in the background has ended.
func settle(t testing.TB, done func() bool) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); !done(); {
		if time.Now().After(end) {
			t.Fatal("it did not come about in a minute")
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func TestRemoteKeysSources(t *testing.T) {
	i := newKeyIssuer(t)
	i.publish(keySet(t, "k1"))
	file := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(file, keySet(t, "k1"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, k := range map[string]*gatehouse.RemoteKeys{
		"discovery": {Issuer: i.URL, HTTP: trusted(t, i.Server)},
		"a URL":     {URL: i.URL + "/keys", HTTP: trusted(t, i.Server)},
		"a file":    {File: file},
	} {
		t.Run(name, func(t *testing.T) {
			want(t, k, "k1", "")
			want(t, k, "k2", "unknown")
			s := k.Status()
			if !slices.Equal(s.Kids, []string{"k1"}) || s.Fetched.IsZero() || s.Err != nil || !s.Failing.IsZero() || (s.Source != i.URL+"/keys" && s.Source != file) {
				t.Errorf("got %+v", s)
			}
		})
	}
}

func TestRemoteKeysConfiguration(t *testing.T) {
	for name, k := range map[string]*gatehouse.RemoteKeys{
		"Issuer": {}, "URL and File": {URL: "https://a.example/keys", File: "keys.json"},
		"RemoteKeys.URL": {URL: "http://a.example/keys"}, "RemoteKeys.Issuer": {Issuer: "a.example"},
		"RemoteKeys.Refresh": {Issuer: "https://a.example", Refresh: -1}, "RemoteKeys.MaxStale": {Issuer: "https://a.example", MaxStale: -1},
		"not a public address": {URL: "https://10.0.0.1/keys"}, "use https": {Issuer: "http://a.example"},
	} {
		if err := k.Check(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
		if keys, err := k.Keys(t.Context(), "k", "ES256"); err == nil {
			t.Errorf("%s: got %d keys", name, len(keys))
		}
		if err := k.Run(t.Context()); err == nil {
			t.Errorf("%s: it runs", name)
		}
	}
	i := newKeyIssuer(t)
	i.publish(keySet(t, "k1"))
	k := &gatehouse.RemoteKeys{URL: i.URL + "/keys"} // nobody allowed loopback
	if err := k.Check(); err == nil {
		t.Error("a private address is accepted")
	}
	if i.fetches.Load() != 0 {
		t.Error("it was fetched from")
	}
}

func TestKeyRotationIsSeenWithinOneFetch(t *testing.T) {
	i, c := newKeyIssuer(t), newKeyClock()
	i.publish(keySet(t, "k1"))
	k := &gatehouse.RemoteKeys{Issuer: i.URL, HTTP: trusted(t, i.Server), Now: c.now}
	want(t, k, "k1", "")
	i.publish(keySet(t, "k1", "k2"))
	want(t, k, "k2", "")
	if n := i.fetches.Load(); n != 2 {
		t.Errorf("%d fetches, want 2", n)
	}
	// A key that was withdrawn ends with the next renewal at the latest.
	i.publish(keySet(t, "k2"))
	want(t, k, "k1", "")
	c.advance(11 * time.Minute)
	_ = finds(t, k, "k2")
	settle(t, func() bool { return finds(t, k, "k1") == "unknown" })
}

func TestUnknownKeyFloodsCostTwoFetchesAMinute(t *testing.T) {
	i, c := newKeyIssuer(t), newKeyClock()
	i.publish(keySet(t, "k1"))
	k := &gatehouse.RemoteKeys{Issuer: i.URL, HTTP: trusted(t, i.Server), Now: c.now}
	want(t, k, "k1", "")
	for minute := range 5 { // before the keys are due
		before := i.fetches.Load() + i.asked.Load()
		var wg sync.WaitGroup
		for n := range 200 {
			wg.Go(func() {
				if got := finds(t, k, "x"+string(rune('a'+n%20))); got != "unknown" {
					t.Errorf("got %q", got)
				}
			})
		}
		wg.Wait()
		c.advance(30 * time.Second)
		for range 50 {
			want(t, k, "y", "unknown")
		}
		want(t, k, "k1", "")
		if n := i.fetches.Load() + i.asked.Load() - before; n > 2 || n == 0 {
			t.Fatalf("minute %d: %d fetches, want one or two", minute, n)
		}
		c.advance(30 * time.Second)
	}
	// Cold, the first fetch is one of the two.
	cold := &gatehouse.RemoteKeys{URL: i.URL + "/keys", HTTP: trusted(t, i.Server), Now: c.now}
	before := i.fetches.Load()
	for range 50 {
		want(t, cold, "z", "unknown")
	}
	if n := i.fetches.Load() - before; n > 2 {
		t.Errorf("cold: %d fetches, want two at most", n)
	}
	// A key that is known, but not for this algorithm, costs nothing.
	before = i.fetches.Load()
	c.advance(2 * time.Minute)
	if _, err := cold.Keys(t.Context(), "k1", "RS256"); !errors.Is(err, gatehouse.ErrUnknownKey) {
		t.Errorf("got %v", err)
	}
	if i.fetches.Load() != before {
		t.Error("it was fetched for an algorithm")
	}
}

func TestA057OutageAndStaleness(t *testing.T) {
	i, c := newKeyIssuer(t), newKeyClock()
	i.publish(keySet(t, "k1"))
	k := &gatehouse.RemoteKeys{Issuer: i.URL, HTTP: trusted(t, i.Server), Now: c.now}
	want(t, k, "k1", "")
	start := c.now()
	i.serve(failing)
	i.metadata.Store(http.HandlerFunc(failing))
	for c.now().Sub(start) < 24*time.Hour-15*time.Minute {
		c.advance(15 * time.Minute)
		want(t, k, "k1", "")
		settle(t, func() bool { return !k.Status().Failing.IsZero() })
		want(t, k, "k2", "unknown")
	}
	s := k.Status()
	if s.Failing.Sub(start) > 20*time.Minute || !s.Until.Equal(start.Add(24*time.Hour)) || s.Err == nil || !slices.Equal(s.Kids, []string{"k1"}) {
		t.Errorf("got %+v", s)
	}
	c.advance(16 * time.Minute)
	want(t, k, "k1", "GH-1111")
	want(t, k, "k2", "GH-1111")
	_, err := k.Keys(t.Context(), "k1", "ES256")
	var e *gatehouse.Error
	if !errors.As(err, &e) || e.Status != 503 || e.Challenge != nil || strings.Contains(e.Error(), "127.0.0.1") ||
		!strings.Contains(e.Cause.Error(), "cannot be fetched since 2026-11-27T12:") || !strings.Contains(e.Cause.Error(), "status 500") {
		t.Errorf("got %+v", e)
	}
	// It is over as soon as the issuer is back.
	i.publish(keySet(t, "k3"))
	i.announce(`{"issuer":"` + i.URL + `","jwks_uri":"` + i.URL + `/keys"}`)
	settle(t, func() bool { c.advance(time.Second); return finds(t, k, "k3") == "" })
	want(t, k, "k1", "unknown")
}

func TestA057WaysToBeAway(t *testing.T) {
	good := newKeyIssuer(t)
	good.publish(keySet(t, "k1"))
	gone := httptest.NewTLSServer(http.NotFoundHandler())
	gone.Close()
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	quick := func(s *httptest.Server) *http.Client {
		c := trusted(t, s)
		c.Timeout = 500 * time.Millisecond
		return c
	}
	tests := []struct {
		name, url, why string
		client         *http.Client
		keys           http.HandlerFunc
	}{
		{"down", gone.URL + "/keys", "no connection", quick(good.Server), nil},
		{"no such host", "https://nothing.invalid/keys", "", quick(good.Server), nil},
		{"a certificate nobody trusts", good.URL + "/keys", "certificate not trusted", mustClient(t, safehttp.Policy{Allow: []string{"127.0.0.1"}}), nil},
		{"a certificate of another host", strings.Replace(good.URL, "127.0.0.1", "localhost", 1) + "/keys", "certificate not trusted",
			mustClient(t, safehttp.Policy{Allow: []string{"localhost"}, Roots: rootsOf(good.Server)}), nil},
		{"status 500", good.URL + "/keys", "status 500", quick(good.Server), failing},
		{"status 204", good.URL + "/keys", "status 204", quick(good.Server), func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }},
		{"a redirect elsewhere", good.URL + "/keys", "redirected", quick(good.Server), func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://169.254.169.254/keys", http.StatusFound)
		}},
		{"a redirect to itself", good.URL + "/keys", "redirected", quick(good.Server), func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/keys", http.StatusTemporaryRedirect)
		}},
		{"it hangs", good.URL + "/keys", "timeout", quick(good.Server), func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
			case <-hang:
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.keys != nil {
				good.serve(tt.keys)
				defer good.publish(keySet(t, "k1"))
			}
			k := &gatehouse.RemoteKeys{URL: tt.url, HTTP: tt.client}
			want(t, k, "k1", "GH-1111")
			want(t, k, "k2", "GH-1111")
			if why := safehttp.Reason(k.Status().Err); tt.why != "" && why != tt.why {
				t.Errorf("got %q (%v), want %q", why, k.Status().Err, tt.why)
			}
		})
	}
}

func mustClient(t testing.TB, p safehttp.Policy) *http.Client {
	t.Helper()
	c, err := p.Client()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func rootsOf(s *httptest.Server) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return pool
}

package gatehouse_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
)

// hostileKeys are answers that are no key set to rely on.
func hostileKeys(t *testing.T) map[string]http.HandlerFunc {
	t.Helper()
	one := strings.TrimSuffix(strings.TrimPrefix(string(keySet(t, "evil")), `{"keys":[`), "]}")
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, _ = z.Write([]byte(`{"keys":[` + one + `]}`))
	_, _ = z.Write(bytes.Repeat([]byte(" "), 64<<20))
	_ = z.Close()
	return map[string]http.HandlerFunc{
		"a body without end": func(w http.ResponseWriter, _ *http.Request) {
			for chunk := bytes.Repeat([]byte(" "), 64<<10); ; {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		},
		"a gigabyte": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "1073741824") },
		"a slow drip": func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				_, _ = w.Write([]byte(" "))
				_ = http.NewResponseController(w).Flush()
				time.Sleep(10 * time.Millisecond)
			}
		},
		"a gzip bomb": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(bomb.Bytes())
		},
		"100,000 keys":        answering(`{"keys":[` + strings.Repeat(`{},`, 99_999) + `{}]}`),
		"101 keys":            answering(`{"keys":[` + strings.Repeat(one+",", 100) + one + `]}`),
		"an empty set":        answering(`{"keys":[]}`),
		"a symmetric key":     answering(`{"keys":[{"kty":"oct","kid":"evil","k":"c2VjcmV0"}]}`),
		"a weak key":          answering(`{"keys":[{"kty":"RSA","kid":"evil","n":"AQAB","e":"AQAB"}]}`),
		"an exponent of 1":    answering(`{"keys":[{"kty":"RSA","kid":"evil","e":"AQ","n":"` + strings.Repeat("w", 342) + `"}]}`),
		"alg none":            answering(`{"keys":[` + strings.Replace(one, `"kid"`, `"alg":"none","kid"`, 1) + `]}`),
		"a private key":       answering(`{"keys":[` + strings.Replace(one, `"kid"`, `"d":"AQ","kid"`, 1) + `]}`),
		"no JSON":             answering("<?xml version='1.0'?>"),
		"a page":              func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", "text/html") },
		"nothing":             answering(""),
		"half a document":     answering(`{"keys":[` + one),
		"the set twice":       answering(`{"keys":[` + one + `],"keys":[` + one + `]}`),
		"a connection cut":    func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"a hole of brackets":  answering(strings.Repeat("[", 1<<19)),
		"a kid that is twice": answering(`{"keys":[` + strings.Replace(one, `"kid"`, `"kid":"k1","kid"`, 1) + `]}`),
	}
}

func TestA058HostileKeySets(t *testing.T) {
	i, c := newKeyIssuer(t), newKeyClock()
	client := trusted(t, i.Server)
	client.Timeout = time.Second
	good := keySet(t, "k1")
	for name, h := range hostileKeys(t) {
		t.Run(name, func(t *testing.T) {
			i.publish(good)
			k := &gatehouse.RemoteKeys{Issuer: i.URL, HTTP: client, Now: c.now}
			want(t, k, "k1", "")
			i.serve(h)
			want(t, k, "evil", "unknown")
			want(t, k, "k1", "") // the previous good set is kept
			if s := k.Status(); s.Err == nil || s.Failing.IsZero() || !slices.Equal(s.Kids, []string{"k1"}) {
				t.Errorf("nobody is told: %+v", s)
			}
			cold := &gatehouse.RemoteKeys{Issuer: i.URL, HTTP: client, Now: c.now}
			want(t, cold, "evil", "GH-1111")
			want(t, cold, "", "GH-1111")
			i.publish(keySet(t, "k2"))
			settle(t, func() bool { c.advance(time.Second); return finds(t, k, "k2") == "" })
			want(t, k, "k1", "unknown")
		})
	}
}

func TestA059StampedeAndALeaderThatLeaves(t *testing.T) {
	i := newKeyIssuer(t)
	doc := keySet(t, "k1")
	arrived, release := make(chan struct{}), make(chan struct{})
	i.serve(func(w http.ResponseWriter, _ *http.Request) {
		close(arrived) // a second fetch would panic
		<-release
		_, _ = w.Write(doc)
	})
	k := &gatehouse.RemoteKeys{URL: i.URL + "/keys", HTTP: trusted(t, i.Server)}
	leader, leave := context.WithCancel(t.Context())
	left := make(chan error)
	go func() {
		_, err := k.Keys(leader, "k1", "ES256")
		left <- err
	}()
	<-arrived
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("the leader got %v", err)
	}
	var wg sync.WaitGroup
	for range 1000 {
		wg.Go(func() {
			if keys, err := k.Keys(t.Context(), "k1", "ES256"); err != nil || len(keys) != 1 {
				t.Errorf("got %d keys, %v", len(keys), err)
			}
		})
	}
	close(release)
	wg.Wait()
	if n := i.fetches.Load(); n != 1 {
		t.Errorf("%d fetches, want 1", n)
	}
}

func TestA060MetadataThatIsNotTheIssuers(t *testing.T) {
	i, c := newKeyIssuer(t), newKeyClock()
	i.publish(keySet(t, "k1"))
	other := newKeyIssuer(t)
	other.publish(keySet(t, "evil"))
	docs := map[string]string{
		"another issuer":            `{"issuer":"https://evil.example","jwks_uri":"` + i.URL + `/keys"}`,
		"no issuer":                 `{"jwks_uri":"` + i.URL + `/keys"}`,
		"the issuer with a slash":   `{"issuer":"` + i.URL + `/","jwks_uri":"` + i.URL + `/keys"}`,
		"keys over plain HTTP":      `{"issuer":"` + i.URL + `","jwks_uri":"` + strings.Replace(i.URL, "https", "http", 1) + `/keys"}`,
		"keys at a private address": `{"issuer":"` + i.URL + `","jwks_uri":"https://10.0.0.1/keys"}`,
		"no keys":                   `{"issuer":"` + i.URL + `"}`,
		"an endpoint over HTTP":     `{"issuer":"` + i.URL + `","jwks_uri":"` + i.URL + `/keys","token_endpoint":"http://a.example/"}`,
		"two issuers":               `{"issuer":"` + i.URL + `","issuer":"` + i.URL + `","jwks_uri":"` + i.URL + `/keys"}`,
		"an issuer in two cases":    `{"issuer":"` + i.URL + `","ISSUER":"` + i.URL + `","jwks_uri":"` + i.URL + `/keys"}`,
	}
	for name, doc := range docs {
		t.Run(name, func(t *testing.T) {
			i.announce(doc)
			before := i.fetches.Load()
			k := &gatehouse.RemoteKeys{Issuer: i.URL, HTTP: trusted(t, i.Server), Now: c.now}
			want(t, k, "k1", "GH-1111")
			if i.fetches.Load() != before || other.fetches.Load() != 0 {
				t.Error("an endpoint was called")
			}
		})
	}
	// Once known, keys serve though the metadata turns bad; where it points is not followed.
	i.announce(`{"issuer":"` + i.URL + `","jwks_uri":"` + i.URL + `/keys"}`)
	k := &gatehouse.RemoteKeys{Issuer: i.URL, HTTP: trusted(t, i.Server), Now: c.now}
	want(t, k, "k1", "")
	i.announce(`{"issuer":"https://evil.example","jwks_uri":"` + other.URL + `/keys"}`)
	asked := i.asked.Load()
	c.advance(2 * time.Hour) // it is asked for again
	want(t, k, "k1", "")
	settle(t, func() bool { return i.asked.Load() > asked })
	want(t, k, "evil", "unknown")
	if other.fetches.Load() != 0 {
		t.Error("another issuer's keys were fetched")
	}
}

func TestKeysThatMoveAreFound(t *testing.T) {
	i, c := newKeyIssuer(t), newKeyClock()
	i.publish(keySet(t, "k1"))
	k := &gatehouse.RemoteKeys{Issuer: i.URL, HTTP: trusted(t, i.Server), Now: c.now}
	want(t, k, "k1", "")
	there := keySet(t, "k2")
	i.serve(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != "v=2" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(there)
	})
	i.announce(`{"issuer":"` + i.URL + `","jwks_uri":"` + i.URL + `/keys?v=2"}`)
	want(t, k, "k2", "")
	if s := k.Status(); s.Source != i.URL+"/keys?v=2" {
		t.Errorf("got %q", s.Source)
	}
}

func TestFilesAreReadAgain(t *testing.T) {
	c, name := newKeyClock(), filepath.Join(t.TempDir(), "keys.json")
	write := func(doc []byte) {
		t.Helper()
		if err := os.WriteFile(name+".new", doc, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(name+".new", name); err != nil {
			t.Fatal(err)
		}
	}
	k := &gatehouse.RemoteKeys{Issuer: "https://a.example", File: name, Now: c.now}
	want(t, k, "k1", "GH-1111")
	write(keySet(t, "k1"))
	c.advance(2 * time.Second)
	want(t, k, "k1", "")
	write(keySet(t, "k2"))
	c.advance(2 * time.Second)
	want(t, k, "k1", "unknown")
	want(t, k, "k2", "")
	write([]byte("half a docu"))
	c.advance(2 * time.Second)
	want(t, k, "k2", "")
	if k.Status().Err == nil {
		t.Error("nobody is told")
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	c.advance(25 * time.Hour)
	settle(t, func() bool { c.advance(2 * time.Second); return finds(t, k, "k2") == "GH-1111" })
	if err := os.Mkdir(name, 0o700); err != nil {
		t.Fatal(err)
	}
	want(t, &gatehouse.RemoteKeys{File: name}, "k1", "GH-1111")
	want(t, &gatehouse.RemoteKeys{File: "/dev/zero"}, "k1", "GH-1111")
}

func TestMaxAgeCountsWithinReason(t *testing.T) {
	doc := keySet(t, "k1")
	for header, due := range map[string]time.Duration{
		"": 10 * time.Minute, "max-age=1": time.Minute, "public, Max-Age=120, must-revalidate": 2 * time.Minute, "max-age=999999999": 10 * time.Minute,
		"max-age=0": 10 * time.Minute, "no-store": 10 * time.Minute, "max-age=-5": 10 * time.Minute, "max-age=99999999999999999999": 10 * time.Minute,
	} {
		i, c := newKeyIssuer(t), newKeyClock()
		i.serve(func(w http.ResponseWriter, _ *http.Request) {
			if header != "" {
				w.Header().Set("Cache-Control", header)
			}
			_, _ = w.Write(doc)
		})
		k := &gatehouse.RemoteKeys{URL: i.URL + "/keys", HTTP: trusted(t, i.Server), Now: c.now}
		want(t, k, "k1", "")
		c.advance(due - time.Second)
		want(t, k, "k1", "")
		if n := i.fetches.Load(); n != 1 {
			t.Errorf("%q: renewed before %s", header, due)
		}
		c.advance(2 * time.Second)
		want(t, k, "k1", "")
		settle(t, func() bool { return i.fetches.Load() == 2 })
	}
}

func TestWhoeverComesAfterALongTimeWaitsForNewKeys(t *testing.T) {
	i, c := newKeyIssuer(t), newKeyClock()
	i.publish(keySet(t, "k1"))
	k := &gatehouse.RemoteKeys{URL: i.URL + "/keys", HTTP: trusted(t, i.Server), Now: c.now}
	want(t, k, "k1", "")
	i.publish(keySet(t, "k2")) // k1 was withdrawn
	c.advance(8 * time.Hour)
	want(t, k, "k1", "unknown")
}

func TestRunRenewsWithoutTokens(t *testing.T) {
	i, c := newKeyIssuer(t), newKeyClock()
	i.publish(keySet(t, "k1"))
	k := &gatehouse.RemoteKeys{Issuer: i.URL, HTTP: trusted(t, i.Server), Now: c.now, Refresh: time.Second}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- k.Run(ctx) }()
	settle(t, func() bool { return slices.Equal(k.Status().Kids, []string{"k1"}) })
	i.publish(keySet(t, "k2"))
	settle(t, func() bool { c.advance(time.Second); return slices.Equal(k.Status().Kids, []string{"k2"}) })
	i.serve(failing)
	settle(t, func() bool { c.advance(time.Second); return k.Status().Err != nil })
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestUnknownKeysAreExplained(t *testing.T) {
	i, c := newKeyIssuer(t), newKeyClock()
	i.publish(keySet(t, "k7", "k8"))
	k := &gatehouse.RemoteKeys{Issuer: i.URL, HTTP: trusted(t, i.Server), Now: c.now}
	want(t, k, "k7", "")
	c.advance(3 * time.Minute)
	_, err := k.Keys(t.Context(), "k9\n", "ES256")
	for _, part := range []string{`key "k9\n" is not in ` + i.URL + `/keys (kids "k7", "k8"); fetched 0s ago`} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("got %v, want %q in it", err, part)
		}
	}
	if _, err := k.Keys(t.Context(), "k7", "RS256"); err == nil || !strings.Contains(err.Error(), `key "k7" in `+i.URL+`/keys is not for alg "RS256"; fetched 0s ago`) {
		t.Errorf("got %v", err)
	}
	if _, err := k.Keys(t.Context(), "", "RS256"); err == nil || !strings.Contains(err.Error(), "the token names no key, and none in") {
		t.Errorf("got %v", err)
	}
	var many []string
	for n := range 9 {
		many = append(many, fmt.Sprint("k", n))
	}
	fixed, err := gatehouse.ParseKeys(keySet(t, many...))
	if err != nil {
		t.Fatal(err)
	}
	want(t, fixed, "k8", "")
	if keys, err := fixed.Keys(t.Context(), "", "ES256"); len(keys) != 0 || err == nil || !strings.Contains(err.Error(), "no more than 8 are tried") {
		t.Errorf("got %d keys, %v", len(keys), err)
	}
}

func TestParseKeysRefusesWhatIsNoKeySet(t *testing.T) {
	for _, text := range []string{"", "{}", `{"keys":[]}`, `{"keys":[{"kty":"oct","k":"AQ"}]}`} {
		if set, err := gatehouse.ParseKeys([]byte(text)); err == nil || set != nil {
			t.Errorf("%q: got %v, %v", text, set, err)
		}
	}
}

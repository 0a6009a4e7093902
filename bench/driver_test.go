package main

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func targetOf(t *testing.T, h http.HandlerFunc) *target {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return &target{address: strings.TrimPrefix(s.URL, "http://"), keys: []string{"secret"}}
}

func TestCallIsChecked(t *testing.T) {
	body := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(text)) }
	}
	tests := []struct {
		name  string
		serve http.HandlerFunc
		good  bool
	}{
		{"the echo", echo, true},
		{"the echo, in chunks", func(w http.ResponseWriter, r *http.Request) {
			control := http.NewResponseController(w)
			control.EnableFullDuplex() // the request is read after the answer has begun
			control.Flush()
			echo(w, r)
		}, true},
		{"somebody else's answer", body(string(answer(nil, []byte("1000001"), []byte(echoed)))), false},
		{"a part of the answer", body(`{"jsonrpc":"2.0"`), false},
		{"nothing", body(""), false},
		{"a refusal", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := dial(t.Context(), targetOf(t, tt.serve), 0)
			if err != nil {
				t.Fatal(err)
			}
			defer c.nc.Close()
			for range 3 { // on one connection
				if err := c.echo(); (err == nil) != tt.good {
					t.Fatalf("got %v, want an error: %v", err, !tt.good)
				}
				if !tt.good {
					break
				}
			}
		})
	}
}

func TestEventsAreCounted(t *testing.T) {
	to := targetOf(t, keyed(echo))
	c, err := dial(t.Context(), to, 0)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	err = c.listen(time.Millisecond, func() {
		if n++; n == 20 {
			c.nc.Close()
		}
	})
	if err == nil || n < 20 { // what was read before the end is counted after it
		t.Errorf("got %d events and %v, want 20 or a few more, and then the end", n, err)
	}
}

// keyed lets only the holders of the key through.
func keyed(next http.HandlerFunc) http.HandlerFunc {
	check := keyCheck("secret")
	return func(w http.ResponseWriter, r *http.Request) {
		verdict := httptest.NewRecorder()
		if check.ServeHTTP(verdict, r); verdict.Code != http.StatusOK {
			w.WriteHeader(verdict.Code)
			return
		}
		next(w, r)
	}
}

func TestReport(t *testing.T) {
	g, key := &peer{name: nameG}, &peer{name: nameAudit, over: nameG, adds: "everything"}
	r := newReport([]*peer{g, key})
	for i, v := range []float64{100, 300, 200} {
		r.add(g, rowCPU, v)
		r.add(key, rowCPU, v*[]float64{0.5, 0.7, 0.6}[i])
	}
	if got := r.ratio(nameAudit, nameG, rowCPU); got != 0.6 {
		t.Errorf("got %v, want the median of the rounds' ratios, 0.6", got)
	}
	var b strings.Builder
	r.print(&b)
	for _, want := range []string{"120 [50.0–210]", "≤ 0.60 ✓", "≤ 0.40 ✗", "everything", "-80.0 [-90.0–-50.0]"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("got a table without %q:\n%s", want, b.String())
		}
	}
	if err := r.sound(); err != nil {
		t.Errorf("got %v without an error", err)
	}
	r.errors(key, 1)
	if r.sound() == nil {
		t.Error("a wrong answer does not void the figures")
	}
}

func TestCallOverTLS(t *testing.T) {
	c, err := newCertificate(t.TempDir(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(echo))
	s.EnableHTTP2 = true
	pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
	if err != nil {
		t.Fatal(err)
	}
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	s.StartTLS()
	defer s.Close()
	for _, mux := range []bool{false, true} {
		to := &target{address: s.Listener.Addr().String(), tls: c, mux: mux}
		c, err := dial(t.Context(), to, 2*perKey)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := c.echo(); err != nil {
				t.Errorf("HTTP/2 %v: %v", mux, err)
			}
		}
		n := 0
		if err := c.listen(time.Millisecond, func() {
			if n++; n == 20 {
				c.nc.Close()
			}
		}); err == nil || n < 20 { // what was read before the end is counted after it
			t.Errorf("HTTP/2 %v: got %d events and %v, want 20 or a few more, and then the end", mux, n, err)
		}
	}
}

// Every peer that is compared with another is compared with one that there is.
func TestPeersAreComparedWithPeers(t *testing.T) {
	known := map[string]bool{"": true}
	for _, p := range allPeers() {
		if known[p.name] {
			t.Errorf("two peers are called %q", p.name)
		}
		known[p.name] = true
	}
	for _, p := range allPeers() {
		if !known[p.over] || !known[p.g] || !known[p.n] {
			t.Errorf("%q is compared with %q, %q, %q", p.name, p.over, p.g, p.n)
		}
	}
}

// Every granter has a name of its own, and ours is among them, for all are compared with it.
func TestGrantersAreComparedWithOurs(t *testing.T) {
	known := map[string]bool{}
	for _, g := range allGranters() {
		if known[g.name] || g.start == nil || g.alone && g.measures(kindCode) {
			t.Errorf("got %+v", g)
		}
		known[g.name] = true
	}
	if !known[nameOurs] {
		t.Errorf("got no %q", nameOurs)
	}
}

// An answer that is not the one that was wanted is no grant.
func TestGrantsAreChecked(t *testing.T) {
	for name, tt := range map[string]struct {
		kind, answer string
		status       int
		good         bool
	}{
		"a token":                    {kindClient, `{"access_token":"b"}`, 200, true},
		"the token that was before":  {kindClient, `{"access_token":"a"}`, 200, false},
		"no token":                   {kindClient, `{}`, 200, false},
		"a refusal":                  {kindClient, `{"access_token":"b"}`, 400, false},
		"half an answer":             {kindClient, `{"access_token":"b"`, 200, false},
		"a successor":                {kindRefresh, `{"access_token":"b","refresh_token":"s"}`, 200, true},
		"no successor":               {kindRefresh, `{"access_token":"b"}`, 200, false},
		"the refresh token it was":   {kindRefresh, `{"access_token":"b","refresh_token":"r"}`, 200, false},
		"a token that is active":     {kindAbout, `{"active":true}`, 200, true},
		"a token that is not active": {kindAbout, `{"active":false}`, 200, false},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(tt.status)
			w.Write([]byte(tt.answer))
		}))
		g := &granter{name: "test", address: strings.TrimPrefix(s.URL, "http://"), token: "/token", introspect: "/introspect", ci: oauthClient{"ci", "s"}}
		e := &grantee{hand: &hand{address: g.address, cookies: map[string]string{}}, of: g, last: "a", refresh: "r", about: "t"}
		if err := e.connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := e.grant(tt.kind); (err == nil) != tt.good {
			t.Errorf("%s: got %v", name, err)
		}
		e.close()
		s.Close()
	}
}

func TestToken(t *testing.T) {
	token, public, err := newToken(time.Now())
	if err != nil || strings.Count(token, ".") != 2 || !strings.Contains(string(public), "PUBLIC KEY") {
		t.Errorf("got %q, %q, %v", token, public, err)
	}
}

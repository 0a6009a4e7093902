package safehttp

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/proxy"
)

// via is a proxy that connects whatever is named to one server. It notes what was named.
type via struct {
	mu    sync.Mutex
	names []string
	of    *proxy.Settings
}

func through(t *testing.T, to, except string) *via {
	t.Helper()
	v := &via{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v.mu.Lock()
		v.names = append(v.names, r.Method+" "+r.Host)
		v.mu.Unlock()
		there, err := net.Dial("tcp", to)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		here, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(there, here); _ = there.Close() }()
		_, _ = io.Copy(here, there)
		_ = here.Close()
	}))
	t.Cleanup(s.Close)
	v.of = proxy.FromEnvironment(func(name string) string {
		return map[string]string{"ALL_PROXY": s.URL, "NO_PROXY": except}[name]
	})
	return v
}

func (v *via) seen() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return strings.Join(v.names, ", ")
}

// TestA096AProxyIsNoWayAround: what a proxy would connect to is judged before, as far as it
// is known, and by its certificate then.
func TestA096AProxyIsNoWayAround(t *testing.T) {
	var asked atomic.Int64
	s, _ := target(t, true, func(http.ResponseWriter, *http.Request) { asked.Add(1) })
	dns := resolver(t, func(name string) []string {
		return map[string][]string{
			"private.example": {"10.1.2.3"}, "loop.example": {"127.0.0.1"}, "cloud.example": {"169.254.169.254"}, "mixed.example": {"8.8.8.8", "10.1.2.3"},
			"example.com": {"8.8.8.8"}, "split.example": {"8.8.8.8"}, "idp.internal": {"10.1.2.3"}, "plain.internal": {"8.8.8.8"}, "direct.example": {"10.1.2.3"},
		}[name]
	})
	tests := []struct{ name, url, want, seen string }{
		{"a public name", "https://example.com/", "", "CONNECT example.com:443"},
		{"a name that only the proxy knows", "https://sub.example.com/", "", "CONNECT sub.example.com:443"},
		{"another's name that only the proxy knows", "https://other.example/", "certificate not trusted", "CONNECT other.example:443"},
		{"a name that leads the proxy elsewhere", "https://split.example/", "certificate not trusted", "CONNECT split.example:443"},
		{"a host of the operator", "https://idp.internal/", "certificate not trusted", "CONNECT idp.internal:443"},
		{"a private name", "https://private.example/", "address not allowed", ""},
		{"a name of this machine", "https://loop.example/", "address not allowed", ""},
		{"a name of the cloud's metadata", "https://cloud.example/", "address not allowed", ""},
		{"a private address among public ones", "https://mixed.example/", "address not allowed", ""},
		{"a private address", "https://10.1.2.3/", "address not allowed", ""},
		{"the cloud's metadata", "https://169.254.169.254/", "address not allowed", ""},
		{"an address of NAT64", "https://[64:ff9b::a01:203]/", "address not allowed", ""},
		{"a name of a network that only the proxy knows", "https://jenkins.corp/", "address not allowed", ""},
		{"another", "https://jenkins.eng.internal./", "address not allowed", ""},
		{"a name without a dot", "https://jenkins/", "address not allowed", ""},
		{"a private name that needs no proxy", "https://direct.example/", "address not allowed", ""},
		{"plain HTTP", "http://example.com/", "URL not allowed", ""},
		{"plain HTTP of the operator", "http://plain.internal/", "URL not allowed", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := asked.Load()
			v := through(t, s.Listener.Addr().String(), "direct.example")
			c := client(t, Policy{Proxy: v.of, Roots: roots(s), Resolver: dns, Allow: []string{"idp.internal", "plain.internal"}})
			_, err := get(t, c, tt.url)
			if Reason(err) != tt.want || v.seen() != tt.seen {
				t.Errorf("got %v (%s), want %q; the proxy saw %q, want %q", err, Reason(err), tt.want, v.seen(), tt.seen)
			}
			if sent := asked.Load() > before; sent != (tt.want == "") {
				t.Errorf("a request was sent: %t", sent)
			}
		})
	}
}

func TestAProxyKeepsTheOtherRules(t *testing.T) {
	s, _ := target(t, true, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, "https://example.com/there", http.StatusTemporaryRedirect)
		case "/large":
			_, _ = w.Write(make([]byte, DefaultMaxBody+1))
		case "/slow":
			<-r.Context().Done()
		}
	})
	v := through(t, s.Listener.Addr().String(), "")
	c := client(t, Policy{Proxy: v.of, Roots: roots(s), Timeout: 2 * time.Second, Resolver: resolver(t, func(string) []string { return []string{"8.8.8.8"} })})
	for path, want := range map[string]string{"/away": "redirected", "/large": "answer too large", "/slow": "timeout"} {
		if _, err := get(t, c, "https://example.com"+path); Reason(err) != want {
			t.Errorf("%s: got %v, want %q", path, err, want)
		}
	}
}

// TestA085NearIsAskedForPrivateNetworksAlone: what is near is in the networks that people
// have, and it is the address about to be connected to that is asked about.
func TestA085NearIsAskedForPrivateNetworksAlone(t *testing.T) {
	for _, addr := range append(append([]string{}, forbidden...), "fd20:ce::254", "fd12::1", "192.168.1.1", "100.64.9.9") {
		if strings.Contains(addr, "%") || strings.HasPrefix(addr, "::ffff:") {
			continue // not what a name can resolve to
		}
		private := map[string]bool{
			"10.0.0.1": true, "10.255.255.255": true, "100.64.0.1": true, "100.127.255.255": true, "172.16.0.1": true, "172.31.255.255": true,
			"192.168.0.1": true, "fc00::1": true, "fd12::1": true, "192.168.1.1": true, "100.64.9.9": true,
		}[addr]
		ctx, stop := context.WithCancel(t.Context())
		asked := false
		c := client(t, Policy{Resolver: resolver(t, func(string) []string { return []string{addr} }), Near: func(context.Context) bool {
			asked = true
			stop() // that is far enough
			return true
		}})
		_, err := Fetcher{Client: c}.Get(ctx, "https://x.example/")
		if asked != private || (Reason(err) == "address not allowed") == private {
			t.Errorf("%s: asked %t, want %t; got %v", addr, asked, private, err)
		}
		stop()
	}
}

func TestA085WhoIsNotNearDoesNotBecomeItByAName(t *testing.T) {
	s, conns := target(t, true, hello)
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	for _, near := range []bool{false, true} {
		var looks atomic.Int64
		// The first look finds an address that may be reached, and the next ones this machine's.
		dns := resolver(t, func(string) []string {
			switch {
			case looks.Add(1) > 2: // A and AAAA
				return []string{"127.0.0.1"}
			case near:
				return []string{"10.1.2.3"}
			}
			return []string{"8.8.8.8"}
		})
		c := client(t, Policy{Roots: roots(s), Resolver: dns, Timeout: 3 * time.Second, Near: func(context.Context) bool { return near }})
		if _, err := get(t, c, "https://rebind.example:"+port+"/"); Reason(err) != "address not allowed" || conns.Load() != 0 {
			t.Errorf("near %t: got %v, %d connections", near, err, conns.Load())
		}
	}
}

// TestAProxyThatSwallowsEverythingIsNotTheServer: it accepts, and says nothing.
func TestAProxyThatSwallowsEverythingIsNotTheServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() }) // the kernel accepts
	for _, scheme := range []string{"http", "socks5h"} {
		by := proxy.FromEnvironment(func(name string) string {
			return map[string]string{"HTTPS_PROXY": scheme + "://" + l.Addr().String()}[name]
		})
		c := client(t, Policy{Proxy: by, Timeout: 4 * time.Second, Resolver: resolver(t, func(string) []string { return []string{"8.8.8.8"} })})
		if _, err := get(t, c, "https://example.com/"); proxy.Of(err) == nil || Reason(err) != "no connection through the proxy" {
			t.Errorf("%s: got %v", scheme, err)
		}
	}
}

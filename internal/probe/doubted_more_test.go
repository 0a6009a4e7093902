package probe

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/netip"
	"strings"
	"syscall"
	"testing"
)

// elsewhere has a server at a name, and other listeners at some of its ports.
func elsewhere(o Options, to map[string]string) Options {
	o.Transport = func(way *http.Transport) {
		way.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			_, port, _ := net.SplitHostPort(addr)
			return (&net.Dialer{}).DialContext(ctx, network, cmp.Or(to[port], "127.0.0.1:1"))
		}
	}
	return o
}

// oneOf asks all rules that are wanted, and returns what came of one.
func oneOf(t *testing.T, o Options, rule *Rule) Result {
	t.Helper()
	report, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, res := range report.Results {
		if res.Rule == rule {
			return res
		}
	}
	t.Fatalf("%s was not asked", rule.Name)
	return Result{}
}

// TestWhatWasNotAskedIsNotClosed has a server that limits us, or whose budget is
// spent, before the one behind it and its plain port were asked.
func TestWhatWasNotAskedIsNotClosed(t *testing.T) {
	t.Parallel()
	open := httptest.NewServer(always(200, "application/json", `{"jsonrpc":"2.0","id":"gatehouse-check-1","result":{}}`))
	t.Cleanup(open.Close)
	limits := httptest.NewUnstartedServer(always(429, "text/plain", "slow", "Retry-After", "600"))
	limits.Config.ErrorLog = quiet()
	limits.StartTLS()
	t.Cleanup(limits.Close)
	tls443, open3000 := limits.Listener.Addr().String(), open.Listener.Addr().String()
	base := newHouse(t).options()
	base.Upstreams = []string{"http://behind.example.com:3000/mcp"}
	base.Roots = x509.NewCertPool()
	base.Roots.AddCert(limits.Certificate())
	t.Run("another host limits us", func(t *testing.T) {
		t.Parallel()
		wantResult(t, oneOf(t, elsewhere(base, map[string]string{"443": tls443, "3000": open3000}), upstream), Fail)
	})
	t.Run("the budget is spent", func(t *testing.T) {
		t.Parallel()
		o := elsewhere(base, map[string]string{"443": tls443, "3000": open3000})
		o.Budget = 1
		wantResult(t, oneOf(t, o, upstream), Unknown)
		wantResult(t, oneOf(t, o, encrypted), Unknown)
	})
	t.Run("the server behind has a certificate of its own", func(t *testing.T) {
		t.Parallel()
		o := elsewhere(base, map[string]string{"443": tls443, "3000": tls443})
		o.Roots, o.Upstreams = nil, []string{"https://behind.example.com:3000/mcp"}
		wantResult(t, oneOf(t, o, upstream), Unknown)
	})
	t.Run("nothing listens", func(t *testing.T) {
		t.Parallel()
		o := elsewhere(base, map[string]string{"443": tls443})
		o.Only = []string{upstream.Code, encrypted.Code}
		wantResult(t, oneOf(t, o, upstream), Pass)
		wantResult(t, oneOf(t, o, encrypted), Pass)
	})
	t.Run("the plain port says something", func(t *testing.T) {
		t.Parallel()
		for _, status := range []int{429, 500, 503} {
			s := httptest.NewServer(always(status, "text/plain", "no"))
			o := elsewhere(base, map[string]string{"443": tls443, "80": s.Listener.Addr().String()})
			o.Only = []string{encrypted.Code}
			wantResult(t, oneOf(t, o, encrypted), Unknown)
			s.Close()
		}
	})
}

// TestWhatWasNotDialledIsNotClosed has a name that leads nowhere, and a machine without a network.
func TestWhatWasNotDialledIsNotClosed(t *testing.T) {
	t.Parallel()
	base := newHouse(t).options()
	base.Upstreams = []string{"http://behind.example.com:3000/mcp"}
	for name, err := range map[string]error{"the name leads nowhere": &net.DNSError{Err: "no such host", IsNotFound: true}, "there is no network": syscall.ENETUNREACH} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := base
			o.Only = []string{upstream.Code, encrypted.Code}
			o.Transport = func(way *http.Transport) {
				way.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
					if trace := httptrace.ContextClientTrace(ctx); trace != nil && errors.Is(err, syscall.ENETUNREACH) { // as net.Dialer tells it
						trace.ConnectStart(network, addr)
						trace.ConnectDone(network, addr, err)
					}
					return nil, err
				}
			}
			wantResult(t, oneOf(t, o, upstream), Unknown)
			wantResult(t, oneOf(t, o, encrypted), Unknown)
		})
	}
}

// TestAnotherPortIsOfTheSameMachine has --resolve say where one port is: what this
// machine takes the name for is not asked about others.
func TestAnotherPortIsOfTheSameMachine(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	o := h.options()
	o.Only, o.Resolve = []string{encrypted.Code}, []string{"example.com:443:192.0.2.7"}
	got := oneOf(t, o, encrypted)
	if wantResult(t, got, Unknown); !strings.Contains(got.Text, "--resolve") {
		t.Errorf("got %q", got.Text)
	}
	o.Resolve = append(o.Resolve, "example.com:80:192.0.2.7")
	wantResult(t, oneOf(t, o, encrypted), Pass)
}

// TestDeadAddressesDoNotHideTheOthers tries those that did not answer last, and not all of them at once.
func TestDeadAddressesDoNotHideTheOthers(t *testing.T) {
	t.Parallel()
	n := &publicName{}
	for i := range maxTried + 2 {
		n.all = append(n.all, netip.AddrFrom4([4]byte{93, 184, 215, byte(i)}))
	}
	c := &client{host: "example.com", public: &internet{name: n}}
	up, tried := n.all[maxTried+1], 0
	dial := c.lead(func(_ context.Context, _, addr string) (net.Conn, error) {
		tried++
		if addr == up.String()+":443" {
			here, _ := net.Pipe()
			return here, nil
		}
		return nil, syscall.ECONNREFUSED
	})
	for i, want := range []int{maxTried, 2, 1} {
		if i == 2 {
			c.dead.note(n.all[0], true)
			n.all = []netip.Addr{n.all[0], up}
		}
		tried = 0
		if _, err := dial(t.Context(), "tcp", "example.com:443"); (err == nil) != (i > 0) || tried != want {
			t.Errorf("dial %d: %d addresses, %v; want %d", i, tried, err, want)
		}
	}
	over, stop := context.WithCancel(t.Context())
	stop()
	tried, up = 0, netip.Addr{}
	if _, err := dial(over, "tcp", "example.com:443"); err == nil || tried != 1 {
		t.Errorf("%d addresses when nobody waits any more, %v", tried, err)
	}
}

// TestTargetsAreASCII has a name be what connections, certificates and resolvers know.
func TestTargetsAreASCII(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"https://bücher.example/mcp": "https://xn--bcher-kva.example/mcp", "https://BÜCHER.example:8443": "https://xn--bcher-kva.example:8443/",
		"https://Example.com/mcp": "https://Example.com/mcp", "http://[::1]:8080/mcp": "http://[::1]:8080/mcp",
	} {
		if got, err := Target(in); err != nil || got.String() != want {
			t.Errorf("%s: got %v, %v, want %s", in, got, err, want)
		}
	}
}

// TestWhoIsRefusedAnywayProvesNothing has servers that answer 403 to everybody,
// or to everybody but their own network: neither origin nor host made them.
func TestWhoIsRefusedAnywayProvesNothing(t *testing.T) {
	t.Parallel()
	everybody := always(403, "text/plain", "forbidden")
	for _, rule := range []*Rule{origin, host} {
		wantResult(t, look(t, everybody, Options{}, rule)[0], Unknown)
		wantResult(t, look(t, everybody, Options{Credential: goodKey}, rule)[0], Unknown)
		// Strangers are asked, and whoever comes with something odd meets what is no refusal.
		for _, status := range []int{302, 405, 500, 503, 200} {
			odd := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Origin") != "" || r.Host == "gatehouse-check.invalid" {
					w.WriteHeader(status)
					return
				}
				w.WriteHeader(http.StatusUnauthorized)
			})
			wantResult(t, look(t, odd, Options{}, rule)[0], Unknown)
		}
		right := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Origin") != "" || r.Host == "gatehouse-check.invalid" {
				everybody(w, r)
				return
			}
			w.WriteHeader(http.StatusUnauthorized)
		})
		wantResult(t, look(t, right, Options{}, rule)[0], Pass)
	}
}

// TestAnAnswerThatIsNoneIsNoRefusal has a server that refuses strangers at its
// own URL, and meets what is odd in a way that shows nothing.
func TestAnAnswerThatIsNoneIsNoRefusal(t *testing.T) {
	t.Parallel()
	for name, odd := range map[string]http.HandlerFunc{"an objection": objects, "a failure": always(502, "text/plain", "no"), "a limit": always(429, "text/plain", "slow", "Retry-After", "600")} {
		for _, rule := range []*Rule{paths, websocket, cors} {
			if name == "an objection" && rule != paths {
				continue // it opens no WebSocket, and lets no page in
			}
			h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.URL.Path == "/gatehouse-check-nothing":
					w.WriteHeader(http.StatusNotFound)
				case r.URL.Path != "/mcp" || r.Header.Get("Upgrade") != "" || r.Method == http.MethodOptions:
					odd(w, r)
				default:
					w.WriteHeader(http.StatusUnauthorized)
				}
			})
			if got := look(t, h, Options{}, rule)[0]; got.Outcome != Unknown {
				t.Errorf("%s, %s: got %s: %s", rule.Name, name, got.Outcome, got.Text)
			}
		}
	}
	wantResult(t, look(t, objects, Options{}, toolsOpen)[0], Unknown)
	for _, rule := range []*Rule{toolsOpen, slash} {
		wantResult(t, look(t, always(404, "text/plain", "no"), Options{}, rule)[0], Unknown)
		wantResult(t, look(t, always(503, "text/plain", "no"), Options{}, rule)[0], Unknown)
	}
}

// TestALimitOfBeforeIsNoBan has a server that says 429 to the first wrong credential already.
func TestALimitOfBeforeIsNoBan(t *testing.T) {
	t.Parallel()
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		w.WriteHeader(http.StatusUnauthorized)
	})
	wantResult(t, look(t, h, Options{Burst: true}, failures)[0], Unknown)
}

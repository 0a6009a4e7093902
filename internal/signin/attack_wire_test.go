package signin

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"unicode"

	"github.com/gatehouse-mcp/gatehouse/internal/proxy"
)

// asks are the requests of a sign-in that a server answers, and the grant that makes them.
var asks = map[string]Grant{
	"/.well-known/oauth-protected-resource/mcp": Code, "/.well-known/oauth-authorization-server": Code, "/register": Code, "/token": Code, "/device": Device,
}

// tried signs in where one path is answered otherwise, and returns what came of it.
func tried(t *testing.T, path string, grant Grant, answer http.HandlerFunc) (*world, error) {
	t.Helper()
	w := newWorld(t)
	w.over = map[string]http.HandlerFunc{path: answer}
	c := w.client()
	c.Grant, c.Show = grant, func(context.Context, string) {}
	_, err := w.first(c)
	return w, err
}

// TestA098NoRequestOfASignInIsRedirected: whatever is asked, nothing follows where an
// answer points, and what was sent goes nowhere else.
func TestA098NoRequestOfASignInIsRedirected(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	evil := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, r.Method+" "+r.URL.String())
	}))
	defer evil.Close()
	for path, grant := range asks {
		for _, status := range []int{301, 302, 303, 307, 308} {
			for _, to := range []string{evil.URL + "/x", "/elsewhere", "//" + evil.Listener.Addr().String() + "/x"} {
				w, err := tried(t, path, grant, func(rw http.ResponseWriter, _ *http.Request) {
					rw.Header().Set("Location", to)
					rw.WriteHeader(status)
				})
				if err == nil && !strings.HasPrefix(path, wellKnown) { // a resource's metadata may be at its root, or nowhere
					t.Errorf("%s, %d to %s: it is signed in", path, status, to)
				}
				for _, asked := range w.asked {
					if strings.Contains(asked, "/elsewhere") {
						t.Errorf("%s, %d: followed to %s", path, status, asked)
					}
				}
			}
		}
	}
	if len(seen) > 0 {
		t.Errorf("somebody else was asked: %v", seen)
	}
}

// TestA107AnswersToASignInAreMeasured: whatever is answered without end, measure or sense
// ends the sign-in with an error that fits a terminal.
func TestA107AnswersToASignInAreMeasured(t *testing.T) {
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, _ = z.Write(make([]byte, 8<<20))
	_ = z.Close()
	answers := map[string]http.HandlerFunc{
		"without end": func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", "application/json")
			for chunk := []byte("{" + strings.Repeat(" ", 64<<10)); ; {
				if _, err := rw.Write(chunk); err != nil {
					return
				}
			}
		},
		"compressed": func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Encoding", "gzip")
			_, _ = rw.Write(bomb.Bytes())
		},
		"a long header": func(rw http.ResponseWriter, _ *http.Request) { rw.Header().Set("X", strings.Repeat("x", 1<<20)) },
		"deep": func(rw http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(rw, strings.Repeat(`{"issuer":`, 90_000))
		},
		"a member twice": func(rw http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(rw, `{"access_token":"a","access_token":"b","token_type":"Bearer","client_id":"a","client_id":"b","resource":"a","resource":"b","issuer":"a","issuer":"b","device_code":"a","device_code":"b"}`)
		},
		"no JSON": func(rw http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(rw, "\x1b]8;;https://evil.example\x07{")
		},
		"no UTF-8": func(rw http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(rw, "{\"issuer\":\"\xff\",\"client_id\":\"\xff\",\"access_token\":\"\xff\",\"device_code\":\"\xff\"}")
		},
		"an error that acts":        says(http.StatusServiceUnavailable, `{"error":"\u001b[2J\u202e","error_description":"`+strings.Repeat(`\u0007x`, 5000)+`"}`),
		"a server's error":          says(http.StatusInternalServerError, `{"error":"\u001b[2J"}`),
		"an array":                  says(http.StatusOK, `[]`),
		"null":                      says(http.StatusOK, `null`),
		"all of the wrong kind":     says(http.StatusOK, `{"access_token":1,"token_type":[],"client_id":{},"resource":1,"issuer":1,"device_code":1}`),
		"an answer that is cut off": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	}
	for name, answer := range answers {
		for path, grant := range asks {
			t.Run(name+" at "+path, func(t *testing.T) {
				t.Parallel()
				_, err := tried(t, path, grant, answer)
				if err == nil {
					t.Fatal("it is signed in")
				}
				if text := err.Error(); len(text) > 4000 || strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) >= 0 {
					t.Errorf("the error is %q", text)
				}
				if got := code(err); !strings.HasPrefix(got, "GH-22") {
					t.Errorf("got %v, want a code", err)
				}
			})
		}
	}
}

func says(status int, text string) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		rw.WriteHeader(status)
		_, _ = io.WriteString(rw, text)
	}
}

// TestA107MoreScopesThanAnybodyReads: a megabyte of scopes is refused before anybody
// compares each with each.
func TestA107MoreScopesThanAnybodyReads(t *testing.T) {
	w := newWorld(t)
	scopes := make([]string, 100_000)
	for i := range scopes {
		scopes[i] = fmt.Sprintf("%x", i)
	}
	w.prm["scopes_supported"] = scopes
	if _, err := w.first(w.client()); code(err) != CodeResource || w.visits > 0 {
		t.Errorf("got %v", err)
	}
}

// far is a world that is on the internet: behind a proxy that leads to it whatever is
// named, and nobody knows where it is.
func far(t *testing.T) (w *world, c *Client, named func() []string) {
	t.Helper()
	w = newWorld(t)
	s := httptest.NewTLSServer(http.HandlerFunc(w.serve))
	t.Cleanup(s.Close)
	var mu sync.Mutex
	var names []string
	p := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		mu.Lock()
		names = append(names, r.Host)
		mu.Unlock()
		there, err := net.Dial("tcp", s.Listener.Addr().String())
		here, _, failed := http.NewResponseController(rw).Hijack()
		if err != nil || failed != nil {
			return
		}
		_, _ = io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(there, here); _ = there.Close() }()
		_, _ = io.Copy(here, there)
		_ = here.Close()
	}))
	t.Cleanup(p.Close)
	w.at("https://mcp.example.com")
	by := proxy.FromEnvironment(func(name string) string { return map[string]string{"ALL_PROXY": p.URL}[name] })
	c = w.client()
	c.Proxy, c.Resolver, c.Roots = by, names0(t), x509.NewCertPool()
	c.Roots.AddCert(s.Certificate())
	c.Open = func(_ context.Context, at string) error { // a browser that finds its way
		u, err := url.Parse(at)
		if err != nil || !strings.HasPrefix(at, w.url+"/authorize?") {
			w.visits++
			return fmt.Errorf("the browser is to go to %s", at)
		}
		back := u.Query().Get("redirect_uri") + "?" + url.Values{"code": {"the-code"}, "state": {u.Query().Get("state")}}.Encode()
		go func() {
			if res, err := http.Get(back); err == nil {
				_ = res.Body.Close()
			}
		}()
		return nil
	}
	return w, c, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string(nil), names...)
	}
}

// names0 knows one name, which is private.
func names0(t *testing.T) *net.Resolver {
	return names(t, func(name string) string { return map[string]string{"private.example": "10.255.255.254"}[name] })
}

// TestA096NothingOfADistantServerLeadsInside: each address in the documents of a server on
// the internet leads to the internet, or the sign-in ends.
func TestA096NothingOfADistantServerLeadsInside(t *testing.T) {
	hit := make(chan string, 100)
	inside := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { hit <- r.URL.Path }))
	defer inside.Close()
	_, port, _ := net.SplitHostPort(inside.Listener.Addr().String())
	w, c, named := far(t)
	if _, err := w.first(c); err != nil || len(named()) == 0 {
		t.Fatalf("a server that does nothing of the kind: %v", err)
	}
	for _, host := range []string{
		"localhost:" + port, "127.0.0.1:" + port, "[::1]:" + port, "10.255.255.254", "192.168.1.1", "100.64.1.1", "[fd12::1]", "169.254.169.254", "[fd00:ec2::254]", "[64:ff9b::a9fe:a9fe]",
		"private.example", "jenkins.corp", "jenkins", "metadata.google.internal", "2130706433", "0x7f.1", "127.1",
	} {
		at := "https://" + host + "/x"
		for _, where := range []string{"resource_metadata", "authorization_servers", "authorization_endpoint", "token_endpoint", "registration_endpoint"} {
			w, c, named := far(t)
			challenge := "Bearer"
			switch where {
			case "resource_metadata":
				challenge = fmt.Sprintf("Bearer resource_metadata=%q", at)
			case "authorization_servers":
				w.prm[where] = []string{at}
			default:
				w.asm[where] = at
			}
			_, err := c.Renew(t.Context(), refusal(401, challenge, nil))
			if err == nil || w.visits > 0 || w.spent() {
				t.Errorf("%s is %s: got %v, %d visits", where, at, err, w.visits)
			}
			for _, n := range named() {
				if !strings.HasPrefix(n, "mcp.example.com:") {
					t.Errorf("%s is %s: the proxy is to connect to %s", where, at, n)
				}
			}
		}
	}
	if len(hit) > 0 {
		t.Errorf("%d requests got inside, the first for %s", len(hit), <-hit)
	}
}

// TestA100WithoutATrustedCertificateNothingIsSent: nobody is told a secret who does not
// prove who they are.
func TestA100WithoutATrustedCertificateNothingIsSent(t *testing.T) {
	w, c, _ := far(t)
	c.Roots = x509.NewCertPool()
	if _, err := c.Renew(t.Context(), refusal(401, "Bearer", nil)); code(err) != CodeProxy || len(w.asked) > 0 {
		t.Errorf("got %v, asked %v", err, w.asked)
	}
	s := httptest.NewTLSServer(http.HandlerFunc(w.serve))
	defer s.Close()
	near := &Client{Server: s.URL + "/mcp", Store: newMemory(), Open: w.browse}
	if _, err := near.Login(t.Context()); code(err) != CodeUnanswered || len(w.asked) > 0 {
		t.Errorf("got %v, asked %v", err, w.asked)
	}
	for _, device := range []string{"http://as.example/device", "http://10.0.0.1/device"} {
		w, c, _ := far(t)
		c.Grant, c.Show, w.asm["device_authorization_endpoint"] = Device, func(context.Context, string) {}, device
		if _, err := w.first(c); err == nil || len(w.forms) > 0 || len(w.regs) > 0 {
			t.Errorf("%s: got %v", device, err)
		}
	}
}

package probe

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/proxy"
)

// between has a check go through a proxy that connects to one server, and answers
// itself what is asked in the clear. It counts that.
func between(t *testing.T, o *Options, to string) (plain *atomic.Int32) {
	t.Helper()
	plain = new(atomic.Int32)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			plain.Add(1)
			return
		}
		there, err := net.Dial("tcp", to)
		if err != nil || r.Host != "example.com:443" {
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
	var err error
	o.Proxy, err = proxy.FromEnvironment(func(name string) string { return map[string]string{"ALL_PROXY": s.URL}[name] })
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

// TestWhatAProxyAnswersIsNotTheServer goes through a proxy: what reaches the server is
// judged as ever, and what the proxy may answer itself stays unknown.
func TestWhatAProxyAnswersIsNotTheServer(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	o := h.options()
	o.Credential, o.Transport, o.Upstreams = goodKey, nil, []string{"https://behind.example/mcp", "http://behind.example:3000/mcp"}
	plain := between(t, &o, h.server.Listener.Addr().String())
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Answered || plain.Load() != 0 {
		t.Errorf("answered %t, %d requests in the clear", r.Answered, plain.Load())
	}
	for _, res := range r.Results {
		switch res.Rule {
		case encrypted, certificate, versions, websocket, upstream:
			wantResult(t, res, Unknown)
		case demanded, hsts:
			wantResult(t, res, Pass)
		default:
			if res.Outcome == Fail {
				wantResult(t, res, Pass)
			}
		}
	}
}

// TestAProxyThatIsDownIsNoServer tells of the proxy, and passes nothing.
func TestAProxyThatIsDownIsNoServer(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	o := h.options()
	o.Transport = nil
	const closed = "127.0.0.1:1" // a port that was closed a moment ago may be somebody else's by now
	var err error
	o.Proxy, err = proxy.FromEnvironment(func(name string) string {
		return map[string]string{"HTTPS_PROXY": "http://ada:" + goodKey + "@" + closed, "HTTP_PROXY": "http://" + closed}[name]
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if r.Answered || r.Count(Pass) != 0 || r.Count(Fail) != 0 {
		t.Errorf("answered %t, %d pass, %d fail", r.Answered, r.Count(Pass), r.Count(Fail))
	}
	said := false
	for _, res := range r.Results {
		if strings.Contains(res.Text, goodKey) {
			t.Errorf("%s: %s", res.Rule.Name, res.Text)
		}
		said = said || strings.Contains(res.Text, "through the proxy "+closed)
	}
	if !said {
		t.Error("nobody says that it is the proxy")
	}
}

package bridge

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/proxy"
)

func by(t *testing.T, url string) *proxy.Settings {
	t.Helper()
	s, err := proxy.FromEnvironment(func(name string) string { return map[string]string{"HTTPS_PROXY": url}[name] })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAProxyThatRefusesIsAskedOnce(t *testing.T) {
	for status, want := range map[int]string{407: "wants a name and a password", 403: "does not lead there"} {
		var asked atomic.Int32
		at := served(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked.Add(1)
			w.WriteHeader(status)
		}))
		d := sit(t, "https://mcp.example/mcp", func(b *Bridge) {
			b.Proxy, b.Patience = by(t, strings.Replace(at, "://", "://ada:s3cr3t@", 1)), time.Hour
		})
		d.say(callLine, 1)
		got := d.hear().Error.Message
		if !strings.HasPrefix(got, codeProxy) || !strings.Contains(got, want) || strings.Contains(got, "s3cr3t") || asked.Load() != 1 {
			t.Errorf("%d: got %q, asked %d times", status, got, asked.Load())
		}
	}
}

func TestAProxyThatReachesNobodyIsTriedForAWhile(t *testing.T) {
	var asked atomic.Int32
	at := served(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusBadGateway)
	}))
	d := sit(t, "https://mcp.example/mcp", func(b *Bridge) { b.Proxy, b.Patience = by(t, at), 2*time.Second })
	d.say(callLine, 1)
	if got := d.hear().Error.Message; !strings.HasPrefix(got, codeProxy) || asked.Load() < 2 {
		t.Errorf("got %q, asked %d times", got, asked.Load())
	}
}

func TestThisMachineNeedsNoProxy(t *testing.T) {
	d := sit(t, served(t, &old{}), func(b *Bridge) { b.Proxy = by(t, "http://192.0.2.1:1") })
	if got := d.hello(); len(got.Result) == 0 {
		t.Errorf("got %+v", got)
	}
}

package probe

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// served1 is an answer that was there before the question.
const served1 = `{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}`

// always is a server with one answer to everything.
func always(status int, kind, text string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(text))
	}
}

// TestNothingIsBelievedThatWasNotSeen looks at servers that are none, or that
// somebody stands in front of: no rule about who gets in may pass there.
func TestNothingIsBelievedThatWasNotSeen(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		serve http.HandlerFunc
		says  string // in the verdict about the entry
	}{
		{"says 200 to everything", always(200, "application/json", `{}`), "200"},
		{"says 200 with a text", always(200, "text/plain", "ok"), "200"},
		{"says 204 to everything", always(204, "", ""), "204"},
		{"has one JSON-RPC answer for all", always(200, "application/json", served1), "200"},
		{"has a page for everything", always(200, "text/html", "<!doctype html><title>Home</title>"), "page"},
		{"has a page that says that it is JSON", always(200, "application/json", "<!doctype html><title>Home</title>"), "page"},
		{"leads to a sign-in", always(302, "", "", "Location", "https://sso.example.com/login?token=secret"), "sso.example.com"},
		{"wants to see a browser", always(403, "text/html", "<html><title>Just a moment...</title></html>", "Server", "cloudflare"), "bot"},
		{"wants to see a browser, within 503", always(503, "text/html", "<html>captcha</html>"), "bot"},
		{"says by a header that it wants to", always(403, "text/plain", "no", "Cf-Mitigated", "challenge"), "bot"},
		{"is broken", always(502, "text/html", "<html>Bad Gateway</html>"), "failure"},
		{"is not there", always(404, "text/plain", "404"), "not there"},
		{"tells us to come back", always(429, "text/plain", "slow", "Retry-After", "600"), "429"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewServer(tt.serve)
			t.Cleanup(s.Close)
			r, err := Run(t.Context(), Options{URL: s.URL + "/mcp", Credential: goodKey, Pace: time.Nanosecond, Wait: 2 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			// What these pass says nothing about who gets in: there is no WebSocket, and nothing for operators.
			may := []*Rule{websocket, debug, slash, cors, leaks, rate}
			for _, res := range r.Results {
				if res.Outcome == Pass && !slices.Contains(may, res.Rule) {
					t.Errorf("%s passes: %s", res.Rule.Name, res.Text)
				}
				if res.Rule == demanded && (res.Outcome != Unknown || !strings.Contains(res.Text, tt.says)) {
					t.Errorf("got %s: %s, want it unknown, with %q", res.Outcome, res.Text, tt.says)
				}
				if strings.Contains(res.Text, "secret") && res.Rule != leaks {
					t.Errorf("%s repeats a secret: %s", res.Rule.Name, res.Text)
				}
			}
			for _, c := range r.Clients {
				if c.Outcome == Pass {
					t.Errorf("%s passes: %s", c.Client, c.Text)
				}
			}
		})
	}
}

// TestAnOpenServerPassesNothing has a server that asks nobody.
func TestAnOpenServerPassesNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "open")
	r, err := Run(t.Context(), h.options())
	if err != nil {
		t.Fatal(err)
	}
	for _, res := range r.Results {
		switch res.Rule.Group {
		case Refusals, Entry:
			if res.Outcome == Pass && res.Rule != websocket && res.Rule != debug && res.Rule != routes {
				t.Errorf("%s passes: %s", res.Rule.Name, res.Text)
			}
		}
	}
	if r.Count(Fail) < 3 {
		t.Errorf("got %d failures, want the entry, the tools and a made-up credential", r.Count(Fail))
	}
}

// TestNobodyThere tells of a server that does not answer.
func TestNobodyThere(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	r, err := Run(t.Context(), Options{URL: s.URL + "/mcp", Pace: time.Nanosecond, Wait: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if r.Answered || r.Count(Pass) != 0 {
		t.Errorf("got answered %t and %d passes, want none", r.Answered, r.Count(Pass))
		for _, res := range r.Results {
			if res.Outcome == Pass {
				t.Errorf("%s: %s", res.Rule.Name, res.Text)
			}
		}
	}
}

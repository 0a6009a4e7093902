package probe

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"
)

// recorder notes what reaches it.
type recorder struct {
	*httptest.Server
	mu   sync.Mutex
	seen []string
}

func newRecorder(t *testing.T) *recorder {
	t.Helper()
	r := &recorder{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.seen = append(r.seen, fmt.Sprintln(q.Method, q.URL, q.Header))
		w.WriteHeader(http.StatusNotFound)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *recorder) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string{}, r.seen...)
}

// leading is a server whose challenge and metadata lead to a URL.
func leading(to string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, wellKnown) {
			writeJSON(w, 200, map[string]any{"resource": houseURL, "authorization_servers": []string{to}})
			return
		}
		w.Header().Set("WWW-Authenticate", `Bearer resource_metadata="`+to+`/latest/meta-data"`)
		w.WriteHeader(http.StatusUnauthorized)
	}
}

func TestA096DocumentsOfAServerLeadToNoPrivateAddress(t *testing.T) {
	t.Parallel()
	victim := newRecorder(t)
	h := newHouse(t)
	for _, to := range []string{victim.URL, strings.Replace(victim.URL, "127.0.0.1", "localhost", 1), "http://169.254.169.254", "http://[::ffff:127.0.0.1]" + victim.URL[strings.LastIndexByte(victim.URL, ':'):]} {
		h.server.Config.Handler = leading(to)
		o := h.options()
		o.Credential = goodKey
		o.Register = true
		r, err := Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		for _, res := range r.Results {
			if res.Outcome == Pass && res.Rule.Group == Issuer {
				t.Errorf("%s: %s passes: %s", to, res.Rule.Name, res.Text)
			}
		}
	}
	if got := victim.all(); len(got) > 0 {
		t.Errorf("the victim saw %q", got)
	}
}

func TestA098CredentialsDoNotFollowRedirects(t *testing.T) {
	t.Parallel()
	evil := newRecorder(t)
	for _, status := range []int{301, 302, 303, 307, 308} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") == "" {
				leading(evil.URL)(w, r)
				return
			}
			http.Redirect(w, r, evil.URL+"/mcp", status)
		}))
		t.Cleanup(s.Close)
		o := Options{
			URL: s.URL + "/mcp", Credential: goodKey, Other: otherKey, Pace: time.Nanosecond, Register: true, Burst: true,
			Bad: map[Bad]string{BadRevoked: "house_revoked_0123456789"},
		}
		if _, err := Run(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	for _, q := range evil.all() {
		for _, secret := range []string{goodKey, otherKey, "revoked", "Authorization", "Mcp-Session-Id", "X-Api-Key"} {
			if strings.Contains(q, secret) {
				t.Errorf("the other server saw %s", q)
			}
		}
		if strings.Contains(q, " /mcp ") {
			t.Errorf("a redirect was followed: %s", q)
		}
	}
}

func TestA103NothingThatAServerSaysActsUponATerminal(t *testing.T) {
	t.Parallel()
	const hostile = "\x1b]8;;https://evil.invalid\a\x1b[2J\u202eevil\u2066\u0085\r"
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Powered-By", "a\u202eb")
		w.Header().Set("WWW-Authenticate", "Bearer scope=\""+"x\u202ey"+"\", error=\"\u009b2J\"")
		if strings.HasPrefix(r.URL.Path, "/.well-known") {
			writeJSON(w, 200, map[string]any{"resource": hostile, "authorization_servers": []string{hostile}, "bearer_methods_supported": []string{hostile}})
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":"gatehouse-check-1","result":{"tools":[{"name":%q}]}}`+hostile, "a\u202eb")
	}))
	t.Cleanup(s.Close)
	r, err := Run(t.Context(), Options{URL: s.URL + "/mcp", Credential: goodKey, Pace: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	plain := func(what, text string) {
		if i := strings.IndexFunc(text, func(r rune) bool { return r != '\n' && r != '\t' && !unicode.IsPrint(r) }); i >= 0 {
			t.Errorf("%s has %q", what, text[i:min(len(text), i+20)])
		}
	}
	for _, res := range r.Results {
		plain(res.Rule.Name, res.Text+res.Fix)
		for _, x := range res.Evidence {
			plain(res.Rule.Name, x.Line()+x.Request()+x.Response())
		}
	}
	for _, c := range r.Clients {
		plain(c.Client, c.Text)
	}
}

func TestA107AnswersWithoutEndAreCut(t *testing.T) {
	t.Parallel()
	flood := strings.Repeat("x", 32<<10)
	for _, kind := range []string{"application/json", "text/event-stream", "text/html"} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", kind)
			for r.Context().Err() == nil {
				if _, err := w.Write([]byte(flood)); err != nil {
					return
				}
			}
		}))
		t.Cleanup(s.Close)
		o := Options{URL: s.URL + "/mcp", Pace: time.Nanosecond, Wait: time.Second, Only: []string{demanded.Code, describedRule.Code}}
		r, err := Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		for _, res := range r.Results {
			for _, x := range res.Evidence {
				if len(x.Answer) > maxAnswer+4<<10 || !x.Cut {
					t.Errorf("%s: got %d bytes, cut: %t", kind, len(x.Answer), x.Cut)
				}
			}
		}
	}
}

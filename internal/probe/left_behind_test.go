package probe

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// strict is a KeyMaker that does nothing for who does not wait any more.
type strict struct {
	mu      sync.Mutex
	alive   map[string]bool
	refuses bool // to revoke
}

func (k *strict) Make(ctx context.Context) (id, key string, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.alive["one"] = true
	return "one", goodKey, ctx.Err()
}

func (k *strict) Rotate(ctx context.Context, id string) (next, key string, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if ctx.Err() != nil {
		return "", "", ctx.Err()
	}
	delete(k.alive, id)
	k.alive["two"] = true
	return "two", otherKey, nil
}

func (k *strict) Revoke(ctx context.Context, id string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.refuses {
		return errors.New("the store is away")
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	delete(k.alive, id)
	return nil
}

// TestACheckThatIsStoppedLeavesNoKey stops a check while the key that it made is used.
func TestACheckThatIsStoppedLeavesNoKey(t *testing.T) {
	t.Parallel()
	for _, rule := range []*Rule{rotation, query} {
		for _, at := range []string{goodKey, otherKey} {
			if rule == query && at == otherKey {
				continue // it makes one key only
			}
			for _, refuses := range []bool{false, true} {
				ctx, stop := context.WithCancel(t.Context())
				s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if holds(at)(r) {
						stop()
					}
					if r.Header.Get("Authorization") == "" {
						w.WriteHeader(http.StatusUnauthorized)
						return
					}
					always(200, "application/json", `{"jsonrpc":"2.0","id":"gatehouse-check-1","result":{"tools":[]}}`)(w, r)
				}))
				keys := &strict{alive: map[string]bool{}, refuses: refuses}
				var left []string
				_, err := Run(ctx, Options{
					URL: s.URL + "/mcp", Keys: keys, Only: []string{rule.Code}, Pace: time.Nanosecond,
					Left: func(id string, _ error) { left = append(left, id) },
				})
				s.Close()
				if !errors.Is(err, context.Canceled) {
					t.Errorf("%s: got %v, want that it was stopped", rule.Name, err)
				}
				if !refuses && (len(keys.alive) != 0 || len(left) != 0) {
					t.Errorf("%s, stopped at %.9s: %v is left behind, %q was said", rule.Name, at, keys.alive, left)
				}
				if refuses && (len(left) != 1 || !keys.alive[left[0]]) {
					t.Errorf("%s, stopped at %.9s: %v is left behind, and %q was said", rule.Name, at, keys.alive, left)
				}
			}
		}
	}
}

// TestACheckThatIsStoppedLeavesNoClient stops a check when its client is registered.
func TestACheckThatIsStoppedLeavesNoClient(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx, stop := context.WithCancel(t.Context())
	h.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/authorize" {
			stop()
		}
		h.ServeHTTP(w, r)
	})
	o := h.options()
	o.Register, o.Only = true, []string{consent.Code}
	if _, err := Run(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was stopped", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.clients) != 0 {
		t.Errorf("%d clients are left behind", len(h.clients))
	}
}

// TestNoReportHasASecret has a server that repeats what it is sent, and secrets
// wherever people have them.
func TestNoReportHasASecret(t *testing.T) {
	t.Parallel()
	const inQuery, password, behind, inPath = "tvly-9Qm2Vx9KtB4c", "hunter2-of-ada", "behind-7Lp1aZ0YpLw", "sk-live9Qm2Vx9KtB4cX0YpLw2QeR5"
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text := r.URL.String() + " " + r.Header.Get("Authorization") + " https://ada:" + password + "@example.com/?tavilyApiKey=" + inQuery
		w.Header().Set("X-Acme-Api-Key", inQuery)
		w.Header().Set("Location", "/?X-Amz-Signature="+inQuery)
		if holds(goodKey)(r) {
			writeJSON(w, 200, map[string]any{"jsonrpc": "2.0", "id": messageID, "result": map[string]any{"tools": []any{}, "said": text}})
			return
		}
		writeJSON(w, http.StatusUnauthorized, map[string]string{"error": text, "acmeApiKey": inQuery})
	}))
	t.Cleanup(s.Close)
	o := Options{
		URL:        strings.Replace(s.URL, "://", "://ada:"+password+"@", 1) + "/mcp/" + inPath + "?tavilyApiKey=" + inQuery + "&team=acme",
		Credential: goodKey, Pace: time.Nanosecond, Budget: 1000, Upstreams: []string{strings.Replace(s.URL, "://", "://ada:"+behind+"@", 1) + "/mcp?Token=" + behind},
	}
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	all := []*Report{r}
	var b bytes.Buffer
	if err := errors.Join(WriteSARIF(&b, all), WriteJUnit(&b, all), WriteHTML(&b, all)); err != nil {
		t.Fatal(err)
	}
	b.WriteString(r.URL)
	for i := range r.Results {
		b.WriteString(r.Results[i].Text)
		for _, x := range r.Results[i].Evidence {
			b.WriteString(x.Line() + x.Request() + x.Response())
		}
	}
	for what, secret := range map[string]string{
		"the key of the query": inQuery, "the password": password, "that of the server behind": behind, "the key of the path": inPath[8:],
		"nearly all of the credential": goodKey[:len(goodKey)-4],
	} {
		if i := strings.Index(b.String(), secret); i >= 0 {
			t.Errorf("%s is in a report: …%.160s", what, b.String()[max(0, i-80):])
		}
	}
	for _, text := range []string{"http://ada:" + password + "@[bad/?tavilyApiKey=" + inQuery, "ftp://x/?tavilyApiKey=" + inQuery, "https://x/?tavilyApiKey=" + inQuery + "#x"} {
		if _, err := Target(text); err == nil || strings.Contains(err.Error(), inQuery) || strings.Contains(err.Error(), password) {
			t.Errorf("%s: got %v", text, err)
		}
	}
}

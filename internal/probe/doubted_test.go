package probe

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// older is a server that speaks the older era only: what is of the newer one gets
// 400, behind the guard.
type older struct {
	accepts  func(*http.Request) bool
	unknown  http.HandlerFunc // how a message that is not understood is answered
	list     http.HandlerFunc // in place of tools/list; nil: a list
	revision string           // which it negotiates, and demands afterwards; empty: 2025-11-25
	metadata bool             // it describes itself
	session  bool             // it has sessions
}

func (o *older) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, wellKnown) && o.metadata {
		writeJSON(w, 200, map[string]any{"resource": "http://" + r.Host + "/mcp", "authorization_servers": []string{"http://" + r.Host}})
		return
	}
	if r.URL.Path != "/mcp" {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if !o.accepts(r) {
		w.Header().Set("WWW-Authenticate", "Bearer")
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	var m struct {
		Method string
		Params map[string]any
	}
	body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	_ = json.Unmarshal(body, &m) // what it cannot read is not understood below
	revision := "2025-11-25"
	if o.revision != "" {
		revision = o.revision
	}
	sent := r.Header.Get("MCP-Protocol-Version")
	say := func(v any) {
		writeJSON(w, 200, map[string]any{"jsonrpc": "2.0", "id": messageID, "result": v})
	}
	switch {
	case m.Method == "initialize":
		if o.session {
			w.Header().Set("Mcp-Session-Id", "session-1")
		}
		say(map[string]any{"protocolVersion": revision, "capabilities": map[string]any{}, "serverInfo": map[string]any{"name": "older", "version": "1"}})
	case m.Params["_meta"] != nil || m.Method == "" || sent != "" && sent != revision, o.session && r.Header.Get("Mcp-Session-Id") != "session-1":
		o.unknown(w, r)
	case o.list != nil:
		o.list(w, r)
	default:
		say(map[string]any{"tools": []any{map[string]any{"name": "read_notes"}}})
	}
}

// look asks some rules about a server.
func look(t *testing.T, h http.Handler, o Options, rules ...*Rule) []Result {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	o.URL, o.Pace, o.Wait = s.URL+"/mcp"+o.URL, time.Nanosecond, 2*time.Second
	for _, r := range rules {
		o.Only = append(o.Only, r.Code)
	}
	report, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return report.Results
}

func wantResult(t *testing.T, got Result, want Outcome) {
	t.Helper()
	if got.Outcome != want {
		t.Errorf("%s: got %s: %s, want %s", got.Rule.Name, got.Outcome, got.Text, want)
		for _, x := range got.Evidence {
			t.Logf("%s\n%s", x.Request(), x.Response())
		}
	}
}

// Objections to what is not understood.
var (
	objects = always(400, "application/json", `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"Bad Request: unsupported protocol version"}}`)
	plainNo = always(400, "text/plain", "bad request")
)

func holds(credential string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer "+credential }
}

// TestAnObjectionToTheFormIsNoRefusal has servers of the older era alone, whose
// verifier takes unsigned tokens: 400 to a message of the newer one proves nothing.
func TestAnObjectionToTheFormIsNoRefusal(t *testing.T) {
	t.Parallel()
	unsignedToo := func(r *http.Request) bool {
		c := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		return c == goodKey || strings.HasSuffix(c, ".") && strings.Count(c, ".") == 2
	}
	for name, no := range map[string]http.HandlerFunc{"of an MCP server": objects, "of whomever": plainNo} {
		for _, credential := range []string{"", goodKey} {
			t.Run(name+" "+credential, func(t *testing.T) {
				t.Parallel()
				h := &older{accepts: unsignedToo, unknown: no, metadata: true}
				wantResult(t, look(t, h, Options{Credential: credential}, algorithms)[0], Fail)
			})
		}
	}
	t.Run("and nothing else is seen", func(t *testing.T) {
		t.Parallel()
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") == "" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			plainNo(w, r)
		})
		wantResult(t, look(t, h, Options{}, algorithms)[0], Unknown)
	})
}

// TestASessionThatDoesNotWorkProvesNothing has servers on which the session of
// the one who opened it is refused too, or something else than a refusal answers.
func TestASessionThatDoesNotWorkProvesNothing(t *testing.T) {
	t.Parallel()
	anybody := func(r *http.Request) bool { // a session is enough
		return r.Header.Get("Authorization") == "Bearer "+goodKey || r.Header.Get("Authorization") == "Bearer "+otherKey || r.Header.Get("Mcp-Session-Id") != ""
	}
	long := always(200, "application/json", `{"jsonrpc":"2.0","id":"gatehouse-check-1","result":{"tools":[{"name":"`+strings.Repeat("x", maxAnswer)+`"}]}}`)
	tests := []struct {
		name string
		h    *older
		want Outcome
	}{
		{"an older revision was agreed on", &older{accepts: anybody, unknown: objects, revision: "2025-06-18", session: true}, Fail},
		{"the list is too long to be read", &older{accepts: anybody, unknown: objects, list: long, session: true}, Unknown},
		{"the list is broken", &older{accepts: anybody, unknown: objects, list: always(500, "text/plain", "no"), session: true}, Unknown},
		{"the list is a page", &older{accepts: anybody, unknown: objects, list: always(200, "text/html", "<html>"), session: true}, Unknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			wantResult(t, look(t, tt.h, Options{Credential: goodKey, Other: otherKey}, sessions)[0], tt.want)
		})
	}
	t.Run("one without a credential meets a failure", func(t *testing.T) {
		t.Parallel()
		h := &older{accepts: anybody, unknown: objects, session: true}
		h.list = func(w http.ResponseWriter, r *http.Request) {
			if !holds(goodKey)(r) {
				w.WriteHeader(http.StatusInternalServerError)
				return
			}
			writeJSON(w, 200, map[string]any{"jsonrpc": "2.0", "id": messageID, "result": map[string]any{"tools": []any{}}})
		}
		wantResult(t, look(t, h, Options{Credential: goodKey, Other: otherKey}, sessions)[0], Unknown)
	})
}

// oneKey makes the same key each time.
type oneKey string

func (k oneKey) Make(context.Context) (id, key string, err error) { return "one", string(k), nil }
func (k oneKey) Rotate(context.Context, string) (next, key string, err error) {
	return "two", otherKey, nil
}
func (oneKey) Revoke(context.Context, string) error { return nil }

// TestAQueryThatIsNotUnderstoodProvesNothing has servers that take the credential
// from the query, and answer what was asked in a way that is none.
func TestAQueryThatIsNotUnderstoodProvesNothing(t *testing.T) {
	t.Parallel()
	either := func(r *http.Request) bool { return holds(goodKey)(r) || r.URL.Query().Get("api_key") == goodKey }
	long := always(200, "application/json", `{"jsonrpc":"2.0","id":"gatehouse-check-1","result":{"tools":[{"name":"`+strings.Repeat("x", maxAnswer)+`"}]}}`)
	t.Run("a key was made, for a server of the older era", func(t *testing.T) {
		t.Parallel()
		wantResult(t, look(t, &older{accepts: either, unknown: objects}, Options{Keys: oneKey(goodKey)}, query)[0], Fail)
	})
	t.Run("an answer is too long to be read", func(t *testing.T) {
		t.Parallel()
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !either(r) {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			long(w, r)
		})
		wantResult(t, look(t, h, Options{Keys: oneKey(goodKey)}, query)[0], Unknown)
	})
	t.Run("what has a query is not found", func(t *testing.T) {
		t.Parallel()
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.RawQuery != "" {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			(&older{accepts: either, unknown: objects}).ServeHTTP(w, r)
		})
		wantResult(t, look(t, h, Options{Keys: oneKey(goodKey)}, query)[0], Unknown)
	})
	t.Run("a key that was replaced is not understood", func(t *testing.T) {
		t.Parallel()
		var replaced atomic.Bool
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case holds(otherKey)(r) && replaced.Swap(true): // its successor works once
				w.WriteHeader(http.StatusUnauthorized)
			case replaced.Load() && holds(goodKey)(r):
				plainNo(w, r)
			default:
				always(200, "application/json", `{"jsonrpc":"2.0","id":"gatehouse-check-1","result":{"tools":[]}}`)(w, r)
			}
		})
		wantResult(t, look(t, h, Options{Keys: oneKey(goodKey)}, rotation)[0], Unknown)
	})
}

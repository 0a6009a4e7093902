package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
)

func TestA112A127OldDoorAsksForACredentialEachTime(t *testing.T) {
	f := protect(t, &stateful{}, oldDoor)
	_, key := f.key()
	c := f.dial(key)
	c.begin(t)
	reached := len(f.up.requests())
	stream := *f
	stream.url = f.base() + "/sse"
	spent := func(end func(*apikey.Key) error) string {
		k, text := f.key()
		if err := end(k); err != nil {
			t.Fatal(err)
		}
		return text
	}
	revoked := spent(func(k *apikey.Key) error {
		_, err := f.keys.Revoke(t.Context(), k.Tenant, k.ID, "test", "x")
		return err
	})
	for name, key := range map[string]string{"none": "", "a revoked one": revoked, "another text": "secret"} {
		if got := c.f.sayAs(key, c.endpoint, ping); got.status != http.StatusUnauthorized {
			t.Errorf("%s: got %d %s for a message, want 401", name, got.status, got.body)
		}
		if got := stream.do(http.MethodGet, key, ""); got.status != http.StatusUnauthorized {
			t.Errorf("%s: got %d %s for a stream, want 401", name, got.status, got.body)
		}
	}
	for _, query := range []string{"access_token=", "api_key=", "x="} {
		if got := c.f.sayAs("", c.endpoint+"&"+query+key, ping); got.status != http.StatusUnauthorized || !strings.Contains(got.body, "GH-1002") {
			t.Errorf("%s: got %d %s, want 401 GH-1002", query, got.status, got.body)
		}
		at := *f
		at.url = f.base() + "/sse?" + query + key
		if got := at.do(http.MethodGet, "", ""); got.status != http.StatusUnauthorized || !strings.Contains(got.body, "GH-1002") {
			t.Errorf("%s: got %d %s, want 401 GH-1002", query, got.status, got.body)
		}
	}
	if n := len(f.up.requests()); n != reached {
		t.Errorf("got %d requests at the server, want none", n-reached)
	}
	c.quiet(t)
	_, id, _ := strings.Cut(c.endpoint, "session=")
	if log := f.log.String(); strings.Contains(log, key) || strings.Contains(log, id) {
		t.Error("got a key or a session in the log") // A114
	}
}

func TestA113OldSessionsBelongToTheirOwner(t *testing.T) {
	f := protect(t, &stateful{}, oldDoor)
	_, key := f.key()
	c := f.dial(key)
	c.begin(t)
	other, err := f.tenants.Create(t.Context(), "other")
	if err != nil {
		t.Fatal(err)
	}
	_, neighbour := f.key()
	_, stranger := f.keyOf(other.ID)
	own := f.post(key, initialize).header.Get(sessionHeader)
	path, id, _ := strings.Cut(c.endpoint, "session=")
	reached := len(f.up.requests())
	unknown := f.sayAs(stranger, path+"session=x.y", ping)
	for name, got := range map[string]reply{
		"another key of the tenant":  f.sayAs(neighbour, c.endpoint, ping),
		"a key of another tenant":    f.sayAs(stranger, c.endpoint, ping),
		"a session of the main path": f.sayAs(key, path+"session="+own, ping),
		"two sessions":               f.sayAs(key, c.endpoint+"&session="+id, ping),
		"none":                       f.sayAs(key, strings.TrimSuffix(path, "?"), ping),
		"on the main path":           f.post(key, ping, sessionHeader, id),
		"on the main path's query":   f.sayAs(key, "/mcp?sessionId="+id, ping),
		"in the query of a stream":   f.sayAs(key, path+"sessionId="+id, ping),
		"cut short":                  f.sayAs(key, c.endpoint[:len(c.endpoint)-1], ping),
		"in a header":                f.sayAs(key, strings.TrimSuffix(path, "?"), ping, sessionHeader, id),
	} {
		if name == "on the main path" { // its server knows no such session
			reached++
		}
		if got.status != http.StatusNotFound || name == "a key of another tenant" && withoutID(got.body) != withoutID(unknown.body) {
			t.Errorf("%s: got %d %s, want 404 as for an unknown one: %s", name, got.status, got.body, unknown.body)
		}
	}
	if n := len(f.up.requests()); n != reached {
		t.Errorf("got %d requests at the server, want %d", n, reached)
	}
	c.quiet(t)
	if got := c.ask(t, ping); !strings.Contains(got, `"result"`) {
		t.Errorf("got %s for its owner afterwards", got)
	}
}

// withoutID leaves out the request's id.
func withoutID(body string) string {
	before, rest, _ := strings.Cut(body, `"request_id":"`)
	_, after, _ := strings.Cut(rest, `"`)
	return before + after
}

func TestA115OldStreamOutlivesAuthority(t *testing.T) {
	up := &stateful{}
	f := protect(t, up, oldDoor)
	for name, end := range map[string]func(k *apikey.Key) error{
		"revoked": func(k *apikey.Key) error {
			_, err := f.keys.Revoke(t.Context(), k.Tenant, k.ID, "test", "leaked")
			return err
		},
		"suspended": func(k *apikey.Key) error {
			_, err := f.tenants.Suspend(t.Context(), k.Tenant, "test")
			return err
		},
		"narrowed": func(k *apikey.Key) error {
			_, err := f.keys.Update(t.Context(), k.Tenant, k.ID, apikey.Change{Tools: &[]string{"get_*"}})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			own, err := f.tenants.Create(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			k, key := f.keyOf(own.ID)
			c := f.dial(key)
			c.begin(t)
			up.mu.Lock()
			says := up.open[fmt.Sprintf("session-%d", up.last)]
			up.mu.Unlock()
			says <- note("before")
			if e := c.next(); !strings.Contains(e.data, "before") {
				t.Errorf("got %v, want what the server said", e)
			}
			if err := end(k); err != nil {
				t.Fatal(err)
			}
			if rest := c.ends(t); len(rest) != 0 {
				t.Errorf("got %v after the end of the right", rest)
			}
			eventually(t, "the server's session ends", func() bool {
				up.mu.Lock()
				defer up.mu.Unlock()
				return len(up.open) == 0
			})
			if got := c.say(ping); got.status == http.StatusAccepted {
				t.Errorf("got %d afterwards, want a refusal", got.status)
			}
		})
	}
}

func TestA123OldDoorHasNoOtherWayIn(t *testing.T) {
	f := protect(t, http.HandlerFunc(echo), oldDoor)
	_, key := f.key()
	tests := []struct {
		method, path string
		status       int
		allow        string
	}{
		{"POST", "/sse", 405, "GET"}, {"DELETE", "/sse", 405, "GET"}, {"HEAD", "/sse", 405, "GET"}, {"PUT", "/sse/", 405, "GET"},
		{"GET", "/sse/messages", 405, "POST"}, {"DELETE", "/sse/messages?session=x", 405, "POST"},
		{"POST", "/sse/messages", 404, ""}, {"POST", "/sse/messages/", 404, ""}, {"POST", "/sse/message", 404, ""}, {"GET", "/sse/x", 404, ""},
		{"POST", "/messages", 404, ""}, {"POST", "/message", 404, ""}, {"GET", "/SSE", 404, ""}, {"GET", "/mcp/sse", 404, ""},
		{"GET", "//sse", 400, ""}, {"GET", "/sse/../sse", 400, ""}, {"GET", "/%73se", 400, ""},
		{"GET", "/sse?sessionId=x", 404, ""}, {"GET", "/sse?session_id=x", 404, ""},
	}
	for _, tt := range tests {
		at := *f
		at.url = f.base() + tt.path
		if got := at.do(tt.method, key, ""); got.status != tt.status || got.header.Get("Allow") != tt.allow {
			t.Errorf("%s %s: got %d %s, want %d and to be told of %q", tt.method, tt.path, got.status, got.body, tt.status, tt.allow)
		}
	}
	f.untouched()
	closed := protect(t, http.HandlerFunc(echo))
	_, key = closed.key()
	at := *closed
	at.url = closed.base() + "/sse"
	if got := at.do(http.MethodGet, key, ""); got.status != http.StatusNotFound {
		t.Errorf("got %d where it is not served, want 404", got.status)
	}
}

func TestA109OldDoorLooksAtOrigins(t *testing.T) {
	f := protect(t, http.HandlerFunc(echo), oldDoor)
	_, key := f.key()
	c := f.dial(key)
	for _, origin := range []string{"https://evil.test", "null", "http://" + f.address + ".evil.test"} {
		at := *f
		at.url = f.base() + "/sse"
		if got := at.do(http.MethodGet, key, "", "Origin", origin); got.status != http.StatusForbidden {
			t.Errorf("%s: got %d for a stream, want 403", origin, got.status)
		}
		if got := c.say(ping, "Origin", origin); got.status != http.StatusForbidden {
			t.Errorf("%s: got %d for a message, want 403", origin, got.status)
		}
	}
	f.untouched()
}

func TestOldClientsHearRefusalsOnTheirStream(t *testing.T) {
	f := protect(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		switch {
		case strings.Contains(string(body), "tools/list"):
			_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"get_a"},{"name":"drop_b"}]}}`)
		case strings.Contains(string(body), "get_a"):
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"no session"}}`)
		case strings.Contains(string(body), "get_b"): // an error's body is not looked through on the main path
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"drop_b"}]}}`)
		case strings.Contains(string(body), "get_c"):
			w.WriteHeader(http.StatusInternalServerError)
		case strings.Contains(string(body), "get_d"):
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, `{"jsonrpc":`)
		case strings.Contains(string(body), "get_e"):
			_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":2,"result":{}}`)
		}
	}), oldDoor)
	_, key := f.key("get_*")
	c := f.dial(key)
	for _, tt := range []struct{ name, request, want string }{
		{"a list", `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, `{"tools":[{"name":"get_a"}]}`},
		{"a tool out of reach", call("drop_b"), "GH-1202"},
		{"an unknown method", `{"jsonrpc":"2.0","id":1,"method":"x/y"}`, "GH-1203"},
		{"an error of the server's without an id", call("get_a"), `"id":1,"error":{"code":-32000`},
		{"a result under an error", call("get_b"), "GH-1604"},
		{"an error without a body", call("get_c"), "GH-1604"},
		{"half an answer", call("get_d"), "GH-160"},
		{"the answer to another call", call("get_e"), "GH-1604"},
	} {
		got := c.ask(t, tt.request)
		if !strings.Contains(got, tt.want) || !strings.Contains(got, `"id":1`) || strings.Contains(got, "drop_b") {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
	if log := f.log.String(); strings.Count(log, `"status":403`) != 1 || strings.Count(log, "drop_b") != 1 {
		t.Errorf("got %s, want one line about the refusal", log)
	}
	c.quiet(t)
}

func TestOldDoorKnowsTheOlderEraOnly(t *testing.T) {
	f := protect(t, http.HandlerFunc(echo), oldDoor)
	_, key := f.key()
	c := f.dial(key)
	modern, headers := ofNewEra("tools/list", "", "")
	for name, got := range map[string]reply{
		"a request of the newer era": c.say(modern, headers...),
		"a notification of it":       c.say(`{"jsonrpc":"2.0","method":"notifications/initialized"}`, "Mcp-Protocol-Version", "2026-07-28"),
		"its version on a ping":      c.say(ping, "Mcp-Protocol-Version", "2026-07-28"),
		"a batch":                    c.say("[" + ping + "]"),
		"two messages":               c.say(ping + "\n" + ping),
		"no JSON":                    c.say("{"),
		"a doubled member":           c.say(`{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}`),
		"an answer without session":  c.say(`{"jsonrpc":"2.0","id":1,"result":{}}`),
	} {
		if got.status != http.StatusBadRequest || !strings.Contains(got.body, `"code":-32`) {
			t.Errorf("%s: got %d %s, want 400 and a JSON-RPC error", name, got.status, got.body)
		}
	}
	if got := c.say(ping, "Content-Type", "text/plain"); got.status != http.StatusUnsupportedMediaType {
		t.Errorf("got %d for plain text, want 415", got.status)
	}
	at := *f
	at.url = f.base() + "/sse"
	if got := at.do(http.MethodGet, key, "", "Mcp-Protocol-Version", "2026-07-28"); got.status != http.StatusBadRequest || !strings.Contains(got.body, "supported") {
		t.Errorf("got %d %s for a stream of the newer era, want 400 and what is supported", got.status, got.body)
	}
	f.untouched()
	c.quiet(t)
}

func TestA137OldStreamSaysOnlyWhatItShould(t *testing.T) {
	f := protect(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			http.Error(w, "no", http.StatusMethodNotAllowed)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "event: endpoint\ndata: http://evil.test/\n\n"+
			": comment\n\nid: a\rdata: "+note("good")+"\r\n\r\n"+
			"data: {\"jsonrpc\":\"2.0\",\ndata: \"id\":99,\"result\":{\"stolen\":1}}\n\n"+
			"event: message\ndata: {\"jsonrpc\":\"2.0\",\ndata: \"id\":1,\"result\":{}}\n\n"+
			"data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"stolen\":2}}\n\n")
	}), oldDoor)
	_, key := f.key()
	c := f.dial(key)
	if got := c.ask(t, ping); !strings.Contains(got, "good") {
		t.Errorf("got %s, want the note", got)
	}
	if e := c.next(); e.name != "message" || !strings.Contains(e.data, `"id":1,"result":{}`) {
		t.Errorf("got %v, want the answer", e)
	}
	c.quiet(t)
}

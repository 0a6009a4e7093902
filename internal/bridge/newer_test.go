package bridge

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

const newMeta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"new","version":"1"},"io.modelcontextprotocol/clientCapabilities":{"elicitation":{}}}`

// ask sends a request as a client of 2026-07-28 does.
func (d *desk) ask(id int, method, params string) {
	d.t.Helper()
	if params != "" {
		params += ","
	}
	d.say(`{"jsonrpc":"2.0","id":%d,"method":%q,"params":{%s%s}}`, id, method, params, newMeta)
}

// result wants the next message to be the answer to a request, with a part in it.
func (d *desk) result(id int, part string) string {
	d.t.Helper()
	got := d.hear()
	if string(got.ID) != fmt.Sprint(id) || !strings.Contains(string(got.Result), part) {
		d.t.Fatalf("got %+v (%s), want an answer to %d with %s", got, got.Result, id, part)
	}
	return string(got.Result)
}

func TestANewClientBeforeAnOldServer(t *testing.T) {
	refusals := map[string]func(w http.ResponseWriter, q asked){
		"404":                 func(w http.ResponseWriter, _ asked) { w.WriteHeader(http.StatusNotFound) },
		"400, no session":     func(w http.ResponseWriter, _ asked) { http.Error(w, "no session", http.StatusBadRequest) },
		"200, no such method": func(w http.ResponseWriter, q asked) { refuse(w, 200, q, -32601, "Method not found") },
		"400, an error in JSON": func(w http.ResponseWriter, q asked) {
			refuse(w, 400, q, -32000, "Bad Request: No valid session ID provided")
		},
	}
	for name, how := range refusals {
		t.Run(name, func(t *testing.T) {
			o := &old{}
			d := sit(t, served(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPost && r.Header.Get("Mcp-Session-Id") == "" {
					body, _ := io.ReadAll(r.Body)
					r.Body = io.NopCloser(strings.NewReader(string(body)))
					var q asked
					_ = json.Unmarshal(body, &q)
					if q.Method != "initialize" {
						how(w, q)
						return
					}
					if !strings.Contains(string(q.Params), `"name":"new"`) || !strings.Contains(string(q.Params), `"elicitation"`) {
						t.Errorf("initialize has %s", q.Params)
					}
				}
				o.ServeHTTP(w, r)
			})), nil)
			d.ask(1, "server/discover", "")
			if got := d.result(1, `"supportedVersions":["2026-07-28"]`); !strings.Contains(got, `serverInfo":{"name":"old"`) || !strings.Contains(got, `"ttlMs":0`) {
				t.Errorf("got %s", got)
			}
			d.ask(2, "tools/call", `"name":"x","arguments":{"n":12345678901234567890}`)
			d.result(2, `"resultType":"complete"`)
			o.forget()
			d.ask(3, "tools/list", "")
			d.result(3, `"cacheScope":"private"`)
			if inits, calls := o.counts(); inits != 2 || calls != 2 {
				t.Errorf("%d sessions, %d requests", inits, calls)
			}
		})
	}
}

func refuse(w http.ResponseWriter, status int, q asked, code int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"error":{"code":%d,"message":%q}}`, q.ID, code, text)
}

func TestACallIsTheFirstThatANewClientSays(t *testing.T) {
	o := &old{}
	d := sit(t, served(t, o), nil)
	d.ask(1, "tools/call", `"name":"x"`)
	d.result(1, `"complete"`)
	if inits, calls := o.counts(); inits != 1 || calls != 1 {
		t.Errorf("%d sessions, %d calls", inits, calls)
	}
}

func TestARefusalOfANewServerIsPassedOn(t *testing.T) {
	var began atomic.Bool
	d := sit(t, served(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch q := read(r); q.Method {
		case "initialize":
			began.Store(true)
			answer(w, q.ID, `{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"both","version":"1"}}`)
		case "server/discover":
			answer(w, q.ID, `{"supportedVersions":["2026-07-28"]}`)
		default:
			refuse(w, http.StatusNotFound, q, -32601, "No such method")
		}
	})), nil)
	d.ask(1, "no/such", "")
	if got := d.hear(); got.Error.Code != -32601 || began.Load() {
		t.Errorf("got %+v, and a session: %t", got, began.Load())
	}
}

// asking is an old server whose tool asks the user before it answers.
func asking(t *testing.T) (at string, o *old) {
	t.Helper()
	told := make(chan string, 1)
	o = &old{}
	o.call = func(w http.ResponseWriter, r *http.Request, q asked) {
		if q.Method != "tools/call" {
			answer(w, q.ID, `{}`)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for _, one := range []string{`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1}}`, `{"jsonrpc":"2.0","id":"p","method":"ping"}`,
			`{"jsonrpc":"2.0","id":"q1","method":"elicitation/create","params":{"message":"Sure?"}}`} {
			_, _ = io.WriteString(w, "data: "+one+"\n\n")
		}
		_ = http.NewResponseController(w).Flush()
		select {
		case a := <-told:
			_, _ = fmt.Fprintf(w, "data: {\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{\"said\":%s}}\n\n", q.ID, a)
		case <-r.Context().Done():
		}
	}
	return served(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var a struct {
			ID     any
			Result json.RawMessage
		}
		if r.Method == http.MethodPost && json.Unmarshal(body, &a) == nil && a.Result != nil {
			if a.ID == "q1" {
				told <- string(a.Result)
			}
			w.WriteHeader(http.StatusAccepted)
			return
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		o.ServeHTTP(w, r)
	})), o
}

func TestAnOldServersQuestionIsAResultForANewClient(t *testing.T) {
	at, o := asking(t)
	d := sit(t, at, nil)
	d.ask(1, "tools/call", `"name":"x"`)
	if got := d.hear(); got.Method != "notifications/progress" {
		t.Errorf("got %+v", got)
	}
	var asks struct {
		State string                     `json:"requestState"`
		Asks  map[string]json.RawMessage `json:"inputRequests"`
	}
	if err := json.Unmarshal([]byte(d.result(1, `"input_required"`)), &asks); err != nil || asks.State == "" || len(asks.Asks) != 1 {
		t.Fatalf("got %+v, %v", asks, err)
	}
	for key, ask := range asks.Asks {
		if !strings.Contains(string(ask), `"message":"Sure?"`) {
			t.Errorf("got %s", ask)
		}
		again := fmt.Sprintf(`"name":"x","requestState":%q,"inputResponses":{%q:{"action":"accept"}}`, asks.State, key)
		d.ask(2, "tools/call", again)
		d.result(2, `"said":{"action":"accept"}`)
		d.ask(3, "tools/call", again) // its state was used
		if got := d.hear(); got.Error.Code != -32602 {
			t.Errorf("got %+v", got)
		}
	}
	if _, calls := o.counts(); calls != 1 {
		t.Errorf("%d calls", calls)
	}
}

func TestANewClientHearsOfChangesAtAnOldServer(t *testing.T) {
	stream, watched := make(chan string), make(chan string, 1)
	var open sync.Once
	o := &old{}
	o.call = func(w http.ResponseWriter, _ *http.Request, q asked) {
		if q.Method == "resources/subscribe" {
			watched <- string(q.Params)
		}
		answer(w, q.ID, `{}`)
	}
	o.get = func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(w).Flush()
		open.Do(func() {
			for one := range stream {
				_, _ = io.WriteString(w, "data: "+one+"\n\n")
				_ = http.NewResponseController(w).Flush()
			}
		})
		<-r.Context().Done()
	}
	d := sit(t, served(t, o), nil)
	d.ask(7, "subscriptions/listen", `"notifications":{"toolsListChanged":true,"resourceSubscriptions":["file:///a"]}`)
	if got := d.hear(); got.Method != "notifications/subscriptions/acknowledged" || !strings.Contains(string(got.Params), `"io.modelcontextprotocol/subscriptionId":7`) {
		t.Fatalf("got %+v %s", got, got.Params)
	}
	if got := <-watched; got != `{"uri":"file:///a"}` {
		t.Errorf("the server was asked for %s", got)
	}
	stream <- `{"jsonrpc":"2.0","method":"notifications/prompts/list_changed"}`
	stream <- `{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"file:///b"}}`
	stream <- `{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`
	stream <- `{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"file:///a"}}`
	for _, want := range []string{"notifications/tools/list_changed", "notifications/resources/updated"} {
		if got := d.hear(); got.Method != want || !strings.Contains(string(got.Params), `subscriptionId":7`) {
			t.Errorf("got %+v %s, want %s", got, got.Params, want)
		}
	}
	close(stream)
	d.say(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}`)
	d.ask(8, "ping", "")
	d.result(8, "complete")
}

func TestACancelledCallEndsAtAnOldServerToo(t *testing.T) {
	began, ended := make(chan string, 1), make(chan string, 1)
	o := &old{}
	o.call = func(_ http.ResponseWriter, r *http.Request, q asked) {
		began <- string(q.ID)
		<-r.Context().Done()
	}
	d := sit(t, served(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if strings.Contains(string(body), "notifications/cancelled") {
			ended <- string(body)
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		o.ServeHTTP(w, r)
	})), nil)
	d.ask(1, "tools/call", `"name":"x"`)
	id := <-began
	d.say(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`)
	if got := <-ended; !strings.Contains(got, `"requestId":`+id) {
		t.Errorf("got %s, want the end of %s", got, id)
	}
}

// TestTheEraOfTheServerChanges upgrades the server under a new client, and puts the
// older one back.
func TestTheEraOfTheServerChanges(t *testing.T) {
	o := &old{}
	var upgraded atomic.Bool
	d := sit(t, served(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !upgraded.Load() {
			o.ServeHTTP(w, r)
			return
		}
		switch q := read(r); {
		case r.Header.Get("Mcp-Protocol-Version") != "2026-07-28":
			refuse(w, http.StatusBadRequest, q, -32022, "Unsupported protocol version")
		case q.Method == "server/discover":
			answer(w, q.ID, `{"supportedVersions":["2026-07-28"],"capabilities":{}}`)
		default:
			answer(w, q.ID, `{"resultType":"complete","new":true}`)
		}
	})), nil)
	d.ask(1, "tools/list", "")
	d.result(1, `"complete"`)
	upgraded.Store(true)
	for id := 2; id <= 3; id++ {
		d.ask(id, "tools/call", `"name":"x"`)
		d.result(id, `"new":true`)
	}
	upgraded.Store(false)
	o.forget()
	d.ask(4, "server/discover", "")
	d.result(4, `"old"`)
	d.ask(5, "tools/call", `"name":"x"`)
	if got := d.result(5, `"complete"`); strings.Contains(got, "new") {
		t.Errorf("got %s", got)
	}
}

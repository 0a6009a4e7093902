package bridge

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// forgetful is a server of sessions that tells of changes, and notes what each session was asked.
type forgetful struct {
	old
	mu    sync.Mutex
	asked []string    // session, method and parameters
	told  []string    // what was posted that is no request
	says  chan string // on the stream of its own that was opened last
	opens atomic.Int32
}

func newForgetful() *forgetful {
	f := &forgetful{says: make(chan string, 10)}
	f.call = func(w http.ResponseWriter, r *http.Request, q asked) {
		f.mu.Lock()
		f.asked = append(f.asked, r.Header.Get("Mcp-Session-Id")+" "+q.Method+" "+string(q.Params))
		f.mu.Unlock()
		answer(w, q.ID, `{}`)
	}
	f.get = func(w http.ResponseWriter, r *http.Request) {
		f.old.mu.Lock()
		known := f.session == r.Header.Get("Mcp-Session-Id")
		f.old.mu.Unlock()
		if !known {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		mine := f.opens.Add(1)
		w.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(w).Flush()
		for {
			select {
			case one := <-f.says:
				f.old.mu.Lock()
				gone := f.opens.Load() != mine || f.session != r.Header.Get("Mcp-Session-Id")
				f.old.mu.Unlock()
				if gone {
					f.says <- one // for the stream that there is now
					return
				}
				_, _ = io.WriteString(w, "data: "+one+"\n\n")
				_ = http.NewResponseController(w).Flush()
			case <-r.Context().Done():
				return
			}
		}
	}
	return f
}

func (f *forgetful) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		f.old.ServeHTTP(w, r)
		return
	}
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	var q asked
	switch q = read(&http.Request{Body: io.NopCloser(strings.NewReader(string(body)))}); {
	case q.Method == "initialize":
		f.old.mu.Lock()
		f.inits++
		f.session = fmt.Sprintf("s-%d", f.inits)
		w.Header().Set("Mcp-Session-Id", f.session)
		f.old.mu.Unlock()
		answer(w, q.ID, `{"protocolVersion":"2025-11-25","capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true},"logging":{}},"serverInfo":{"name":"old","version":"1"}}`)
		return
	case q.ID == nil || q.Method == "":
		f.mu.Lock()
		f.told = append(f.told, r.Header.Get("Mcp-Session-Id")+" "+string(body))
		f.mu.Unlock()
		if q.Method == "" {
			w.WriteHeader(http.StatusAccepted)
			return
		}
	}
	f.old.ServeHTTP(w, r)
}

func (f *forgetful) was(of *[]string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(*of)
}

// TestANewSessionIsWhatTheOldOneWas: level and subscriptions are set again, and the client hears what may have changed.
func TestANewSessionIsWhatTheOldOneWas(t *testing.T) {
	f := newForgetful()
	d := sit(t, served(t, f), nil)
	d.hello()
	for i, one := range []string{
		`"logging/setLevel","params":{"level":"debug"}`, `"resources/subscribe","params":{"uri":"file:///b","_meta":{"x":1}}`,
		`"resources/subscribe","params":{"uri":"file:///a"}`, `"resources/subscribe","params":{"uri":"file:///c"}`, `"resources/unsubscribe","params":{"uri":"file:///c"}`,
		`"logging/setLevel","x":1`, `"resources/subscribe"`,
	} {
		d.say(`{"jsonrpc":"2.0","id":%d,"method":%s}`, i+1, one)
		if got := d.hear(); string(got.Result) != "{}" {
			t.Fatalf("got %+v", got)
		}
	}
	f.forget()
	d.say(callLine, 9)
	var heard []string
	for range 4 {
		got := d.hear()
		heard = append(heard, string(got.ID)+got.Method+string(got.Params))
	}
	want := []string{"9", "notifications/resources/updated" + `{"uri":"file:///a"}`, "notifications/resources/updated" + `{"uri":"file:///b"}`, "notifications/tools/list_changed"}
	slices.Sort(heard)
	if !slices.Equal(heard, want) {
		t.Errorf("the client heard %q", heard)
	}
	all := slices.DeleteFunc(f.was(&f.asked), func(one string) bool { return strings.HasPrefix(one, "s-1") })
	if i := slices.Index(all, `s-2 logging/setLevel {"level":"debug"}`); i < 0 || i > slices.IndexFunc(all, func(s string) bool { return strings.Contains(s, "tools/call") }) {
		t.Errorf("the new session was asked %q, want the level before the call", all)
	}
	slices.Sort(all)
	if len(all) != 4 || all[1] != `s-2 resources/subscribe {"uri":"file:///a"}` || all[2] != `s-2 resources/subscribe {"uri":"file:///b","_meta":{"x":1}}` {
		t.Errorf("the new session was asked %q", all)
	}
}

// TestAnAnswerToAnOldSessionIsNotOneToTheNew: both number their questions alike, and a yes to one is none to the other.
func TestAnAnswerToAnOldSessionIsNotOneToTheNew(t *testing.T) {
	f := newForgetful()
	d := sit(t, served(t, f), nil)
	d.hello()
	const question = `{"jsonrpc":"2.0","id":0,"method":"elicitation/create","params":{"message":%q}}`
	f.says <- fmt.Sprintf(question, "Look?")
	old := d.hear()
	f.forget()
	d.say(callLine, 1)
	for heard := map[string]bool{}; !heard["1"] || !heard["notifications/cancelled"] || !heard["notifications/tools/list_changed"]; {
		got := d.hear()
		heard[string(got.ID)+got.Method] = true
		if got.Method == "notifications/cancelled" && !strings.Contains(string(got.Params), `"requestId":0`) {
			t.Errorf("got %s", got.Params)
		}
	}
	f.says <- fmt.Sprintf(question, "Pay?")
	now := d.hear()
	if string(now.ID) == string(old.ID) || !strings.Contains(string(now.Params), "Pay?") {
		t.Errorf("got %+v, want a question under another id", now)
	}
	d.say(`{"jsonrpc":"2.0","id":%s,"result":{"action":"accept"}}`, old.ID)
	d.say(`{"jsonrpc":"2.0","id":%s,"result":{"action":"decline"}}`, now.ID)
	d.say(`{"jsonrpc":"2.0","id":2,"method":"ping"}`)
	d.hear()
	var answers []string
	for _, one := range f.was(&f.told) {
		if strings.Contains(one, "action") {
			answers = append(answers, one)
		}
	}
	if len(answers) != 1 || !strings.Contains(answers[0], "decline") || !strings.Contains(answers[0], `"id":0`) || !strings.HasPrefix(answers[0], "s-2 ") {
		t.Errorf("the server has the answers %q", answers)
	}
}

// TestAStreamOfChangesThatWasCutIsCaughtUpWith: what changed meanwhile nobody said.
func TestAStreamOfChangesThatWasCutIsCaughtUpWith(t *testing.T) {
	var mu sync.Mutex
	opened := 0
	d := sit(t, served(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := read(r)
		mu.Lock()
		opened++
		n := opened
		mu.Unlock()
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = fmt.Fprintf(w, "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/acknowledged\",\"params\":{\"_meta\":{%q:%s},\"notifications\":{\"toolsListChanged\":true,\"resourceSubscriptions\":[\"file:///a\"]}}}\n\n", metaSubscription, q.ID)
		_ = http.NewResponseController(w).Flush()
		if n > 1 {
			<-r.Context().Done()
		}
	})), nil)
	d.ask(7, "subscriptions/listen", `"notifications":{"toolsListChanged":true,"resourceSubscriptions":["file:///a"],"promptsListChanged":true}`)
	for _, want := range []string{"notifications/subscriptions/acknowledged", "notifications/tools/list_changed", "notifications/resources/updated"} {
		if got := d.hear(); got.Method != want || !strings.Contains(string(got.Params), `"io.modelcontextprotocol/subscriptionId":7`) {
			t.Errorf("got %+v %s, want %s", got, got.Params, want)
		}
	}
	d.say(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}`)
}

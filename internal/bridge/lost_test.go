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
	"time"

	words "github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

// set has the client set what a session keeps.
func (d *desk) set() {
	d.t.Helper()
	d.say(`{"jsonrpc":"2.0","id":101,"method":"logging/setLevel","params":{"level":"debug"}}`)
	d.hear()
	d.say(`{"jsonrpc":"2.0","id":102,"method":"resources/subscribe","params":{"uri":"file:///a"}}`)
	d.hear()
}

// hearAll hears until each of them came, in any order.
func (d *desk) hearAll(methods ...string) {
	d.t.Helper()
	for len(methods) > 0 {
		got := d.hear()
		if got.Method == "" {
			d.t.Errorf("got %+v", got)
		}
		methods = slices.DeleteFunc(methods, func(m string) bool { return m == got.Method })
	}
}

const aLogMessage = `{"jsonrpc":"2.0","method":"notifications/message","params":{}}`

// TestASessionWhoseLossItsOwnStreamNoticesIsWhatItWas: nobody calls meanwhile.
func TestASessionWhoseLossItsOwnStreamNoticesIsWhatItWas(t *testing.T) {
	t.Parallel()
	f := newForgetful()
	d := sit(t, served(t, f), nil)
	d.hello()
	d.set()
	f.forget()
	f.says <- aLogMessage // which ends the stream of the session that is gone
	d.hearAll("notifications/tools/list_changed", "notifications/resources/updated", "notifications/message")
	asked := f.was(&f.asked)
	for _, want := range []string{`s-2 logging/setLevel {"level":"debug"}`, `s-2 resources/subscribe {"uri":"file:///a"}`} {
		if !slices.Contains(asked, want) {
			t.Errorf("the new session was asked %q, not %s", asked, want)
		}
	}
}

// TestAStreamOutlastsASessionThatCannotBeMadeAtOnce: the server is not up yet.
func TestAStreamOutlastsASessionThatCannotBeMadeAtOnce(t *testing.T) {
	t.Parallel()
	f := newForgetful()
	var away atomic.Bool
	var opened atomic.Int32 // while it is away
	d := sit(t, served(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPost && away.Load():
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		case r.Header.Get("Mcp-Session-Id") != "" && away.Load() && opened.Add(1) == 2: // after a session could not be made
			away.Store(false)
		}
		f.ServeHTTP(w, r)
	})), func(b *Bridge) { b.Patience = 2 * time.Second })
	d.hello()
	d.set()
	away.Store(true)
	f.forget()
	f.says <- aLogMessage
	d.hearAll("notifications/message")
	if inits, _ := f.counts(); inits != 2 {
		t.Errorf("%d sessions", inits)
	}
}

// upgrades is a server of sessions that knows MCP 2026-07-28 only from some time on.
type upgrades struct {
	*forgetful
	is atomic.Bool

	mu   sync.Mutex
	seen map[string]string // the last message of each method since
}

func (u *upgrades) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !u.is.Load() {
		u.forgetful.ServeHTTP(w, r)
		return
	}
	newOnly(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		q := read(r)
		u.mu.Lock()
		u.seen[q.Method] = string(body)
		u.mu.Unlock()
		if q.Method != "subscriptions/listen" {
			answer(w, q.ID, `{"capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true}},"new":true}`)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: "+aLogMessage+"\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})).ServeHTTP(w, r)
}

// TestAnUpgradedServerKeepsWhatTheSessionWas: level and subscriptions go along with what is translated.
func TestAnUpgradedServerKeepsWhatTheSessionWas(t *testing.T) {
	t.Parallel()
	u := &upgrades{forgetful: newForgetful(), seen: map[string]string{}}
	d := sit(t, served(t, u), nil)
	d.hello()
	d.set()
	u.says <- `{"jsonrpc":"2.0","id":5,"method":"elicitation/create","params":{}}`
	d.hear()
	u.is.Store(true)
	d.say(callLine, 2)
	missing := []string{"2", "notifications/cancelled", "notifications/tools/list_changed", "notifications/resources/updated", "notifications/message"}
	for len(missing) > 0 {
		got := d.hear()
		missing = slices.DeleteFunc(missing, func(one string) bool { return one == string(got.ID)+got.Method })
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	for method, want := range map[string]string{"tools/call": `"io.modelcontextprotocol/logLevel":"debug"`, "subscriptions/listen": `"resourceSubscriptions":["file:///a"]`} {
		if !strings.Contains(u.seen[method], want) {
			t.Errorf("%s is %s, without %s", method, u.seen[method], want)
		}
	}
}

// answers are those that a server got to questions.
func (f *forgetful) answers() (all []string) {
	for _, one := range f.was(&f.told) {
		if strings.Contains(one, "action") {
			all = append(all, one)
		}
	}
	return all
}

// TestAnAnswerToNobodysQuestionGoesNowhere: it would be one to whatever has the same number.
func TestAnAnswerToNobodysQuestionGoesNowhere(t *testing.T) {
	t.Parallel()
	f := newForgetful()
	d := sit(t, served(t, f), nil)
	d.hello()
	f.says <- `{"jsonrpc":"2.0","id":4,"method":"elicitation/create","params":{}}`
	d.hear()
	for _, id := range []int{77, 4, 4} {
		d.say(`{"jsonrpc":"2.0","id":%d,"result":{"action":"accept"}}`, id)
	}
	d.say(`{"jsonrpc":"2.0","id":1,"method":"ping"}`)
	d.hear()
	if got := f.answers(); len(got) != 1 || !strings.Contains(got[0], `"id":4`) {
		t.Errorf("the server has the answers %q", got)
	}
}

// TestAQuestionIsOfTheSessionInWhichItCame: it may come when that one is gone.
func TestAQuestionIsOfTheSessionInWhichItCame(t *testing.T) {
	t.Parallel()
	f := newForgetful()
	began, goOn := make(chan struct{}), make(chan struct{})
	f.call = func(w http.ResponseWriter, r *http.Request, q asked) {
		if string(q.ID) != "1" {
			answer(w, q.ID, `{}`)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(w).Flush()
		close(began)
		<-goOn
		_, _ = io.WriteString(w, "data: {\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"elicitation/create\",\"params\":{}}\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	d := sit(t, served(t, f), nil)
	d.hello()
	d.say(callLine, 1)
	<-began
	f.forget()
	d.say(callLine, 2)
	for range 2 { // the answer and the news
		d.hear()
	}
	close(goOn)
	d.hearAll("elicitation/create")
	d.say(`{"jsonrpc":"2.0","id":0,"result":{"action":"accept"}}`)
	d.say(`{"jsonrpc":"2.0","id":3,"method":"ping"}`)
	d.hear()
	if got := f.answers(); len(got) != 0 {
		t.Errorf("the server has the answers %q", got)
	}
	d.say(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`)
}

func TestTheOldestOfTooManyQuestionsIsForgotten(t *testing.T) {
	t.Parallel()
	var q questions
	for i := range manyQuestions + 1 {
		raw := []byte(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"ping"}`, i))
		e, err := words.Peek(raw)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := q.ask(raw, e, 2); err != nil {
			t.Fatal(err)
		}
	}
	for id, want := range map[string]bool{"0": false, "1": true, "1024": true} {
		m, err := readMessage(resultOf([]byte(id), []byte("{}")))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := q.answered(m); (err == nil) != want {
			t.Errorf("the answer to %s: %v", id, err)
		}
	}
}

// TestAStreamThatNamesNoEndpointHoldsNobodyUp: it is of something else, and says nothing.
func TestAStreamThatNamesNoEndpointHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	d := sit(t, served(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})), func(b *Bridge) { b.Patience = 2 * time.Second })
	d.say(`{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`)
	if got := d.hear(); !strings.HasPrefix(got.Error.Message, codeStatus) {
		t.Errorf("got %+v", got)
	}
}

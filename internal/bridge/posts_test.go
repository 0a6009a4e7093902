package bridge

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// held is a server that keeps hold of some of what is posted to it.
type held struct {
	old
	hold func(http.ResponseWriter, *http.Request, asked) bool // of what is no request; true: it was answered

	seeing sync.Mutex
	seen   []string
}

func (h *held) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var q asked
	_ = json.Unmarshal(body, &q)
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	if r.Method == http.MethodPost {
		h.saw(q)
	}
	if r.Method == http.MethodPost && (q.ID == nil || q.Method == "") && q.Method != "notifications/initialized" && h.hold(w, r, q) {
		return
	}
	h.old.ServeHTTP(w, r)
}

func (h *held) saw(q asked) {
	h.seeing.Lock()
	defer h.seeing.Unlock()
	h.seen = append(h.seen, q.Method)
}

const (
	changed = `{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}`
	theirs  = `{"jsonrpc":"2.0","id":"theirs-%d","result":{}}` // the answer to a question
)

// asks has the server ask so many questions on its own stream.
func (h *held) asks(n int) {
	h.get = func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range n {
			_, _ = fmt.Fprintf(w, "data: {\"jsonrpc\":\"2.0\",\"id\":\"theirs-%d\",\"method\":\"roots/list\"}\n\n", i)
		}
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
}

// TestAMessageThatTheServerDoesNotTakeHoldsUpNobody: the client goes on, and may cancel.
func TestAMessageThatTheServerDoesNotTakeHoldsUpNobody(t *testing.T) {
	for name, line := range map[string]string{"a notification": changed, "a response": fmt.Sprintf(theirs, 0)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began, release := make(chan struct{}), make(chan struct{})
			h := &held{hold: func(_ http.ResponseWriter, _ *http.Request, q asked) bool {
				if q.Method != "notifications/cancelled" {
					<-release
				}
				return false
			}}
			h.call = func(w http.ResponseWriter, r *http.Request, q asked) {
				if q.Method == "tools/call" {
					close(began)
					<-r.Context().Done()
					return
				}
				answer(w, q.ID, `{}`)
			}
			h.asks(1)
			d := sit(t, served(t, h), func(b *Bridge) { b.Patience = time.Minute })
			d.hello()
			d.hear() // the question
			d.say(line)
			d.say(callLine, 1)
			select {
			case <-began: // though the message waits
			case <-time.After(15 * time.Second):
				close(release)
				t.Fatal("the call waits for the message")
			}
			d.say(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`)
			close(release)
			d.say(`{"jsonrpc":"2.0","id":2,"method":"ping"}`)
			if got := d.hear(); string(got.ID) != "2" || string(got.Result) != "{}" {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// TestAnAnswerToANotificationIsNotReadToItsEnd: it is of no use, and may have none.
func TestAnAnswerToANotificationIsNotReadToItsEnd(t *testing.T) {
	h := &held{hold: func(w http.ResponseWriter, r *http.Request, _ asked) bool {
		w.WriteHeader(http.StatusOK)
		_, _ = io.WriteString(w, "{")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		return true
	}}
	d := sit(t, served(t, h), nil)
	d.hello()
	for range 5 {
		d.say(changed)
	}
	d.say(`{"jsonrpc":"2.0","id":1,"method":"ping"}`)
	if got := d.hear(); string(got.ID) != "1" || string(got.Result) != "{}" {
		t.Errorf("got %+v", got)
	}
	h.seeing.Lock()
	defer h.seeing.Unlock()
	if n := slices.Index(h.seen, "ping") - slices.Index(h.seen, "notifications/roots/list_changed"); n != 5 {
		t.Errorf("the server has seen %q", h.seen)
	}
}

// TestARequestComesAfterTheNotificationsBeforeIt: the server is told first.
func TestARequestComesAfterTheNotificationsBeforeIt(t *testing.T) {
	var all []string
	h := &held{hold: func(http.ResponseWriter, *http.Request, asked) bool { return false }}
	h.asks(20)
	d := sit(t, served(t, h), nil)
	d.hello()
	for range 20 {
		d.hear() // the questions
	}
	for i := range 20 {
		d.say(changed)
		d.say(theirs, i)
		d.say(callLine, i+1)
		d.hear()
		all = append(all, "notifications/roots/list_changed", "", "tools/call")
	}
	h.seeing.Lock()
	defer h.seeing.Unlock()
	seen := slices.DeleteFunc(h.seen, func(m string) bool { return m == "initialize" || m == "notifications/initialized" })
	if !slices.Equal(seen, all) {
		t.Errorf("got %q", seen)
	}
}

package bridge

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// TestACallThatFailsInWordsAboutASessionIsSentOnce: the words may be of the tool, which has done it.
func TestACallThatFailsInWordsAboutASessionIsSentOnce(t *testing.T) {
	o := &old{}
	var fails atomic.Bool
	o.call = func(w http.ResponseWriter, _ *http.Request, q asked) {
		if !fails.Swap(false) {
			answer(w, q.ID, `{}`)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"error":{"code":-32000,"message":"The shop's session was closed when it was paid."}}`, q.ID)
	}
	d := sit(t, served(t, o), nil)
	d.hello()
	fails.Store(true)
	d.say(callLine, 7)
	if got := d.hear(); string(got.ID) != "7" || !strings.HasPrefix(got.Error.Message, codeFate) || !strings.Contains(got.Error.Message, "when it was paid") {
		t.Errorf("got %+v", got)
	}
	if inits, calls := o.counts(); inits != 2 || calls != 1 {
		t.Errorf("%d sessions, %d calls", inits, calls)
	}
	fails.Store(true)
	d.say(`{"jsonrpc":"2.0","id":8,"method":"tools/list"}`) // it only asks
	if got := d.hear(); string(got.ID) != "8" || string(got.Result) != "{}" {
		t.Errorf("got %+v", got)
	}
	d.say(callLine, 9) // in the session that there is now
	if got := d.hear(); string(got.ID) != "9" || string(got.Result) != "{}" {
		t.Errorf("got %+v", got)
	}
}

// TestANotificationThatNoSessionTakesIsGivenUp: a server that loses each session is not asked for ever.
func TestANotificationThatNoSessionTakesIsGivenUp(t *testing.T) {
	o := &old{}
	d := sit(t, served(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if strings.Contains(string(body), "notifications/roots") {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		o.ServeHTTP(w, r)
	})), nil)
	d.hello()
	d.say(`{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}`)
	d.say(callLine, 1)
	if got := d.hear(); string(got.ID) != "1" || string(got.Result) != "{}" {
		t.Errorf("got %+v", got)
	}
	if inits, _ := o.counts(); inits != 2 {
		t.Errorf("%d sessions", inits)
	}
}

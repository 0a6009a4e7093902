package bridge

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/signin"
)

// gets is access that is got anew whenever it is refused.
type gets struct {
	open
	n *atomic.Int32
}

func (g gets) Renew(ctx context.Context, _ signin.Refusal) (*signin.Credential, error) {
	g.n.Add(1)
	return (&signin.Key{Server: "http://127.0.0.1/", Read: func(context.Context) (string, error) { return "x", nil }}).Credential(ctx)
}

// TestACallIsRepeatedAfterARefusalThatSaysWhatIsWanted: whoever refuses in another way may have done it.
func TestACallIsRepeatedAfterARefusalThatSaysWhatIsWanted(t *testing.T) {
	challenge := func(h http.Header) { h.Set("WWW-Authenticate", `Bearer error="invalid_token"`) }
	tests := map[string]struct {
		header func(http.Header)
		body   string
		tool   string
		calls  int32
	}{
		"a guard's":                       {challenge, `{"error":"invalid_token"}`, "pay", 2},
		"a guard's that has a request":    {challenge, `{"jsonrpc":"2.0","id":7,"error":{"code":-32001,"message":"who?"}}`, "pay", 2},
		"a status that is passed on":      {func(http.Header) {}, `{"error":"the shop says 401"}`, "pay", 1},
		"a challenge beside a result":     {challenge, `{"jsonrpc":"2.0","id":7,"result":{}}`, "pay", 1},
		"a challenge beside a stream":     {func(h http.Header) { challenge(h); h.Set("Content-Type", "text/event-stream") }, ": hello\n\n", "pay", 1},
		"a tool that only reads":          {func(http.Header) {}, "", "look", 2},
		"a tool that may be called again": {func(http.Header) {}, "", "set", 2},
		"a tool that is said to do both":  {func(http.Header) {}, "", "odd", 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var calls, renewed atomic.Int32
			o := &old{}
			o.call = func(w http.ResponseWriter, _ *http.Request, q asked) {
				switch {
				case q.Method == "tools/list":
					answer(w, q.ID, `{"tools":[{"name":"pay","inputSchema":{}},{"name":"look","annotations":{"readOnlyHint":true}},{"name":"set","annotations":{"idempotentHint":true}},{"name":"odd","annotations":"readOnlyHint"}]}`)
				case calls.Add(1) == 1:
					tt.header(w.Header())
					w.WriteHeader(http.StatusUnauthorized)
					_, _ = io.WriteString(w, tt.body)
				default:
					answer(w, q.ID, `{"ok":true}`)
				}
			}
			d := sit(t, served(t, o), func(b *Bridge) { b.Access = gets{n: &renewed} })
			d.hello()
			d.say(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`)
			d.hear()
			d.say(strings.ReplaceAll(callLine, "pay", tt.tool), 7)
			got := d.hear()
			if done := string(got.Result) == `{"ok":true}`; done != (tt.calls == 2) || !done && !strings.HasPrefix(got.Error.Message, codeFate) {
				t.Errorf("got %+v", got)
			}
			if calls.Load() != tt.calls || renewed.Load() != 1 {
				t.Errorf("%d calls, access was got %d times", calls.Load(), renewed.Load())
			}
			d.say(callLine, 8) // there is access now
			if got := d.hear(); string(got.Result) != `{"ok":true}` {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// TestAToolThatMayBeCalledAgainIs: its answer is not lost with the connection.
func TestAToolThatMayBeCalledAgainIs(t *testing.T) {
	const list = `{"tools":[{"name":"look","annotations":{"readOnlyHint":true}}]}`
	for name, changes := range map[string]bool{"as the server last said": false, "unless its tools have changed since": true} {
		t.Run(name, func(t *testing.T) {
			var calls atomic.Int32
			o := &old{}
			o.call = func(w http.ResponseWriter, _ *http.Request, q asked) {
				switch {
				case q.Method == "tools/list":
					answer(w, q.ID, list)
				case q.Method == "ping":
					w.Header().Set("Content-Type", "text/event-stream")
					_, _ = fmt.Fprintf(w, "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n\ndata: {\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{}}\n\n", q.ID)
				case calls.Add(1) == 1:
					panic(http.ErrAbortHandler)
				default:
					answer(w, q.ID, `{}`)
				}
			}
			d := sit(t, served(t, o), nil)
			d.hello()
			d.say(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`)
			d.hear()
			if changes {
				d.say(`{"jsonrpc":"2.0","id":2,"method":"ping"}`)
				d.hear()
				d.hear()
			}
			d.say(strings.ReplaceAll(callLine, "pay", "look"), 3)
			if got := d.hear(); (string(got.Result) == "{}") == changes {
				t.Errorf("got %+v", got)
			}
			if n := calls.Load(); (n == 1) != changes {
				t.Errorf("%d calls", n)
			}
		})
	}
}

// TestAMessageWaitsForASignIn: its time does not run while a person signs in.
func TestAMessageWaitsForASignIn(t *testing.T) {
	var in atomic.Bool
	access := slow{asked: make(chan struct{}, 1), granted: make(chan struct{}), lost: &atomic.Bool{}}
	h := &held{}
	h.hold = func(w http.ResponseWriter, _ *http.Request, _ asked) bool {
		if !in.Load() {
			w.Header().Set("WWW-Authenticate", "Bearer")
			w.WriteHeader(http.StatusUnauthorized)
		}
		return !in.Load()
	}
	const patience = time.Second
	d := sit(t, served(t, h), func(b *Bridge) { b.Access, b.Patience = access, patience })
	d.hello()
	d.say(changed)
	select {
	case <-access.asked:
	case <-time.After(30 * time.Second):
		t.Fatal("nobody is asked to sign in")
	}
	time.Sleep(3 * patience) // the person takes longer than any message may
	in.Store(true)
	close(access.granted)
	d.say(`{"jsonrpc":"2.0","id":1,"method":"ping"}`)
	d.hear()
	told := func() (n int) {
		h.seeing.Lock()
		defer h.seeing.Unlock()
		for _, m := range h.seen {
			if m == "notifications/roots/list_changed" {
				n++
			}
		}
		return n
	}
	for range 500 {
		if told() == 2 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("the server was told %d times, want once before the sign-in and once after it", told())
}

// away is access whose authorization server does not answer at first.
type away struct {
	open
	fails *atomic.Int32
}

func (a away) Credential(context.Context) (*signin.Credential, error) {
	if a.fails.Add(-1) >= 0 {
		return nil, &signin.Error{Code: signin.CodeUnanswered, Text: "nobody there"}
	}
	return nil, nil
}

// TestAnAuthorizationServerThatIsAwayIsWaitedFor: after the machine has slept the network is not there at once.
func TestAnAuthorizationServerThatIsAwayIsWaitedFor(t *testing.T) {
	o := &old{}
	a := away{fails: &atomic.Int32{}}
	d := sit(t, served(t, o), func(b *Bridge) { b.Access = a })
	d.hello()
	d.say(`{"jsonrpc":"2.0","id":1,"method":"ping"}`) // after which nothing of the beginning is left to fail
	d.hear()
	a.fails.Store(2)
	d.say(callLine, 2)
	if got := d.hear(); string(got.Result) != "{}" {
		t.Errorf("got %+v", got)
	}
	if n := a.fails.Load(); n >= 0 {
		t.Errorf("access failed %d times too few", n+1)
	}
	if _, calls := o.counts(); calls != 2 {
		t.Errorf("%d requests", calls)
	}
}

func TestALimitStandsStillWhileItIsHeld(t *testing.T) {
	ctx, stop := withLimit(t.Context(), time.Second)
	defer stop()
	l := limitOf(ctx)
	one, two := l.hold(), l.hold()
	time.Sleep(2 * time.Second)
	one()
	if l.over() || ctx.Err() != nil {
		t.Error("it is over while it is held")
	}
	two()
	select {
	case <-ctx.Done():
	case <-time.After(15 * time.Second):
		t.Error("it does not go on")
	}
	if !l.over() {
		t.Error("it does not say that it is over")
	}
}

package bridge

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/signin"
)

const callLine = `{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"pay","arguments":{}}}`

func TestACallWhoseFateIsUnknownIsSentOnce(t *testing.T) {
	breaks := map[string]func(http.ResponseWriter){
		"the connection breaks before an answer": func(w http.ResponseWriter) { panic(http.ErrAbortHandler) },
		"it breaks amid a JSON answer": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, `{"jsonrpc"`)
			panic(http.ErrAbortHandler)
		},
		"a stream ends before the answer": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, ": hello\n\n")
		},
	}
	for name, how := range breaks {
		t.Run(name, func(t *testing.T) {
			o := &old{}
			o.call = func(w http.ResponseWriter, _ *http.Request, _ asked) { how(w) }
			d := sit(t, served(t, o), nil)
			d.hello()
			d.say(callLine, 7)
			if got := d.hear(); string(got.ID) != "7" || !strings.HasPrefix(got.Error.Message, codeFate) {
				t.Errorf("got %+v", got)
			}
			if _, calls := o.counts(); calls != 1 {
				t.Errorf("the server was called %d times", calls)
			}
		})
	}
}

func TestWhatOnlyAsksIsSentAgain(t *testing.T) {
	o := &old{}
	var n atomic.Int32
	o.call = func(w http.ResponseWriter, _ *http.Request, q asked) {
		if n.Add(1) == 1 {
			panic(http.ErrAbortHandler)
		}
		answer(w, q.ID, `{"tools":[]}`)
	}
	d := sit(t, served(t, o), nil)
	d.hello()
	d.say(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`)
	if got := d.hear(); string(got.Result) != `{"tools":[]}` {
		t.Errorf("got %+v", got)
	}
}

func TestASessionThatWasLostIsMadeAnew(t *testing.T) {
	o := &old{}
	d := sit(t, served(t, o), nil)
	d.hello()
	d.say(callLine, 1)
	d.hear()
	o.forget()
	for i := range 5 { // at once
		d.say(callLine, 10+i)
	}
	for range 5 {
		if got := d.hear(); string(got.Result) != "{}" {
			t.Errorf("got %+v", got)
		}
	}
	if inits, calls := o.counts(); inits != 2 || calls != 6 {
		t.Errorf("%d sessions, %d calls", inits, calls)
	}
}

func TestAServerThatIsRestartedIsWaitedFor(t *testing.T) {
	o := &old{}
	first := httptest.NewServer(o)
	addr := first.Listener.Addr().String()
	// A connection that is kept may break just when it is used, and then nobody knows.
	d := sit(t, first.URL, func(b *Bridge) {
		b.Patience, b.Transport = 10*time.Second, &http.Transport{DisableKeepAlives: true}
	})
	d.hello()
	first.CloseClientConnections()
	first.Close()
	o.forget()
	d.say(callLine, 1)
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err) // another program took the port
	}
	s := &http.Server{Handler: o}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	if got := d.hear(); string(got.Result) != "{}" {
		t.Errorf("got %+v", got)
	}
	if _, calls := o.counts(); calls != 1 {
		t.Errorf("%d calls", calls)
	}
}

func TestAServerThatStaysAwayIsToldOf(t *testing.T) {
	s := httptest.NewServer(&old{})
	s.Close()
	d := sit(t, s.URL, func(b *Bridge) { b.Patience = 300 * time.Millisecond })
	d.say(callLine, 3)
	if got := d.hear(); string(got.ID) != "3" || !strings.HasPrefix(got.Error.Message, codeUnreachable) {
		t.Errorf("got %+v", got)
	}
}

func TestAStreamIsTakenUpWhereItEnded(t *testing.T) {
	o := &old{}
	o.call = func(w http.ResponseWriter, _ *http.Request, _ asked) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "id: 1\nretry: 1\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{}}\n\n")
	}
	o.get = func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Last-Event-ID") != "1" || r.Header.Get("Mcp-Session-Id") == "" {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "id: 2\ndata: {\"jsonrpc\":\"2.0\",\"id\":5,\"result\":{\"ok\":true}}\n\n")
	}
	d := sit(t, served(t, o), nil)
	d.hello()
	d.say(callLine, 5)
	if got := d.hear(); got.Method != "notifications/progress" {
		t.Errorf("got %+v", got)
	}
	if got := d.hear(); string(got.Result) != `{"ok":true}` {
		t.Errorf("got %+v", got)
	}
	if _, calls := o.counts(); calls != 1 {
		t.Errorf("%d calls", calls)
	}
}

func TestEachRequestHasOneAnswer(t *testing.T) {
	o := &old{}
	o.call = func(w http.ResponseWriter, _ *http.Request, q asked) {
		w.Header().Set("Content-Type", "text/event-stream")
		for _, id := range []string{"99", string(q.ID), string(q.ID)} {
			_, _ = fmt.Fprintf(w, "data: {\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{}}\n\n", id)
		}
	}
	d := sit(t, served(t, o), nil)
	d.hello()
	for i := 1; i <= 3; i++ {
		d.say(callLine, i)
		if got := d.hear(); string(got.ID) != fmt.Sprint(i) {
			t.Errorf("got %+v", got)
		}
	}
	d.say(`{"jsonrpc":"2.0","id":50,"method":"ping"}`)
	if got := d.hear(); string(got.ID) != "50" {
		t.Errorf("got %+v too", got)
	}
}

func TestACancelledRequestIsNotAnswered(t *testing.T) {
	o := &old{}
	began := make(chan struct{})
	o.call = func(w http.ResponseWriter, r *http.Request, q asked) {
		if q.Method == "tools/call" {
			close(began)
			<-r.Context().Done()
			return
		}
		answer(w, q.ID, `{}`)
	}
	d := sit(t, served(t, o), nil)
	d.hello()
	d.say(callLine, 1)
	<-began
	d.say(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`)
	d.say(`{"jsonrpc":"2.0","id":2,"method":"ping"}`)
	if got := d.hear(); string(got.ID) != "2" {
		t.Errorf("got %+v", got)
	}
}

func TestTheClientsEndEndsTheBridge(t *testing.T) {
	o := &old{}
	o.call = func(_ http.ResponseWriter, r *http.Request, _ asked) { <-r.Context().Done() }
	d := sit(t, served(t, o), nil)
	d.hello()
	d.say(callLine, 1)
	_ = d.in.Close()
	if got := d.hear(); string(got.ID) != "1" || got.Error.Code == 0 {
		t.Errorf("got %+v", got)
	}
	if err := <-d.done; err != nil {
		t.Error(err)
	}
	d.done <- nil
}

// slow is access that a person gives when they have time.
type slow struct {
	open
	asked   chan struct{}
	granted chan struct{}
	lost    *atomic.Bool // whether it was given up
}

func (s slow) Renew(ctx context.Context, _ signin.Refusal) (*signin.Credential, error) {
	select {
	case s.asked <- struct{}{}:
	default:
	}
	select {
	case <-s.granted:
		return (&signin.Key{Server: "http://127.0.0.1/", Read: func(context.Context) (string, error) { return "x", nil }}).Credential(ctx)
	case <-ctx.Done():
		s.lost.Store(true)
		return nil, ctx.Err()
	}
}

func TestASignInOutlivesTheRequestThatBeganIt(t *testing.T) {
	var in atomic.Bool
	refused := make(chan struct{}, 9)
	access := slow{asked: make(chan struct{}, 1), granted: make(chan struct{}), lost: &atomic.Bool{}}
	at := served(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !in.Load() {
			w.WriteHeader(http.StatusUnauthorized)
			refused <- struct{}{}
			return
		}
		answer(w, read(r).ID, `{}`)
	}))
	d := sit(t, at, func(b *Bridge) { b.Access = access })
	d.say(callLine, 1)
	<-access.asked
	d.say(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`)
	<-refused // that is refused too, and keeps nothing else waiting
	<-refused
	in.Store(true)
	d.say(callLine, 2)
	if got := d.hear(); string(got.ID) != "2" || string(got.Result) != "{}" || access.lost.Load() {
		t.Errorf("got %+v; given up: %t", got, access.lost.Load())
	}
	close(access.granted)
}

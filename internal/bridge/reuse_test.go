package bridge

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
)

// TestAConnectionServesManyCalls has a server answer by streams of events, as most
// do. A stream whose end is not read would take its connection along.
func TestAConnectionServesManyCalls(t *testing.T) {
	var opened atomic.Int64
	passed := make(chan bool)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q asked
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil || q.ID == nil {
			w.WriteHeader(http.StatusAccepted)
			return
		}
		result := `{}`
		if q.Method == "initialize" {
			result = `{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"s","version":"1"}}`
		}
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, "data: {\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":%s}\n\n", q.ID, result)
		_ = http.NewResponseController(w).Flush()
		if q.Method == "tools/call" {
			<-passed // the stream ends a little later than the answer is there
		}
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	d := sit(t, s.URL, nil)
	d.hello()
	const calls = 60
	for n := range calls {
		d.say(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"a"}}`, n+1)
		d.hear()
		passed <- true
	}
	if n := opened.Load(); n > calls/2 { // a few, since a call may begin before the one before has quite ended
		t.Errorf("%d calls took %d connections", calls, n)
	}
}

// TestConnectionsOfManyCallsAtOnceAreKept has forty calls at once, twice.
func TestConnectionsOfManyCallsAtOnceAreKept(t *testing.T) {
	const calls = 40
	var opened atomic.Int64
	var there sync.WaitGroup
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q asked
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil || q.ID == nil {
			w.WriteHeader(http.StatusAccepted)
			return
		}
		result := `{}`
		if q.Method == "initialize" {
			result = `{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"s","version":"1"}}`
		} else {
			there.Done()
			there.Wait()
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":%s}`, q.ID, result)
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	d := sit(t, s.URL, nil)
	d.hello()
	burst := func(from int) int64 {
		there.Add(calls)
		for n := range calls {
			d.say(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"a"}}`, from+n)
		}
		for range calls {
			d.hear()
		}
		return opened.Load()
	}
	first := burst(1)
	if second := burst(1 + calls); second-first > calls/4 {
		t.Errorf("%d calls at once took %d connections, and the same again %d more", calls, first, second-first)
	}
}

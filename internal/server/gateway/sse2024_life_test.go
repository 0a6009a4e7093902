package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/server/gateway"
)

func TestA125OldStreamsAreBounded(t *testing.T) {
	release := make(chan struct{})
	f := protect(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
		echo(w, r)
	}), oldDoor, func(g *gateway.Gateway) { atMost(g, 1) })
	_, key := f.key()
	_, other := f.key()
	c := f.dial(key)
	at := *f
	at.url = f.base() + "/sse"
	if got := at.do(http.MethodGet, key, ""); got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, "GH-1503") {
		t.Errorf("got %d %s for one stream more, want 503 GH-1503", got.status, got.body)
	}
	f.dial(other).close()
	const limit = 100
	for i := range limit {
		if got := c.say(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"ping"}`, i)); got.status != http.StatusAccepted {
			t.Fatalf("got %d for call %d", got.status, i)
		}
	}
	if got := c.ask(t, `{"jsonrpc":"2.0","id":"more","method":"ping"}`); !strings.Contains(got, "GH-1503") || !strings.Contains(got, `"more"`) {
		t.Errorf("got %s for one call more, want GH-1503", got)
	}
	close(release)
	for range limit {
		if e := c.next(); !strings.Contains(e.data, `"result"`) {
			t.Fatalf("got %v, want an answer", e)
		}
	}
	if got := c.ask(t, ping); !strings.Contains(got, `"result"`) {
		t.Errorf("got %s afterwards", got)
	}
}

func TestOldSessionEndsWithItsStream(t *testing.T) {
	up := &stateful{}
	f := protect(t, up, oldDoor)
	_, key := f.key()
	c := f.dial(key, "Last-Event-ID", "17")
	c.begin(t)
	if got := c.ask(t, initialize); !strings.Contains(got, "-32600") {
		t.Errorf("got %s for a second initialize, want a refusal", got)
	}
	c.close()
	eventually(t, "the server's session ends", func() bool {
		up.mu.Lock()
		defer up.mu.Unlock()
		return len(up.open) == 0
	})
	for _, q := range f.up.requests() {
		if q.request.Header.Get("Last-Event-ID") != "" || strings.Contains(q.request.RequestURI, "session") {
			t.Errorf("got %s %v at the server", q.request.RequestURI, q.request.Header)
		}
	}
	if got := c.say(ping); got.status != http.StatusNotFound {
		t.Errorf("got %d afterwards, want 404", got.status)
	}
}

func TestOldSessionEndsItsChild(t *testing.T) {
	f := overStdio(t, "legacy")
	_, key := f.key()
	c := f.dial(key)
	c.begin(t)
	got := c.ask(t, `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{`+tool("whoami", "")+`}}`)
	_, rest, _ := strings.Cut(got, `"text":"`)
	number, _, _ := strings.Cut(rest, `"`)
	pid, err := strconv.Atoi(number)
	if err != nil {
		t.Fatalf("got %s: %v", got, err)
	}
	c.close()
	eventually(t, "the child ends", func() bool { return syscall.Kill(pid, 0) != nil })
}

func TestOldSessionEndsWhenTheServerForgetsIt(t *testing.T) {
	up := &stateful{}
	f := protect(t, up, oldDoor)
	_, key := f.key()
	c := f.dial(key)
	c.begin(t)
	up.mu.Lock()
	clear(up.open) // it has been restarted
	up.mu.Unlock()
	if got := c.ask(t, ping); !strings.Contains(got, `"error"`) {
		t.Errorf("got %s, want an error", got)
	}
	c.ends(t)
	again := f.dial(key)
	again.begin(t)
	if got := again.ask(t, ping); !strings.Contains(got, `"result"`) {
		t.Errorf("got %s in a new session", got)
	}
}

// TestOldClientsNeedNotPoll has a server of 2025-11-25 hang up before it answers.
func TestOldClientsNeedNotPoll(t *testing.T) {
	f := protect(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		switch last := r.Header.Get("Last-Event-ID"); {
		case r.Method == http.MethodPost:
			_, _ = io.WriteString(w, "id: 1\nretry: 1\ndata:\n\n")
		case last == "1":
			_, _ = io.WriteString(w, "id: 2\ndata: "+note("half way")+"\n\n")
		case last == "2":
			_, _ = io.WriteString(w, "id: 3\ndata: {\"jsonrpc\":\"2.0\",\"id\":5,\"result\":{}}\n\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n")
		}
	}), oldDoor)
	_, key := f.key()
	c := f.dial(key)
	if got := c.ask(t, ping); !strings.Contains(got, "half way") {
		t.Errorf("got %s, want the note", got)
	}
	if e := c.next(); !strings.Contains(e.data, `"id":1,"result"`) {
		t.Errorf("got %v, want the answer", e)
	}
	c.quiet(t)
}

func TestOldClientThatDoesNotReadIsCutOff(t *testing.T) {
	var g *gateway.Gateway
	f := protect(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":1,"result":{"x":"`+strings.Repeat("x", 8<<20)+`"}}`)
	}), oldDoor, func(opened *gateway.Gateway) { g = opened })
	g.Hurry(200 * time.Millisecond)
	_, key := f.key()
	c := f.dialDeaf(key)
	for range 5 {
		if got := f.sayAs(key, c, ping); got.status != http.StatusAccepted && got.status != http.StatusNotFound {
			t.Fatalf("got %d %s", got.status, got.body)
		}
	}
	eventually(t, "the stream is cut", func() bool { return strings.Contains(f.log.String(), "reads too slowly") })
	if got := f.sayAs(key, c, ping); got.status != http.StatusNotFound {
		t.Errorf("got %d afterwards, want 404", got.status)
	}
}

func TestEndpointIsWhereThePublicFindsIt(t *testing.T) {
	for public, want := range map[string]string{
		"":                        "/sse/messages",
		"https://a.test/mcp":      "/sse/messages",
		"https://a.test/x/mcp":    "/x/sse/messages",
		"https://a.test/x/y/mcp/": "/x/y/sse/messages",
		"https://a.test/other":    "/sse/messages",
	} {
		f := protect(t, http.HandlerFunc(echo), oldDoor, func(g *gateway.Gateway) {
			if public != "" {
				g.PublicURL = public
			}
		})
		f.t = t
		_, key := f.key()
		u, err := url.Parse(f.dial(key).endpoint)
		if err != nil || u.Path != want || len(u.Query()["session"]) != 1 || u.Host != "" {
			t.Errorf("%s: got %v, %v, want %s", public, u, err, want)
		}
	}
}

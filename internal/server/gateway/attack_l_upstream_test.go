package gateway_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
	"github.com/gatehouse-mcp/gatehouse/internal/server/gateway"
	"github.com/gatehouse-mcp/gatehouse/internal/upstream"
)

// wire is a server that sends bytes as they are and ends the connection.
func wire(parts ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		for _, part := range parts {
			if _, err := io.WriteString(conn, part); err != nil {
				return
			}
		}
	}
}

// reset is a server that sends bytes and resets the connection.
func reset(head string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, head)
		_ = conn.(*net.TCPConn).SetLinger(0) //nolint:forcetypeassert // it was accepted as one
		_ = conn.Close()
	}
}

// held is a server that takes the connection and says nothing until it ends.
func held(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = conn.Read(make([]byte, 1))
}

const (
	listTools = `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`
	json200   = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n" // or the next call may meet a connection that is going
)

// inBothEras sends a message as it is, and as 2026-07-28 has it: answers of the
// two are read in different ways.
func (s *siege) inBothEras(body string) []func() reply {
	method, name, members := "tools/call", "get_a", `,"name":"get_a"`
	if body == listTools {
		method, name, members = "tools/list", "", ""
	}
	return []func() reply{
		func() reply { return s.post(s.key, body) },
		func() reply { return s.post(s.key, newer(method, members), mirrored(method, name)...) },
	}
}

// TestA199UpstreamMisbehaves wants one error in JSON-RPC for whatever a server
// does before its answer has begun, and for a list in any case.
func TestA199UpstreamMisbehaves(t *testing.T) {
	var server turncoat
	s := besiege(t, &server, func(g *gateway.Gateway) { g.Upstream.HeadTimeout = time.Second })
	tests := []struct {
		name, body string
		server     http.HandlerFunc
		status     int
		code       string
	}{
		{"accepts and hangs", call("get_a"), held, 504, "GH-1603"},
		{"ends the connection", call("get_a"), wire(), 502, "GH-1601"},
		{"resets the connection", call("get_a"), reset(""), 502, "GH-1601"},
		{"speaks another protocol", call("get_a"), wire("SSH-2.0-OpenSSH_9.9\r\n"), 502, ""},
		{"ends in the midst of the head", call("get_a"), wire(json200), 502, "GH-1601"},
		{"sends a head without end", call("get_a"), wire(json200, "X: ", strings.Repeat("x", 128<<10)), 502, ""},
		{"switches protocols", call("get_a"), wire("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"), 502, ""},
		{"asks for a login", call("get_a"), answering(401, "application/json", `{}`), 502, "GH-1602"},
		{"forbids", call("get_a"), answering(403, "text/plain", "no"), 502, "GH-1602"},
		{"redirects", call("get_a"), wire("HTTP/1.1 307 Temporary Redirect\r\nConnection: close\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"), 502, "GH-1604"},
		{"packs its answer", call("get_a"), wire(json200 + "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"), 502, "GH-1604"},
		{"answers a page", call("get_a"), answering(200, "text/html", "<p>"), 502, "GH-1604"},
		{"answers nothing known", call("get_a"), answering(200, "", "\x00\x01"), 502, "GH-1604"},
		{"says a length twice", call("get_a"), wire(json200 + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"), 502, ""},
		{"says length and chunks", call("get_a"), wire(json200 + "Content-Length: 2\r\nTransfer-Encoding: gzip, chunked\r\n\r\n{}"), 502, ""},
		{"cuts a list short of its length", listTools, wire(json200 + "Content-Length: 1000\r\n\r\n{"), 502, "GH-1601"},
		{"cuts a list short of its last chunk", listTools, wire(json200 + "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"), 502, "GH-1601"},
		{"cuts an answer short of its length", call("get_a"), wire(json200 + "Content-Length: 1000\r\n\r\n{"), 502, "GH-1601"},
		{"cuts an answer short of its last chunk", call("get_a"), wire(json200 + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"), 502, "GH-1601"},
		{"resets a list", listTools, reset(json200 + "Content-Length: 1000\r\n\r\n{"), 502, "GH-1601"},
		{"says a length that is too short for a list", listTools, wire(json200 + "Content-Length: 5\r\n\r\n" + listed(0)), 502, "GH-1604"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server.becomes(tt.server)
			for _, send := range s.inBothEras(tt.body) {
				got := send()
				isRefusal(t, got, tt.status, mcp.CodeInternalError)
				if !strings.Contains(got.body, tt.code) || got.header.Get("WWW-Authenticate") != "" || got.header.Get("Location") != "" {
					t.Errorf("got %v, want %s and nothing of the server's", got, tt.code)
				}
			}
			s.lives(t)
		})
	}
}

// TestA199ListWithoutEnd counts what of an endless list is taken.
func TestA199ListWithoutEnd(t *testing.T) {
	var sent atomic.Int64
	left := make(chan struct{})
	s := besiege(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		defer close(left)
		w.Header().Set("Content-Type", "application/json")
		for block := []byte(strings.Repeat("[", 1<<16)); ; {
			n, err := w.Write(block)
			if sent.Add(int64(n)); err != nil {
				return
			}
		}
	}))
	got := s.post(s.key, listTools)
	isRefusal(t, got, 502, mcp.CodeInternalError)
	<-left
	if n := sent.Load(); n > 32<<20 {
		t.Errorf("got %d bytes of it, want no more than a list may have and what lies in buffers", n)
	}
}

// TestA199UpstreamFailsInTheMidst ends answers that have begun. The client must
// learn that they are not whole.
func TestA199UpstreamFailsInTheMidst(t *testing.T) {
	var server turncoat
	s := besiege(t, &server)
	long := strings.Repeat("x", 100_000)
	chunk := fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", len(long), long)
	for name, h := range map[string]http.HandlerFunc{
		"cut short of its length":     wire(json200 + "Content-Length: 200000\r\n\r\n" + long),
		"cut short of its last chunk": wire(json200 + chunk),
		"cut in the midst of a chunk": wire(json200 + chunk + "ff\r\n{"),
		"a chunk that is none":        wire(json200 + chunk + "zz\r\n"),
		"reset":                       reset(json200 + chunk),
	} {
		t.Run(name, func(t *testing.T) {
			server.becomes(h)
			mark := s.log.size()
			res := s.open(t.Context(), http.MethodPost, s.key, newer("tools/call", `,"name":"get_a"`), mirrored("tools/call", "get_a")...)
			defer res.Body.Close()
			if body, err := io.ReadAll(res.Body); err == nil || res.StatusCode != 200 {
				t.Errorf("got %d and %d bytes, %v, want an answer that is cut", res.StatusCode, len(body), err)
			}
			for end := time.Now().Add(10 * time.Second); !strings.Contains(s.log.since(mark), `"level":"WARN","msg":"request"`); time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("got no warning in the log: %s", s.log.since(mark))
				}
			}
			s.lives(t)
		})
	}
	server.becomes(wire("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"))
	if got := s.post(s.key, call("get_a")); got.body != "{}" {
		t.Errorf("got %q, want no more than the length says", got.body)
	}
	s.lives(t)
}

// TestA199StreamsThatFail ends streams in every way. What was whole arrives.
func TestA199StreamsThatFail(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/event-stream\r\n"
	var server turncoat
	s := besiege(t, &server)
	first := event(note("first"))
	for name, h := range map[string]http.HandlerFunc{
		"ended":               wire(head + "\r\n" + first),
		"ended amid an event": wire(head + "\r\n" + first + "data: {\"late\""),
		"reset": func(w http.ResponseWriter, _ *http.Request) {
			answering(200, "text/event-stream", first)(w, nil)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		},
		"ended with a length":           wire(head + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(first)) + first),
		"gone mad":                      wire(head + "\r\n" + first + event(`{"late":1}`)),
		"gone binary":                   wire(head + "\r\n" + first + "\x00\xff\xfe\r\n\r\ndata: \xff\n\n"),
		"an event without end":          wire(head+"\r\n"+first+"data: ", strings.Repeat("late", 5<<20)),
		"answers that nobody asked for": wire(head + "\r\n" + first + event(`{"jsonrpc":"2.0","id":"late","result":{}}`)),
	} {
		t.Run(name, func(t *testing.T) {
			server.becomes(h)
			res := s.open(t.Context(), http.MethodPost, s.key, call("get_a"))
			defer res.Body.Close()
			body, _ := io.ReadAll(res.Body)
			if res.StatusCode != 200 || !strings.Contains(string(body), `"first"`) || strings.Contains(string(body), "late") {
				t.Errorf("got %d %.300q, want the first event and nothing else", res.StatusCode, body)
			}
			s.lives(t)
		})
	}
}

// TestA199PausesInAStream has a server fall silent in the midst of a stream.
// The client hears that the stream lives, and then the rest.
func TestA199PausesInAStream(t *testing.T) {
	events := make(chan string)
	s := besiege(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { tell(w, r, events) }), func(g *gateway.Gateway) {
		g.KeepAlive, g.Upstream.HeadTimeout = 5*time.Millisecond, time.Second
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	res := s.open(ctx, http.MethodGet, s.key, "")
	defer res.Body.Close()
	in := bufio.NewScanner(res.Body)
	for range 2 {
		events <- note("there")
		for comments, there := 0, false; comments < 5 || !there; {
			if !in.Scan() {
				t.Fatal("the stream ends")
			}
			if in.Text() == ":" {
				comments++
			}
			there = there || strings.Contains(in.Text(), `"there"`)
		}
	}
}

// TestA199ClientLeaves leaves while the server thinks: the server is told.
func TestA199ClientLeaves(t *testing.T) {
	up := newStreaming()
	s := besiege(t, up)
	for _, body := range []string{call("slow"), strings.Replace(call("slow"), "{}", `{"x":"`+strings.Repeat("x", 100_000)+`"}`, 1)} {
		ctx, cancel := context.WithCancel(t.Context())
		q, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		q.Header = http.Header{"Authorization": {"Bearer " + s.key}, "Content-Type": {"application/json"}}
		go func() { <-up.arrived; cancel() }()
		if res, err := s.good.RoundTrip(q); err == nil {
			_ = res.Body.Close()
			t.Errorf("got %d from a server that says nothing", res.StatusCode)
		}
		<-up.left
		s.lives(t)
	}
}

// TestA199NoUpstream has nothing behind the gateway, or nobody it can trust.
func TestA199NoUpstream(t *testing.T) {

	stranger := httptest.NewUnstartedServer(http.HandlerFunc(echo))
	stranger.Config.ErrorLog = log.New(io.Discard, "", 0)
	stranger.StartTLS()
	defer stranger.Close()
	for _, address := range []string{"http://127.0.0.1:1", stranger.URL, "http://name.invalid"} {
		t.Run(address[:6], func(t *testing.T) {
			base, err := url.Parse(address + "/mcp")
			if err != nil {
				t.Fatal(err)
			}
			f := protect(t, http.HandlerFunc(echo), func(g *gateway.Gateway) {
				g.Upstream = &upstream.Client{URL: base, TLS: &tls.Config{MinVersion: tls.VersionTLS12}}
			})
			_, key := f.key()
			got := f.post(key, call("get_a"))
			isRefusal(t, got, 502, mcp.CodeInternalError)
			if !strings.Contains(got.body, "GH-1601") || strings.Contains(got.body, base.Host) {
				t.Errorf("got %s, want GH-1601 and no word about where the server is", got.body)
			}
			f.untouched()
		})
	}
}

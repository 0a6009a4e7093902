package gateway_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// nasty is text that moves a cursor, turns a line around, begins a line of its
// own, or is no text at all.
const nasty = "a\x1b[31mb\x1b]0;title\x07c\u202ed\u2028e\u2066f\u0085g\u200bh\ufeffi"

// lines returns what has been logged since mark, checked to be whole lines of
// JSON in which everything prints, none of them long.
func (s *siege) lines(t *testing.T, mark int) []map[string]any {
	t.Helper()
	var all []map[string]any
	for line := range strings.Lines(s.log.String()[mark:]) {
		line = strings.TrimSuffix(line, "\n")
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Errorf("got the line %q: %v", line, err)
		}
		if len(line) > 4<<10 && m["msg"] == "request" {
			t.Errorf("got a line of %d bytes: %.200q", len(line), line)
		}
		if i := strings.IndexFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 || !utf8.ValidString(line) {
			t.Errorf("got what does not print at byte %d of %.2000q", i, line)
		}
		for name, value := range m {
			// A reader of JSON undoes the escapes and may well print the rest.
			if text := fmt.Sprint(value); name != "stack" && strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) >= 0 {
				t.Errorf("got what does not print in %s: %.200q", name, text)
			}
		}
		all = append(all, m)
	}
	return all
}

// once sends one request and wants one line about it, with its id and status.
func (s *siege) once(t *testing.T, send func() reply) {
	t.Helper()
	mark := s.log.size()
	got := send()
	id := got.header.Get("X-Request-Id")
	if id == "" {
		return // net/http has refused it by itself
	}
	n := 0
	for _, line := range s.lines(t, mark) {
		if line["request"] == id && line["msg"] == "request" {
			n++
			if line["status"] != float64(got.status) {
				t.Errorf("got status %v in the log, want %d", line["status"], got.status)
			}
		}
	}
	if n != 1 {
		t.Errorf("got %d lines about the request, want 1", n)
	}
}

func TestA167LogInjection(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo))
	quoted := func(text string) string { b, _ := json.Marshal(text); return string(b) }
	_, few := s.mint(restricted)
	long := strings.Repeat("\u202e", 20_000)
	for i, text := range []string{nasty, long, "\r\n{\"level\":\"INFO\",\"msg\":\"request\",\"forged\":true}", strings.Repeat("x", 1<<17), "\u2028\u2029", "\xff\xfe\xc0"} {
		bodies := map[string]string{
			"tool":        `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":` + quoted(text) + `}}`,
			"uri":         `{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":` + quoted(text) + `}}`,
			"method":      `{"jsonrpc":"2.0","id":1,"method":` + quoted(text) + `}`,
			"id":          `{"jsonrpc":"2.0","id":` + quoted(text) + `,"method":"x/custom"}`,
			"client":      `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":` + quoted(text) + `,"clientInfo":{"name":` + quoted(text) + `}}}`,
			"batch":       `[{"jsonrpc":"2.0","id":1,"method":` + quoted(text) + `,"params":{"name":` + quoted(text) + `}}]`,
			"raw":         text,
			"raw in JSON": `{"jsonrpc":"2.0","id":1,"method":"` + text + `"}`,
		}
		for where, body := range bodies {
			t.Run(fmt.Sprintf("text %d as %s", i+1, where), func(t *testing.T) {
				s.once(t, func() reply { return s.post(s.key, body) })
				s.once(t, func() reply { return s.post(few, body) })
			})
		}
	}
}

func TestA167LogInjectionByHeaders(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo))
	text := strings.Map(func(r rune) rune { // what fits a header
		if r < ' ' {
			return -1
		}
		return r
	}, nasty) + "\xff\xc0" + strings.Repeat("x", 8000)
	for _, name := range []string{
		"User-Agent", "Origin", "Host", "Referer", "X-Forwarded-For", "Authorization", "X-API-Key", "Mcp-Session-Id", "Mcp-Protocol-Version",
		"Mcp-Method", "Mcp-Name", "Mcp-Param-X", "Content-Type", "Content-Encoding", "Accept", "Last-Event-ID", "Traceparent", "X-Request-Id",
	} {
		t.Run(name, func(t *testing.T) {
			lines := []string{name + ": " + text}
			if name != "Authorization" && name != "X-API-Key" {
				lines = append(lines, s.bearer())
			}
			s.once(t, func() reply { return s.one(t, s.plain("POST", "/mcp", ping, lines...)) })
		})
	}
	hostile := strings.NewReplacer("\x1b", "%1b", "\n", "%0a", "\u202e", "%e2%80%ae", "\u2028", "%e2%80%a8").Replace("\x1b[2J\n\u202e\u2028")
	for _, target := range []string{
		"/" + hostile, "/mcp?" + hostile + "=1", "/mcp?token" + hostile + "=1", "/mcp?a=gthk_" + hostile + hostile, "/mcp?gthk_" + hostile + "=1",
		"/mcp?%zz" + hostile, "/mcp?a=" + strings.Repeat("x", 8000), "/" + strings.Repeat("x", 8000), "/mcp?gthk_" + strings.Repeat("%1b", 2000),
	} {
		t.Run(fmt.Sprintf("%.30s", target), func(t *testing.T) {
			s.once(t, func() reply { return s.one(t, s.plain("POST", target, ping, s.bearer())) })
		})
	}
	for _, method := range []string{"PUT", strings.Repeat("X", 8000), "'$(id)`"} {
		s.once(t, func() reply { return s.one(t, s.plain(method, "/mcp", "", s.bearer())) })
		s.once(t, func() reply { return s.one(t, s.plain(method, "/mcp", "")) })
	}
}

// TestA167LogInjectionByTheServer has the server behind us say what is nasty.
func TestA167LogInjectionByTheServer(t *testing.T) {
	var server turncoat
	s := besiege(t, &server)
	plain := strings.ReplaceAll(strings.ReplaceAll(nasty, "\x1b", ""), "\x07", "")
	raw := func(head string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			defer conn.Close()
			_, _ = io.WriteString(conn, head)
		}
	}
	for _, h := range []http.HandlerFunc{
		answering(200, "text/"+plain, "x"), answering(200, strings.Repeat("x", 8000), "x"),
		func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Encoding", plain) },
		answering(200, "application/json", `{"result":{"tools":"`+nasty+`"}}`), answering(200, "application/json", nasty),
		raw("HTTP/1.1 401 \x1b[31m\u202e" + strings.Repeat("x", 8000) + "\r\nContent-Length: 0\r\n\r\n"),
		raw("HTTP/1.1 302 \u202e\r\nLocation: http://" + plain + "\r\nContent-Length: 0\r\n\r\n"),
		raw("\x1b[31mHTTP/9 \u202e\r\n\r\n"), raw("HTTP/1.1 200 OK\r\n\u202e" + nasty + "\r\n\r\n"), raw(""),
	} {
		server.becomes(h)
		s.once(t, func() reply { return s.post(s.key, `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`) })
	}
	server.becomes(answering(200, "text/event-stream", event(nasty)))
	mark := s.log.size()
	s.post(s.key, call("get_a"))
	s.lines(t, mark)
}

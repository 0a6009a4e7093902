package gateway_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

const pong = `{"jsonrpc":"2.0","id":1,"result":{}}`

// Whatever headers the server sends, the client gets those of an allow-list,
// and none that a value has made.
func TestA135HeadersOfTheServer(t *testing.T) {
	var head string
	s := besiege(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { raw(head+pong)(w, r) }))
	for _, lines := range []string{
		"Set-Cookie: a=b", "WWW-Authenticate: Bearer resource_metadata=\"https://evil.test\"", "Proxy-Authenticate: Basic", "Location: https://evil.test", "Content-Location: //evil.test",
		"Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Credentials: true", "X-Request-Id: forged", "x-request-id: forged\r\nX-Request-ID: forged", "Server: x", "Via: x", "Refresh: 0;url=//evil.test",
		"Clear-Site-Data: \"*\"", "Strict-Transport-Security: max-age=1", "Content-Security-Policy: x", "Content-Disposition: attachment", "X-Accel-Redirect: /etc", "X-Sendfile: /etc", "Alt-Svc: h2=\":1\"",
		"Link: <//evil.test>", "Cache-Control: public, max-age=1", "Cdn-Cache-Control: public", "Etag: x", "Age: 1", "Trailer: X-Injected", "Upgrade: h2c", "X-Injected: 1", "Sourcemap: //evil.test", "Nel: {}",
		"Retry-After: 5\r\n X-Injected: 1", "Retry-After: 5\rX-Injected: 1", "Retry-After: 5\x00", "Retry-After: \"5\x80\xff", "Retry-After: 5\r\nRetry-After: 6", "Allow: GET\r\n\tX-Injected: 1",
		"Mcp-Protocol-Version: 2025-11-25\rX-Injected: 1", "Mcp-Session-Id: a\"b;c=\x80\rX-Injected: 1", "Mcp-Session-Id: " + strings.Repeat("a", 2000), "Mcp-Session-Id: a\r\n b",
	} {
		head = okay(len(pong), lines)
		got := s.post(s.key, call("get_a"))
		for name, values := range got.header {
			if !strings.Contains(" Cache-Control Connection Content-Length Content-Type Date X-Content-Type-Options X-Request-Id Mcp-Protocol-Version Mcp-Session-Id Retry-After Allow ", " "+name+" ") {
				t.Errorf("%q: got header %s: %q, want none of it", lines, name, values)
			}
			if len(values) != 1 || strings.ContainsAny(values[0], "\r\n\x00") {
				t.Errorf("%q: got header %s: %q, want one clean value", lines, name, values)
			}
		}
		if got.header.Get("X-Request-Id") == "forged" || got.header.Get("Cache-Control") != "no-store" || got.status == http.StatusOK && got.body != pong {
			t.Errorf("%q: got %d %v %s, want the answer under headers of ours", lines, got.status, got.header, got.body)
		}
		if id := got.header.Get(sessionHeader); strings.ContainsAny(id, "\"; \r") || strings.Contains(id, "\x80") {
			t.Errorf("%q: got session %q, want one in our alphabet", lines, id)
		}
	}
	for _, hidden := range []string{
		"HTTP/1.1 103 Early Hints\r\nLink: <//evil.test>\r\n\r\n" + okay(len(pong)) + pong,
		"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nTrailer: X-Injected, X-Request-Id\r\n\r\n" +
			"24\r\n" + pong + "\r\n0\r\nX-Injected: 1\r\nX-Request-Id: forged\r\nSet-Cookie: a=b\r\n\r\n",
		okay(len(pong)) + pong + "HTTP/1.1 200 OK\r\nX-Injected: 1\r\n\r\n",
	} {
		head = hidden + "\r\n" // and pong behind it, which belongs to nobody
		answer := s.one(t, s.plain("POST", "/mcp", call("get_a"), s.bearer()))
		if answer.status == http.StatusBadGateway { // this server hung up on a connection kept from before: never sent twice
			answer = s.one(t, s.plain("POST", "/mcp", call("get_a"), s.bearer()))
		}
		if answer.status != http.StatusOK || answer.body != pong || strings.Contains(strings.ToLower(flat(answer.header)), "injected") || answer.header.Get("Link") != "" {
			t.Errorf("%q: got %d %v %s, want the answer alone", hidden, answer.status, answer.header, answer.body)
		}
	}
}

func flat(h http.Header) string {
	b, _ := json.Marshal(h)
	return string(b)
}

// What a client says comes back, if at all, as a value of JSON.
func TestA135WhatClientsSay(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo))
	_, narrow := s.mint("get_*")
	const nasty = "a\\r\\nX-Injected: 1\\u0000\\u001b[2J\\u202e\\\"<script>"
	answers := []reply{
		s.post(narrow, call(nasty)),
		s.post(s.key, `{"jsonrpc":"2.0","id":1,"method":"`+nasty+`"}`),
		s.post(s.key, `{"jsonrpc":"2.0","id":"`+nasty+`","method":"x/y"}`),
		s.post(s.key, ping, "Mcp-Protocol-Version", `1"},"x":{"<script>`),
		s.post(s.key, ping, "Mcp-Method", `"><script>`),
		s.post("", ping, "Authorization", `Bearer "x", error="insufficient_scope", resource_metadata="//evil.test"`),
		s.post("", ping, "Authorization", `Bearer gthk_"`),
		s.do(http.MethodGet, "", "", "Accept", "text/html", "Authorization", `x"<script>`),
		s.one(t, s.plain("GET", "/mcp?access_token=%0d%0aX-Injected:%201", "", "Accept: text/html")),
	}
	for _, got := range answers {
		if got.status < 200 || got.status == http.StatusOK && !strings.Contains(got.body, `"error"`) || strings.Contains(strings.ToLower(flat(got.header)), "injected") {
			t.Errorf("got %d %v, want a refusal without a header of the client's", got.status, got.header)
		}
		if challenge := got.header["Www-Authenticate"]; len(challenge) > 1 || strings.Contains(flat(got.header), "evil.test") {
			t.Errorf("got challenge %q, want one of our own", challenge)
		}
		if kind := got.header.Get("Content-Type"); kind != "application/json" || !json.Valid([]byte(got.body)) {
			t.Errorf("got %s: %s, want JSON", kind, got.body)
		}
		if got.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Error("got no nosniff")
		}
	}
	for line := range strings.Lines(s.log.String()) {
		if !json.Valid([]byte(line)) || strings.ContainsAny(line, "\x1b\u202e\x00") {
			t.Errorf("got %q in the log, want one line of JSON that prints", line)
		}
	}
}

// A stream is read and written anew: what the client gets are whole events, of
// its own request.
func TestA137StreamConfusion(t *testing.T) {
	var stream string
	s := besiege(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, stream)
	}))
	const answer, hello, other, ask = "data: " + pong + "\n\n", `{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"hello"}}`,
		`{"jsonrpc":"2.0","id":2,"result":{"content":[]}}`, `{"jsonrpc":"2.0","id":9,"method":"sampling/createMessage","params":{}}`
	tests := []struct{ name, stream, older, newer string }{
		{"an answer", answer, answer, answer},
		{"other line ends", "data: " + hello + "\r\n\r\ndata: " + pong + "\r\r", "data: " + hello + "\n\n" + answer, "data: " + hello + "\n\n" + answer},
		{"a field behind a bare CR", "data: " + hello + "\rid: 7\r\r" + answer, "id: 7\ndata: " + hello + "\n\n" + answer, "id: 7\ndata: " + hello + "\n\n" + answer},
		{"data in lines", "data: {\"jsonrpc\":\"2.0\",\ndata: \"id\":1,\ndata: \"result\":{}}\n\n", "data: {\"jsonrpc\":\"2.0\",\ndata: \"id\":1,\ndata: \"result\":{}}\n\n", "data: {\"jsonrpc\":\"2.0\",\ndata: \"id\":1,\ndata: \"result\":{}}\n\n"},
		{"an id with NUL", "id: a\x00b\n" + answer, answer, answer},
		{"another event", "event: endpoint\ndata: /evil\n\n" + answer, answer, answer},
		{"another event with an answer", "event: endpoint\n" + answer + answer, answer, answer},
		{"an event of a look-alike name", "event: message \n" + answer + "event: Message\n" + answer + answer, answer, answer},
		{"another event that says nothing", "event: endpoint\ndata:\n\n" + answer, answer, answer},
		{"an event that says nothing", "id: 1\ndata:\n\n" + answer, "id: 1\ndata: \n\n" + answer, "id: 1\ndata: \n\n" + answer},
		{"fields that nobody knows", "evil: 1\nevil\n" + answer, answer, answer},
		{"a time to wait that is none", "retry: 5x\n" + answer, answer, answer},
		{"a comment", ": hello\n\n" + answer, ": hello\n\n" + answer, ": hello\n\n" + answer},
		{"a byte order mark", "\ufeff" + answer, answer, answer},
		{"the answer to another request", "data: " + other + "\n\n" + answer, answer, answer},
		{"the answer to an id that looks the same", "data: {\"jsonrpc\":\"2.0\",\"id\":\"1\",\"result\":{}}\n\n" + answer, answer, answer},
		{"the answer to the same number in another form", "data: {\"jsonrpc\":\"2.0\",\"id\":1.0,\"result\":{}}\n\n" + answer, answer, answer},
		{"a second answer", answer + answer + "data: " + hello + "\n\n", answer + "data: " + hello + "\n\n", answer + "data: " + hello + "\n\n"},
		{"a second answer that is an error", answer + `data: {"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"x"}}` + "\n\n", answer, answer},
		{"a request to the client", "data: " + ask + "\n\n" + answer, "data: " + ask + "\n\n" + answer, answer},
		{"an event cut short", answer + "data: " + hello, answer, answer},
		{"an event cut short by one line end", answer + "data: " + hello + "\n", answer, answer},
		{"what is no JSON", "data: <script>\n\n" + answer, "", ""},
		{"what is JSON for some", `data: {"jsonrpc":"2.0","id":2,"id":1,"result":{}}` + "\n\n" + answer, "", ""},
		{"two messages in one event", "data: " + pong + "\ndata: " + pong + "\n\n" + answer, "", ""},
		{"an array where none was sent", "data: [" + pong + "]\n\n" + answer, "", ""},
		{"what is no message", "data: {}\n\n" + answer, "", ""},
		{"an endless line", "data: " + strings.Repeat("a", 17<<20) + "\n\n" + answer, "", ""},
		{"endless lines", strings.Repeat("data: "+strings.Repeat("a", 1<<20)+"\n", 17) + "\n" + answer, "", ""},
	}
	newer, headers := ofNewEra("tools/call", "get_a", `,"name":"get_a"`)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			stream = tt.stream
			if got := s.post(s.key, call("get_a")); got.status != http.StatusOK || got.body != tt.older {
				t.Errorf("got %d %.300q, want 200 %q", got.status, got.body, tt.older)
			}
			if len(stream) > 1<<20 {
				return // once is enough
			}
			if got := s.post(s.key, newer, headers...); got.status != http.StatusOK || got.body != tt.newer {
				t.Errorf("got %d %.300q in the newer era, want 200 %q", got.status, got.body, tt.newer)
			}
			s.lives(t)
		})
	}
}

// What a client does not get, the operator hears of.
func TestA137DroppedEvents(t *testing.T) {
	s := besiege(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, strings.Repeat(`data: {"jsonrpc":"2.0","id":2,"result":{}}`+"\n\n", 3)+"data: "+pong+"\n\n")
	}))
	mark := s.log.size()
	s.post(s.key, call("get_a"))
	if line := s.log.since(mark); !strings.Contains(line, `"level":"WARN"`) || !strings.Contains(line, `"dropped":3`) {
		t.Errorf("got %s in the log, want a warning of three dropped events", line)
	}
}

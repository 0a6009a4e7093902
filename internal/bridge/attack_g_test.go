package bridge

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/signin"
)

// keyed is access by a key that must not be seen elsewhere.
func keyed(server string) *signin.Key {
	return &signin.Key{Server: server, Read: func(context.Context) (string, error) { return "very-secret", nil }}
}

// TestA098RedirectsStayWithinTheOrigin: what is sent to a server is taken to no other.
func TestA098RedirectsStayWithinTheOrigin(t *testing.T) {
	var hits atomic.Int32
	evil := served(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	for _, status := range []int{301, 302, 303, 307, 308} {
		at := served(t, http.RedirectHandler(evil, status))
		d := sit(t, at, func(b *Bridge) { b.Access, b.Header = keyed(at), http.Header{"X-Team": {"secret too"}} })
		d.say(callLine, 1)
		if got := d.hear(); !strings.HasPrefix(got.Error.Message, codeRedirect) || hits.Load() > 0 {
			t.Errorf("%d: got %+v, %d requests elsewhere", status, got, hits.Load())
		}
	}
	o := &old{}
	mux := http.NewServeMux()
	mux.Handle("/mcp/", o)
	mux.Handle("/mcp", http.RedirectHandler("/mcp/", http.StatusTemporaryRedirect))
	d := sit(t, served(t, mux)+"/mcp", nil)
	if got := d.hello(); len(got.Result) == 0 {
		t.Errorf("within the origin: got %+v", got)
	}
}

// TestA099TheEndpointOfAnEventStream: a server of 2024-11-05 is asked at its own origin only.
func TestA099TheEndpointOfAnEventStream(t *testing.T) {
	var hits atomic.Int32
	evil := served(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	host := strings.TrimPrefix(evil, "http://")
	for _, endpoint := range []string{evil + "/msg", "//" + host + "/msg", "http://user@" + host + "/msg", "https://evil.example/msg", "file:///etc/passwd", "javascript:alert(1)"} {
		at := served(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet {
				w.WriteHeader(http.StatusMethodNotAllowed)
				return
			}
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = fmt.Fprintf(w, "event: endpoint\ndata: %s\n\n", endpoint)
		}))
		d := sit(t, at, func(b *Bridge) { b.Access = keyed(at) })
		if got := d.hello(); got.Error.Code == 0 || hits.Load() > 0 {
			t.Errorf("%s: got %+v, %d requests elsewhere", endpoint, got, hits.Load())
		}
	}
}

// TestA107AnswersWithoutMeasure: what is too long, broken or no message never gets to the client.
func TestA107AnswersWithoutMeasure(t *testing.T) {
	const most = 64 << 10
	long := strings.Repeat("x", most)
	zipped := &bytes.Buffer{}
	z := gzip.NewWriter(zipped)
	_, _ = z.Write([]byte(long))
	_ = z.Close()
	tests := map[string]func(w http.ResponseWriter, q asked){
		"a JSON answer": func(w http.ResponseWriter, q asked) { answer(w, q.ID, `"`+long+`"`) },
		"an event": func(w http.ResponseWriter, q asked) {
			stream(w, `data: {"jsonrpc":"2.0","id":1,"result":"`+long+"\"}\n\n")
		},
		"an endless line": func(w http.ResponseWriter, _ asked) { stream(w, long+long+long) },
		"a bomb": func(w http.ResponseWriter, _ asked) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(zipped.Bytes())
		},
		"no UTF-8":    func(w http.ResponseWriter, q asked) { answer(w, q.ID, "\"\xff\"") },
		"no JSON":     func(w http.ResponseWriter, q asked) { answer(w, q.ID, `{"a":`) },
		"two members": func(w http.ResponseWriter, q asked) { answer(w, q.ID, `{}, "id": 8`) },
		"a web page": func(w http.ResponseWriter, _ asked) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<html>")
		},
		"too deep": func(w http.ResponseWriter, q asked) {
			answer(w, q.ID, strings.Repeat("[", 20000)+strings.Repeat("]", 20000))
		},
		"nothing at all": func(w http.ResponseWriter, _ asked) { w.Header().Set("Content-Type", "application/json") },
	}
	said := map[string]string{"a JSON answer": "longer than 65536 bytes", "an event": "longer than", "an endless line": "longer than", "a bomb": "compresses", "a web page": "text/html"}
	for name, how := range tests {
		t.Run(name, func(t *testing.T) {
			o := &old{call: func(w http.ResponseWriter, _ *http.Request, q asked) { how(w, q) }}
			d := sit(t, served(t, o), func(b *Bridge) { b.Max = most })
			d.hello()
			d.say(callLine, 1)
			if got := d.hear(); string(got.ID) != "1" || got.Error.Code == 0 || len(got.Error.Message) > 2000 || !strings.Contains(got.Error.Message, said[name]) {
				t.Errorf("got %+v", got)
			}
		})
	}
	o := &old{call: func(w http.ResponseWriter, _ *http.Request, q asked) {
		answer(w, q.ID, "{\n\"text\": \"a\u2028b\",\r\n\"more\":\t1}\n")
	}}
	d := sit(t, served(t, o), func(b *Bridge) { b.Max = most })
	d.hello()
	d.say(callLine, 1)
	if got := d.hear(); !strings.Contains(string(got.Result), "more") { // hear wants one line
		t.Errorf("got %+v", got)
	}
	d.say(`{"jsonrpc":"2.0","id":2,"method":"x","params":{"long":"%s"}}`, long)
	if got := d.hear(); got.Error.Code == 0 {
		t.Errorf("a line that is too long: got %+v", got)
	}
	d.say(callLine, 3)
	if got := d.hear(); string(got.ID) != "3" {
		t.Errorf("after it: got %+v", got)
	}
}

func stream(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/event-stream")
	_, _ = io.WriteString(w, text)
}

// TestA108HeadersThatToolsAskFor: a tool gets no header but its own, and no other value than its argument.
func TestA108HeadersThatToolsAskFor(t *testing.T) {
	bad := map[string]string{
		"empty":           `{"type":"object","properties":{"a":{"type":"string","x-mcp-header":""}}}`,
		"a line break":    `{"type":"object","properties":{"a":{"type":"string","x-mcp-header":"A\r\nX"}}}`,
		"a blank":         `{"type":"object","properties":{"a":{"type":"string","x-mcp-header":"A B"}}}`,
		"no text":         `{"type":"object","properties":{"a":{"type":"string","x-mcp-header":7}}}`,
		"twice":           `{"type":"object","properties":{"a":{"type":"string","x-mcp-header":"A"},"b":{"type":"string","x-mcp-header":"a"}}}`,
		"a number":        `{"type":"object","properties":{"a":{"type":"number","x-mcp-header":"A"}}}`,
		"an object":       `{"type":"object","properties":{"a":{"type":"object","x-mcp-header":"A"}}}`,
		"in a list":       `{"type":"object","properties":{"a":{"type":"array","items":{"type":"string","x-mcp-header":"A"}}}}`,
		"in an array":     `{"type":"object","oneOf":[{"properties":{"a":{"type":"string","x-mcp-header":"A"}}}]}`,
		"behind a $ref":   `{"type":"object","$defs":{"x":{"type":"string","x-mcp-header":"A"}},"properties":{"a":{"$ref":"#/$defs/x"}}}`,
		"of the whole":    `{"type":"string","x-mcp-header":"A"}`,
		"an endless nest": strings.Repeat(`{"properties":{"a":`, 70) + `{}` + strings.Repeat("}}", 70),
	}
	var list []string
	for name, schema := range bad {
		list = append(list, fmt.Sprintf(`{"name":%q,"inputSchema":%s}`, name, schema))
	}
	list = append(list, `{"name":"good","inputSchema":{"type":"object","properties":{"a":{"type":"string","x-mcp-header":"Authorization"},"n":{"properties":{"i":{"type":"integer","x-mcp-header":"I"}}},`+
		`"x-mcp-header":{"type":"string"},"r":{"$ref":"http://169.254.169.254/"}}}}`)
	var last atomic.Pointer[http.Header]
	at := served(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := read(r)
		if last.Store(&r.Header); q.Method == "tools/list" {
			answer(w, q.ID, `{"tools":[`+strings.Join(list, ",")+`]}`)
			return
		}
		answer(w, q.ID, `{}`)
	}))
	d := sit(t, at, func(b *Bridge) { b.Access = keyed(at) })
	const meta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}`
	d.say(`{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{%s}}`, meta)
	if r := d.hear(); strings.Count(string(r.Result), `"name"`) != 1 || !strings.Contains(string(r.Result), `"good"`) {
		t.Errorf("got %s", r.Result)
	}
	for value, want := range map[string]string{"plain": "plain", `a\r\nX: y`: "=?base64?YQ0KWDogeQ==?=", "=?base64?eA==?=": "=?base64?PT9iYXNlNjQ/ZUE9PT89?=", "ü": "=?base64?w7w=?="} {
		d.say(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{%s,"name":"good","arguments":{"a":"%s","n":{"i":42}}}}`, meta, value)
		d.hear()
		got := *last.Load()
		if got.Get("Mcp-Param-Authorization") != want || got.Get("Mcp-Param-I") != "42" || got.Get("Authorization") != "Bearer very-secret" || got.Get("X") != "" || got.Get("Mcp-Name") != "good" {
			t.Errorf("%s: got %v", value, got)
		}
	}
}

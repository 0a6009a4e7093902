package bridge

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

// FuzzMessage looks for a message of a client whose headers say more than one thing, or break.
func FuzzMessage(f *testing.F) {
	f.Add([]byte(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a\r\nb","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}`))
	f.Add([]byte(`{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":7}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := readMessage(raw)
		if err != nil {
			return
		}
		for name, values := range modernHeader(m) {
			if len(values) != 1 || strings.ContainsAny(values[0], "\r\n\x00") {
				t.Errorf("%s: %q", name, values)
			}
		}
		if m.version() == mcp.Version20260728 && m.Kind == mcp.Request && m.name() != "" {
			if _, err := (mcp.Limits{Depth: 10000}).Read(raw, modernHeader(m)); err != nil && strings.Contains(err.Error(), "Mcp-Name") {
				t.Errorf("%q: %v", raw, err)
			}
		}
	})
}

// FuzzSchema looks for a tool that gets a header which is not its own.
func FuzzSchema(f *testing.F) {
	f.Add([]byte(`{"tools":[{"name":"a","inputSchema":{"properties":{"x":{"type":"string","x-mcp-header":"A"}}}}]}`), []byte(`{"x":"y"}`))
	f.Fuzz(func(t *testing.T, list, arguments []byte) {
		var all tools
		if _, err := all.learn(list, func(string, error) {}); err != nil {
			return
		}
		for name := range all.all {
			h := http.Header{}
			all.headers(name, arguments, h)
			for header, v := range h {
				if !strings.HasPrefix(strings.ToLower(header), "mcp-param-") || strings.ContainsAny(v[0], "\r\n\x00") {
					t.Errorf("%s: %q", header, v)
				}
			}
		}
	})
}

// FuzzLines looks for a line that is longer than it may be, or is lost.
func FuzzLines(f *testing.F) {
	f.Add([]byte("a\nbb\n\nccccccccccccccccccc\nd"))
	f.Fuzz(func(t *testing.T, in []byte) {
		const most = 16
		r := newLineReader(bytes.NewReader(in), most)
		n := 0
		for {
			line, err := r.next()
			if errors.Is(err, io.EOF) {
				break
			}
			if n++; len(line) > most || bytes.IndexByte(bytes.TrimSuffix(line, []byte("\n")), '\n') >= 0 {
				t.Errorf("%q", line)
			}
		}
		if want := bytes.Count(in, []byte("\n")); n < want || n > want+1 {
			t.Errorf("%d lines of %q", n, in)
		}
	})
}

// FuzzQuestion looks for a question that is another one under another number, or that breaks the bridge.
func FuzzQuestion(f *testing.F) {
	f.Add([]byte(`{"jsonrpc":"2.0","id":0,"method":"elicitation/create","params":{"message":"Pay?","id":7}}`))
	f.Add([]byte(`{"id":"a\u0000","method":"roots/list","jsonrpc":"2.0"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := mcp.Peek(raw)
		if err != nil || e.Kind != mcp.Request {
			return
		}
		var q questions
		if _, err := q.ask(raw, e, 1); err != nil {
			t.Fatal(err)
		}
		again, err := q.ask(raw, e, 2)
		if err != nil {
			return // it is not passed on
		}
		now, err := mcp.Peek(again)
		if err != nil || now.Method != e.Method || bytes.Equal(now.ID, e.ID) {
			t.Fatalf("%q became %q: %v", raw, again, err)
		}
		for id, want := range map[string]int{string(now.ID): 2, string(e.ID): 1} {
			m, err := readMessage(resultOf([]byte(id), []byte("{}")))
			if err != nil {
				t.Fatal(err)
			}
			if a, err := q.answered(m); err != nil || a.of != want || !bytes.Equal(a.ID, e.ID) {
				t.Errorf("the answer to %s is %+v, %v", id, a, err)
			}
		}
	})
}

// FuzzHints looks for a list of tools that breaks the bridge.
func FuzzHints(f *testing.F) {
	f.Add([]byte(`{"tools":[{"name":"a","annotations":{"readOnlyHint":true}},{"name":7},{"annotations":[]}]}`))
	f.Fuzz(func(_ *testing.T, list []byte) { new(tools).hint(list) })
}

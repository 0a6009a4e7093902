package mcp_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

// small is the body of the load tests, 107 bytes.
const small = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"message":"hello you"}}}`

const modern = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":{` +
	`"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"test","version":"1.0.0"},` +
	`"io.modelcontextprotocol/clientCapabilities":{}},"name":"echo","arguments":{"message":"hello you"}}}`

func modernHeader(method, name string) http.Header {
	h := http.Header{
		"Accept": {"application/json, text/event-stream"}, "Content-Type": {"application/json"}, "Host": {"example.com"},
		"Authorization": {"Bearer x"}, "User-Agent": {"test"},
		"Mcp-Protocol-Version": {mcp.Version20260728}, "Mcp-Method": {method},
	}
	if name != "" {
		h["Mcp-Name"] = []string{name}
	}
	return h
}

// large returns a tools/call of about 30 KB: records, as agents pass them around.
func large() []byte {
	var b bytes.Buffer
	b.WriteString(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"rows":[`)
	for i := range 300 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id":%d,"title":"row number %d","tags":["a","b"],"score":%d.5,"done":false,"note":"a line\nand another"}`, i, i, i)
	}
	b.WriteString(`]}}}`)
	return b.Bytes()
}

// text30 is a tools/call of about 30 KB that is one long string.
func text30() []byte {
	return []byte(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"` + strings.Repeat("The quick brown fox.\\n", 1364) + `"}}}`)
}

// toolList returns the answer to tools/list with n tools.
func toolList(n int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","tools":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"name":"tool_%d","description":"does the thing number %d","inputSchema":{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"integer"}},"required":["a"]}}`, i, i)
	}
	b.WriteString(`],"ttlMs":0,"cacheScope":"public"}}`)
	return b.Bytes()
}

func BenchmarkRead(b *testing.B) {
	for _, bench := range []struct {
		name string
		body []byte
		h    http.Header
	}{
		{"legacy107", []byte(small), http.Header{"Mcp-Protocol-Version": {mcp.Version20251125}, "Accept": {"*/*"}}},
		{"modern", []byte(modern), modernHeader("tools/call", "echo")},
		{"records30K", large(), http.Header{"Mcp-Protocol-Version": {mcp.Version20251125}}},
		{"text30K", text30(), http.Header{"Mcp-Protocol-Version": {mcp.Version20251125}}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.SetBytes(int64(len(bench.body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := (mcp.Limits{}).Read(bench.body, bench.h); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkPeek(b *testing.B) {
	for _, bench := range []struct {
		name string
		body []byte
	}{
		{"response", []byte(`{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"hello you"}]}}`)},
		{"progress", []byte(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"p","progress":5,"total":10}}`)},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.SetBytes(int64(len(bench.body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := mcp.Peek(bench.body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkFilter(b *testing.B) {
	for _, bench := range []struct {
		name    string
		allowed func(string) bool
	}{
		{"all", func(string) bool { return true }},
		{"half", func(tool string) bool { return tool[len(tool)-1]%2 == 0 }},
	} {
		b.Run(bench.name, func(b *testing.B) {
			message := toolList(100)
			b.SetBytes(int64(len(message)))
			b.ReportAllocs()
			for b.Loop() {
				f := mcp.Filter{Shown: func(_ mcp.Primitive, name string) bool { return bench.allowed(name) }}
				if _, _, err := f.Message(message); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkLine(b *testing.B) {
	b.SetBytes(int64(len(small)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := mcp.WithID([]byte(small), []byte("123456")); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEventReader(b *testing.B) {
	event := mcp.Event{Name: "message", Data: []byte(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"p","progress":5,"total":10}}`)}
	wire := bytes.Repeat(event.AppendTo(nil), 1000)
	b.SetBytes(int64(len(wire)))
	b.ReportAllocs()
	var out []byte
	for b.Loop() {
		r := mcp.NewEventReader(bytes.NewReader(wire), 1<<20)
		for {
			e, err := r.Next()
			if err == io.EOF {
				break
			}
			out = e.AppendTo(out[:0])
		}
	}
}

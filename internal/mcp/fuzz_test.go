package mcp_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

// seeds are messages of all kinds, in both directions, good and bad.
func seeds() []string {
	all := []string{
		small, modern, "[" + small + "]", "[" + small + `,{"jsonrpc":"2.0","method":"notifications/initialized"}]`,
		`{"jsonrpc":"2.0","id":"a\u0062\/","method":"prompts\/get","params":{"n\u0061me":"p","_meta":{"progressToken":1e3}}}`,
		`{"jsonrpc":"2.0","id":1.50,"method":"resources/read","params":{"uri":"file:///\ud83d\ude00"}}`,
		`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"x"}}`,
		`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"_meta":{"io.modelcontextprotocol/subscriptionId":"s"}}}`,
		`{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"},{"name":"b"}],"cacheScope":"public"}}`,
		`{"jsonrpc":"2.0","id":1,"result":{"cacheScope":1,"tools":[{"name":"b","x":[{}]} , {"Name":"a"}]}}`,
		`{"jsonrpc":"2.0","id":1,"result":{"prompts":[{"name":"b"},{"name":"a"}],"resources":[{"uri":"a"},{"uri":"b"}],"resourceTemplates":[{"uriTemplate":"b"}],"nextCursor":"c"}}`,
		`{"jsonrpc":"2.0","id":1,"result":{"tasks":[{"taskId":"b"},{"taskId":"a"}],"task":{"taskId":"b"},"taskId":"b","completion":{"values":["b","a"],"total":2}}}`,
		`{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a"}}`,
		`{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":{"resourceSubscriptions":["b","a"],"taskIds":["b","a"]}}}`,
		`{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"resourceSubscriptions":["u"],"taskIds":["t"]},"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"t"}}}}`,
		`{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"ref/resource","uri":"u{x}"},"argument":{"name":"x","value":""}}}`,
		`{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"t"}}`, `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":"c"}}`,
		`{"jsonrpc":"2.0","id":1,"result":{"_meta":{"io.modelcontextprotocol/subscriptionId":1}}}`,
		`{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"m"}}`,
		`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","clientInfo":{"name":"c\u0000"}}}`,
		"{\n\"jsonrpc\":\"2.0\",\r\n\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"x\u2028y\"}}",
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","param\u017f":{},"params":{"name":"a"}}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","NAME":"b"}}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","method":"ping"}`,
	}
	for _, message := range unreadable {
		all = append(all, message)
	}
	return all
}

// plain is a message as encoding/json understands it: the last of several
// members wins, and case does not count.
type plain struct {
	JSONRPC string
	ID      json.RawMessage
	Method  *string
	Params  json.RawMessage
}

// agrees fails unless encoding/json, which is lenient, understands a message as Read did.
func agrees(t *testing.T, m mcp.Message) {
	t.Helper()
	var p plain
	if err := json.Unmarshal(m.Raw, &p); err != nil {
		t.Fatalf("encoding/json refuses %q: %v", m.Raw, err)
	}
	if p.JSONRPC != "2.0" {
		t.Errorf("got jsonrpc %q", p.JSONRPC)
	}
	id := p.ID
	if string(id) == "null" {
		id = nil
	}
	if !bytes.Equal(id, m.ID) {
		t.Errorf("got id %q, encoding/json has %q", m.ID, p.ID)
	}
	if (p.Method == nil) != (m.Kind == mcp.Response) || p.Method != nil && *p.Method != m.Method {
		t.Errorf("got method %q, encoding/json disagrees in %q", m.Method, m.Raw)
	}
	var params struct {
		Name, URI, TaskID any
		Ref               struct{ Name, URI any }
		RequestID         json.RawMessage
		Meta              map[string]json.RawMessage `json:"_meta"`
	}
	if m.Kind == mcp.Response || p.Params == nil {
		return
	}
	if err := json.Unmarshal(p.Params, &params); err != nil {
		t.Fatalf("encoding/json refuses the params of %q: %v", m.Raw, err)
	}
	want := any(nil)
	switch m.Method {
	case "tools/call", "prompts/get":
		want = params.Name
	case "resources/read", "resources/subscribe", "resources/unsubscribe":
		want = params.URI
	case "completion/complete":
		if want = params.Ref.Name; want == nil {
			want = params.Ref.URI
		}
	}
	if want != nil && want != m.Name {
		t.Errorf("got name %q, encoding/json has %v", m.Name, want)
	}
	if token := params.Meta["progressToken"]; string(token) != "null" && !bytes.Equal(token, m.ProgressToken) {
		t.Errorf("got token %q, encoding/json has %q", m.ProgressToken, token)
	}
	if m.Target != nil && !bytes.Equal(m.Target, params.RequestID) {
		t.Errorf("got target %q, encoding/json has %q", m.Target, params.RequestID)
	}
}

func FuzzRead(f *testing.F) {
	for _, seed := range seeds() {
		f.Add([]byte(seed), "2026-07-28", "tools/call", "echo")
		f.Add([]byte(seed), "", "", "")
		f.Add([]byte(seed), "2025-03-26", "", "")
	}
	f.Fuzz(func(t *testing.T, body []byte, version, method, name string) {
		h := http.Header{}
		for key, value := range map[string]string{"Mcp-Protocol-Version": version, "Mcp-Method": method, "Mcp-Name": name} {
			if value != "" {
				h.Set(key, value)
			}
		}
		before := bytes.Clone(body)
		c, err := mcp.Limits{}.Read(body, h)
		if !bytes.Equal(body, before) {
			t.Fatal("the body was changed")
		}
		if err != nil {
			refused(t, err)
			return
		}
		if !bytes.Equal(c.Raw, body) || !c.Batch && len(c.Messages) != 1 || len(c.Messages) == 0 || c.Version == "" {
			t.Fatalf("got %+v", c)
		}
		for _, m := range c.Messages {
			agrees(t, m)
			headers := h
			if c.Batch {
				headers = nil
			}
			again, err := mcp.Limits{}.Read(m.Raw, headers)
			if err != nil || !reflect.DeepEqual(again.Messages[0], m) {
				t.Errorf("read again: got %+v, %v, want %+v", again, err, m)
			}
		}
		if c.Era == mcp.Modern && method == "" && c.Messages[0].Kind == mcp.Request {
			t.Error("a modern request without Mcp-Method")
		}
		if method != "" && strings.Trim(method, " \t") != "" && strings.Trim(method, " \t") != c.Messages[0].Method {
			t.Errorf("Mcp-Method is %q", method)
		}
	})
}

// refused fails unless err can be sent.
func refused(t *testing.T, err error) {
	t.Helper()
	e, ok := err.(*mcp.Error) //nolint:errorlint // it must be one itself, not wrap one
	if !ok || e.Status != http.StatusBadRequest || !json.Valid(e.JSON()) || !utf8.Valid(e.JSON()) {
		t.Errorf("got %v", err)
	}
}

func FuzzDecodeHeaderValue(f *testing.F) {
	for _, seed := range []string{"", "echo", "=?base64?ZWNobw==?=", "=?base64??=", "=?base64?=", "=?BASE64?ZWNobw==?=", "=?base64?ZWNobw?=", "=?base64?//8=?="} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, v string) {
		got, err := mcp.DecodeHeaderValue(v)
		inner, wrapped := strings.CutPrefix(v, "=?base64?")
		if wrapped {
			inner, wrapped = strings.CutSuffix(inner, "?=")
		}
		switch {
		case err != nil && (!wrapped || got != ""):
			t.Errorf("got %q, %v", got, err)
		case err == nil && !wrapped && got != v:
			t.Errorf("got %q, want it as it is", got)
		case err == nil && wrapped && (base64.StdEncoding.EncodeToString([]byte(got)) != inner || !utf8.ValidString(got)):
			t.Errorf("got %q of %q", got, v)
		}
		if utf8.ValidString(v) {
			if back, err := mcp.DecodeHeaderValue("=?base64?" + base64.StdEncoding.EncodeToString([]byte(v)) + "?="); err != nil || back != v {
				t.Errorf("wrapped and back: got %q, %v", back, err)
			}
		}
	})
}

func FuzzEdit(f *testing.F) {
	for _, seed := range seeds() {
		f.Add([]byte(seed), true, true, true, true)
		f.Add([]byte(seed), true, false, false, false)
		f.Add([]byte(seed), false, false, false, false)
	}
	f.Fuzz(func(t *testing.T, message []byte, id, token, request, subscription bool) {
		before := bytes.Clone(message)
		pick := func(yes bool, with string) []byte {
			if yes {
				return []byte(with)
			}
			return nil
		}
		edit := mcp.Edit{ID: pick(id, `"new id"`), ProgressToken: pick(token, "4711"), RequestID: pick(request, `"r"`), SubscriptionID: pick(subscription, "12")}
		line, err := edit.Line(message)
		if !bytes.Equal(message, before) {
			t.Fatal("the message was changed")
		}
		if err != nil {
			return
		}
		if bytes.ContainsAny(line, "\r\n\u2028\u2029\u0085") || !utf8.Valid(line) {
			t.Errorf("got more than a line: %q", line)
		}
		again, err := edit.Line(line)
		if err != nil || !bytes.Equal(again, line) {
			t.Errorf("edited again: got %q, %v, want %q", again, err, line)
		}
		was, err := mcp.Peek(message)
		if err != nil {
			return
		}
		is, err := mcp.Peek(line)
		if err != nil || is.Kind != was.Kind && was.ID != nil || is.Method != was.Method {
			t.Errorf("got %+v, %v, was %+v", is, err, was)
		}
		same(t, "id", edit.ID, was.ID, is.ID)
		same(t, "request id", edit.RequestID, was.RequestID, is.RequestID)
		same(t, "subscription id", edit.SubscriptionID, was.SubscriptionID, is.SubscriptionID)
		if was.Kind != mcp.Response {
			same(t, "progress token", edit.ProgressToken, was.ProgressToken, is.ProgressToken)
		}
	})
}

// same fails unless is is what it should be, or else what it was, as values.
func same(t *testing.T, what string, should, was, is []byte) {
	t.Helper()
	if should == nil {
		should = was
	}
	var a, b any
	if should == nil && is == nil {
		return
	}
	errA, errB := json.Unmarshal(should, &a), json.Unmarshal(is, &b)
	if bytes.Equal(should, is) || errA == nil && errB == nil && reflect.DeepEqual(a, b) {
		return
	}
	t.Errorf("%s: got %q, want %q", what, is, should)
}

func FuzzPeek(f *testing.F) {
	for _, seed := range seeds() {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		parts, splitErr := mcp.Split(message)
		env, err := mcp.Peek(message)
		if err != nil {
			return
		}
		if splitErr != nil || len(parts) != 1 || !bytes.Equal(parts[0], bytes.TrimSpace(message)) {
			t.Errorf("Split: got %q, %v", parts, splitErr)
		}
		var p plain
		if err := json.Unmarshal(message, &p); err != nil || (p.Method == nil) != (env.Kind == mcp.Response) || p.Method != nil && *p.Method != env.Method {
			t.Errorf("got %+v, encoding/json has %+v, %v", env, p, err)
		}
	})
}

func FuzzEventReader(f *testing.F) {
	for _, seed := range []string{
		"data: a\n\n", "id: 1\r\nevent: e\r\ndata: x\r\ndata: y\r\n\r\n", ": c\rdata\r\r", "\ufeffretry: 5\nid: a\x00\n\n", "data:\n\nid\n\n", strings.Repeat("data: x\n", 50) + "\n",
	} {
		f.Add([]byte(seed), 64)
		f.Add([]byte(seed), 7)
	}
	f.Fuzz(func(t *testing.T, stream []byte, limit int) {
		limit = min(max(limit, 1), 1<<16)
		all, err := events(bytes.NewReader(stream), limit)
		slow, slowErr := events(iotest.OneByteReader(bytes.NewReader(stream)), limit)
		if !reflect.DeepEqual(all, slow) || err != slowErr { //nolint:errorlint // the same sentinel
			t.Errorf("at once: %+v, %v\nbyte by byte: %+v, %v", all, err, slow, slowErr)
		}
		var wire []byte
		for _, e := range all {
			if len(e.Data) > limit {
				t.Errorf("got %d bytes, the limit is %d", len(e.Data), limit)
			}
			wire = e.AppendTo(wire)
		}
		again, err := events(bytes.NewReader(wire), 1<<20)
		if err != nil || !reflect.DeepEqual(again, all) {
			t.Errorf("written and read: got %+v, %v, want %+v", again, err, all)
		}
	})
}

func FuzzEventWriter(f *testing.F) {
	f.Add("1", true, "e", "5", []byte("a\r\nb"), false)
	f.Add("a\nb", true, "\n\n", "x", []byte(nil), true)
	f.Fuzz(func(t *testing.T, id string, hasID bool, name, retry string, text []byte, comment bool) {
		e := mcp.Event{ID: id, HasID: hasID, Name: name, Retry: retry, Data: text, Comment: comment}
		if got, err := events(bytes.NewReader(e.AppendTo(nil)), 1<<20); err != nil || len(got) > 1 {
			t.Errorf("%+v became %+v, %v", e, got, err)
		}
	})
}

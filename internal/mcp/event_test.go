package mcp_test

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

// events reads a stream to its end.
func events(src io.Reader, limit int) ([]mcp.Event, error) {
	var all []mcp.Event
	r := mcp.NewEventReader(src, limit)
	for {
		e, err := r.Next()
		if err != nil {
			if _, again := r.Next(); again != err {
				return all, errors.New("the error did not stay")
			}
			if err == io.EOF {
				err = nil
			}
			return all, err
		}
		if e.Data != nil {
			e.Data = append([]byte{}, e.Data...)
		}
		all = append(all, e)
	}
}

func data(s string) mcp.Event { return mcp.Event{Data: []byte(s)} }

func TestA137EventStreams(t *testing.T) {
	tests := []struct {
		name, stream string
		want         []mcp.Event
	}{
		{"an event", "data: a\n\n", []mcp.Event{data("a")}},
		{"lines that end in CR", "data: a\r\rdata: b\r\r", []mcp.Event{data("a"), data("b")}},
		{"lines that end in CR LF", "data: a\r\n\r\ndata: b\r\n\r\n", []mcp.Event{data("a"), data("b")}},
		{"two lines that end in CR LF", "data: a\r\ndata: b\r\n\r\n", []mcp.Event{data("a\nb")}},
		{"all ends mixed", "data: a\rdata: b\ndata: c\r\n\n", []mcp.Event{data("a\nb\nc")}},
		{"LF CR, which are two", "data: a\n\rdata: b\n\n", []mcp.Event{data("a"), data("b")}},
		{"every field", "event: e\nid: 1\nretry: 50\ndata: d\n\n", []mcp.Event{{Name: "e", ID: "1", HasID: true, Retry: "50", Data: []byte("d")}}},
		{"no space, one space, two spaces", "data:a\ndata: b\ndata:  c\n\n", []mcp.Event{data("a\nb\n c")}},
		{"empty data", "data:\n\n", []mcp.Event{data("")}},
		{"two lines of empty data", "data\ndata\n\n", []mcp.Event{data("\n")}},
		{"an id without data", "id: 7\n\n", []mcp.Event{{ID: "7", HasID: true}}},
		{"an id that forgets", "id\ndata: x\n\n", []mcp.Event{{HasID: true, Data: []byte("x")}}},
		{"an id with NUL", "id: a\x00b\ndata: x\n\n", []mcp.Event{data("x")}},
		{"a later id", "id: a\nid: b\ndata: x\n\n", []mcp.Event{{ID: "b", HasID: true, Data: []byte("x")}}},
		{"a retry that is no number", "retry: 1s\nretry: -1\nretry:\ndata: x\n\n", []mcp.Event{data("x")}},
		{"unknown fields and other case", "foo: bar\nDATA: y\nData: z\n data: w\ndata: x\n\n", []mcp.Event{data("x")}},
		{"unknown fields alone", "foo: bar\n\n", nil},
		{"an empty name alone", "event: a\nevent:\n\n", nil},
		{"a byte order mark", "\ufeffdata: a\n\n\ufeffdata: b\n\n", []mcp.Event{data("a")}},
		{"a comment", ":keep-alive\n\ndata: a\n\n", []mcp.Event{{Comment: true, Data: []byte("keep-alive")}, data("a")}},
		{"a comment right before an event", ":\ndata: a\n\n", []mcp.Event{{Comment: true, Data: []byte("")}, data("a")}},
		{"a comment amid an event", "data: a\n: comment\ndata: b\n\n", []mcp.Event{data("a\nb")}},
		{"an event that does not end", "data: a\n\ndata: b\n", []mcp.Event{data("a")}},
		{"a line that does not end", "data: a\n\ndata: b", []mcp.Event{data("a")}},
		{"many empty lines", "\n\n\r\n\rdata: a\n\n\n\n", []mcp.Event{data("a")}},
		{"nothing", "", nil},
		{"an event of the old transport", "event: endpoint\ndata: /messages\n\n", []mcp.Event{{Name: "endpoint", Data: []byte("/messages")}}},
		{"a colon in the data", "data: {\"a\":1}\n\n", []mcp.Event{data(`{"a":1}`)}},
		{"data that looks like events", "data: x\\n\\ndata: y\n\n", []mcp.Event{data(`x\n\ndata: y`)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for way, src := range map[string]io.Reader{
				"at once":      strings.NewReader(tt.stream),
				"byte by byte": iotest.OneByteReader(strings.NewReader(tt.stream)),
				"data and EOF": iotest.DataErrReader(strings.NewReader(tt.stream)),
			} {
				got, err := events(src, 1000)
				if err != nil || !reflect.DeepEqual(got, tt.want) {
					t.Errorf("%s: got %+v, %v, want %+v", way, got, err, tt.want)
				}
			}
		})
	}
}

func TestA137EventLimits(t *testing.T) {
	const limit = 100
	for name, stream := range map[string]string{
		"a long line":           "data: " + strings.Repeat("x", limit) + "\n\n",
		"a line without an end": "data: " + strings.Repeat("x", 1_000_000),
		"many short lines":      strings.Repeat("data: x\n", 20) + "\n",
		"a long comment":        ":" + strings.Repeat("x", limit) + "\n\n",
		"many unknown fields":   strings.Repeat("x\n", 60) + "\n",
		"comments amid an event": "data: x\n" +
			strings.Repeat(": x\n", 30) + "\n",
	} {
		if got, err := events(strings.NewReader(stream), limit); !errors.Is(err, mcp.ErrEventTooLong) || got != nil {
			t.Errorf("%s: got %+v, %v, want ErrEventTooLong", name, got, err)
		}
	}
	exact := "data: " + strings.Repeat("x", limit-len("data: ")) + "\n\n"
	got, err := events(strings.NewReader(strings.Repeat(exact, 200)), limit)
	if err != nil || len(got) != 200 {
		t.Errorf("events as long as allowed: got %d, %v, want 200", len(got), err)
	}
	large := data(strings.Repeat("0123456789", 30_000)).AppendTo(nil)
	got, err = events(bytes.NewReader(bytes.Repeat(large, 3)), 1<<20)
	if err != nil || len(got) != 3 || len(got[2].Data) != 300_000 {
		t.Errorf("large events: got %d, %v, want 3", len(got), err)
	}
}

// stalled hands out its parts and then blocks nobody: it fails the test.
type stalled struct {
	t     *testing.T
	parts []string
}

func (s *stalled) Read(b []byte) (int, error) {
	if len(s.parts) == 0 {
		s.t.Fatal("the reader waits for more although the event is complete")
	}
	n := copy(b, s.parts[0])
	s.parts = s.parts[1:]
	return n, nil
}

func TestEventsComeAtOnce(t *testing.T) {
	for _, end := range []string{"\n\n", "\r\r", "\r\n\r\n", "\r\n\r"} {
		r := mcp.NewEventReader(&stalled{t, []string{"data: a" + end}}, 100)
		if e, err := r.Next(); err != nil || string(e.Data) != "a" {
			t.Errorf("%q: got %q, %v", end, e.Data, err)
		}
	}
	if e, err := mcp.NewEventReader(&stalled{t, []string{": a\r"}}, 100).Next(); err != nil || !e.Comment {
		t.Errorf("a comment: got %+v, %v", e, err)
	}
}

func TestA137EventWriting(t *testing.T) {
	tests := []struct {
		name  string
		event mcp.Event
		want  string
	}{
		{"everything", mcp.Event{ID: "1", HasID: true, Name: "e", Retry: "5", Data: []byte("a\nb")}, "id: 1\nevent: e\nretry: 5\ndata: a\ndata: b\n\n"},
		{"line ends in data", data("a\r\nb\rc\n\ndata: d"), "data: a\ndata: b\ndata: c\ndata: \ndata: data: d\n\n"},
		{"line ends elsewhere", mcp.Event{ID: "1\ndata: x", HasID: true, Name: "e\r\n\r\nid: 3", Retry: "1\n"}, "id: 1data: x\nevent: eid: 3\nretry: 1\n\n"},
		{"NUL in an id", mcp.Event{ID: "a\x00b", HasID: true}, "id: ab\n\n"},
		{"no data", mcp.Event{ID: "", HasID: true}, "id: \n\n"},
		{"empty data", data(""), "data: \n\n"},
		{"a comment", mcp.Event{Comment: true, Data: []byte("x\ndata: y")}, ":xdata: y\n\n"},
	}
	for _, tt := range tests {
		if got := string(tt.event.AppendTo([]byte("^"))); got != "^"+tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, "^"+tt.want)
		}
	}
}

func TestEventReaderPassesErrorsOn(t *testing.T) {
	broken := errors.New("broken")
	r := mcp.NewEventReader(io.MultiReader(strings.NewReader("data: a\n\ndata: b\n"), iotest.ErrReader(broken)), 100)
	if e, err := r.Next(); err != nil || string(e.Data) != "a" {
		t.Errorf("got %q, %v", e.Data, err)
	}
	if _, err := r.Next(); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
}

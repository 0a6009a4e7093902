package gateway

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// What is short is read at once, and to its end: only then is the connection free.
func TestWholeReadsABodyToItsEnd(t *testing.T) {
	body := strings.Repeat("b", 100)
	for _, tt := range []struct {
		name   string
		from   io.Reader
		length int64
		limit  int
		want   int // bytes; -1: an error
	}{
		{"as long as it says", strings.NewReader(body), 100, 1000, 100},
		{"its end comes with its last bytes", iotest.DataErrReader(strings.NewReader(body)), 100, 1000, 100},
		{"byte by byte", iotest.OneByteReader(strings.NewReader(body)), 100, 1000, 100},
		{"empty", strings.NewReader(""), 0, 1000, 0},
		{"of unknown length", strings.NewReader(body), -1, 1000, 100},
		{"longer than it says", strings.NewReader(body), 99, 1000, -1},
		{"broken off", io.MultiReader(strings.NewReader("b"), iotest.ErrReader(io.ErrUnexpectedEOF)), 100, 1000, -1},
		{"too long, and says so", strings.NewReader(body), 100, 10, 100},
		{"too long, of unknown length", strings.NewReader(body), -1, 10, 11},
		{"says that it is huge, and is not", strings.NewReader(body), 1 << 40, 1000, 100},
	} {
		t.Run(tt.name, func(t *testing.T) {
			end := &ending{Reader: tt.from}
			got, err := whole(&http.Response{Body: io.NopCloser(end), ContentLength: tt.length}, tt.limit)
			switch {
			case tt.want < 0 && err == nil:
				t.Errorf("got %d bytes, want an error", len(got))
			case tt.want >= 0 && (err != nil || len(got) != tt.want):
				t.Errorf("got %d bytes and %v, want %d", len(got), err, tt.want)
			case tt.want >= 0 && tt.want <= tt.limit && !end.seen:
				t.Error("the end was not read, so the connection cannot be used again")
			}
		})
	}
}

// ending notes whether its reader was read to the end.
type ending struct {
	io.Reader
	seen bool
}

func (e *ending) Read(p []byte) (int, error) {
	n, err := e.Reader.Read(p)
	e.seen = e.seen || errors.Is(err, io.EOF)
	return n, err
}

// Headers that share memory are as independent as others.
func TestHeadersThatAreSetTogetherStayApart(t *testing.T) {
	w := httptest.NewRecorder()
	a := &answer{ResponseWriter: w}
	names := []string{"A", "B", "C", "D", "E", "F"}
	for _, n := range names {
		a.only(n, "first "+n)
	}
	for _, n := range names {
		w.Header().Add(n, "second "+n)
	}
	a.only("A", "again")
	if got := strings.Join(w.Header()["A"], ","); got != "again" {
		t.Errorf("got %q, want the last value alone", got)
	}
	for _, n := range names[1:] {
		if got := strings.Join(w.Header()[n], ","); got != "first "+n+",second "+n {
			t.Errorf("%s: got %q", n, got)
		}
	}
}

// What needs no change gets none, and costs nothing.
func TestPrintableLeavesPlainTextAlone(t *testing.T) {
	for text, want := range map[string]string{
		"tools/call": "tools/call", "": "",
		"gthk_0123456789ab_secret":  "gthk_0123456789ab…",
		"x gthk_0123456789abcdef y": "x gthk_0123456789ab… y",
		"a\nb":                      "a\uFFFDb", "a\x7fb": "a\uFFFDb", "é": "é", "a\u202eb": "a\uFFFDb",
		strings.Repeat("x", 257): strings.Repeat("x", 256) + "…",
	} {
		if got := printable(text); got != want {
			t.Errorf("got %q of %q, want %q", got, text, want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { printable("tools/call") }); n != 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}

// The line of a request has its time, level and message, whoever handles it.
func TestRequestLineIsComplete(t *testing.T) {
	var b bytes.Buffer
	g := &Gateway{Name: "files", Log: slog.New(slog.NewJSONHandler(&b, nil)).With("node", "one")}
	r := httptest.NewRequest(http.MethodGet, "/mcp", nil)
	g.record(&answer{id: "id", status: 200}, r, &visit{began: time.Now(), server: "files"})
	for _, want := range []string{`"time":"`, `"level":"INFO"`, `"msg":"request"`, `"node":"one"`, `"server":"files"`, `"status":200`} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("got a line without %s: %s", want, b.String())
		}
	}
}

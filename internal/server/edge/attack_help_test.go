package edge

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// siege is an edge with TLS under attack. In the end a good request passes, and
// goroutines, connections and memory are what they were.
type siege struct {
	*fixture
	good *http.Client
	now  atomic.Int64 // handlers under way
	most atomic.Int64 // of them at once
	hold atomic.Bool  // handlers wait for their caller to leave

	trailed atomic.Bool // a request has had a credential once its body was read
}

func besiege(t *testing.T, edits ...func(*fixture)) *siege {
	t.Helper()
	s := &siege{}
	a := newAuthority(t)
	s.fixture = opened(t, config.Server{TLS: config.TLS{Files: []config.KeyPair{a.pair(t, t.TempDir(), names("gate.test"))}}})
	s.pool = a.pool
	for _, edit := range edits {
		edit(s.fixture)
	}
	s.start(http.HandlerFunc(s.handle))
	s.good = s.via(s.address)
	s.lives(t)
	calm, memory := goleak.IgnoreCurrent(), heap()
	t.Cleanup(func() {
		s.hold.Store(false)
		s.lives(t)
		s.good.CloseIdleConnections()
		err := goleak.Find(calm)
		for end := time.Now().Add(15 * time.Second); err != nil && time.Now().Before(end); {
			err = goleak.Find(calm)
		}
		if err != nil {
			t.Errorf("got goroutines that outlive the attack: %v", err)
		}
		eventually(t, "every place is given back", func() bool { return s.Counts().Open == 0 })
		if grown := heap() - memory; grown > 32<<20 {
			t.Errorf("got %d bytes that stay, want none", grown)
		}
	})
	return s
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func (s *siege) handle(w http.ResponseWriter, r *http.Request) {
	n := s.now.Add(1)
	defer s.now.Add(-1)
	for most := s.most.Load(); n > most && !s.most.CompareAndSwap(most, n); {
		most = s.most.Load()
	}
	if s.hold.Load() {
		<-r.Context().Done()
		return
	}
	s.hello(w, r)
	if r.Header.Get("Authorization") != "" {
		s.trailed.Store(true)
	}
}

// lives wants a good request to pass.
func (s *siege) lives(t *testing.T) {
	t.Helper()
	ctx, done := context.WithTimeout(context.Background(), 10*time.Second)
	defer done()
	r, err := http.NewRequestWithContext(ctx, "GET", "https://gate.test/", nil)
	if err != nil {
		t.Fatal(err)
	}
	hold := s.hold.Swap(false)
	defer s.hold.Store(hold)
	res, err := s.good.Do(r)
	if err != nil {
		t.Errorf("got %v for a good request, want an answer", err)
		return
	}
	_, _ = io.Copy(io.Discard, res.Body)
	if _ = res.Body.Close(); res.StatusCode != http.StatusOK {
		t.Errorf("got %d for a good request, want 200", res.StatusCode)
	}
}

// secure opens a connection of one protocol.
func (s *siege) secure(t testing.TB, protocol string) *tls.Conn {
	t.Helper()
	c, err := tls.Dial("tcp", s.address, &tls.Config{ServerName: "gate.test", RootCAs: s.pool, NextProtos: []string{protocol}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	return c
}

// h2 is a client of HTTP/2 that sends what it likes.
type h2 struct {
	*http2.Framer
	t    testing.TB
	conn *tls.Conn
	next uint32 // stream

	mu    sync.Mutex
	block bytes.Buffer
	enc   *hpack.Encoder
}

// h2 begins a connection. RFC 9113 §3.4
func (s *siege) h2(t testing.TB, settings ...http2.Setting) *h2 {
	t.Helper()
	c := &h2{t: t, conn: s.secure(t, "h2"), next: 1}
	c.Framer = http2.NewFramer(c.conn, c.conn)
	c.AllowIllegalWrites = true
	c.enc = hpack.NewEncoder(&c.block)
	if _, err := io.WriteString(c.conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	if err := c.WriteSettings(settings...); err != nil {
		t.Fatal(err)
	}
	return c
}

// encode returns a block of header fields, names and values in turn.
func (c *h2) encode(fields ...string) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.block.Reset()
	for i := 0; i+1 < len(fields); i += 2 {
		_ = c.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return bytes.Clone(c.block.Bytes())
}

func (c *h2) get(more ...string) []byte {
	return c.encode(append([]string{":method", "GET", ":scheme", "https", ":authority", "gate.test", ":path", "/"}, more...)...)
}

// open sends a request's head and returns its stream.
func (c *h2) open(block []byte, end bool) (uint32, error) {
	id := c.next
	c.next += 2
	return id, c.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block, EndHeaders: true, EndStream: end})
}

// drain reads until the connection ends, and returns how many frames of each
// kind have come, with the codes of those that end something.
func (c *h2) drain() *tally {
	t := &tally{kinds: map[http2.FrameType]int{}, resets: map[uint32]http2.ErrCode{}, status: map[uint32]string{}, done: make(chan struct{})}
	dec := hpack.NewDecoder(4096, nil)
	go func() {
		defer close(t.done)
		for {
			f, err := c.ReadFrame()
			if err != nil {
				return
			}
			t.note(f, dec)
			if s, ok := f.(*http2.SettingsFrame); ok && !s.IsAck() {
				_ = http2.NewFramer(c.conn, nil).WriteSettingsAck() // one of its own: it has one buffer
			}
		}
	}()
	return t
}

// tally is what a server has sent.
type tally struct {
	mu     sync.Mutex
	kinds  map[http2.FrameType]int
	resets map[uint32]http2.ErrCode
	status map[uint32]string
	goaway http2.ErrCode
	gone   bool // GOAWAY has come
	done   chan struct{}
}

func (t *tally) note(f http2.Frame, dec *hpack.Decoder) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kinds[f.Header().Type]++
	switch f := f.(type) {
	case *http2.RSTStreamFrame:
		t.resets[f.StreamID] = f.ErrCode
	case *http2.GoAwayFrame:
		t.goaway, t.gone = f.ErrCode, true
	case *http2.HeadersFrame:
		fields, _ := dec.DecodeFull(f.HeaderBlockFragment())
		for _, h := range fields {
			if h.Name == ":status" {
				t.status[f.StreamID] = h.Value
			}
		}
	}
}

func (t *tally) ended(stream uint32) (status string, reset http2.ErrCode, gone, wasReset bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	code, ok := t.resets[stream]
	return t.status[stream], code, t.gone, ok
}

func (t *tally) count(kind http2.FrameType) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.kinds[kind]
}

// waits returns when the server has closed the connection.
func (t *tally) waits(tb testing.TB) {
	tb.Helper()
	select {
	case <-t.done:
	case <-time.After(20 * time.Second):
		tb.Error("waited in vain for the end of the connection")
	}
}

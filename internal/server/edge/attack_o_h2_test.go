package edge

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// Requests that are taken back at once cost no more than those that are not.
func TestA196RapidReset(t *testing.T) {
	s := besiege(t)
	s.hold.Store(true)
	c := s.h2(t)
	got := c.drain()
	block := c.get()
	for range 20000 {
		id, err := c.open(block, true)
		if err != nil || c.WriteRSTStream(id, http2.ErrCodeCancel) != nil {
			break // it has had enough
		}
	}
	s.lives(t)
	if most := s.most.Load(); most > muxStreams {
		t.Errorf("got %d handlers at once, want %d at most", most, muxStreams)
	}
	_ = c.conn.Close()
	got.waits(t)
}

// MadeYouReset: the server is made to reset streams whose handlers then go on.
func TestA196MadeYouReset(t *testing.T) {
	for name, provoke := range map[string]func(c *h2, id uint32) error{
		"a window update of nothing": func(c *h2, id uint32) error { return c.WriteRawFrame(http2.FrameWindowUpdate, 0, id, make([]byte, 4)) },
		"a window that overflows":    func(c *h2, id uint32) error { return c.WriteWindowUpdate(id, 1<<31-1) },
		"data behind the end":        func(c *h2, id uint32) error { return c.WriteData(id, false, []byte("x")) },
		"a head behind the end": func(c *h2, id uint32) error {
			return c.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: c.get(), EndHeaders: true, EndStream: true})
		},
		"a priority of the wrong size":   func(c *h2, id uint32) error { return c.WriteRawFrame(http2.FramePriority, 0, id, make([]byte, 3)) },
		"a stream that waits for itself": func(c *h2, id uint32) error { return c.WritePriority(id, http2.PriorityParam{StreamDep: id}) },
	} {
		t.Run(name, func(t *testing.T) {
			s := besiege(t)
			s.hold.Store(true)
			for range 3 { // connections may end for it
				c := s.h2(t)
				got := c.drain()
				for range 500 {
					id, err := c.open(c.get(), true)
					if err != nil || provoke(c, id) != nil {
						break
					}
				}
				s.lives(t)
				_ = c.conn.Close()
				got.waits(t)
			}
			if most := s.most.Load(); most > 3*muxStreams {
				t.Errorf("got %d handlers at once, want %d a connection at most", most, muxStreams)
			}
		})
	}
}

func TestA196ManyStreams(t *testing.T) {
	s := besiege(t)
	s.hold.Store(true)
	c := s.h2(t)
	got := c.drain()
	eventually(t, "the server has said how many", func() bool { return got.count(http2.FrameSettings) >= 2 })
	for range muxStreams {
		if _, err := c.open(c.get(), true); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "as many as may are under way", func() bool { return s.now.Load() == muxStreams })
	id, err := c.open(c.get(), true)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "one more is refused", func() bool {
		_, code, gone, reset := got.ended(id)
		return reset && (code == http2.ErrCodeRefusedStream || code == http2.ErrCodeProtocol) || gone
	})
	if most := s.most.Load(); most > muxStreams {
		t.Errorf("got %d at once, want %d at most", most, muxStreams)
	}
	_ = c.conn.Close()
	got.waits(t)
}

// A head that never ends is not gathered for ever.
func TestA196ContinuationFlood(t *testing.T) {
	s := besiege(t)
	for name, fragment := range map[string][]byte{
		"of fields":  []byte(strings.Repeat("\x00\x01a\x01b", 2000)),
		"of nothing": {},
	} {
		t.Run(name, func(t *testing.T) {
			c := s.h2(t)
			got := c.drain()
			if err := c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: c.get()}); err != nil {
				t.Fatal(err)
			}
			sent := 0
			for range 200000 {
				if c.WriteContinuation(1, false, fragment) != nil {
					break
				}
				sent += 9 + len(fragment)
			}
			if len(fragment) > 0 && sent > 16<<20 {
				t.Errorf("got %d bytes of one head taken, want the connection closed before", sent)
			}
			s.lives(t)
			_ = c.conn.Close()
			got.waits(t)
		})
	}
	if n := s.most.Load(); n > 1 {
		t.Errorf("got %d requests at the handler, want none of the attack's", n)
	}
}

// Frames that want an answer, from somebody who does not read them.
func TestA196Floods(t *testing.T) {
	for name, send := range map[string]func(c *h2) error{
		"PING":             func(c *h2) error { return c.WritePing(false, [8]byte{1}) },
		"SETTINGS":         func(c *h2) error { return c.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1}) },
		"PRIORITY":         func(c *h2) error { return c.WritePriority(7, http2.PriorityParam{StreamDep: 3}) },
		"WINDOW_UPDATE":    func(c *h2) error { return c.WriteWindowUpdate(0, 1) },
		"an unknown frame": func(c *h2) error { return c.WriteRawFrame(0xfa, 0, 0, []byte("x")) },
		"table sizes":      func(c *h2) error { return c.WriteSettings(http2.Setting{ID: http2.SettingHeaderTableSize, Val: 0}) },
	} {
		t.Run(name, func(t *testing.T) {
			s := besiege(t, func(f *fixture) { f.WriteWait = time.Second; f.public.HTTP2.WriteByteTimeout = time.Second })
			c := s.h2(t)
			for range 100000 {
				if send(c) != nil {
					break
				}
			}
			s.lives(t)
			_ = c.conn.Close()
		})
	}
}

// Empty pieces of a body: there is no end to them, and nothing in them.
func TestA196EmptyData(t *testing.T) {
	s := besiege(t)
	c := s.h2(t)
	got := c.drain()
	id, err := c.open(c.encode(":method", "POST", ":scheme", "https", ":authority", "gate.test", ":path", "/"), false)
	if err != nil {
		t.Fatal(err)
	}
	for range 100000 {
		if c.WriteData(id, false, nil) != nil {
			break
		}
	}
	s.lives(t)
	_ = c.conn.Close()
	got.waits(t)
}

// A head that is small on the wire and large when it is unpacked.
func TestA196HeaderBomb(t *testing.T) {
	s := besiege(t)
	c := s.h2(t)
	got := c.drain()
	value := strings.Repeat("x", 3900)
	if _, err := c.open(c.get("x-bomb", value), true); err != nil { // it is in the table now
		t.Fatal(err)
	}
	fields := []string{}
	for range 4000 {
		fields = append(fields, "x-bomb", value)
	}
	block := c.get(fields...)
	if len(block) > muxFrame {
		t.Fatalf("got %d bytes, want them to fit into a frame", len(block))
	}
	before := s.reached()
	id, err := c.open(block, true)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is refused", func() bool {
		status, _, gone, reset := got.ended(id)
		return status == "431" || reset || gone
	})
	if n := s.reached() - before; n > 1 {
		t.Errorf("got %d requests at the handler, want none of the bomb", n)
	}
	_ = c.conn.Close()
	got.waits(t)
}

func TestA196Trailers(t *testing.T) {
	s := besiege(t)
	c := s.h2(t)
	got := c.drain()
	id, err := c.open(c.encode(":method", "POST", ":scheme", "https", ":authority", "gate.test", ":path", "/"), false)
	if err != nil {
		t.Fatal(err)
	}
	var fields []string
	for range 10000 {
		fields = append(fields, "x-t", "a longer value than that")
	}
	block := c.encode(fields...)
	_ = c.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block[:min(len(block), 16000)], EndStream: true, EndHeaders: len(block) <= 16000})
	for rest := block[min(len(block), 16000):]; len(rest) > 0; {
		n := min(len(rest), 16000)
		if c.WriteContinuation(id, n == len(rest), rest[:n]) != nil {
			break
		}
		rest = rest[n:]
	}
	s.lives(t)
	_ = c.conn.Close()
	got.waits(t)
}

// A197: the tables of header compression change size under way. The toolchain
// before 1.26.9 had a race there that killed the process.
func TestA197TableSizes(t *testing.T) {
	s := besiege(t)
	for range 4 {
		c := s.h2(t)
		got := c.drain()
		for i := range 2000 {
			size := uint32(0)
			if i%2 == 0 {
				size = 4096
			}
			if c.WriteSettings(http2.Setting{ID: http2.SettingHeaderTableSize, Val: size}) != nil {
				break
			}
			if _, err := c.open(c.get("x-n", strings.Repeat("n", i%64)), true); err != nil {
				break
			}
		}
		_ = c.conn.Close()
		got.waits(t)
	}
}

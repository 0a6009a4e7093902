package edge

import (
	"io"
	"net"
	"testing"
	"time"
)

// BenchmarkDeadline measures what bounding a short write adds to it, without the write.
func BenchmarkDeadline(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() {
		if c, err := l.Accept(); err == nil {
			_, _ = io.Copy(io.Discard, c)
		}
	}()
	below, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	c := &conn{Conn: below, stall: 30 * time.Second}
	defer func() { _ = c.Close() }()
	b.Run("anew", func(b *testing.B) {
		for b.Loop() {
			c.due = time.Time{}
			_ = c.extend()
		}
	})
	b.Run("shared", func(b *testing.B) {
		for b.Loop() {
			_ = c.extend()
		}
	})
}

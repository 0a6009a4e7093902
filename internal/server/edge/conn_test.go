package edge

import (
	"net"
	"testing"
	"time"
)

// deadlines notes the deadlines of a connection that takes everything.
type deadlines struct {
	net.Conn
	of []time.Time
}

func (d *deadlines) Write(b []byte) (int, error)        { return len(b), nil }
func (d *deadlines) SetWriteDeadline(t time.Time) error { d.of = append(d.of, t); return nil }
func (d *deadlines) SetReadDeadline(time.Time) error    { return nil }

// Every write has at least the time it was promised, and many in a row do not
// set a timer each.
func TestWritesShareADeadline(t *testing.T) {
	below := &deadlines{}
	c := &conn{Conn: below, stall: time.Hour}
	began := time.Now()
	for range 1000 {
		_, _ = c.Write([]byte("x"))
		if left := time.Until(below.of[len(below.of)-1]); left < time.Hour-time.Minute {
			t.Fatalf("a write had %v left, want an hour", left)
		}
	}
	if len(below.of) != 1 || below.of[0].Sub(began) > time.Hour+time.Hour/4 {
		t.Errorf("got deadlines %v after %v, want one, an hour from then", below.of, began)
	}
	c.due = time.Now().Add(time.Hour - time.Second) // as time passes
	_, _ = c.Write([]byte("x"))
	if len(below.of) != 2 {
		t.Error("a write got less time than it was promised")
	}
}

// What was asked for from above holds for every write until it is taken back.
func TestWritesKeepTheDeadlineThatWasAskedFor(t *testing.T) {
	below := &deadlines{}
	c := &conn{Conn: below, stall: time.Hour}
	last := func() time.Time { return below.of[len(below.of)-1] }
	_, _ = c.Write([]byte("x"))
	past := time.Unix(1, 0)
	for _, set := range []func(time.Time) error{c.SetWriteDeadline, c.SetDeadline} {
		_ = set(past)
		_, _ = c.Write([]byte("x"))
		if !last().Equal(past) {
			t.Errorf("a write set the deadline to %v, want what was asked for", last())
		}
		_ = set(time.Time{})
		_, _ = c.Write([]byte("x"))
		if time.Until(last()) < time.Hour-time.Minute {
			t.Errorf("got %v, want a deadline of our own again", last())
		}
	}
}

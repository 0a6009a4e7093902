package audit

import (
	"net/netip"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// collapser keeps a flood of refusals from pushing everything else out of the
// trail. Within a window, the first of each kind are written one by one, and
// the rest are counted.
type collapser struct {
	now func() time.Time

	mu     sync.Mutex
	since  time.Time // when the window began; zero: nobody was refused since the last
	single int       // that were written one by one
	of     map[likeness]*tally
}

// likeness is what makes two refusals alike. A key is told apart only where it
// is known to be the caller's: anybody can claim one.
type likeness struct {
	kind, action, code, outcome, key string
	from                             netip.Prefix
	rest                             bool // of those that are not told apart any more
}

// tally counts those that are alike.
type tally struct {
	seen, counted int
	first, last   time.Time // of the counted
	sample        Event
}

// collapse says whether an event is one of many, and was counted instead of
// being written.
func (l *Log) collapse(e *Event) (counted bool, err error) {
	if e.Changed {
		return false, nil
	}
	switch e.Kind {
	case config.AuditAuthFailed, config.AuditDenied:
	case config.AuditSignIn:
		// What is known of a person is theirs. A stranger can have things fail too:
		// by a client whose document nobody can fetch, for one.
		if e.Outcome != Refused && e.Outcome != Failed || e.Subject != "" {
			return false, nil
		}
	default:
		return false, nil
	}
	if !l.alike.count(e) {
		return false, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.refusal(); err != nil { // as if it had been written one by one
		l.lose(e.Time, err)
		return true, err
	}
	return true, nil
}

// count says whether an event shall be counted only, and counts it.
func (c *collapser) count(e *Event) bool {
	like := likeness{kind: e.Kind, action: e.Action, code: e.Code, outcome: e.Outcome, from: Network(e.Address)}
	if e.Kind == config.AuditDenied {
		like.key = e.KeyID
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.since.IsZero() {
		c.since, c.single = c.now(), 0
	}
	t := c.of[like]
	if t == nil {
		if len(c.of) >= collapseKeys {
			like = likeness{kind: e.Kind, action: e.Action, code: e.Code, outcome: e.Outcome, rest: true}
			t = c.of[like]
		}
		if t == nil {
			if c.of == nil {
				c.of = map[likeness]*tally{}
			}
			t = &tally{}
			c.of[like] = t
		}
	}
	if t.seen < collapseAfter && c.single < collapseTotal && !like.rest {
		t.seen++
		c.single++
		return false
	}
	if t.counted++; t.counted == 1 {
		t.first = e.Time
		t.sample = Event{Kind: e.Kind, Action: e.Action, Code: e.Code, Reason: e.Reason, Outcome: e.Outcome, Status: e.Status}
		t.sample.Address = like.from.Addr()
		if like.key != "" {
			t.sample.KeyID, t.sample.Tenant, t.sample.TenantID = e.KeyID, e.Tenant, e.TenantID
		}
	}
	t.last = e.Time
	return true
}

// Network is the part of an address that one sender cannot choose: RFC 6177 §2
// gives a site many IPv6 addresses, at least a /64. It is the zero Prefix for none.
func Network(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// end returns one event for each tally when the window is over, and begins another.
func (c *collapser) end(now bool) []Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.since.IsZero() || !now && c.now().Sub(c.since) < collapseWindow {
		return nil
	}
	var out []Event
	for _, t := range c.of {
		if t.counted > 0 {
			e := t.sample
			e.Time, e.Since, e.Count = t.last, t.first, t.counted
			out = append(out, e)
		}
	}
	c.since, c.of = time.Time{}, nil
	return out
}

// sums writes down what was counted. mu is held.
func (l *Log) sums(now bool) {
	for _, e := range l.alike.end(now) {
		l.add(appendEvent(nil, &e), true)
	}
}

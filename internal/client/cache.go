package client

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/ratelimit"
	"github.com/gatehouse-mcp/gatehouse/internal/unit"
)

// Bounds of what strangers can have us do.
const (
	maxEntries = 1024 // documents that are kept
	maxFlights = 32   // fetches at once, of domains that nobody vouches for
	maxPerHost = 4    // fetches at once from one host

	retryAfter = 10 * time.Second // between two fetches of one document that failed
	patience   = 2 * time.Second  // for a new copy, when there is an older one
)

var (
	perHost   = unit.Rate{Count: 60, Per: time.Minute}  // fetches from one host
	perOthers = unit.Rate{Count: 300, Per: time.Minute} // fetches from all domains that nobody vouches for
)

// Cache keeps documents, and bounds how many are fetched. The zero value is ready
// for use. What it says is true of one configuration's domains and authorities as
// of the next: whether a client may come in is not in it.
type Cache struct {
	mu      sync.Mutex
	entries map[string]*entry // by id, byte for byte
	hosts   map[string]int    // fetches under way, by host
	flights int               // of domains that nobody vouches for
	limit   ratelimit.Limiter
	keys    keyrings
}

// entry is what is known of one document.
type entry struct {
	metadata *metadata // as it was last; nil: it is not known
	at       time.Time // when metadata was fetched
	fresh    time.Time // until when it need not be fetched again
	retry    time.Time // until when it is not tried again, after a failure
	err      error     // of the last fetch; nil: it went well
	used     time.Time // last
	flight   chan struct{}
}

// lookup is one question to the cache.
type lookup struct {
	id, host string
	vouched  bool      // its domain is trusted: a flood of others does not keep it waiting
	spare    *metadata // for when it cannot be fetched; nil: there is none
	now      func() time.Time
	fetch    func(context.Context) (*fetched, error)
	note     func(error) // hears of a failure, once for each fetch
}

// get answers. Of many who ask at once one fetches; it goes on when they leave.
func (c *Cache) get(ctx context.Context, q lookup) (*metadata, error) {
	c.mu.Lock()
	e, now := c.entries[q.id], q.now()
	if e != nil {
		e.used = now
		if e.err == nil && e.metadata != nil && now.Before(e.fresh) {
			defer c.mu.Unlock()
			return e.metadata, nil
		}
	}
	if e == nil || e.flight == nil {
		if e != nil && now.Before(e.retry) {
			defer c.mu.Unlock()
			return e.answer(q, now)
		}
		if err := c.admit(q); err != nil {
			defer c.mu.Unlock()
			if e != nil {
				return e.orElse(q, now, err)
			}
			return (&entry{}).orElse(q, now, err)
		}
		e = c.start(q, e, now)
	}
	flight, known := e.flight, e.held(q, now) != nil
	c.mu.Unlock()

	wait := ctx
	if known {
		var stop context.CancelFunc
		wait, stop = context.WithTimeout(ctx, patience)
		defer stop()
	}
	select {
	case <-flight:
	case <-wait.Done():
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return e.answer(q, q.now())
}

// answer is what the entry says after a fetch, or while one goes on that took too long.
func (e *entry) answer(q lookup, now time.Time) (*metadata, error) {
	if e.err != nil {
		return e.orElse(q, now, e.err)
	}
	if m := e.held(q, now); m != nil {
		return m, nil
	}
	return nil, &invalid{why: "timeout", what: ErrFetch}
}

// orElse is what is known when a document could not be fetched now. One that is
// there and does not count has been changed, and one that is gone was withdrawn:
// what it said before is of no use then.
func (e *entry) orElse(q lookup, now time.Time, err error) (*metadata, error) {
	if errors.Is(err, ErrInvalid) {
		return nil, err
	}
	if gone(err) {
		if m := pinned(q.id); m != nil {
			return m, nil
		}
		return nil, err
	}
	if m := e.held(q, now); m != nil {
		return m, nil
	}
	return nil, err
}

// held returns the latest copy that may still serve; nil: there is none.
func (e *entry) held(q lookup, now time.Time) *metadata {
	if e.metadata != nil && now.Sub(e.at) < lastGood {
		return e.metadata
	}
	return q.spare
}

// admit says whether another fetch may begin. The lock is held.
func (c *Cache) admit(q lookup) error {
	busy := func(why string) error { return &invalid{why: why, what: ErrFetch} }
	if c.hosts[q.host] >= maxPerHost {
		return busy("too many documents of its host are being fetched")
	}
	if !q.vouched && c.flights >= maxFlights {
		return busy("too many documents are being fetched")
	}
	return c.afford(q.host, q.vouched)
}

// afford counts a fetch from a host. Callers hold no lock that Take needs.
func (c *Cache) afford(host string, vouched bool) error {
	buckets := []ratelimit.Bucket{{Kind: ratelimit.KindAddress, Key: host, Rate: perHost}}
	if !vouched {
		buckets = append(buckets, ratelimit.Bucket{Kind: ratelimit.KindTool, Key: "others", Rate: perOthers})
	}
	if !c.limit.Take(buckets...).OK {
		return &invalid{why: "too many documents of its host, or of all hosts, were fetched lately", what: ErrFetch}
	}
	return nil
}

// start begins a fetch. The lock is held.
func (c *Cache) start(q lookup, e *entry, now time.Time) *entry {
	if c.entries == nil {
		c.entries, c.hosts = map[string]*entry{}, map[string]int{}
	}
	if e == nil {
		c.makeRoom()
		e = &entry{used: now}
		c.entries[q.id] = e
	}
	e.flight = make(chan struct{})
	c.hosts[q.host]++
	if !q.vouched {
		c.flights++
	}
	go func() {
		ctx, stop := context.WithTimeout(context.Background(), fetchTime)
		defer stop()
		f, err := q.fetch(ctx)
		c.land(q, e, f, err)
		if err != nil {
			q.note(err)
		}
	}()
	return e
}

// land puts down what a fetch brought. Neither a failure nor a document that does
// not count drives out another copy.
func (c *Cache) land(q lookup, e *entry, f *fetched, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := q.now()
	if c.hosts[q.host]--; c.hosts[q.host] == 0 {
		delete(c.hosts, q.host)
	}
	if !q.vouched {
		c.flights--
	}
	e.err, e.retry = err, time.Time{}
	if err != nil {
		e.retry = now.Add(retryAfter)
	} else {
		e.metadata, e.at, e.fresh = f.metadata, now, now.Add(f.fresh)
	}
	close(e.flight)
	e.flight = nil
}

// makeRoom forgets the entry that was not asked for the longest. The lock is held.
func (c *Cache) makeRoom() {
	if len(c.entries) < maxEntries {
		return
	}
	oldest := ""
	for id, e := range c.entries {
		if e.flight == nil && (oldest == "" || e.used.Before(c.entries[oldest].used)) {
			oldest = id
		}
	}
	delete(c.entries, oldest)
}

// last returns a document as it was fetched last, and when; nil: it is not known.
func (c *Cache) last(id string) (*metadata, time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.entries[id]; e != nil && e.err == nil && e.metadata != nil {
		return e.metadata, e.at
	}
	return nil, time.Time{}
}

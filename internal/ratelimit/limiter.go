// Package ratelimit counts: how often somebody comes ([Limiter]), how much they
// hold at once ([Gauge]), and how often their credentials are refused ([Bans]).
//
// All of it lives in memory that is bounded, whoever comes with however many
// names, and all of it is exact however many ask at the same time.
package ratelimit

import (
	"hash/maphash"
	"math/bits"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/unit"
)

// Kind says what a bucket is counted by. A name of one kind is nobody's of another.
type Kind uint8

// The kinds. Names of the first four are known to us; anybody can bring along
// as many addresses as they like, so those have memory of their own.
const (
	KindKey Kind = iota
	KindTenant
	KindPrincipal
	KindTool
	KindAddress
	KindFailed

	kinds = iota
)

// String is what the limit is called in RateLimit headers, logs and metrics.
func (k Kind) String() string {
	return [...]string{"key", "tenant", "principal", "tool", "address", "failed"}[k]
}

// Bucket is a name to count by, and how often it may come.
type Bucket struct {
	Kind Kind
	Key  string     // the name; make it from what is configured or known, not from what a caller says
	Of   string     // what of it is counted, such as the name of a set of tools; empty: all
	Addr netip.Addr // the name of an address, instead of Key: IPv6 is counted by /64, IPv4 by address
	Rate unit.Rate  // zero: no limit
	N    int        // how many come; zero: one. More than the rate's count never pass
}

// Decision is what became of a [Limiter.Take].
type Decision struct {
	OK     bool
	Bucket Bucket // the one that is full, for the longest if several are; or the one with least left. Its zero Rate: there is no limit

	Remaining  int           // how many of it may come now
	Reset      time.Duration // until all of its count may come at once again
	RetryAfter time.Duration // until it is worth trying again; zero when OK
}

// Limiter counts by GCRA, the generic cell rate algorithm (ITU-T I.371): a rate
// of n per period lets n through at once after a pause, and then n per period.
// The zero value is ready to use.
//
// Memory. A name is kept while it is not wholly replenished, and then makes
// room for others: to forget it changes nothing. When every name is busy and
// there is no room, new names share one bucket for each kind and shard. So a
// flood of names frees nobody who is over a limit, lets nobody through without
// one, and is itself what gets slow.
//
// Rates. A bucket whose rate has changed is as full, by proportion, as it was:
// however often rates change, nobody gets a fresh burst.
//
// Time. Wall clocks that are set do not matter; where Now gives a clock that
// goes back, a bucket is at worst full, and is replenished from then on.
type Limiter struct {
	Capacity int              // names kept, and as many addresses; zero: 393,216, which is 12 MiB for each
	Now      func() time.Time // nil: time.Now

	once   sync.Once
	clock  clock
	seeds  [kinds]maphash.Seed
	shards [2 * spread]shard // of names, then of addresses
}

const (
	spread          = 128     // shards of a table
	defaultCapacity = 393_216 // 3072 in each shard

	maxPeriod = 100 * 366 * 24 * time.Hour // keeps sums far from overflow
	few       = 8                          // buckets of a Take that needs no allocation
)

// charge is a bucket of a Take on its way.
type charge struct {
	at       int // which it is of those named; a pointer would move them all to the heap
	kind     Kind
	shard    int
	hash     uint64
	interval int64 // ns that one costs
	capacity int64 // ns that all cost; zero: not a rate, nothing passes
	price    int64 // ns that N cost
	before   slot  // to be put back
}

// Take counts N in every bucket, or in none and says which is full. A bucket
// that is named twice is counted twice.
func (l *Limiter) Take(buckets ...Bucket) Decision {
	l.once.Do(l.init)
	var room [few]charge
	list := room[:0]
	for i := range buckets {
		if !buckets[i].Rate.Zero() {
			list = append(list, l.charge(&buckets[i], i))
		}
	}
	if len(list) == 0 {
		return Decision{OK: true}
	}
	now := l.clock.now()
	var order [few]int
	locked := l.lock(list, order[:0])
	d := l.take(buckets, list, now)
	for _, s := range locked {
		l.shards[s].mu.Unlock()
	}
	return d
}

// lock locks the shards of all charges, each once and in one order, so that no
// two takes wait for each other.
func (l *Limiter) lock(list []charge, order []int) []int {
	for i := range list {
		order = append(order, list[i].shard)
	}
	slices.Sort(order)
	order = slices.Compact(order)
	for _, s := range order {
		l.shards[s].mu.Lock()
	}
	return order
}

// take does it, with all shards locked.
func (l *Limiter) take(buckets []Bucket, list []charge, now int64) Decision {
	d := Decision{OK: true}
	for i := range list {
		c := &list[i]
		e := l.shards[c.shard].claim(c.hash, c.kind, now)
		debt := e.debt(now, c.capacity)
		if debt+c.price > c.capacity || c.capacity == 0 {
			for back := i - 1; back >= 0; back-- {
				l.shards[list[back].shard].restore(&list[back])
			}
			return l.refuse(buckets, list, i, now)
		}
		c.before = *e
		debt += c.price
		e.tat, e.capacity = now+debt, c.capacity
		left := int((c.capacity - debt) / c.interval)
		if i == 0 || left < d.Remaining {
			d.Bucket, d.Remaining, d.Reset = buckets[c.at], left, time.Duration(debt)
		}
	}
	return d
}

// refuse says which bucket is full for the longest. That of first is.
func (l *Limiter) refuse(buckets []Bucket, list []charge, first int, now int64) Decision {
	d := Decision{RetryAfter: -1}
	for i := range list {
		c := &list[i]
		var debt int64
		if e := l.shards[c.shard].find(c.hash); e != nil {
			debt = e.debt(now, c.capacity)
		} else if l.shards[c.shard].full() {
			debt = l.shards[c.shard].shared[c.kind].debt(now, c.capacity)
		}
		wait := debt + c.price - c.capacity
		switch {
		case c.capacity == 0:
			wait = int64(time.Second)
		case c.price > c.capacity: // never; but it may come with fewer
			wait = max(debt, c.interval)
		}
		if wait > max(0, int64(d.RetryAfter)) {
			d.Bucket, d.Reset, d.RetryAfter = buckets[c.at], time.Duration(debt), time.Duration(wait)
			d.Remaining = int((c.capacity - debt) / max(1, c.interval))
		}
	}
	if d.RetryAfter < 0 { // it was named twice, and was full the second time
		d.Bucket, d.RetryAfter = buckets[list[first].at], time.Duration(list[first].interval)
	}
	return d
}

// charge says what a bucket is called in memory and what one of it costs.
func (l *Limiter) charge(b *Bucket, at int) charge {
	c := charge{at: at, kind: b.Kind}
	if b.Addr.IsValid() {
		a := Counted(b.Addr).Addr().As16()
		c.hash = maphash.Bytes(l.seeds[b.Kind], a[:])
	} else {
		c.hash = maphash.String(l.seeds[b.Kind], b.Key)
	}
	if b.Of != "" { // the seeds are secret: nobody can make two names meet
		c.hash = bits.RotateLeft64(c.hash, 1) ^ maphash.String(l.seeds[b.Kind], b.Of)
	}
	c.shard = int(c.hash >> 57)
	if b.Kind >= KindAddress {
		c.shard += spread
	}
	c.hash |= 1 // zero is an empty slot; names that differ in this bit alone share a bucket
	count, n := int64(b.Rate.Count), int64(max(1, b.N))
	if count < 0 || b.Rate.Per <= 0 || b.N < 0 {
		return c // not a rate: nothing passes
	}
	// Rounded up: the rate is never more than was said.
	c.interval = (int64(min(b.Rate.Per, maxPeriod)) + count - 1) / count
	c.capacity = c.interval * count
	c.price = c.capacity + 1
	if n <= count {
		c.price = c.interval * n
	}
	return c
}

// forgive empties a bucket.
func (l *Limiter) forgive(b Bucket) {
	l.once.Do(l.init)
	c := l.charge(&b, 0)
	s := &l.shards[c.shard]
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.find(c.hash); e != nil {
		e.tat = l.clock.now()
	}
}

func (l *Limiter) init() {
	l.clock.start(l.Now)
	for i := range l.seeds {
		l.seeds[i] = maphash.MakeSeed() // strangers cannot aim at somebody's bucket
	}
	capacity := l.Capacity
	if capacity <= 0 {
		capacity = defaultCapacity
	}
	for i := range l.shards {
		l.shards[i].limit = max(1, capacity/spread)
	}
}

// Counted is what an address is counted and banned by: anybody has as many
// addresses of one IPv6 /64 as they like. RFC 6177 §2
func Counted(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	n := a.BitLen()
	if a.Is6() {
		n = 64
	}
	p, _ := a.Prefix(n) // invalid for an invalid address
	return p
}

// clock tells time in ns since it was started, and is not moved by setting the wall clock.
type clock struct {
	read  func() time.Time
	began time.Time
}

func (c *clock) start(read func() time.Time) {
	c.read, c.began = read, time.Now()
	if read != nil {
		c.began = read()
	}
}

func (c *clock) now() int64 {
	if c.read == nil {
		return int64(time.Since(c.began))
	}
	return int64(min(max(c.read().Sub(c.began), -maxPeriod), maxPeriod))
}

// slot is a bucket in memory.
type slot struct {
	hash     uint64 // zero: empty
	tat      int64  // theoretical arrival time: when it is replenished, ns on our clock
	capacity int64  // of the rate it was filled under, in ns
}

// debt is how many ns are missing until the bucket is replenished, under a rate
// of the capacity given, and brings the slot in line with that rate and with a
// clock that went back.
func (e *slot) debt(now, capacity int64) int64 {
	d := e.tat - now
	if d <= 0 {
		return 0
	}
	if d > e.capacity {
		d = e.capacity
	}
	if d > 0 && e.capacity != capacity {
		hi, lo := bits.Mul64(uint64(d), uint64(capacity))
		lo, carry := bits.Add64(lo, uint64(e.capacity-1), 0) // rounded up
		q, _ := bits.Div64(hi+carry, lo, uint64(e.capacity)) // d <= e.capacity, so q fits
		d, e.capacity = int64(q), capacity
	}
	e.tat = now + d
	return d
}

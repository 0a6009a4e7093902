package ratelimit

import (
	"cmp"
	"errors"
	"iter"
	"math/bits"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/unit"
)

// Bans keeps out addresses from which too many credentials were refused, and
// those that an operator names. The zero value bans nobody by itself.
//
// IPv6 is counted and banned by /64, IPv4 by address, also when it is written
// as IPv6. No address (of a peer on a unix socket) is never banned: it would
// be everybody. Bans live in memory; a restart forgets them.
//
// When so many are banned that there is no room, nobody is let off for a new
// one: who comes then is not banned, and each of their credentials is judged.
type Bans struct {
	Rate unit.Rate        // of refused credentials of one address; what goes beyond begins a ban. Zero: none begins
	For  time.Duration    // how long one lasts; zero: 10 minutes
	Now  func() time.Time // nil: time.Now

	once     sync.Once
	clock    clock
	failed   Limiter
	settings atomic.Pointer[banSettings]

	live atomic.Int64 // how many bans are kept, ended ones not yet forgotten included
	next atomic.Int64 // when the first of them ends, on our clock, or earlier

	mu      sync.RWMutex // guards:
	all     map[netip.Prefix]*banned
	lengths [2]lengths // of IPv4 and IPv6
	named   int        // how many an operator named
}

type banSettings struct {
	rate unit.Rate
	long time.Duration
}

const (
	defaultBan   = 10 * time.Minute
	maxBans      = 50_000 // that begin by themselves
	maxNamed     = 10_000 // that an operator names
	failedNames  = 98_304
	leastV4      = 8  // bits of a network that may be banned: less is half the internet
	leastV6      = 16 // the same
	sweepAtLeast = int64(time.Second)
)

// Facts that callers branch on.
var (
	ErrPrefix = errors.New("not a network that can be banned")
	ErrFull   = errors.New("too many bans")
)

// Ban is an address or a network that is kept out.
type Ban struct {
	Prefix   netip.Prefix
	Since    time.Time
	Until    time.Time
	Attempts int    // refused credentials that began it, and those that were on their way
	Code     string // of the last of them; empty: none
	Reason   string // of an operator; empty: it began by itself
}

// banned is a ban in memory.
type banned struct {
	Ban
	named bool  // by an operator
	began int64 // on our clock
	ends  int64
}

// Set changes Rate and For while others use b. Bans that have begun stay as they are.
func (b *Bans) Set(rate unit.Rate, long time.Duration) {
	b.once.Do(b.init)
	if long <= 0 {
		long = defaultBan
	}
	b.settings.Store(&banSettings{rate, long})
}

func (b *Bans) init() {
	b.clock.start(b.Now)
	b.failed.Now, b.failed.Capacity = b.Now, failedNames
	b.all = map[netip.Prefix]*banned{}
	long := b.For
	if long <= 0 {
		long = defaultBan
	}
	b.settings.Store(&banSettings{b.Rate, long})
}

// Failed counts a credential that was refused with a code, and returns the ban
// of its address when there is one now. began is true for the one that began it.
func (b *Bans) Failed(a netip.Addr, code string) (ban *Ban, began bool) {
	b.once.Do(b.init)
	p := Counted(a)
	if !p.IsValid() {
		return nil, false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.clock.now()
	if one := b.covering(a, now); one != nil { // was on its way when the ban began
		one.Attempts++
		one.Code = code
		out := one.Ban
		return &out, false
	}
	s := b.settings.Load()
	d := b.failed.Take(Bucket{Kind: KindFailed, Addr: a, Rate: s.rate})
	if d.OK {
		return nil, false
	}
	b.sweep(now)
	if len(b.all)-b.named >= maxBans {
		return nil, false
	}
	one := b.begin(p, now, s.long)
	one.Code, one.Attempts = code, s.rate.Count+1
	out := one.Ban
	return &out, true
}

// Banned returns the ban that keeps an address out, or nil.
func (b *Bans) Banned(a netip.Addr) *Ban {
	if b.live.Load() == 0 {
		return nil
	}
	if b.clock.now() >= b.next.Load() {
		b.mu.Lock()
		b.sweep(b.clock.now())
		b.mu.Unlock()
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	one := b.covering(a, b.clock.now())
	if one == nil {
		return nil
	}
	out := one.Ban
	return &out
}

// covering returns the ban in force that an address is in; of several the
// widest. It is called with mu held.
func (b *Bans) covering(a netip.Addr, now int64) *banned {
	a = a.Unmap().WithZone("")
	for n := range b.lengths[family(a)].each() {
		p, err := a.Prefix(n)
		if one := b.all[p]; err == nil && one != nil && one.inForce(now) {
			return one
		}
	}
	return nil
}

// inForce says whether a ban holds. One that is yet to begin does not: the
// clock went back, by more than threads differ in what they read, and nobody
// is to be kept out until it has caught up.
func (one *banned) inForce(now int64) bool {
	return now < one.ends && now > one.began-int64(time.Minute)
}

// lengths counts the prefix lengths of one family that are in use.
type lengths struct {
	count [129]int
	used  [3]uint64 // bits of those whose count is not zero
}

func (l *lengths) add(n, by int) {
	l.count[n] += by
	if l.count[n] > 0 {
		l.used[n/64] |= 1 << (n % 64)
	} else {
		l.used[n/64] &^= 1 << (n % 64)
	}
}

// each yields the lengths in use, the shortest first.
func (l *lengths) each() iter.Seq[int] {
	return func(yield func(int) bool) {
		for i, word := range l.used {
			for ; word != 0; word &= word - 1 {
				if !yield(64*i + bits.TrailingZeros64(word)) {
					return
				}
			}
		}
	}
}

// begin keeps a new ban, called with mu locked.
func (b *Bans) begin(p netip.Prefix, now int64, long time.Duration) *banned {
	at := time.Now
	if b.Now != nil {
		at = b.Now
	}
	began := at().UTC().Round(0)
	one := &banned{Ban: Ban{Prefix: p, Since: began, Until: began.Add(long)}, began: now, ends: now + int64(long)}
	b.forget(b.all[p])
	b.all[p] = one
	b.lengths[family(p.Addr())].add(p.Bits(), 1)
	if b.live.Add(1) == 1 || one.ends < b.next.Load() {
		b.next.Store(one.ends)
	}
	return one
}

// forget drops a ban, if there is one.
func (b *Bans) forget(one *banned) {
	if one == nil {
		return
	}
	delete(b.all, one.Prefix)
	b.lengths[family(one.Prefix.Addr())].add(one.Prefix.Bits(), -1)
	b.live.Add(-1)
	if one.named {
		b.named--
	}
}

// sweep drops what has ended, called with mu locked. It looks at most once a
// second: there may be many.
func (b *Bans) sweep(now int64) {
	if b.live.Load() == 0 || now < b.next.Load() {
		return
	}
	next := now + int64(maxPeriod)
	for _, one := range b.all {
		if one.inForce(now) {
			next = min(next, one.ends)
		} else {
			b.forget(one)
		}
	}
	b.next.Store(max(next, now+sweepAtLeast))
}

// List returns the bans in force, the latest first.
func (b *Bans) List() []Ban {
	b.once.Do(b.init)
	b.mu.RLock()
	defer b.mu.RUnlock()
	now := b.clock.now()
	list := make([]Ban, 0, len(b.all))
	for _, one := range b.all {
		if one.inForce(now) {
			list = append(list, one.Ban)
		}
	}
	slices.SortFunc(list, func(x, y Ban) int {
		return cmp.Or(y.Since.Compare(x.Since), x.Prefix.Compare(y.Prefix))
	})
	return list
}

// Add bans a network for some time, instead of a ban it may have. It returns
// ErrPrefix or ErrFull when it cannot be.
func (b *Bans) Add(p netip.Prefix, long time.Duration, reason string) (*Ban, error) {
	b.once.Do(b.init)
	p, err := Network(p)
	if err != nil || long <= 0 {
		return nil, ErrPrefix
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.clock.now()
	b.sweep(now)
	if b.named >= maxNamed {
		return nil, ErrFull
	}
	one := b.begin(p, now, min(long, maxPeriod))
	one.named, one.Reason = true, reason
	b.named++
	out := one.Ban
	return &out, nil
}

// Remove lifts the ban of exactly this network, and says whether there was one.
// An address starts anew: its failures are forgotten.
func (b *Bans) Remove(p netip.Prefix) bool {
	b.once.Do(b.init)
	p, _ = Network(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	one := b.all[p]
	if one == nil || !one.inForce(b.clock.now()) {
		return false
	}
	b.forget(one)
	b.failed.forgive(Bucket{Kind: KindFailed, Addr: p.Addr()})
	return true
}

// Network returns a network as bans keep it: masked, without a zone, IPv4 as
// such. ErrPrefix: it is none, or so wide that a slip would ban everybody.
func Network(p netip.Prefix) (netip.Prefix, error) {
	a, n := p.Addr().WithZone(""), p.Bits()
	if a.Is4In6() && n >= 96 {
		a, n = a.Unmap(), n-96
	}
	p = netip.PrefixFrom(a, n).Masked()
	least := leastV6
	if a.Is4() {
		least = leastV4
	}
	if !p.IsValid() || n < least {
		return netip.Prefix{}, ErrPrefix
	}
	return p, nil
}

func family(a netip.Addr) int {
	if a.Is4() {
		return 0
	}
	return 1
}

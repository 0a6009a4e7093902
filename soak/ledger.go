package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
)

// key is an API key that we were given.
type key struct {
	id, secret, tenant string
	tools              []string // exact names; none: all
}

func (k *key) may(tool string) bool { return len(k.tools) == 0 || slices.Contains(k.tools, tool) }

// ledger has what was acknowledged of keys and tenants.
type ledger struct {
	mu      sync.Mutex
	live    []*key   // good, as far as anybody knows
	dead    []*key   // the last that were acknowledged to be over
	revoked []string // ids: acknowledged
	tenants []string
	away    map[string]bool // suspended, acknowledged
}

const deadKept = 64

func newLedger(tenants ...string) *ledger {
	return &ledger{tenants: tenants, away: map[string]bool{}}
}

func (l *ledger) add(k *key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.live = append(l.live, k)
}

// drop takes a key out of those that callers use; nobody knows what it is worth.
func (l *ledger) drop(k *key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.live = slices.DeleteFunc(l.live, func(o *key) bool { return o == k })
}

// end notes that a key is over. Callers go on trying it for a while.
func (l *ledger) end(k *key, revoked bool) {
	l.drop(k)
	l.mu.Lock()
	defer l.mu.Unlock()
	if revoked {
		l.revoked = append(l.revoked, k.id)
	}
	l.dead = append(l.dead, k)
	if len(l.dead) > deadKept {
		l.dead = l.dead[1:]
	}
}

// pick returns one of the live keys, by chance.
func (l *ledger) pick(r *rand.Rand) *key { return choose(l, &l.live, r) }

// caller returns one for a caller: seldom one of a tenant that is suspended.
func (l *ledger) caller(r *rand.Rand) *key {
	k := l.pick(r)
	for range 3 {
		l.mu.Lock()
		away := l.away[k.tenant]
		l.mu.Unlock()
		if !away {
			break
		}
		k = l.pick(r)
	}
	return k
}

// ghost returns one that is over; nil: there is none.
func (l *ledger) ghost(r *rand.Rand) *key { return choose(l, &l.dead, r) }

func choose(l *ledger, from *[]*key, r *rand.Rand) *key {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(*from) == 0 {
		return nil
	}
	return (*from)[r.IntN(len(*from))]
}

func (l *ledger) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.live)
}

func (l *ledger) suspend(tenant string, away bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.away[tenant] = away
}

// suspended returns the tenants that are, or those that are not.
func (l *ledger) suspended(away bool) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for _, t := range l.tenants {
		if l.away[t] == away {
			out = append(out, t)
		}
	}
	return out
}

// ids returns the keys to ask about: those that live, the latest that were
// revoked, and some of the others.
func (l *ledger) ids(r *rand.Rand) []string {
	const latest = 60
	l.mu.Lock()
	defer l.mu.Unlock()
	from := max(0, len(l.revoked)-latest)
	out := slices.Clone(l.revoked[from:])
	for range min(from, latest) {
		out = append(out, l.revoked[r.IntN(from)])
	}
	for _, k := range l.live {
		out = append(out, k.id)
	}
	return out
}

// compare says what an installation has lost of what it acknowledged. It is given
// the states of keys, by id, and of tenants, by name.
func (l *ledger) compare(states map[string]string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var lost []string
	want := func(what, name string, of ...string) {
		if s, ok := states[name]; ok && !slices.Contains(of, s) {
			lost = append(lost, fmt.Sprintf("%s %s has to be %s, and is %s", what, name, strings.Join(of, " or "), s))
		}
	}
	for _, id := range l.revoked {
		want("key", id, "revoked")
	}
	for _, k := range l.live {
		want("key", k.id, "active")
	}
	for _, t := range l.tenants {
		if l.away[t] {
			want("tenant", t, "suspended")
		} else {
			want("tenant", t, "active")
		}
	}
	if len(lost) > 5 {
		lost = append(lost[:5], "and so on")
	}
	return lost
}

// holdsCredential finds what must never reach a server behind.
func holdsCredential(text string) bool { return strings.Contains(text, "gthk_") }

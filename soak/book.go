package main

import (
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	promise  = time.Second     // within which a change is in force for calls under way
	bookKeep = 3 * time.Minute // how long a call is remembered: no answer takes longer
)

// call is one call of a tool, as its caller knows it. Its nonce is in the
// arguments, so whoever sees the call can tell whose it is.
type call struct {
	nonce  string
	client int
	key    *key // nil: the caller has no valid key
	server string
	tool   string
	sent   time.Time

	seen int // how often the server behind has seen it
}

// sighting is a call as the server behind saw it.
type sighting struct {
	server, tool, nonce string
	at                  time.Time
	who                 *identity // as verified; nil: this server is not told
}

// identity is what Gatehouse says of a caller.
type identity struct {
	Key, Tenant, Tool, Server, Request string
}

// span is a time in which something must not be; a zero end: until now.
type span struct{ from, to time.Time }

// book has what was sent, what is forbidden, and what was seen of it.
type book struct {
	slack time.Duration
	fail  func(format string, args ...any)

	mu     sync.Mutex
	calls  map[string]*call
	spans  map[string][]span // by "key ID", "tenant NAME", "tool NAME", "server NAME"
	strict []span            // in which the trail is strict
	pruned time.Time
	seen   map[string]int // by server
}

func newBook(slack time.Duration, fail func(string, ...any)) *book {
	return &book{slack: slack, fail: fail, calls: map[string]*call{}, spans: map[string][]span{}, seen: map[string]int{}}
}

// forbid notes that something was acknowledged to be over.
func (b *book) forbid(what string) { b.forbidFrom(what, time.Now()) }

func (b *book) forbidFrom(what string, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.spans[what]; len(s) > 0 && s[len(s)-1].to.IsZero() {
		return
	}
	b.spans[what] = append(b.spans[what], span{from: at})
}

// permit notes that somebody is about to ask for it again: from now on nobody can tell.
func (b *book) permit(what string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.spans[what]; len(s) > 0 && s[len(s)-1].to.IsZero() {
		s[len(s)-1].to = time.Now()
	}
}

// forbidden says whether something is, now.
func (b *book) forbidden(what string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.spans[what]
	return len(s) > 0 && s[len(s)-1].to.IsZero()
}

// send notes a call before it is sent.
func (b *book) send(c *call) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c.sent = time.Now()
	b.calls[c.nonce] = c
	if c.sent.Sub(b.pruned) > bookKeep/4 {
		b.prune(c.sent)
	}
}

func (b *book) prune(now time.Time) {
	b.pruned = now
	for nonce, c := range b.calls {
		if now.Sub(c.sent) > bookKeep {
			delete(b.calls, nonce)
		}
	}
	for what, spans := range b.spans {
		b.spans[what] = slices.DeleteFunc(spans, func(s span) bool { return !s.to.IsZero() && now.Sub(s.to) > bookKeep })
	}
}

// see judges a call that a server behind has seen, and says whether it had to be in the trail before.
func (b *book) see(s sighting) (strict bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seen[s.server]++
	c := b.calls[s.nonce]
	if c == nil {
		b.fail("wrong admission: %s saw a call that nobody made: tool %s, nonce %q", s.server, s.tool, s.nonce)
		return false
	}
	c.seen++
	switch {
	case c.seen > 1:
		b.fail("%s saw call %s of %s %d times", s.server, c.nonce, c.tool, c.seen)
	case c.key == nil:
		b.fail("wrong admission: %s saw a call without a valid key: tool %s", s.server, s.tool)
	case c.server != s.server || c.tool != s.tool:
		b.fail("%s saw %s, but %s of %s was called", s.server, s.tool, c.tool, c.server)
	case !c.key.may(s.tool):
		b.fail("wrong admission: %s saw %s called with key %s, whose tools are %v", s.server, s.tool, c.key.id, c.key.tools)
	default:
		b.identified(c, s)
		b.inTime(c, s.at)
	}
	for _, t := range b.strict {
		strict = strict || c.sent.After(t.from) && (t.to.IsZero() || s.at.Before(t.to))
	}
	return strict
}

// identified compares what the server was told of the caller with who it was.
func (b *book) identified(c *call, s sighting) {
	if s.who == nil {
		return
	}
	want := identity{Key: c.key.id, Tenant: c.key.tenant, Tool: c.tool, Server: c.server, Request: s.who.Request}
	if *s.who != want {
		b.fail("wrong identity: %s was told %+v of the call %s, want %+v", s.server, *s.who, c.nonce, want)
	}
}

// subjects are all the reasons for which a call can be forbidden.
func (c *call) subjects() []string {
	return []string{"key " + c.key.id, "tenant " + c.key.tenant, "tool " + c.tool, "tool " + c.tool + " of " + c.key.tenant, "server " + c.server}
}

// inTime finds calls that were carried out when they must not be. One that was
// sent after the change was acknowledged has no excuse; one that was under way has a second.
func (b *book) inTime(c *call, at time.Time) {
	for _, what := range c.subjects() {
		for _, s := range b.spans[what] {
			switch over := !s.to.IsZero() && !at.Before(s.to); {
			case over:
			case c.sent.After(s.from):
				b.fail("wrong admission: %s of %s was carried out %s after it was acknowledged that %q is over; it was sent %s after that (key %s)",
					c.tool, c.server, at.Sub(s.from).Round(time.Millisecond), what, c.sent.Sub(s.from).Round(time.Millisecond), c.key.id)
			case at.After(s.from.Add(promise + b.slack)):
				b.fail("wrong admission: %s of %s was carried out %s after it was acknowledged that %q is over (key %s)",
					c.tool, c.server, at.Sub(s.from).Round(time.Millisecond), what, c.key.id)
			}
		}
	}
}

// answered judges a good answer: also where nobody watches the server behind.
func (b *book) answered(c *call) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.key == nil {
		b.fail("wrong admission: a call without a valid key got a good answer from %s", c.server)
		return
	}
	now := time.Now()
	for _, what := range c.subjects() {
		for _, s := range b.spans[what] {
			if c.sent.After(s.from) && (s.to.IsZero() || now.Before(s.to)) {
				b.fail("wrong admission: %s of %s got a good answer, sent %s after it was acknowledged that %q is over (key %s)",
					c.tool, c.server, c.sent.Sub(s.from).Round(time.Millisecond), what, c.key.id)
			}
		}
	}
}

// hears judges what a client was sent: no nonce of another's may be in it.
func (b *book) hears(client int, text string) {
	for rest := text; ; {
		i := strings.Index(rest, nonceMark)
		if i < 0 || len(rest) < i+nonceLength {
			return
		}
		nonce := rest[i : i+nonceLength]
		rest = rest[i+nonceLength:]
		b.mu.Lock()
		c := b.calls[nonce]
		b.mu.Unlock()
		if c != nil && c.client != client {
			b.fail("client %d was sent what belongs to client %d: %s of %s", client, c.client, c.tool, c.server)
		}
	}
}

// setStrict notes that the trail is, or is about to be no longer.
func (b *book) setStrict(on bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	last := len(b.strict) - 1
	switch open := last >= 0 && b.strict[last].to.IsZero(); {
	case on && !open:
		b.strict = append(b.strict, span{from: time.Now()})
	case !on && open:
		b.strict[last].to = time.Now()
	}
	if len(b.strict) > 8 {
		b.strict = b.strict[1:]
	}
}

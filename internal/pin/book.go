package pin

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Change is a tool that is described in another way than it was approved.
type Change struct {
	Place
	Tool     string
	Approved Hash
	Seen     Hash
	Blocked  bool // nobody may call it until it is approved
}

// Book is the tools of all servers. Load it before it is asked.
type Book struct {
	Store Store                                // required
	Log   *slog.Logger                         // required
	Told  func(ctx context.Context, c *Change) // hears of each change once; nil: nobody does
	Now   func() time.Time                     // nil: time.Now

	writing sync.Mutex // held while what was seen is written
	work    sync.WaitGroup

	mu         sync.Mutex
	closed     bool
	stops      map[int]context.CancelFunc // of what runs, by number
	begun      int
	loaded     bool
	generation int64
	pages      map[Place]*page
	waiting    map[key]Sighting // not written yet
	changes    []Change         // not told yet
	urgent     bool             // something that waits must be written before anybody hears of it
}

// key is one tool.
type key struct {
	Place
	name string
}

// page is the tools of one place.
type page struct {
	tools map[string]*entry
	full  bool // and it was said
}

// entry is a tool as it is known here.
type entry struct {
	approved Hash
	pinned   bool // approved holds
	at       time.Time
	seen     Hash
	first    time.Time
	here     bool              // it was seen by this process
	raw      Hash              // of the text in which seen was seen last
	told     map[Hash]struct{} // changes that were told
}

// state is what the tool is.
func (e *entry) state() State {
	switch {
	case !e.pinned:
		return New
	case e.approved == e.seen:
		return Approved
	}
	return Changed
}

const (
	maxTold   = 16              // changes of one tool that are told apart
	lookEvery = time.Second     // for approvals by others
	keepEvery = 5 * time.Second // for what can wait to be written
)

func (b *Book) now() time.Time {
	if b.Now != nil {
		return b.Now()
	}
	return time.Now()
}

// Load reads what was approved.
func (b *Book) Load(ctx context.Context) error {
	generation, all, err := b.Store.Load(ctx, "")
	if err != nil {
		return fmt.Errorf("read the approved tools: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.pages == nil {
		b.pages = map[Place]*page{}
	}
	for i := range all {
		r := &all[i]
		e := b.entry(r.Place, r.Name)
		e.pinned, e.at, e.first = r.Approved != nil, r.At, r.First
		if e.pinned {
			e.approved = HashOf(r.Approved)
		}
		if !e.here { // what this process saw itself is newer
			e.seen = HashOf(r.Seen)
			if e.state() == Changed { // it was told when it was seen
				e.tell(e.seen)
			}
		}
	}
	b.loaded, b.generation = true, generation
	return nil
}

// entry returns the entry of a tool, made if there is none. It is called with the lock held.
func (b *Book) entry(p Place, name string) *entry {
	g := b.pages[p]
	if g == nil {
		g = &page{tools: map[string]*entry{}}
		b.pages[p] = g
	}
	e := g.tools[name]
	if e == nil {
		e = &entry{}
		g.tools[name] = e
	}
	return e
}

// tell notes that a change is told, and says whether it was not before.
func (e *entry) tell(h Hash) bool {
	if _, known := e.told[h]; known {
		return false
	}
	if e.told == nil || len(e.told) >= maxTold {
		e.told = map[Hash]struct{}{}
	}
	e.told[h] = struct{}{}
	return true
}

// saw takes in what a server says of a tool, and says whether it is approved as
// it is. approve has what was never seen before approved by that.
func (b *Book) saw(p Place, name string, raw []byte, approve, blocks bool) bool {
	text := Hash(sha256.Sum256(raw))
	b.mu.Lock()
	defer b.mu.Unlock()
	if g := b.pages[p]; g != nil {
		if e := g.tools[name]; e != nil && e.here && e.raw == text {
			return e.state() == Approved
		}
	}
	if !b.loaded {
		return false
	}
	read, definition, err := Read(raw)
	if err != nil || read != name {
		b.strange(p, name, err)
		return false
	}
	if g := b.pages[p]; g != nil && g.tools[name] == nil && len(g.tools) >= MaxTools {
		if !g.full {
			g.full = true
			b.Log.Warn("a server lists more tools than can be pinned", "server", p.Server, "tenant", string(p.Tenant), "most", MaxTools)
		}
		return false
	}
	e, h, now := b.entry(p, name), HashOf(definition), b.now()
	fresh := e.first.IsZero()
	again := !fresh && e.seen == h
	e.seen, e.here, e.raw = h, true, text
	switch {
	case fresh:
		e.first = now
		if approve {
			e.pinned, e.approved, e.at = true, h, now
		}
		b.urgent = true
	case e.state() == Changed && e.tell(h):
		b.changes = append(b.changes, Change{Place: p, Tool: name, Approved: e.approved, Seen: h, Blocked: blocks})
		b.urgent = true
	case again:
		return e.state() == Approved
	}
	if b.waiting == nil {
		b.waiting = map[key]Sighting{}
	}
	b.waiting[key{p, name}] = Sighting{Place: p, Name: name, Definition: definition, At: now, Approve: approve}
	return e.state() == Approved
}

// strange notes a tool that cannot be pinned, once. It is called with the lock held.
func (b *Book) strange(p Place, name string, err error) {
	const most = 100
	g := b.pages[p]
	if g != nil && g.full {
		return
	}
	if err == nil {
		err = fmt.Errorf("%w: it has two names", ErrTool)
	}
	b.Log.Debug("a tool cannot be pinned", "server", p.Server, "tool", fmt.Sprintf("%.*q", most, name), "cause", err)
}

// keep writes down what was seen, if anybody must not hear of it before, and
// tells of changes.
func (b *Book) keep(ctx context.Context, all bool) error {
	b.writing.Lock() // whoever has seen the same waits for it to be written
	defer b.writing.Unlock()
	b.mu.Lock()
	if !b.urgent && !all || len(b.waiting) == 0 {
		b.mu.Unlock()
		return nil
	}
	seen, changes := make([]Sighting, 0, len(b.waiting)), b.changes
	for _, s := range b.waiting {
		seen = append(seen, s)
	}
	waiting := b.waiting
	b.waiting, b.changes, b.urgent = nil, nil, false
	b.mu.Unlock()
	slices.SortFunc(seen, func(x, y Sighting) int {
		return cmp.Or(cmp.Compare(x.Server, y.Server), cmp.Compare(x.Tenant, y.Tenant), cmp.Compare(x.Name, y.Name))
	}) // one order of locks
	err := b.Store.See(ctx, seen)
	if err != nil {
		b.again(waiting)
		err = fmt.Errorf("write down the tools of a server: %w", err)
	}
	for i := range changes {
		c := &changes[i]
		b.Log.Warn("a tool changed", "server", c.Server, "tenant", string(c.Tenant), "tool", c.Tool, "approved", c.Approved.String(), "seen", c.Seen.String(), "blocked", c.Blocked)
		if b.Told != nil {
			b.Told(ctx, c)
		}
	}
	return err
}

// again has what could not be written wait once more.
func (b *Book) again(waiting map[key]Sighting) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.urgent = true
	if b.waiting == nil {
		b.waiting = waiting
		return
	}
	for k, s := range waiting {
		if _, newer := b.waiting[k]; !newer {
			b.waiting[k] = s
		}
	}
}

// judge returns why a tool may not be called; nil: it may.
func (b *Book) judge(p Place, name string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.loaded {
		return ErrUnread
	}
	var e *entry
	if g := b.pages[p]; g != nil {
		e = g.tools[name]
	}
	if e == nil || e.first.IsZero() {
		return &Blocked{Server: p.Server, Tenant: p.Tenant, Tool: name}
	}
	switch e.state() {
	case Approved:
		return nil
	case Changed:
		return &Blocked{Server: p.Server, Tenant: p.Tenant, Tool: name, State: Changed, Since: e.at}
	}
	return &Blocked{Server: p.Server, Tenant: p.Tenant, Tool: name, State: New, Since: e.first}
}

// knows says whether a tool was ever seen at a place.
func (b *Book) knows(p Place, name string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	g := b.pages[p]
	return g != nil && g.tools[name] != nil
}

// listed says whether this process has seen a tool of a place.
func (b *Book) listed(p Place) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if g := b.pages[p]; g != nil {
		for _, e := range g.tools {
			if e.here {
				return true
			}
		}
	}
	return false
}

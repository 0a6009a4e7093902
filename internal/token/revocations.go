package token

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/fresh"
)

// Revocations has in memory what is revoked, at most a second old while
// [Revocations.Run] runs; without Run it asks its source whenever half a second
// has passed. When the source has not answered for ten seconds nobody may be
// judged by it: see Ready. It is not copied once it is in use.
type Revocations struct {
	Source Source           // required
	Now    func() time.Time // nil: time.Now
	Log    *slog.Logger     // nil: slog.Default

	once    sync.Once
	copy    fresh.Copy
	version atomic.Uint64

	mu    sync.RWMutex
	marks map[digest]mark
	kinds map[Kind]int // how many of each there are: what there is none of is not looked up
}

// digest names a target: a million of them have no pointer for the garbage
// collector to follow. It has 128 bits of SHA-256: nobody can find two targets of
// one digest but by trying 2^64 of them, and would only have revoked more.
type digest [16]byte

// mark is what holds for a target, in microseconds since 1970.
type mark struct{ before, expires int64 }

// digest returns the name of a target.
func (t Target) digest() (d digest) {
	var room [256]byte
	b := append(room[:0], t.Kind...)
	b = append(append(b, 0), t.Issuer...) // no target has a control character in it
	b = append(append(b, 0), t.Value...)
	sum := sha256.Sum256(b)
	copy(d[:], sum[:])
	return d
}

// Run keeps the copy fresh until ctx ends.
func (r *Revocations) Run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { r.fresh().Run(ctx) })
	wg.Go(func() { fresh.Every(ctx, time.Hour, func() { r.prune(r.now()) }) })
	wg.Wait()
}

func (r *Revocations) now() time.Time {
	if r.Now == nil {
		return time.Now()
	}
	return r.Now()
}

// Stale is the refusal of everybody when what is known is too old; nil: it is not.
func (r *Revocations) Stale(now time.Time) *gatehouse.Error { return r.fresh().Stale(now) }

// Changed makes every change that was reported as done take effect here. An
// error means that nobody knows what changed; then nobody is judged until it is known.
func (r *Revocations) Changed(ctx context.Context) error {
	c := r.fresh()
	return c.Update(ctx, func(error) { c.Distrust() })
}

// Ready returns an *gatehouse.Error GH-1902 when what is known is too old to judge by.
func (r *Revocations) Ready(ctx context.Context, now time.Time) error {
	return r.fresh().Ready(ctx, now)
}

// Version moves whenever something was revoked: what was not revoked at one is
// not as long as it is the same.
func (r *Revocations) Version() uint64 { return r.version.Load() }

// Len returns how many revocations are in memory.
func (r *Revocations) Len() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.marks)
}

func (r *Revocations) fresh() *fresh.Copy {
	r.once.Do(func() {
		r.copy.Store, r.copy.Ask, r.copy.Now, r.copy.Log = "revocation", r.ask, r.Now, r.Log
		r.copy.Wait = time.Minute // a million takes seconds
	})
	return &r.copy
}

// ask reads the revision first: what is committed meanwhile is then read twice,
// never left out.
func (r *Revocations) ask(ctx context.Context, since int64) (int64, error) {
	revision, err := r.Source.Revision(ctx)
	if err != nil || revision == since {
		return revision, err
	}
	if revision < since { // the database was restored to an older state
		since = 0
	}
	if since == 0 {
		return revision, r.load(ctx)
	}
	type change struct {
		Target
		mark
		removed bool
	}
	var changed []change
	if err = r.Source.Revoked(ctx, since, func(one *Revocation) {
		changed = append(changed, change{one.Target, one.mark(), !one.Removed.IsZero()})
	}); err != nil || len(changed) == 0 {
		return revision, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range changed {
		r.set(c.digest(), c.mark, c.Kind, c.removed)
	}
	r.version.Add(1) // last: who saw the new one sees what came with it, as it waits for the lock
	return revision, nil
}

// load reads everything anew.
func (r *Revocations) load(ctx context.Context) error {
	next := Revocations{marks: map[digest]mark{}, kinds: map[Kind]int{}}
	if err := r.Source.Revoked(ctx, 0, func(one *Revocation) { next.set(one.digest(), one.mark(), one.Kind, false) }); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.marks, r.kinds = next.marks, next.kinds
	r.version.Add(1)
	return nil
}

// set changes one mark; it is called with mu locked.
func (r *Revocations) set(d digest, m mark, kind Kind, removed bool) {
	_, known := r.marks[d]
	switch {
	case removed && known:
		delete(r.marks, d)
		r.kinds[kind]--
	case removed:
	default:
		r.marks[d] = m
		if !known {
			r.kinds[kind]++
		}
	}
}

// prune forgets what expired long ago. How many there are of each kind is then
// too high a count, which costs a look.
func (r *Revocations) prune(now time.Time) {
	old := now.Add(-keep).UnixMicro()
	r.mu.Lock()
	defer r.mu.Unlock()
	for d, m := range r.marks {
		if m.expires < old {
			delete(r.marks, d)
		}
	}
}

func (r *Revocation) mark() mark {
	m := mark{before: math.MaxInt64, expires: math.MaxInt64}
	if !r.Before.IsZero() {
		m.before = r.Before.UnixMicro()
	}
	if !r.Expires.IsZero() {
		m.expires = r.Expires.UnixMicro()
	}
	return m
}

// facts are what a token is revoked by.
type facts struct {
	issuers []string // every iss of its issuer: they are one
	*gatehouse.Identity
	tenant      string
	grant       string // its claim "grant"; empty: it has none
	via         string // its claim "via"; empty: it was not exchanged
	fingerprint [sha256.Size]byte
	seen        time.Time // when it was first accepted here
}

// Named is what a token, or what one can be had for, is revoked by. What is empty
// is not looked up.
type Named struct {
	Issuer, ID, Subject, Client string
	Tenant                      string // its id
	Grant                       string
	Via                         string // ids of the tokens that it was exchanged for, with spaces between
	Issued                      time.Time
}

// Judge returns [ErrRevoked], wrapped, when one of the marks is about what is
// named; or a *gatehouse.Error GH-1902 when nobody knows what was revoked.
func (r *Revocations) Judge(ctx context.Context, n *Named, now time.Time) error {
	if err := r.Ready(ctx, now); err != nil {
		return err
	}
	if err := r.revoked(&facts{
		issuers: []string{n.Issuer}, tenant: n.Tenant, grant: n.Grant, via: n.Via, seen: n.Issued,
		Identity: &gatehouse.Identity{TokenID: n.ID, Subject: n.Subject, Client: n.Client, Issued: n.Issued},
	}, now); err != nil {
		return fmt.Errorf("%w: %w", ErrRevoked, err)
	}
	return nil
}

// revoked returns why a token is revoked at now; nil: it is not. Of all the
// marks that are about a token the newest counts, whatever it is about: one that
// is older never takes back what a newer one says.
func (r *Revocations) revoked(f *facts, now time.Time) error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if len(r.marks) == 0 {
		return nil
	}
	at := now.UnixMicro()
	look := func(kind Kind, value string, anybodys bool) error {
		if r.kinds[kind] == 0 || value == "" && kind != KindIssuer {
			return nil
		}
		for i := -1; i < len(f.issuers); i++ {
			t := Target{Kind: kind, Value: value}
			if i >= 0 {
				t.Issuer = f.issuers[i]
			} else if !anybodys {
				continue
			}
			if m, ok := r.marks[t.digest()]; ok && at < m.expires && m.means(f) {
				return fmt.Errorf("the token is revoked by its %s %.80q: gatehouse token revocations list --kind %[1]s", kind, value)
			}
		}
		return nil
	}
	for _, l := range [...]struct {
		kind     Kind
		value    string
		anybodys bool // the issuer may be left open
	}{
		{KindID, f.TokenID, true}, {KindSubject, f.Subject, false}, {KindClient, f.Client, true},
		{KindTenant, f.tenant, true}, {KindIssuer, "", false}, {KindGrant, f.grant, true},
	} {
		if err := look(l.kind, l.value, l.anybodys); err != nil {
			return err
		}
	}
	for before := range strings.FieldsSeq(f.via) {
		if err := look(KindID, before, true); err != nil {
			return err
		}
	}
	if r.kinds[KindToken] == 0 {
		return nil
	}
	return look(KindToken, hex.EncodeToString(f.fingerprint[:]), true)
}

// means says whether a token was issued before the mark. What does not say when
// it was issued counts as old. What was accepted here before the mark was issued
// before it, whatever the issuer's clock says.
func (m mark) means(f *facts) bool {
	return m.before == math.MaxInt64 || f.Issued.IsZero() || f.Issued.UnixMicro() < m.before || f.seen.UnixMicro() < m.before
}

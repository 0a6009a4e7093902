package apikey

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/credential"
	"github.com/gatehouse-mcp/gatehouse/internal/fresh"
	"github.com/gatehouse-mcp/gatehouse/internal/keytext"
	"github.com/gatehouse-mcp/gatehouse/internal/policy"
	"github.com/gatehouse-mcp/gatehouse/internal/recent"
	"github.com/gatehouse-mcp/gatehouse/internal/right"
	"github.com/gatehouse-mcp/gatehouse/internal/unit"
)

// unknowns is how many ids of no key are remembered. They have a place of their
// own: a flood of them must not push out those who have one.
const unknowns = 8192

// Verifier judges keys from memory. What it remembers is at most a second old
// while [Verifier.Run] runs; without Run it asks its source whether anything
// changed whenever half a second has passed. When the source has not answered
// for ten seconds it accepts nothing and ends every watched context.
type Verifier struct {
	Source   Source           // required
	Pepper   []byte           // as the Service's
	Now      func() time.Time // nil: time.Now
	Capacity int              // keys kept in memory; zero: 100,000
	Log      *slog.Logger     // nil: slog.Default

	once    sync.Once
	hash    *hasher
	invalid error // of Pepper

	copy           fresh.Copy // of what the source says
	known, unknown recent.Memory[cacheKey, *entry]
	watched        right.Registry[*entry]
	uses           uses
	flushing       sync.Mutex // held while uses are written down

	epoch atomic.Uint64 // counts applied changes; see apply
}

// cacheKey is a key's id without a pointer.
type cacheKey [keytext.IDLen]byte

// keyOf returns the cache's key of a valid id.
func keyOf(id string) (k cacheKey) {
	copy(k[:], id)
	return k
}

// Spread spreads ids by two of their random characters.
func (k cacheKey) Spread() uint { return uint(k[0])*61 + uint(k[1]) }

// Active is a key that was accepted, and what it may do. It is shared by every
// request of the key: nobody may change it.
type Active struct {
	gatehouse.Identity
	Tools       policy.Tools
	TenantName  string
	Limit       unit.Rate  // of its calls; zero: no limit of its own
	Certificate Thumbprint // of the client certificate that came with it and that it needs; zero: it needs none

	entry *entry
}

// Verify judges a key. It returns gatehouse.ErrNotMine for what is no key of ours, and a *gatehouse.Error for a
// refusal: 401 GH-1010 (damaged), GH-1011 (not accepted), GH-1012 (replaced),
// GH-1013 (tenant suspended), or 503 GH-1902 when the store has been away.
//
// Whether an id exists cannot be told from the answer, nor from the work done
// on a wrong secret. Damaged keys are told apart: that takes no secret to see.
func (v *Verifier) Verify(ctx context.Context, p *gatehouse.Credential) (*Active, error) {
	if p.Scheme != "" && p.Scheme != credential.Bearer {
		return nil, gatehouse.ErrNotMine // a key is bound to nothing, and proofs beside it prove nothing
	}
	now := v.now()
	e, err := v.find(ctx, p.Text, now)
	if err != nil {
		return nil, err
	}
	if err := judge(e.record, now); err != nil {
		return nil, err
	}
	k := &e.record.Key
	if len(k.Networks) > 0 && (p.Shared || !within(k.Networks, p.From)) {
		return nil, notAccepted("key id %s was used from %s, which is in none of its networks", k.ID, p.From)
	}
	if !k.Certificate.Zero() {
		if p.Certificate == nil {
			return nil, notAccepted("key id %s needs its client certificate, and the connection has none that was verified", k.ID)
		}
		if got := ThumbprintOf(p.Certificate); got != k.Certificate { // public both: no need for constant time
			return nil, notAccepted("key id %s needs its client certificate; it came with %s", k.ID, got)
		}
	}
	return &e.active, nil
}

// Identify returns the key that text is the whole of, whatever its state, for
// the operator who asks what a key is. Else its error is as that of Verify.
func (v *Verifier) Identify(ctx context.Context, text string) (*Key, error) {
	e, err := v.find(ctx, text, v.now())
	if err != nil {
		return nil, err
	}
	k := e.record.Key
	return &k, nil
}

// find returns the entry whose secret text holds.
func (v *Verifier) find(ctx context.Context, text string, now time.Time) (*entry, error) {
	if !Is(text) {
		return nil, gatehouse.ErrNotMine
	}
	raw, err := keytext.Parse(text)
	if err != nil {
		return nil, gatehouse.Refuse("GH-1010", "This looks like a gatehouse key, but it is damaged. Probably cut while copying.", err)
	}
	if err := v.ready(ctx, now); err != nil {
		return nil, err
	}
	id := keytext.ID(text)
	e, err := v.lookup(ctx, id)
	if err != nil {
		return nil, err
	}
	if e.record == nil { // the same work as for a wrong secret
		sum := v.hash.digest(raw[:])
		subtle.ConstantTimeCompare(sum[:], e.nothing[:])
		return nil, notAccepted("no key has the id %s", id)
	}
	sum, ok := v.hash.under(e.record.Pepper, raw[:])
	if !ok {
		return nil, notAccepted("key id %s was made under the pepper with fingerprint %s; this server has %s",
			id, e.record.Pepper, orNone(v.hash.fingerprint))
	}
	if subtle.ConstantTimeCompare(sum[:], e.record.Digest[:]) != 1 {
		return nil, notAccepted("the secret does not belong to key id %s", id)
	}
	return e, nil
}

// lookup returns the entry of an id from memory or from the source; one whose
// record is nil when there is no such key.
func (v *Verifier) lookup(ctx context.Context, id string) (*entry, error) {
	key := keyOf(id)
	if e, ok := v.known.Get(key); ok {
		return e, nil
	}
	if e, ok := v.unknown.Get(key); ok {
		return e, nil
	}
	// What is read now may be changed before it is kept. The epoch tells: it
	// moves before what changed is dropped, so either the entry is not kept, or
	// it is dropped after it was. Serving this one request is right in any
	// case: the record was read after the request came.
	epoch := v.epoch.Load()
	r, err := v.Source.Lookup(ctx, id)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, away(fmt.Errorf("look up key %s: %w", id, err))
	}
	e, err := newEntry(key, r, epoch)
	if err != nil {
		return nil, err
	}
	where, limit := &v.known, v.Capacity
	if limit <= 0 {
		limit = 100_000
	}
	if e.record == nil {
		where, limit = &v.unknown, unknowns
	}
	where.Put(key, e, limit, func() bool { return v.epoch.Load() == epoch })
	return e, nil
}

// now also makes what the zero value leaves out.
func (v *Verifier) now() time.Time {
	v.once.Do(func() {
		v.hash, v.invalid = newHasher(v.Pepper)
		v.copy.Store, v.copy.Ask, v.copy.Now, v.copy.Log = "key", v.ask, v.Now, v.Log
	})
	if v.Now == nil {
		return time.Now()
	}
	return v.Now()
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

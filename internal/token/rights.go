package token

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/fresh"
	"github.com/gatehouse-mcp/gatehouse/internal/right"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// Rights is what is going on by virtue of tokens. There is one for all Verifiers
// of a process, so that what is open is still known after a reload. It is not
// copied once it is in use.
type Rights struct {
	Revoked *Revocations      // required
	Tenants *tenant.Directory // required
	Now     func() time.Time  // nil: time.Now

	used    atomic.Bool // somebody is judged by it
	watched right.Registry[*entry]
	asking  chan struct{} // a place for each question that is being asked
	once    sync.Once
}

// questions is how many issuers are asked at once about what is open.
const questions = 16

// Run keeps what is known fresh, and ends what is over, until ctx ends.
func (r *Rights) Run(ctx context.Context) {
	r.used.Store(true)
	var wg sync.WaitGroup
	wg.Go(func() { r.Revoked.Run(ctx) })
	wg.Go(func() { r.Tenants.Run(ctx) })
	wg.Go(func() { fresh.Every(ctx, fresh.PollEvery/2, func() { r.sweep(ctx, &wg) }) })
	wg.Wait()
}

// Load has everything in memory that tokens are judged by.
func (r *Rights) Load(ctx context.Context) error {
	r.used.Store(true)
	return errors.Join(r.Revoked.Changed(ctx), r.Tenants.Changed(ctx))
}

// Changed makes every change that was reported as done take effect here. When it
// returns, nothing that was taken away goes on: every context that was given out
// for it has ended. If nobody can say what changed, nothing goes on at all. Where
// nobody is judged, as in a command that only makes a change, there is nothing to do.
func (r *Rights) Changed() {
	if !r.used.Load() {
		return
	}
	ctx := context.Background()
	if err := r.Load(ctx); err != nil {
		for _, e := range r.watched.All() {
			r.end(e, asAway(err))
		}
		return
	}
	r.sweep(ctx, nil)
}

// Healthy says why nobody can be judged at present; nil: they can.
func (r *Rights) Healthy() error {
	now := r.now()
	for _, why := range [...]*gatehouse.Error{r.Revoked.Stale(now), r.Tenants.Stale(now)} {
		if why != nil {
			return why.Cause
		}
	}
	return nil
}

// ready returns an *gatehouse.Error when nobody can be judged.
func (r *Rights) ready(ctx context.Context, now time.Time) error {
	if !r.used.Load() {
		r.used.Store(true)
	}
	if err := r.Revoked.Ready(ctx, now); err != nil {
		return err
	}
	return r.Tenants.Ready(ctx, now)
}

// judge says why what an entry stands for is over at now; nil: it is not.
func (e *entry) judge(ctx context.Context, now time.Time) *gatehouse.Error {
	h := e.home.Load()
	for next := h.verifier.next.Load(); next != nil; next = h.verifier.next.Load() {
		if why := next.adopt(e); why != nil { // it came to be while there was a reload
			return why
		}
		h = e.home.Load()
	}
	r := h.verifier.Rights
	if err := r.ready(ctx, now); err != nil {
		return asAway(err)
	}
	if why := e.late(now); why != nil {
		return why
	}
	if version := r.Revoked.Version(); e.clean.Load() != version {
		if why := r.Revoked.revoked(&e.facts, now); why != nil {
			return gatehouse.Refuse(codeRevoked, "The token was revoked.", why)
		}
		e.clean.Store(version)
	}
	if version := r.Tenants.Version(); e.placed.Load() != version {
		if why := e.place(h); why != nil {
			return why
		}
		e.placed.Store(version)
	}
	return nil
}

// late says that a token is over.
func (e *entry) late(now time.Time) *gatehouse.Error {
	if e.ends.IsZero() || now.Before(e.ends) {
		return nil
	}
	return gatehouse.Refuse("GH-1109", "The token has expired.", errors.New("it expired at "+e.active.Expires.UTC().Format(time.RFC3339)+", and the leeway is over"))
}

// place says why an entry's tenant is not what it was.
func (e *entry) place(h *home) *gatehouse.Error {
	one, why := h.verifier.Tenancy.resolve(h.verifier.Rights.Tenants, h.issuer, e.claim)
	switch {
	case why != nil:
		return why
	case string(one.ID) != e.active.Tenant:
		return changed()
	}
	return nil
}

// due says whether the issuer has to be asked again before a token is accepted:
// within the leeway it decides each time.
func (e *entry) due(now time.Time) bool {
	h := e.home.Load()
	return now.Sub(time.Unix(0, e.checked.Load())) >= h.issuer.holds(e.again != nil) ||
		!e.active.Expires.IsZero() && !now.Before(e.active.Expires)
}

// same says whether two entries of one token are good for the same. Times are
// judged whenever they matter, but for its end: one that lives longer now has to
// be watched for longer.
func (e *entry) same(o *entry) bool {
	a, b := &e.active.Identity, &o.active.Identity
	return e.home.Load().issuer == o.home.Load().issuer && e.claim == o.claim && a.Issuer == b.Issuer && a.Subject == b.Subject &&
		a.Kind == b.Kind && a.Tenant == b.Tenant && a.Client == b.Client && a.GroupsOmitted == b.GroupsOmitted &&
		a.TokenID == b.TokenID && a.Issued.Equal(b.Issued) && a.SignedIn.Equal(b.SignedIn) && a.Expires.Equal(b.Expires) &&
		reflect.DeepEqual([...][]string{a.Scopes, a.Permissions, a.Roles, a.Groups, a.Actor}, [...][]string{b.Scopes, b.Permissions, b.Roles, b.Groups, b.Actor}) &&
		slices.Equal(a.Claims, b.Claims) // rules may ask for any of them
}

// end ends what an entry stands for. That of a token which was revoked stays
// known: it is not to be taken for one that was first seen afterwards.
func (r *Rights) end(e *entry, why *gatehouse.Error) {
	if why.Code == codeRevoked {
		e.over.Store(true)
		r.watched.End(&e.right, why)
		return
	}
	e.home.Load().verifier.end(e, why)
}

// sweep ends what is over, and asks issuers again about what is open. Questions
// are counted in wg; nil: none are asked.
func (r *Rights) sweep(ctx context.Context, wg *sync.WaitGroup) {
	r.once.Do(func() { r.asking = make(chan struct{}, questions) })
	now := r.now()
	r.watched.Each(func(e *entry) {
		if why := e.judge(ctx, now); why != nil {
			r.end(e, why)
			return
		}
		if e.again != nil && wg != nil {
			r.question(ctx, e, now, wg)
		}
	})
}

// question has an issuer asked again about what is open, in time for the answer
// to be there before the last one is too old. Without one it ends.
func (r *Rights) question(ctx context.Context, e *entry, now time.Time, wg *sync.WaitGroup) {
	h := e.home.Load()
	age := now.Sub(time.Unix(0, e.checked.Load()))
	if age >= maxFresh {
		r.end(e, &gatehouse.Error{
			Code: "GH-1120", Status: 503, Description: "The token cannot be checked at present. Try again.",
			Cause: errors.New("issuer " + h.issuer.Name + " did not say in time whether the token is still active"),
		})
		return
	}
	// With a proof that was used up nobody can be asked: its sender has to come again.
	// A certificate goes on vouching for its connection, whoever vouches for it.
	used := e.boundSender && (e.again.Scheme == schemeDPoP || e.again.Certificate == nil && e.again.Presented == nil)
	if age < h.issuer.holds(true)/2 || used || e.asking.Swap(true) {
		return
	}
	select {
	case r.asking <- struct{}{}:
		wg.Go(func() {
			defer func() { e.asking.Store(false); <-r.asking }()
			r.ask(ctx, e, h)
		})
	default: // the next sweep finds it
		e.asking.Store(false)
	}
}

// ask asks an issuer about a token that somebody is using.
func (r *Rights) ask(ctx context.Context, e *entry, h *home) {
	ctx, stop := context.WithTimeout(ctx, maxFresh/3)
	defer stop()
	asked := r.now()
	id, err := h.issuer.Verifier.Verify(ctx, e.again)
	switch {
	case err == nil:
	case final(err), errors.Is(err, gatehouse.ErrNotMine):
		r.end(e, told(err, gatehouse.Refuse("GH-1101", "The token is not accepted any more.", err)))
		return
	default:
		return // it is asked again, until nobody has said for too long that it is good
	}
	now, err := h.verifier.newEntry(e.again, e.key, FormOf(e.again.Text), id, h.issuer, asked)
	switch {
	case err != nil:
		r.end(e, asRefusal(err))
	case !e.same(now):
		r.end(e, changed())
	default:
		e.checked.Store(asked.UnixNano())
	}
}

func (r *Rights) now() time.Time {
	if r.Now == nil {
		return time.Now()
	}
	return r.Now()
}

func asAway(err error) *gatehouse.Error {
	if e, ok := errors.AsType[*gatehouse.Error](err); ok {
		return e
	}
	return &gatehouse.Error{Code: codeAway, Status: 503, Description: "The store cannot be reached. Try again.", Cause: err}
}

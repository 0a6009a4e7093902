package token

import (
	"context"

	"github.com/gatehouse-mcp/gatehouse"
)

// Watch returns a context that ends when ctx does or when what a stands for does,
// with a *gatehouse.Error as its cause: the token expired (GH-1109) or was revoked
// (GH-1130), its tenant is suspended (GH-1013), gone (GH-1206) or another one
// (GH-1014), its issuer says that it is not active any more, is not configured any
// more (GH-1103) or is configured otherwise (GH-1014), or nobody can tell for too
// long (GH-1902, GH-1120). Call end with nil when done, or earlier with a cause to
// end it; it is safe to call it twice.
//
// The token may have been accepted by an earlier Verifier of the same server: it
// is judged by the settings of this one.
func (v *Verifier) Watch(ctx context.Context, a *Active) (watched context.Context, end func(cause error)) {
	e := a.entry
	if e == nil {
		watched, end = context.WithCancelCause(ctx)
		end(gatehouse.Refuse("GH-1101", "The token is malformed.", nil))
		return watched, end
	}
	watched, end, alive := v.Rights.watched.Watch(ctx, &e.right, e)
	if !alive {
		return watched, end
	}
	if e.home.Load().verifier != v {
		if why := v.adopt(e); why != nil {
			v.end(e, why)
			return watched, end
		}
	}
	// Whoever applies a change first moves a version and then looks who is
	// listed. So what comes now finds this watch, and what came before is seen here.
	if why := e.judge(ctx, v.now()); why != nil {
		v.Rights.end(e, why)
	}
	return watched, end
}

// Succeed takes over from the Verifier that an earlier configuration had for the
// same server: what it remembers holds on, as far as it would be accepted by the
// settings of v, and what is open for it ends if it would not.
func (v *Verifier) Succeed(before *Verifier) {
	if before == nil || before == v {
		return
	}
	before.next.Store(v) // first: nothing is added to its memory any more
	limit := v.Capacity
	if limit <= 0 {
		limit = defaultCapacity
	}
	before.known.RemoveIf(func(k key, e *entry) bool {
		if v.adopt(e) == nil {
			v.known.Put(k, e, limit, nil)
		}
		return true
	})
	for _, e := range v.Rights.watched.All() {
		if e.home.Load().verifier != before {
			continue
		}
		if why := v.adopt(e); why != nil {
			v.end(e, why)
		}
	}
}

// adopt has an entry judged by the settings of v from now on, or says why that
// would make it another one.
func (v *Verifier) adopt(e *entry) *gatehouse.Error {
	h := e.home.Load()
	iss := e.active.Issuer
	i := v.by[iss]
	switch {
	case i == nil:
		return unknownIssuer(iss, v.Issuers)
	case i.Name != h.issuer.Name || i.Version == "" || i.Version != h.issuer.Version:
		return changed()
	}
	next := &home{v, i}
	if why := e.place(next); why != nil {
		return why
	}
	e.home.Store(next)
	return nil
}

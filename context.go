package gatehouse

import "context"

// visit is the context of one request that was let in. One value holds all that
// is asked of it, because each value of its own is an allocation and a step.
type visit struct {
	context.Context
	identity *Identity
	door     *door      // nil: none, the identity was put there by NewContext
	sent     Credential // what the verifier was asked about; here for it to cost no allocation of its own
}

type visitKey struct{}

// Value finds the visit itself.
func (v *visit) Value(key any) any {
	if key == (visitKey{}) {
		return v
	}
	return v.Context.Value(key)
}

func visiting(ctx context.Context) *visit {
	v, _ := ctx.Value(visitKey{}).(*visit)
	return v
}

// FromContext returns who is calling; false: nobody was let in, and whatever
// depends on it has to refuse. The identity may be shared: it is not to be changed.
//
// A server may run its handlers under the context of an earlier request, that
// of a session's first: [github.com/gatehouse-mcp/gatehouse/mcpsdk] sees to it
// that the identity is the one of the request at hand.
func FromContext(ctx context.Context) (*Identity, bool) {
	if v := visiting(ctx); v != nil && v.identity != nil {
		return v.identity, true
	}
	return nil, false
}

// NewContext returns a context in which id is who is calling: for adapters to
// other frameworks, and for tests. A nil id is nobody.
func NewContext(ctx context.Context, id *Identity) context.Context {
	v := &visit{Context: ctx, identity: id}
	if outer := visiting(ctx); outer != nil {
		v.door = outer.door
	}
	return v
}

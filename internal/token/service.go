package token

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/fresh"
)

// Service revokes tokens, and takes that back. Its errors are the package's
// sentinels, or a *gatehouse.Error GH-1902 when the store is away. What it
// reports as done is on disk and in effect in this process.
type Service struct {
	Store   Store            // required
	Now     func() time.Time // nil: time.Now
	Log     *slog.Logger     // nil: slog.Default
	Changed func()           // called after each change, before its method returns: Rights.Changed; nil: nobody needs to know
}

// Preview returns what Revoke would ask the store to keep.
func (s *Service) Preview(spec Spec) (*Revocation, error) { return spec.revocation(s.now()) }

// Revoke has tokens refused from now on, and ends what they have open. It
// returns what holds for the target now, which may reach further than was asked for.
func (s *Service) Revoke(ctx context.Context, spec Spec) (*Revocation, error) {
	r, err := spec.revocation(s.now())
	if err != nil {
		return nil, err
	}
	r.ID = rand.Text()
	return s.told(s.Store.Revoke(ctx, r))
}

// Remove takes a revocation back: what it revoked is accepted again.
func (s *Service) Remove(ctx context.Context, id string) (*Revocation, error) {
	return s.told(s.Store.Remove(ctx, id, s.now()))
}

// Get returns a revocation that holds.
func (s *Service) Get(ctx context.Context, id string) (*Revocation, error) {
	r, err := s.Store.Revocation(ctx, id)
	return r, known(err)
}

// List returns revocations that hold, the latest first, and how many there are in all.
func (s *Service) List(ctx context.Context, f Filter) (list []Revocation, total int, err error) {
	list, total, err = s.Store.Revocations(ctx, f)
	return list, total, known(err)
}

// Run deletes what has been of no use for a day, now and then, until ctx ends. A
// clock that was wrong for less than that brings no token back: what it made look
// expired is still there when it is right again.
func (s *Service) Run(ctx context.Context) {
	fresh.Every(ctx, time.Hour, func() {
		n, err := s.Store.Sweep(ctx, s.now().Add(-keep))
		switch {
		case err != nil && ctx.Err() == nil:
			s.log().Warn("old revocations were not deleted; it is tried again in an hour", "error", err)
		case n > 0:
			s.log().Info("old revocations deleted", "revocations", n)
		}
	})
}

// keep is how long a revocation is kept that has expired.
const keep = 24 * time.Hour

func (s *Service) log() *slog.Logger {
	if s.Log == nil {
		return slog.Default()
	}
	return s.Log
}

func (s *Service) told(r *Revocation, err error) (*Revocation, error) {
	if err != nil {
		return nil, known(err)
	}
	if s.Changed != nil {
		s.Changed()
	}
	return r, nil
}

// now is cut to what a database keeps, so that what is returned is what is stored.
func (s *Service) now() time.Time {
	now := s.Now
	if now == nil {
		now = time.Now
	}
	return stored(now())
}

// known passes on what callers branch on; anything else means that the store
// could not do it, which the caller may try again.
func known(err error) error {
	for _, k := range [...]error{nil, ErrNotFound, ErrInvalid, ErrFull} {
		if errors.Is(err, k) {
			return err
		}
	}
	return &gatehouse.Error{
		Code: "GH-1902", Status: 503, Description: "The store cannot be reached. Try again.", Cause: fmt.Errorf("revocations: %w", err),
	}
}

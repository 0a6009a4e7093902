package grant

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/fresh"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
	"github.com/gatehouse-mcp/gatehouse/internal/token"
)

// Service gives out codes and refresh tokens, and takes them in. Its errors are
// the package's sentinels, or a *gatehouse.Error GH-1902 when the store is away.
// What it reports as done is on disk.
type Service struct {
	Store  Store  // required
	Secret []byte // required: of 32 bytes, the same in all processes; see [Secret]
	Issuer string // required: iss of the access tokens that end with a grant
	Marks  Marks  // required: *token.Revocations. What is revoked by its subject, client or tenant cannot be had anew

	CodeTTL      time.Duration // zero: 60 s
	AccessTTL    time.Duration // zero: 10 min; no access token may live longer
	RefreshIdle  time.Duration // a grant that is not used for so long ends; zero: RefreshMax
	RefreshMax   time.Duration // a grant ends after that; zero: 30 days
	RefreshGrace time.Duration // for so long a refresh token that was used is answered with its successor; zero: not at all

	Now     func() time.Time // nil: time.Now
	Log     *slog.Logger     // nil: slog.Default
	Changed func()           // called after each revocation, before its method returns: token.Rights.Changed; nil: nobody needs to know
}

const (
	defaultCodeTTL    = time.Minute
	defaultAccessTTL  = 10 * time.Minute
	defaultRefreshMax = 30 * 24 * time.Hour

	// leeway is for how long after its end an access token may be accepted.
	leeway = 2 * time.Minute
	// keep is how long a grant that is over stays on record: so long somebody
	// who comes with an old token of it is told why.
	keep = 30 * 24 * time.Hour
)

// Marks tell what was revoked.
type Marks interface {
	// Judge returns token.ErrRevoked, or another error when nobody knows.
	Judge(ctx context.Context, n *token.Named, now time.Time) error
}

// Store keeps grants. What a method reports as done is on disk, and seen by
// every process from then on. Each change is one statement or one transaction:
// of many at once, one is made.
type Store interface {
	// Create adds a grant that waits for its code, or one that needs none.
	Create(ctx context.Context, t tenant.ID, r *Record) error
	// Find returns a grant of whichever tenant, or ErrNotFound: whoever comes with
	// a code or a token does not say whose it is.
	Find(ctx context.Context, id string) (*Record, error)
	// Redeem spends a grant's code, and returns the grant as it is then; ErrSpent
	// when it was spent before, or the grant was revoked.
	Redeem(ctx context.Context, t tenant.ID, id string, s Start) (*Grant, error)
	// Rotate moves the generation of a grant's refresh token from one to the next,
	// and returns the grant as it is then; ErrRaced when the generation is
	// another, or the grant is over.
	Rotate(ctx context.Context, t tenant.ID, id string, from int64, at, idle time.Time) (*Grant, error)
	// Revoke ends those grants of ids that are not revoked yet, and their access
	// tokens in the same transaction; it returns those that it has ended.
	Revoke(ctx context.Context, t tenant.ID, ids []string, e End) ([]Grant, error)
	// List returns grants, the latest first.
	List(ctx context.Context, f Filter) ([]Grant, error)
	// Sweep deletes grants whose code was never redeemed and expired before now,
	// and those that were over before a moment.
	Sweep(ctx context.Context, now, over time.Time) (deleted int64, err error)
}

// Record is a grant as it is stored.
type Record struct {
	Authorization

	Code        [32]byte  // SHA-256 of the code's secret; zero: there is no code
	CodeExpires time.Time // from then on the code is not redeemed
}

// Start is what becomes of a grant when its code is redeemed.
type Start struct {
	At      time.Time
	Expires time.Time
	Idle    time.Time // zero: it does not end so
	Key     string    // thumbprint that its refresh tokens are bound to; empty: none
}

// End says how grants end.
type End struct {
	At     time.Time
	Reason string
	By     string
	Issuer string    // of their access tokens
	Tokens time.Time // by then the last access token has expired
}

// Filter says which grants; what is empty is not looked at.
type Filter struct {
	Tenant  tenant.ID
	Subject string
	Client  string
	Active  time.Time // only those that can still be used then; zero: all
	Limit   int       // at most so many; zero: 1000
}

// marked returns ErrRevoked when the tokens of a grant are revoked that were
// issued at a moment: nothing younger may be had for what is older than a mark.
func (s *Service) marked(ctx context.Context, g *Grant, issued, now time.Time) error {
	err := s.Marks.Judge(ctx, &token.Named{
		Issuer: s.Issuer, Subject: g.Subject, Client: g.Client, Tenant: string(g.Tenant), Grant: g.ID, Issued: issued,
	}, now)
	if errors.Is(err, token.ErrRevoked) {
		return fmt.Errorf("%w: %w", ErrRevoked, err)
	}
	return err
}

// Holds returns ErrRevoked when a revocation is about a grant's latest refresh token.
func (s *Service) Holds(ctx context.Context, g *Grant) error {
	return known(s.marked(ctx, g, g.Rotated, s.now()))
}

// Get returns a grant, or ErrNotFound.
func (s *Service) Get(ctx context.Context, id string) (*Grant, error) {
	r, err := s.Store.Find(ctx, id)
	if err != nil {
		return nil, known(err)
	}
	return &r.Grant, nil
}

// List returns grants, the latest first.
func (s *Service) List(ctx context.Context, f Filter) ([]Grant, error) {
	if f.Limit <= 0 {
		f.Limit = 1000
	}
	all, err := s.Store.List(ctx, f)
	return all, known(err)
}

// Run deletes what is of no use any more, now and then, until ctx ends.
func (s *Service) Run(ctx context.Context) {
	fresh.Every(ctx, 10*time.Minute, func() {
		now := s.now()
		n, err := s.Store.Sweep(ctx, now.Add(-leeway), now.Add(-keep))
		switch {
		case err != nil && ctx.Err() == nil:
			s.log().Warn("old grants were not deleted; it is tried again", "error", err)
		case n > 0:
			s.log().Info("old grants deleted", "grants", n)
		}
	})
}

// now is cut to what a database keeps, so that what is returned is what is stored.
func (s *Service) now() time.Time { return cut(s.Now) }

func cut(clock func() time.Time) time.Time {
	if clock == nil {
		clock = time.Now
	}
	return clock().UTC().Truncate(time.Microsecond)
}

func (s *Service) log() *slog.Logger {
	if s.Log == nil {
		return slog.Default()
	}
	return s.Log
}

func (s *Service) accessTTL() time.Duration { return orElse(s.AccessTTL, defaultAccessTTL) }

func orElse(d, otherwise time.Duration) time.Duration {
	if d <= 0 {
		return otherwise
	}
	return d
}

// Check returns what is wrong with the settings.
func (s *Service) Check() error {
	switch {
	case s.Store == nil || s.Issuer == "" || s.Marks == nil:
		return errors.New("grants: a store, an issuer and what is revoked are required")
	case len(s.Secret) != secretLen:
		return fmt.Errorf("grants: the secret has %d bytes, want %d", len(s.Secret), secretLen)
	case s.RefreshGrace < 0 || s.RefreshIdle < 0:
		return errors.New("grants: a negative time")
	}
	return nil
}

// known passes on what callers branch on; anything else means that the store
// could not do it, which the caller may try again.
func known(err error) error {
	for _, k := range [...]error{
		nil, ErrNotFound, ErrSpent, ErrReused, ErrMismatch, ErrExpired, ErrRevoked, ErrReplay, ErrTarget, ErrScope,
		ErrPending, ErrSlowDown, ErrDenied, token.ErrFull, tenant.ErrNotFound,
	} {
		if errors.Is(err, k) {
			return err
		}
	}
	if _, ok := errors.AsType[*gatehouse.Error](err); ok {
		return err
	}
	return &gatehouse.Error{
		Code: "GH-1902", Status: http.StatusServiceUnavailable, Description: "The store cannot be reached. Try again.",
		Cause: fmt.Errorf("grants: %w", err),
	}
}

package token

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Kind is what a revocation names.
type Kind string

// The kinds of revocations.
const (
	KindID      Kind = "jti"     // one token, by its jti. RFC 7519 §4.1.7
	KindToken   Kind = "token"   // one token that has no jti, by its [Fingerprint]
	KindSubject Kind = "subject" // every token of a subject of one issuer
	KindClient  Kind = "client"  // every token that was issued to a client
	KindTenant  Kind = "tenant"  // every token of a tenant, by its id
	KindIssuer  Kind = "issuer"  // every token of an issuer
	KindGrant   Kind = "grant"   // every token that came of one grant of our own, by its claim "grant"
)

// Target is what a revocation is about. Two revocations of one target are one:
// the later one says more, never less.
type Target struct {
	Kind   Kind
	Issuer string // iss; empty: of every issuer, which a subject and an issuer cannot be
	Value  string // as Kind says; empty for an issuer
}

// Revocation says which tokens are not accepted any more.
type Revocation struct {
	ID string // random
	Target

	// Before is the mark: tokens that were issued before it are revoked, and those
	// that do not say when. Zero: whenever they were issued.
	Before  time.Time
	Expires time.Time // nothing is revoked by it from then on; zero: for good
	Created time.Time
	By      string
	Reason  string
	Removed time.Time // when it was taken back; zero: it holds
}

// Spec is what an operator asks for.
type Spec struct {
	Target
	Before  time.Time // zero: now, for what can be issued anew; a single token has none
	Expires time.Time // zero: as Lives says, else for good
	By      string
	Reason  string

	// Lives is how long a token of the target may live from its issuing, leeway
	// included; zero: not known. Once that has passed since Before, no token is
	// left that the revocation could mean: so it is known only where a token that
	// does not say when it was issued is refused.
	Lives time.Duration
}

// Facts that callers branch on.
var (
	ErrNotFound = errors.New("no such revocation")
	ErrInvalid  = errors.New("invalid revocation")
	ErrFull     = errors.New("as many tokens are revoked as may be")
	ErrRevoked  = errors.New("revoked")
)

// Bounds.
const (
	maxValue  = 1024             // bytes of a value or an issuer
	maxReason = 200              // characters
	maxAhead  = 10 * time.Minute // how far a mark may be in the future, for an issuer whose clock is ahead

	// MaxRevocations is how many revocations there may be at once: all of them
	// are in the memory of every process.
	MaxRevocations = 2_000_000
)

// single says whether a target is not issued anew: one token, or a grant, which
// is never allowed again.
func (t Target) single() bool { return t.Kind == KindID || t.Kind == KindToken || t.Kind == KindGrant }

// Validate returns what is wrong with a target, wrapped in [ErrInvalid].
func (t Target) Validate() error {
	switch t.Kind {
	case KindID, KindToken, KindClient, KindTenant, KindGrant:
	case KindSubject, KindIssuer:
		if t.Issuer == "" {
			return fmt.Errorf("%w: a %s needs its issuer: what one issuer calls it says nothing of another's", ErrInvalid, t.Kind)
		}
	default:
		return fmt.Errorf("%w: %.20q is no kind", ErrInvalid, string(t.Kind))
	}
	if t.Kind == KindToken && t.Issuer != "" {
		return fmt.Errorf("%w: a token's fingerprint names it whoever issued it", ErrInvalid)
	}
	if (t.Value == "") != (t.Kind == KindIssuer) {
		return fmt.Errorf("%w: the value of a %s is empty, or one is given for an issuer", ErrInvalid, t.Kind)
	}
	for what, text := range map[string]string{"issuer": t.Issuer, string(t.Kind): t.Value} {
		if len(text) > maxValue || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
			return fmt.Errorf("%w: %s %.80q, want at most %d bytes of UTF-8 without control characters", ErrInvalid, what, text, maxValue)
		}
	}
	return nil
}

// revocation returns what is to be stored for a spec at now.
func (s Spec) revocation(now time.Time) (*Revocation, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	if s.single() && !s.Before.IsZero() {
		return nil, fmt.Errorf("%w: a single token, or a grant, has no time before which it was issued", ErrInvalid)
	}
	if s.Before.IsZero() && !s.single() {
		s.Before = now
	}
	if s.Before.After(now.Add(maxAhead)) {
		return nil, fmt.Errorf("%w: %s is more than %s ahead", ErrInvalid, s.Before.UTC().Format(time.RFC3339), maxAhead)
	}
	if s.Expires.IsZero() && s.Lives > 0 {
		if s.Expires = now.Add(s.Lives); s.Before.After(now) {
			s.Expires = s.Before.Add(s.Lives)
		}
	}
	if !s.Expires.IsZero() && !s.Expires.After(now) {
		return nil, fmt.Errorf("%w: %s is in the past", ErrInvalid, s.Expires.UTC().Format(time.RFC3339))
	}
	if n := utf8.RuneCountInString(s.Reason); n > maxReason || strings.ContainsFunc(s.Reason, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }) {
		return nil, fmt.Errorf("%w: a reason of %d characters, want at most %d that print", ErrInvalid, n, maxReason)
	}
	return &Revocation{Target: s.Target, Before: stored(s.Before), Expires: stored(s.Expires), Created: now, By: s.By, Reason: s.Reason}, nil
}

// stored is a time as a database gives it back.
func stored(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC().Truncate(time.Microsecond)
}

// Filter says which revocations to list; the zero value is all of them.
type Filter struct {
	Kind   Kind   // empty: every kind
	Issuer string // empty: every issuer's
	Value  string // empty: every value
	Limit  int    // at most so many, the latest first; zero: 1000
}

// Store keeps revocations for [Service]. What a method reports as done is on
// disk. Each change is one transaction that also moves the revision.
type Store interface {
	// Revoke adds r, or makes the one there is of its target reach as far: the
	// later Before and the later Expires win, zero being the latest of both; by,
	// reason and created are those of r. One that was taken back does not count.
	// It returns what holds now, and ErrFull rather than exceed MaxRevocations.
	Revoke(ctx context.Context, r *Revocation) (*Revocation, error)
	// Remove takes a revocation back and returns it; ErrNotFound if there is none.
	Remove(ctx context.Context, id string, at time.Time) (*Revocation, error)
	// Revocation returns one that holds, or ErrNotFound.
	Revocation(ctx context.Context, id string) (*Revocation, error)
	// Revocations lists those that hold, the latest first, and says how many
	// there are of all kinds.
	Revocations(ctx context.Context, f Filter) (list []Revocation, total int, err error)
	// Sweep deletes those that expired, or were taken back, before a moment.
	Sweep(ctx context.Context, before time.Time) (deleted int64, err error)
}

// Source is where [Revocations] learns what is revoked.
type Source interface {
	// Revision returns the number of the latest change.
	Revision(ctx context.Context) (int64, error)
	// Revoked calls each with what changed after a revision, also what was taken
	// back; since 0: all that holds. It sees every change that was reported as
	// done before it was called.
	Revoked(ctx context.Context, since int64, each func(*Revocation)) error
}

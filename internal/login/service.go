package login

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/seal"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// Service knows people. It is made with every configuration; what it keeps is in
// Store. Its errors are the package's sentinels, a *[Wait], tenant.ErrNotFound,
// or a *gatehouse.Error GH-1902 when the store is away. What it reports as done
// is on disk. It is not copied once it is in use.
type Service struct {
	Store    Store     // required
	Seal     *seal.Key // of what browsers and the database keep for us; nil: nobody can sign in with an account of ours
	Issuer   string    // our own: the origin that passkeys are for, and where invitations lead; empty: not known
	Name     string    // of the installation, as authenticators show it; empty: the issuer's host
	Settings Settings
	Now      func() time.Time // nil: time.Now

	// EndGrants ends what a user allowed, and returns how many that were. nil: there are none.
	EndGrants func(ctx context.Context, t tenant.ID, user, by, reason string) (int, error)
	// EndTokens has every access token of a user refused that was issued until
	// now. nil: it is not known whose they are, and who has ever signed in is not
	// to be ended: ErrIssuer.
	EndTokens func(ctx context.Context, user, by, reason string) error

	hashes   hasher
	passkeys passkeyParty
}

// Settings are how people sign in. The zero value is strict.
type Settings struct {
	SessionTTL  time.Duration // after signing in; zero: 12 h
	SessionIdle time.Duration // since the last use; zero: 2 h
	LinkByEmail bool          // an identity that is new gets the account that has its verified address
}

// Bounds.
const (
	defaultTTL  = 12 * time.Hour
	defaultIdle = 2 * time.Hour
	seen        = time.Minute // how exactly it is known when a session was used

	maxSessions = 50 // of one user
	maxPasskeys = 20 // of one user
	maxText     = 256
)

func (s *Service) now() time.Time {
	now := s.Now
	if now == nil {
		now = time.Now
	}
	return now().UTC().Truncate(time.Microsecond) // as a database gives it back
}

func (s *Service) ttl() time.Duration  { return orElse(s.Settings.SessionTTL, defaultTTL) }
func (s *Service) idle() time.Duration { return orElse(s.Settings.SessionIdle, defaultIdle) }

func orElse[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

// host is that of the issuer; empty: it is not known.
func (s *Service) host() string {
	u, err := url.Parse(s.Issuer)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// name is what the installation is called.
func (s *Service) name() string { return orElse(s.Name, s.host()) }

// newID returns an id of a kind, never used before.
func newID(kind string) string { return kind + "_" + rand.Text() }

// digest is how something random is kept that somebody else has the text of. It
// has 130 bits, so no salt and no slow hash are needed.
func digest(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// known passes on what callers branch on; anything else means that the store
// could not do it, which the caller may try again.
func known(err error) error {
	if _, ok := errors.AsType[*gatehouse.Error](err); ok {
		return err
	}
	if _, ok := errors.AsType[*Wait](err); ok {
		return err
	}
	for _, k := range [...]error{
		nil, ErrNotFound, ErrExists, ErrWrong, ErrDisabled, ErrLinked, ErrTenant, ErrInvalid, ErrWeak, ErrSpent, ErrBusy, ErrIssuer, ErrFull, tenant.ErrNotFound,
	} {
		if errors.Is(err, k) {
			return err
		}
	}
	return &gatehouse.Error{
		Code: "GH-1902", Status: 503, Description: "The store cannot be reached. Try again.", Cause: fmt.Errorf("people: %w", err),
	}
}

// sealed is what a browser keeps for us for a moment.
func (s *Service) seal(purpose, row string, text []byte) (string, error) {
	if s.Seal == nil {
		return "", errors.New("nothing can be sealed: there is no key")
	}
	return s.Seal.Seal(purpose, row, text)
}

// open returns what a browser kept for us. Whatever is wrong with it is ErrSpent.
func (s *Service) open(purpose, row, text string) ([]byte, error) {
	if s.Seal == nil {
		return nil, errors.New("nothing can be opened: there is no key")
	}
	out, err := s.Seal.Open(purpose, row, text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSpent, err)
	}
	return out, nil
}

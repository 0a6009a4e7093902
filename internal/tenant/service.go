package tenant

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gatehouse-mcp/gatehouse"
)

// Service changes tenants. A tenant is addressed by its id or by its name;
// names are looked at first, so that nobody can take another's id for a name
// and be confused with it: ids have capital letters, names have none.
//
// Its errors are the package's sentinels, or a *gatehouse.Error GH-1902 when
// the store is away. What it reports as done is on disk and in effect in this
// process.
type Service struct {
	Store   Store            // required
	Now     func() time.Time // nil: time.Now
	Changed func()           // called after each change, before its method returns: apikey.Verifier.Changed; nil: nobody needs to know
}

// Validate returns what is wrong with a name, wrapped in [ErrInvalid].
func Validate(name string) error {
	if !regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`).MatchString(name) {
		return fmt.Errorf("%w: name %.80q, want 1 to 63 of a-z, 0-9 and -, not beginning with -", ErrInvalid, name)
	}
	return nil
}

// maxLinks is how many links a tenant may be made with.
const maxLinks = 100

// Validate returns what is wrong with a link, wrapped in [ErrInvalid].
func (l Link) Validate() error {
	for what, text := range map[string]string{"issuer": l.Issuer, "external id": l.External} {
		if len(text) == 0 || len(text) > 512 || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
			return fmt.Errorf("%w: %s %.80q, want 1 to 512 bytes of UTF-8 without control characters", ErrInvalid, what, text)
		}
	}
	return nil
}

// Create adds a tenant, with what issuers call it.
func (s *Service) Create(ctx context.Context, name string, links ...Link) (*Tenant, error) {
	if err := Validate(name); err != nil {
		return nil, err
	}
	if len(links) > maxLinks {
		return nil, fmt.Errorf("%w: %d external ids, at most %d at once", ErrInvalid, len(links), maxLinks)
	}
	for _, l := range links {
		if err := l.Validate(); err != nil {
			return nil, err
		}
	}
	at := s.now()
	t := &Tenant{ID: ID(rand.Text()), Name: name, State: Active, Created: at, Changed: at, Links: links}
	if err := s.Store.Create(ctx, t); err != nil {
		return nil, known(fmt.Errorf("create tenant %s: %w", name, err))
	}
	s.changed()
	return t, nil
}

// List returns the tenants that are not deleted, by name.
func (s *Service) List(ctx context.Context) ([]Tenant, error) {
	list, err := s.Store.List(ctx)
	return list, known(err)
}

// Find returns the tenant of that name or id, also a deleted one by its id.
func (s *Service) Find(ctx context.Context, nameOrID string) (*Tenant, error) {
	t, err := s.Store.ByName(ctx, nameOrID)
	if errors.Is(err, ErrNotFound) {
		t, err = s.Store.Get(ctx, ID(nameOrID))
	}
	if err != nil {
		return nil, known(fmt.Errorf("tenant %.80q: %w", nameOrID, err))
	}
	return t, nil
}

// Suspend refuses the tenant's credentials until it is resumed.
func (s *Service) Suspend(ctx context.Context, id ID, by string) (*Tenant, error) {
	return s.set(ctx, id, Suspended, by)
}

// Resume takes back a suspension.
func (s *Service) Resume(ctx context.Context, id ID, by string) (*Tenant, error) {
	return s.set(ctx, id, Active, by)
}

// Delete ends the tenant and every key it has, for good. The default tenant is
// ErrDefault.
func (s *Service) Delete(ctx context.Context, id ID, by string) (*Tenant, error) {
	return s.set(ctx, id, Deleted, by)
}

// Link adds what an issuer calls the tenant.
func (s *Service) Link(ctx context.Context, id ID, l Link) (*Tenant, error) {
	if err := l.Validate(); err != nil {
		return nil, err
	}
	return s.told(s.Store.Link(ctx, id, l, s.now()))
}

// Unlink takes back that an issuer calls the tenant so: who came by it is let in
// no longer, and whatever they have open ends.
func (s *Service) Unlink(ctx context.Context, id ID, l Link) (*Tenant, error) {
	return s.told(s.Store.Unlink(ctx, id, l))
}

func (s *Service) told(t *Tenant, err error) (*Tenant, error) {
	if err != nil {
		return nil, known(fmt.Errorf("external id: %w", err))
	}
	s.changed()
	return t, nil
}

func (s *Service) set(ctx context.Context, id ID, state State, by string) (*Tenant, error) {
	t, err := s.Store.SetState(ctx, id, state, s.now(), by)
	if err != nil {
		return nil, known(fmt.Errorf("tenant %.80q to %s: %w", string(id), state, err))
	}
	s.changed()
	return t, nil
}

// now is cut to what a database keeps, so that what is returned is what is stored.
func (s *Service) now() time.Time {
	now := s.Now
	if now == nil {
		now = time.Now
	}
	return now().UTC().Truncate(time.Microsecond)
}

func (s *Service) changed() {
	if s.Changed != nil {
		s.Changed()
	}
}

// known passes on what callers branch on; anything else means that the store
// could not do it, which the caller may try again.
func known(err error) error {
	for _, k := range [...]error{nil, ErrNotFound, ErrExists, ErrDefault, ErrInvalid, ErrLinked, ErrNotLinked} {
		if errors.Is(err, k) {
			return err
		}
	}
	return &gatehouse.Error{Code: "GH-1902", Status: 503, Description: "The store cannot be reached. Try again.", Cause: err}
}

package tenant

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"regexp"
	"time"

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

// Create adds a tenant.
func (s *Service) Create(ctx context.Context, name string) (*Tenant, error) {
	if err := Validate(name); err != nil {
		return nil, err
	}
	at := s.now()
	t := &Tenant{ID: ID(rand.Text()), Name: name, State: Active, Created: at, Changed: at}
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
	for _, k := range [...]error{nil, ErrNotFound, ErrExists, ErrDefault, ErrInvalid} {
		if errors.Is(err, k) {
			return err
		}
	}
	return &gatehouse.Error{Code: "GH-1902", Status: 503, Description: "The store cannot be reached. Try again.", Cause: err}
}

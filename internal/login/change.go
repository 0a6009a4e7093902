package login

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// NewUser is what an administrator says of somebody.
type NewUser struct {
	Tenant   tenant.ID // required
	Username string    // required: what they sign in with
	Name     string    // for people; empty: the username
	Email    string    // the administrator vouches for it; empty: none
	Groups   []string
	Roles    []string
	Password string // empty: they set up how they sign in by an invitation
}

// Username returns what is kept of a username. Only lower-case ASCII is: two
// names that look alike are one, or one of them is none.
func Username(text string) (string, error) {
	text = strings.ToLower(strings.TrimSpace(text))
	if len(text) == 0 || len(text) > 64 || !only(text, "._-+@") || !only(text[:1], "") || strings.HasPrefix(text, "usr_") {
		return "", fmt.Errorf("%w: username %.80q, want 1 to 64 of a-z, 0-9 and ._-+@, beginning with a letter or digit", ErrInvalid, text)
	}
	return text, nil
}

// user returns what is to be stored for n.
func (n *NewUser) user(now time.Time) (*User, error) {
	username, err := Username(n.Username)
	if err != nil {
		return nil, err
	}
	u := &User{
		ID: newID("usr"), Tenant: n.Tenant, Username: username, Name: orElse(printable(n.Name), username),
		State: Invited, Created: now,
	}
	if n.Password != "" {
		u.State = Active
	}
	if u.Groups, err = given(n.Groups); err != nil {
		return nil, err
	}
	if u.Roles, err = given(n.Roles); err != nil {
		return nil, err
	}
	if u.Email, err = vouched(n.Email); err != nil {
		return nil, err
	}
	u.Vouched = u.Email != ""
	return u, nil
}

// Preview returns whom Create would make, and what is wrong with it.
func (s *Service) Preview(n *NewUser) (*User, error) {
	u, err := n.user(s.now())
	if err != nil {
		return nil, err
	}
	if n.Password != "" {
		err = s.judge(n.Password, u)
	}
	if err != nil {
		return nil, err
	}
	return u, nil
}

// Create adds a user with an account of ours.
func (s *Service) Create(ctx context.Context, n *NewUser) (*User, error) {
	u, err := s.Preview(n)
	if err != nil {
		return nil, err
	}
	password := ""
	if n.Password != "" {
		if password, err = s.hashes.hash(ctx, n.Password); err != nil {
			return nil, err
		}
	}
	if err := s.Store.CreateUser(ctx, n.Tenant, u, password); err != nil {
		return nil, known(err)
	}
	return u, nil
}

// UserChange is what an administrator changes about a user; nil: it stays.
type UserChange struct {
	Name   *string // empty: the username
	Email  *string // the administrator vouches for it; empty: none
	Groups *[]string
	Roles  *[]string
}

// apply returns the user with a change, and what is wrong with it.
func (c *UserChange) apply(u *User) (*User, error) {
	next := *u
	if c.Name != nil {
		if next.Name = orElse(printable(*c.Name), u.Username); next.Name == "" {
			return nil, fmt.Errorf("%w: a name that nobody can see, for somebody without a username", ErrInvalid)
		}
	}
	for into, list := range map[*[]string]*[]string{&next.Groups: c.Groups, &next.Roles: c.Roles} {
		if list == nil {
			continue
		}
		var err error
		if *into, err = given(*list); err != nil {
			return nil, err
		}
	}
	if c.Email != nil {
		var err error
		if next.Email, err = vouched(*c.Email); err != nil {
			return nil, err
		}
		next.Vouched = next.Email != ""
	}
	return &next, nil
}

// given are groups or roles as an administrator gives them: all of them or none.
func given(list []string) ([]string, error) {
	kept := names(list)
	if len(kept) != len(union(list, nil)) {
		return nil, fmt.Errorf("%w: a group or a role is empty, too long, or has a control character", ErrInvalid)
	}
	return kept, nil
}

// vouched is an address as an administrator gives it; empty: none.
func vouched(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	local, domain, ok := Address(text)
	if !ok {
		return "", fmt.Errorf("%w: %.80q is no e-mail address in plain ASCII", ErrInvalid, text)
	}
	return local + "@" + domain, nil
}

// Update changes a user. Groups and roles are in the next access token that they
// get; nothing that they have open ends. With preview nothing is changed.
func (s *Service) Update(ctx context.Context, t tenant.ID, id string, c *UserChange, preview bool) (*User, error) {
	u, err := s.User(ctx, t, id)
	if err != nil {
		return nil, err
	}
	if preview {
		return c.apply(u)
	}
	u, err = s.Store.UpdateUser(ctx, u.Tenant, u.ID, c.apply)
	return u, known(err)
}

// Delete ends everything that a user has, as Disable does, and deletes them. An
// identity of theirs that comes again is somebody new.
func (s *Service) Delete(ctx context.Context, t tenant.ID, id, by, reason string) (*Ended, error) {
	e, err := s.Disable(ctx, t, id, by, reason) // from here on they get nothing new
	if err != nil {
		return nil, err
	}
	if err := s.Store.DeleteUser(ctx, e.User.Tenant, e.User.ID); err != nil {
		return nil, fmt.Errorf("user %s is disabled, and not deleted; do it again: %w", e.User.ID, known(err))
	}
	return e, nil
}

// List returns users by id after a cursor, at most so many.
func (s *Service) List(ctx context.Context, t tenant.ID, after string, limit int) ([]User, error) {
	list, err := s.Store.Users(ctx, t, after, limit)
	return list, known(err)
}

// Has says what a user proves themselves with, and nothing of it.
func (s *Service) Has(ctx context.Context, id string) (*Secrets, error) {
	c, err := s.Store.Secrets(ctx, id)
	if err != nil {
		return nil, known(err)
	}
	c.Password, c.TOTP = mask(c.Password), mask(c.TOTP)
	for i := range c.Passkeys {
		c.Passkeys[i].Record = ""
	}
	return c, nil
}

func mask(text string) string {
	if text == "" {
		return ""
	}
	return "set"
}

// Ended is what a user had open, and has no longer.
type Ended struct {
	User     *User
	Sessions int
	Grants   int
}

// Disable keeps a user out and ends everything they have: sessions, grants and
// access tokens. If it fails halfway they are kept out, and it can be done again.
func (s *Service) Disable(ctx context.Context, t tenant.ID, id, by, reason string) (*Ended, error) {
	if err := s.canEnd(ctx, t, id); err != nil {
		return nil, err
	}
	u, n, err := s.Store.SetState(ctx, t, id, Disabled)
	if err != nil {
		return nil, known(err)
	}
	return s.endRest(ctx, &Ended{User: u, Sessions: n}, by, reason)
}

// Enable lets a user sign in again. What they had stays ended.
func (s *Service) Enable(ctx context.Context, t tenant.ID, id string) (*User, error) {
	u, _, err := s.Store.SetState(ctx, t, id, Active)
	return u, known(err)
}

// RevokeAll ends everything that a user has open: sessions, grants and access
// tokens. They may sign in again.
func (s *Service) RevokeAll(ctx context.Context, t tenant.ID, id, by, reason string) (*Ended, error) {
	if err := s.canEnd(ctx, t, id); err != nil {
		return nil, err
	}
	u, err := s.User(ctx, t, id)
	if err != nil {
		return nil, err
	}
	n, err := s.EndAll(ctx, t, id)
	if err != nil {
		return nil, err
	}
	return s.endRest(ctx, &Ended{User: u, Sessions: n}, by, reason)
}

// canEnd returns ErrIssuer when a user may have tokens that could not be ended:
// nothing is then begun.
func (s *Service) canEnd(ctx context.Context, t tenant.ID, id string) error {
	u, err := s.User(ctx, t, id)
	if err == nil && s.EndTokens == nil && !u.LastSeen.IsZero() {
		err = ErrIssuer
	}
	return err
}

// endRest ends grants before tokens: nothing new comes of a grant that has ended.
func (s *Service) endRest(ctx context.Context, e *Ended, by, reason string) (*Ended, error) {
	if s.EndGrants != nil {
		n, err := s.EndGrants(ctx, e.User.Tenant, e.User.ID, by, reason)
		if err != nil {
			return nil, fmt.Errorf("sessions of %s are ended, grants and tokens may not be; do it again: %w", e.User.ID, err)
		}
		e.Grants = n
	}
	if s.EndTokens != nil {
		if err := s.EndTokens(ctx, e.User.ID, by, reason); err != nil {
			return nil, fmt.Errorf("sessions and grants of %s are ended, tokens may not be; do it again: %w", e.User.ID, err)
		}
	}
	return e, nil
}

package login

import (
	"context"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// Arrival is somebody whom a provider has just vouched for.
type Arrival struct {
	Tenant   tenant.ID // required: where they belong
	Provider string    // name in the configuration
	Issuer   string    // with Subject the only key to an account
	Subject  string
	Name     string
	Email    string // empty unless the provider says that it is verified
	Vouched  bool   // the provider is authoritative for the domain of Email
	Groups   []string
	Roles    []string
}

// maxIdentity bounds an issuer and a subject, in bytes. OpenID Connect Core §2
// has 255 characters for a subject.
const maxIdentity = 512

// SignIn returns the user of a federated identity, whom it makes if there is
// none, and the identity as it is kept. An identity that nobody has becomes that
// of an account with the same address only if the settings say so, the provider
// is authoritative for the address's domain, and the account has the address from
// somebody who is: an account that was made under somebody's address to wait for
// them gets nothing.
//
// It returns ErrDisabled, or ErrTenant for an identity of another tenant's user.
func (s *Service) SignIn(ctx context.Context, a *Arrival) (*User, Link, error) {
	for what, text := range map[string]string{"issuer": a.Issuer, "subject": a.Subject, "provider": a.Provider} {
		if text == "" || len(text) > maxIdentity || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
			return nil, Link{}, fmt.Errorf("%w: the %s %.80q, want 1 to %d bytes of UTF-8 without control characters", ErrInvalid, what, text, maxIdentity)
		}
	}
	if a.Tenant == "" {
		return nil, Link{}, fmt.Errorf("%w: %w", ErrInvalid, tenant.ErrNotFound)
	}
	now := s.now()
	email, vouched := "", false
	if local, domain, ok := Address(a.Email); ok {
		email, vouched = local+"@"+domain, a.Vouched
	}
	l := &Link{
		Provider: a.Provider, Issuer: a.Issuer, Subject: a.Subject, Email: email,
		Groups: names(a.Groups), Roles: names(a.Roles), Created: now, LastUsed: now,
	}
	fresh := &User{
		ID: newID("usr"), Tenant: a.Tenant, Name: orElse(printable(a.Name), email), Email: email, Vouched: vouched, State: Active, Created: now,
	}
	u, err := s.Store.Arrive(ctx, l, fresh, s.Settings.LinkByEmail && vouched)
	if err != nil {
		return nil, Link{}, known(err)
	}
	for _, own := range u.Links {
		if own.Issuer == a.Issuer && own.Subject == a.Subject {
			return u, own, nil
		}
	}
	return nil, Link{}, ErrNotFound // it was taken away this moment
}

// Most groups and roles of one identity, and bytes of each.
const (
	maxNames = 1000
	maxName  = 256
)

// names are groups or roles as they are kept: what is no name is left out, and
// so are those beyond the most, which gives less, never more.
func names(list []string) []string {
	out := []string{}
	for _, n := range union(list, nil) {
		if n != "" && len(n) <= maxName && utf8.ValidString(n) && !strings.ContainsFunc(n, unicode.IsControl) && len(out) < maxNames {
			out = append(out, n)
		}
	}
	return out
}

// User returns a user by id or by username.
func (s *Service) User(ctx context.Context, t tenant.ID, idOrName string) (*User, error) {
	if idOrName == "" || len(idOrName) > maxText {
		return nil, ErrNotFound
	}
	u, err := s.Store.User(ctx, t, idOrName)
	return u, known(err)
}

// Current returns a user as they are at this moment by an identity: with their
// own groups and roles, and what the provider gave them with it when they last
// signed in. The empty issuer stands for an account of ours. ErrDisabled: they may
// have nothing; ErrNotFound: they are not there, or the identity is not theirs any more.
func (s *Service) Current(ctx context.Context, t tenant.ID, id, issuer, subject string) (*User, error) {
	u, err := s.User(ctx, t, id)
	switch {
	case err != nil:
		return nil, err
	case u.ID != id: // a username is no id
		return nil, ErrNotFound
	case u.State == Disabled:
		return nil, ErrDisabled
	case issuer == "":
		return u, nil
	}
	for _, l := range u.Links {
		if l.Issuer == issuer && l.Subject == subject {
			u.Groups, u.Roles = union(u.Groups, l.Groups), union(u.Roles, l.Roles)
			return u, nil
		}
	}
	return nil, ErrNotFound
}

package grant

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// ConsentKey is what a person's decision holds for. Whatever differs in it is
// asked about again.
type ConsentKey struct {
	Tenant   tenant.ID
	User     string
	Client   string
	Version  string // of the client: what it was shown as
	Resource string
	Host     string // of the redirect URI; empty: a device
}

// Consent is what a person allowed a client.
type Consent struct {
	ConsentKey

	Scopes  []string
	Refused []string  // what they were asked for and left out, the last time that they were
	Created time.Time // when the last of them was allowed
	Expires time.Time // when the first of them is asked about again
}

// Consents remembers what people allowed. It is kept here alone: what a browser
// brings decides nothing.
type Consents struct {
	Store ConsentStore     // required
	For   time.Duration    // how long a decision is remembered; zero: not at all
	Now   func() time.Time // nil: time.Now
}

// ConsentStore keeps decisions, each scope by itself.
type ConsentStore interface {
	// Remember keeps the scopes of c until c.Expires; those that were kept before
	// are kept longer. What c refuses is kept so long too, and is not allowed any
	// more; what it allows is not refused any more.
	Remember(ctx context.Context, c *Consent) error
	// Consents returns what is allowed at a moment, by client, resource and host,
	// without what was refused.
	Consents(ctx context.Context, t tenant.ID, user string, at time.Time) ([]Consent, error)
	// Allowed returns what holds for a key at a moment, or ErrNotFound if nothing
	// is allowed.
	Allowed(ctx context.Context, k ConsentKey, at time.Time) (*Consent, error)
	// Forget deletes what a user allowed a client; empty: every client.
	Forget(ctx context.Context, t tenant.ID, user, client string) (n int, err error)
	// ForgetClient deletes what everybody allowed a client.
	ForgetClient(ctx context.Context, client string) (n int, err error)
	// Sweep deletes what ended before a moment.
	Sweep(ctx context.Context, before time.Time) (deleted int64, err error)
}

// Allowed returns what a person allowed and would not be asked about again, or
// ErrNotFound.
func (c *Consents) Allowed(ctx context.Context, k ConsentKey) (*Consent, error) {
	if c.For <= 0 { // the setting may have been another when it was remembered
		return nil, ErrNotFound
	}
	one, err := c.Store.Allowed(ctx, k, cut(c.Now))
	return one, known(err)
}

// Remember adds scopes to what a person allowed, and takes away what they refused.
// It fills in Created and Expires.
func (c *Consents) Remember(ctx context.Context, one *Consent) error {
	if c.For <= 0 || len(one.Scopes) == 0 {
		return nil
	}
	if one.Tenant == "" || one.User == "" || one.Client == "" || one.Resource == "" {
		return errors.New("a consent needs a tenant, a user, a client and a resource")
	}
	one.Created = cut(c.Now)
	one.Expires = one.Created.Add(c.For)
	return known(c.Store.Remember(ctx, one))
}

// Covers says whether everything that is asked for was allowed.
func (c *Consent) Covers(scopes []string) bool {
	for _, scope := range scopes {
		if !slices.Contains(c.Scopes, scope) {
			return false
		}
	}
	return true
}

// Forget has a person asked again, and returns how many decisions were
// forgotten. Grants that came of them are [Service.RevokeOf]'s.
func (c *Consents) Forget(ctx context.Context, t tenant.ID, user, client string) (n int, err error) {
	n, err = c.Store.Forget(ctx, t, user, client)
	return n, known(err)
}

// ForgetClient has everybody asked again by a client, and returns how many
// decisions were forgotten.
func (c *Consents) ForgetClient(ctx context.Context, client string) (n int, err error) {
	n, err = c.Store.ForgetClient(ctx, client)
	return n, known(err)
}

// List returns what a person allowed.
func (c *Consents) List(ctx context.Context, t tenant.ID, user string) ([]Consent, error) {
	all, err := c.Store.Consents(ctx, t, user, cut(c.Now))
	return all, known(err)
}

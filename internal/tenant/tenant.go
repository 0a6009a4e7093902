// Package tenant keeps customers apart. Everything else that Gatehouse stores
// belongs to one tenant.
package tenant

import (
	"context"
	"errors"
	"time"
)

// ID names a tenant for good: it is random and never reused, so whatever
// belonged to a deleted tenant can never come to belong to another. The empty
// ID means every tenant where a method says that it does.
type ID string

// Default is the name of the tenant that exists from the first start on.
const Default = "default"

// State is whether a tenant's credentials are honoured.
type State string

// The states. A deleted tenant stays on record, so that its id stays taken.
const (
	Active    State = "active"
	Suspended State = "suspended" // credentials are refused until it is resumed
	Deleted   State = "deleted"   // final; every key was revoked with it
)

// Tenant is one customer.
type Tenant struct {
	ID      ID
	Name    string // unique among those not deleted: lower-case letters, digits and '-'
	State   State
	Created time.Time
	Changed time.Time // of State; Created until the first change
	Links   []Link    // what issuers call it, in a stable order; a deleted tenant has none
}

// Link is what an issuer of tokens calls a tenant. It says nothing of what
// another issuer means by the same text.
type Link struct {
	Issuer   string // iss, exactly
	External string // the value of its claim, exactly
}

// Facts that callers branch on.
var (
	ErrNotFound = errors.New("no such tenant")
	ErrExists   = errors.New("a tenant of this name exists")
	ErrDefault  = errors.New("the default tenant cannot be deleted")
	ErrInvalid  = errors.New("invalid tenant")

	ErrLinked    = errors.New("this is linked to a tenant")
	ErrNotLinked = errors.New("this is not linked to the tenant")
)

// Store keeps tenants. What a method reports as done is on disk, and visible
// to [Store] and to the keys' store of every process from then on.
type Store interface {
	// Create adds t with its links. It returns ErrExists when the name is taken,
	// and ErrLinked when one of the links is.
	Create(ctx context.Context, t *Tenant) error
	// Get returns a tenant, also a deleted one, or ErrNotFound.
	Get(ctx context.Context, id ID) (*Tenant, error)
	// ByName returns the tenant of that name that is not deleted, or ErrNotFound.
	ByName(ctx context.Context, name string) (*Tenant, error)
	// List returns the tenants that are not deleted, by name.
	List(ctx context.Context) ([]Tenant, error)
	// SetState changes the state and returns the tenant as it is now. A deleted
	// tenant is ErrNotFound. Deleted revokes the tenant's keys in the same
	// transaction, saying who did it, and ends its links; it is ErrDefault for the default tenant.
	SetState(ctx context.Context, id ID, s State, at time.Time, by string) (*Tenant, error)
	// Link adds a link and returns the tenant as it is now. It returns ErrLinked
	// when a tenant has it, be it this one, and ErrNotFound for a deleted tenant.
	Link(ctx context.Context, id ID, l Link, at time.Time) (*Tenant, error)
	// Unlink takes a link away; ErrNotLinked when the tenant does not have it.
	Unlink(ctx context.Context, id ID, l Link) (*Tenant, error)
}

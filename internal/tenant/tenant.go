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
}

// Facts that callers branch on.
var (
	ErrNotFound = errors.New("no such tenant")
	ErrExists   = errors.New("a tenant of this name exists")
	ErrDefault  = errors.New("the default tenant cannot be deleted")
	ErrInvalid  = errors.New("invalid tenant")
)

// Store keeps tenants. What a method reports as done is on disk, and visible
// to [Store] and to the keys' store of every process from then on.
type Store interface {
	// Create adds t. It returns ErrExists when the name is taken.
	Create(ctx context.Context, t *Tenant) error
	// Get returns a tenant, also a deleted one, or ErrNotFound.
	Get(ctx context.Context, id ID) (*Tenant, error)
	// ByName returns the tenant of that name that is not deleted, or ErrNotFound.
	ByName(ctx context.Context, name string) (*Tenant, error)
	// List returns the tenants that are not deleted, by name.
	List(ctx context.Context) ([]Tenant, error)
	// SetState changes the state and returns the tenant as it is now. A deleted
	// tenant is ErrNotFound. Deleted revokes the tenant's keys in the same
	// transaction, saying who did it, and is ErrDefault for the default tenant.
	SetState(ctx context.Context, id ID, s State, at time.Time, by string) (*Tenant, error)
}

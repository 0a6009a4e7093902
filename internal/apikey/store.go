package apikey

import (
	"context"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// Record is a key as it is stored, with what judging it needs.
type Record struct {
	Key         Key
	Digest      [32]byte // of the key's whole text
	Pepper      string   // fingerprint of the pepper Digest was made under; empty: none
	TenantName  string
	TenantState tenant.State
}

// Minted is a new key for [Store.Rotate] to fill in.
type Minted struct {
	ID     string
	Digest [32]byte
	Pepper string
	At     time.Time
}

// Store keeps keys for [Service]. What a method reports as done is on disk. Each
// change is one transaction that also moves the revision that [Source] reports.
// The empty tenant.ID stands for every tenant in Get, List and the changes of
// one key; a key of another tenant than the one given is ErrNotFound.
type Store interface {
	// Create adds a key. It returns ErrExists when the id was ever taken, and
	// tenant.ErrNotFound when the tenant does not exist or is deleted.
	//
	// A store may be told how many keys of a tenant may be honoured at once, a
	// key and its successor counting as one. Create, and an Update or Rotate
	// that brings an expired key back, then return ErrFull rather than exceed it.
	Create(ctx context.Context, t tenant.ID, r *Record) error
	// Get returns a key in any state, or ErrNotFound.
	Get(ctx context.Context, t tenant.ID, id string) (*Key, error)
	// List returns keys in every state, newest first.
	List(ctx context.Context, t tenant.ID) ([]Key, error)
	// Update changes what c names of a key that is not revoked (ErrRevoked).
	Update(ctx context.Context, t tenant.ID, id string, c Change) (*Key, error)
	// Rotate adds next as the only successor of key id, which ends at retireAt.
	// The successor takes family, name, note, rights and lifetime from the row
	// of id as it is at that moment. However many try at once, one succeeds and
	// the others get ErrReplaced; else it returns what Key.Rotatable says.
	Rotate(ctx context.Context, t tenant.ID, id string, next Minted, retireAt time.Time) (old, successor *Key, err error)
	// CancelRotation revokes the successor of key id and lets id live on, if at
	// is before the overlap's end; else it returns what Key.Cancellable says.
	// When the successor was itself rotated it returns ErrReplaced.
	CancelRotation(ctx context.Context, t tenant.ID, id string, at time.Time, by string) (*Key, error)
	// Revoke ends a key for good. One that was revoked before keeps its first
	// reason and is returned beside no error but ErrRevoked.
	Revoke(ctx context.Context, t tenant.ID, id string, at time.Time, by, reason string) (*Key, error)
}

// Source is where [Verifier] learns what keys are worth.
type Source interface {
	// Lookup returns the record of a key in any state, or ErrNotFound. It sees
	// every change that was reported as done before it was called.
	Lookup(ctx context.Context, id string) (*Record, error)
	// Changes returns what changed after the revision since.
	Changes(ctx context.Context, since int64) (*Changes, error)
	// Use records last uses, later ones winning. It moves no revision. Unknown
	// keys are passed over.
	Use(ctx context.Context, uses []Use) error
}

// Changes is what [Source] reports of keys and tenants.
type Changes struct {
	Revision int64 // up to which it is complete; it never goes back but by a restore
	All      bool  // too much changed to name; the lists are empty
	Keys     []string
	Tenants  map[tenant.ID]tenant.State
}

package apikey

import (
	"context"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// Service changes keys: it validates, mints and stores. The empty tenant.ID
// stands for every tenant in Get, List, Update, Rotate, CancelRotation and
// Revoke; a key of another tenant than the one given is [ErrNotFound].
//
// Its errors are the package's sentinels, tenant.ErrNotFound, or a
// *gatehouse.Error GH-1902 when the store is away. What it reports as done is
// on disk and in effect in this process.
type Service struct {
	Store   Store            // required
	Pepper  []byte           // hashes new keys under HMAC; empty: plain SHA-256. At least 16 bytes
	Now     func() time.Time // nil: time.Now
	Changed func()           // called after each change, before its method returns: Verifier.Changed; nil: nobody needs to know
}

// Create mints a key for tenant t.
func (s *Service) Create(ctx context.Context, t tenant.ID, spec Spec) (*Key, Secret, error) {
	return nil, Secret{}, ErrInvalid
}

// Get returns a key in any state.
func (s *Service) Get(ctx context.Context, t tenant.ID, id string) (*Key, error) {
	return nil, ErrNotFound
}

// List returns the keys of a tenant in every state, newest first.
func (s *Service) List(ctx context.Context, t tenant.ID) ([]Key, error) { return nil, ErrNotFound }

// Update changes attributes of a key. Connections that use it end when its
// rights change, and clients come back under the new ones.
func (s *Service) Update(ctx context.Context, t tenant.ID, id string, c Change) (*Key, error) {
	return nil, ErrNotFound
}

// Rotate mints the successor of key id, which stays good for the overlap (zero
// or more). The successor has the same rights, and the lifetime the old key had
// from its creation on. It returns the old key as it is now, and the new one.
func (s *Service) Rotate(ctx context.Context, t tenant.ID, id string, overlap time.Duration) (old, next *Key, text Secret, err error) {
	return nil, nil, Secret{}, ErrNotFound
}

// CancelRotation undoes the rotation of key id while its overlap lasts: the
// successor is revoked, id lives on. It returns id as it is now.
func (s *Service) CancelRotation(ctx context.Context, t tenant.ID, id, by string) (*Key, error) {
	return nil, ErrNotFound
}

// Revoke ends a key for good and returns it. A key that was revoked before is
// returned as it is, beside [ErrRevoked]: the one method with a value beside an error.
func (s *Service) Revoke(ctx context.Context, t tenant.ID, id, by, reason string) (*Key, error) {
	return nil, ErrNotFound
}

// Foreign is a key minted elsewhere in our format: its text, or its id and hash.
type Foreign struct {
	Text string // the key itself; empty: ID and Hash are given
	ID   string
	Hash string // "sha256:" and the SHA-256 of the key's whole text in hex
}

// Import stores a key minted elsewhere. It returns [ErrMalformed], [ErrWeak] or
// [ErrExists] when the key will not do.
func (s *Service) Import(ctx context.Context, t tenant.ID, f Foreign, spec Spec) (*Key, error) {
	return nil, ErrMalformed
}

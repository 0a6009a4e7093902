package apikey

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
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
	Pepper  []byte           // new keys are hashed under it by HMAC; empty: plain SHA-256. At least 16 bytes
	Now     func() time.Time // nil: time.Now
	Changed func()           // called after each change, before its method returns: Verifier.Changed; nil: nobody needs to know
}

// Create mints a key for tenant t. Its text exists in the value returned and nowhere else.
func (s *Service) Create(ctx context.Context, t tenant.ID, spec Spec) (*Key, Secret, error) {
	at := s.now()
	if err := spec.Validate(at); err != nil {
		return nil, Secret{}, err
	}
	id, text, err := Mint(nil)
	if err != nil {
		return nil, Secret{}, err
	}
	h, err := newHasher(s.Pepper)
	if err != nil {
		return nil, Secret{}, err
	}
	k, err := s.add(ctx, &Record{Key: spec.key(id, t, at), Digest: h.digest([]byte(text.Reveal())), Pepper: h.fingerprint})
	if err != nil {
		return nil, Secret{}, err
	}
	return k, text, nil
}

// add stores a new key and returns it.
func (s *Service) add(ctx context.Context, r *Record) (*Key, error) {
	if err := s.Store.Create(ctx, r.Key.Tenant, r); err != nil {
		return nil, known(fmt.Errorf("create key %s: %w", r.Key.ID, err))
	}
	s.changed()
	return &r.Key, nil
}

// key returns the key that s describes.
func (s Spec) key(id string, t tenant.ID, at time.Time) Key {
	return Key{
		ID: id, Family: id, Tenant: t, Name: s.Name, Note: s.Note, Tools: s.Tools, Networks: s.Networks,
		Created: at, Expires: stored(s.Expires), Limit: s.Limit, Certificate: s.Certificate,
	}
}

// Get returns a key in any state.
func (s *Service) Get(ctx context.Context, t tenant.ID, id string) (*Key, error) {
	k, err := s.Store.Get(ctx, t, id)
	if err != nil {
		return nil, known(fmt.Errorf("key %.20q: %w", id, err))
	}
	return k, nil
}

// List returns the keys of a tenant in every state, newest first.
func (s *Service) List(ctx context.Context, t tenant.ID) ([]Key, error) {
	list, err := s.Store.List(ctx, t)
	if err != nil {
		return nil, known(fmt.Errorf("list keys: %w", err))
	}
	return list, nil
}

// Update changes attributes of a key. Connections that use it end when its
// rights change, and clients come back under the new ones.
func (s *Service) Update(ctx context.Context, t tenant.ID, id string, c Change) (*Key, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.Expires != nil {
		cut := stored(*c.Expires)
		c.Expires = &cut
	}
	k, err := s.Store.Update(ctx, t, id, c)
	if err != nil {
		return nil, known(fmt.Errorf("update key %.20q: %w", id, err))
	}
	s.changed()
	return k, nil
}

// Rotate mints the successor of key id, which stays good for the overlap (zero
// or more). The successor has the same rights, and the lifetime the old key had
// from its creation on. It returns the old key as it is now, and the new one.
func (s *Service) Rotate(ctx context.Context, t tenant.ID, id string, overlap time.Duration) (old, next *Key, text Secret, err error) {
	if overlap < 0 {
		return nil, nil, Secret{}, fmt.Errorf("%w: overlap %s is negative", ErrInvalid, overlap)
	}
	newID, text, err := Mint(nil)
	if err != nil {
		return nil, nil, Secret{}, err
	}
	h, err := newHasher(s.Pepper)
	if err != nil {
		return nil, nil, Secret{}, err
	}
	m := Minted{ID: newID, Digest: h.digest([]byte(text.Reveal())), Pepper: h.fingerprint, At: s.now()}
	old, next, err = s.Store.Rotate(ctx, t, id, m, m.At.Add(overlap))
	if err != nil {
		return nil, nil, Secret{}, known(fmt.Errorf("rotate key %.20q: %w", id, err))
	}
	s.changed()
	return old, next, text, nil
}

// CancelRotation undoes the rotation of key id while its overlap lasts: the
// successor is revoked, id lives on. It returns id as it is now.
func (s *Service) CancelRotation(ctx context.Context, t tenant.ID, id, by string) (*Key, error) {
	if err := line("by", by, 0, maxName); err != nil {
		return nil, err
	}
	k, err := s.Store.CancelRotation(ctx, t, id, s.now(), by)
	if err != nil {
		return nil, known(fmt.Errorf("cancel rotation of key %.20q: %w", id, err))
	}
	s.changed()
	return k, nil
}

// Revoke ends a key for good and returns it. A key that was revoked before is
// returned as it is, beside [ErrRevoked]: the one method with a value beside an error.
func (s *Service) Revoke(ctx context.Context, t tenant.ID, id, by, reason string) (*Key, error) {
	if err := errors.Join(line("by", by, 0, maxName), line("reason", reason, 0, maxReason)); err != nil {
		return nil, err
	}
	k, err := s.Store.Revoke(ctx, t, id, s.now(), by, reason)
	if errors.Is(err, ErrRevoked) {
		return k, fmt.Errorf("revoke key %s: %w", id, err)
	}
	if err != nil {
		return nil, known(fmt.Errorf("revoke key %.20q: %w", id, err))
	}
	s.changed()
	return k, nil
}

// now is cut to what a database keeps, so that what is returned is what is stored.
func (s *Service) now() time.Time {
	if s.Now == nil {
		return stored(time.Now())
	}
	return stored(s.Now())
}

// stored is a time as a database gives it back.
func stored(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

func (s *Service) changed() {
	if s.Changed != nil {
		s.Changed()
	}
}

// known passes on what callers branch on; anything else means that the store
// could not do it, which the caller may try again.
func known(err error) error {
	for _, k := range [...]error{
		ErrNotFound, ErrExists, ErrReplaced, ErrRevoked, ErrExpired, ErrNotRotated, ErrFull, tenant.ErrNotFound,
	} {
		if errors.Is(err, k) {
			return err
		}
	}
	return away(err)
}

// away is what a caller hears when the store does not answer.
func away(err error) *gatehouse.Error {
	return &gatehouse.Error{
		Code: "GH-1902", Status: 503, Description: "The key store cannot be reached. Try again.", Cause: err,
	}
}

// Package apikey mints, stores, judges, rotates and revokes API keys.
//
// A key reads gthk_<12 id>_<43 secret><6 checksum>. Its id is public: it names
// the key in listings and logs. Its secret is 256 random bits; what is stored
// is a digest of the whole text, so a copy of the database opens no door.
// [Service] changes keys, [Verifier] judges them.
package apikey

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/keytext"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
	"github.com/gatehouse-mcp/gatehouse/internal/unit"
)

// Key is what is known of an API key, its secret excepted.
type Key struct {
	ID       string // 12 characters, public, never reused
	Family   string // the first key's id; kept over rotation
	Tenant   tenant.ID
	Name     string         // 1 to 64 printable characters; not unique
	Note     string         // for people; may be empty
	Tools    []string       // patterns for policy.Compile; none: no tool
	Networks []netip.Prefix // where calls may come from; none: anywhere
	Created  time.Time
	Expires  time.Time // zero: never

	Limit       unit.Rate  // of its calls; zero: no limit of its own
	Certificate Thumbprint // the client certificate that it needs as a second factor; zero: none

	Replaces   string    // the key this one was rotated from; empty: none
	ReplacedBy string    // the key this one was rotated to; empty: none
	RetireAt   time.Time // when the overlap with ReplacedBy ends; zero: not rotated

	RevokedAt time.Time // zero: not revoked
	RevokedBy string
	Reason    string // why it was revoked

	LastUsed Use // zero: never
}

// Use is one use of a key, kept to the minute.
type Use struct {
	KeyID   string
	At      time.Time
	Address netip.Addr
	Client  string // what the client calls itself; anybody can call themselves anything
	Tool    string // empty: the call was about no tool
}

// State is where a key is in its life.
type State string

// The states. Only the first two are honoured.
const (
	StateActive   State = "active"
	StateRetiring State = "retiring" // rotated, and the overlap is not over
	StateReplaced State = "replaced" // rotated, and the overlap is over
	StateExpired  State = "expired"
	StateRevoked  State = "revoked"
)

// State returns where the key is at now. A moment that ends a right does not
// have it any more: a key that expires at noon is expired at noon.
func (k *Key) State(now time.Time) State {
	switch {
	case !k.RevokedAt.IsZero():
		return StateRevoked
	case k.ReplacedBy != "" && !now.Before(k.RetireAt):
		return StateReplaced
	case !k.Expires.IsZero() && !now.Before(k.Expires):
		return StateExpired
	case k.ReplacedBy != "":
		return StateRetiring
	}
	return StateActive
}

// Ends returns when the key stops being honoured by the passing of time alone;
// zero: never.
func (k *Key) Ends() time.Time {
	if k.RetireAt.IsZero() || (!k.Expires.IsZero() && k.Expires.Before(k.RetireAt)) {
		return k.Expires
	}
	return k.RetireAt
}

// Rotatable returns why the key cannot be rotated at now: ErrRevoked or
// ErrReplaced; nil when it can. An expired key can: that is how it is renewed.
func (k *Key) Rotatable(now time.Time) error {
	switch {
	case k.State(now) == StateRevoked:
		return fmt.Errorf("key %s: %w", k.ID, ErrRevoked)
	case k.ReplacedBy != "":
		return fmt.Errorf("key %s by %s: %w", k.ID, k.ReplacedBy, ErrReplaced)
	}
	return nil
}

// Cancellable returns why the key's rotation cannot be undone at now:
// ErrRevoked, ErrReplaced when the overlap is over, ErrExpired, or
// ErrNotRotated; nil when it can.
func (k *Key) Cancellable(now time.Time) error {
	switch k.State(now) {
	case StateRevoked:
		return fmt.Errorf("key %s: %w", k.ID, ErrRevoked)
	case StateReplaced:
		return fmt.Errorf("key %s, its overlap is over: %w", k.ID, ErrReplaced)
	case StateExpired:
		return fmt.Errorf("key %s: %w", k.ID, ErrExpired)
	case StateActive:
		return fmt.Errorf("key %s: %w", k.ID, ErrNotRotated)
	}
	return nil
}

// Facts that callers branch on.
var (
	ErrNotFound   = errors.New("no such key")
	ErrExists     = errors.New("a key of this id exists")
	ErrReplaced   = errors.New("already replaced")
	ErrRevoked    = errors.New("already revoked")
	ErrExpired    = errors.New("expired")
	ErrNotRotated = errors.New("not rotated")
	ErrMalformed  = keytext.ErrMalformed
	ErrWeak       = errors.New("too weak a secret")
	ErrInvalid    = errors.New("invalid key attribute")
	ErrFull       = errors.New("the tenant has as many keys as it may have")
)

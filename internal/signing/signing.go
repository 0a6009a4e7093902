// Package signing holds the keys that we sign with: it makes them, publishes
// them before they sign and after, and changes them on a schedule, on every
// replica and over any downtime, so that no valid token is ever refused.
package signing

import (
	"context"
	"errors"
	"time"
)

// State is where a key is in its life.
type State string

// The states, in order. All but the last are published.
const (
	Next     State = "next"     // does not sign yet
	Current  State = "current"  // signs
	Retiring State = "retiring" // signs no longer; what it signed may still be on its way
	Retired  State = "retired"  // is gone, and its private half with it
)

// Algorithms that a key may have. RFC 7518 §3.1, RFC 8037 §3.1
const (
	ES256 = "ES256"
	EdDSA = "EdDSA"
	RS256 = "RS256" // for verifiers that know nothing else: signing takes ten times as long and more
)

// Facts that callers branch on.
var (
	ErrRaced    = errors.New("the keys were changed by somebody else meanwhile")
	ErrNotFound = errors.New("no such signing key")
	ErrRotating = errors.New("a rotation is under way already")
	ErrRetired  = errors.New("the key is retired already")
)

// Record is a key as it is stored. Its state is not: that follows from the
// times, so nobody has to be awake at the right moment.
type Record struct {
	ID      string
	Alg     string
	Sealed  string    // the private half, PKCS #8; empty: destroyed
	Created time.Time // published since
	Signs   time.Time // from when on it signs, until the next one does
	Removed time.Time // zero: not yet
}

// Set is all keys there ever were.
type Set struct {
	Generation int64 // grows with each change
	Records    []Record
}

// Change is what one transaction does to the keys.
type Change struct {
	Generation int64                // of the set that it was decided upon
	At         time.Time            // when
	Add        *Record              // nil: none
	Signs      map[string]time.Time // by id: when it signs instead
	Reseal     map[string]string    // by id: the private half, sealed anew
	Remove     []string             // ids; their private halves are destroyed
}

func (c *Change) empty() bool {
	return c.Add == nil && len(c.Signs)+len(c.Reseal)+len(c.Remove) == 0
}

// Store keeps the keys. What a method reports as done is on disk, and seen by
// every process from then on.
type Store interface {
	// Generation returns the number of the last change.
	Generation(ctx context.Context) (int64, error)
	// Load returns all keys. What changes while it reads may be in its records
	// under the older generation, never the other way round.
	Load(ctx context.Context) (*Set, error)
	// Change changes the keys and moves the generation by one, or returns
	// ErrRaced and has changed nothing when the generation is not c's any more:
	// of many who decided upon the same set, one succeeds.
	Change(ctx context.Context, c Change) error
}

// Key is a key as an operator sees it. The times of what is to come are zero
// while nothing has been decided.
type Key struct {
	ID      string
	Alg     string
	State   State
	Created time.Time // published since
	Signs   time.Time // signs from then on
	Stops   time.Time // signs no longer from then on
	Gone    time.Time // leaves what is published, or left it
}

package seal

import (
	"context"
	"crypto/rand"
	"fmt"
)

// sharedLen is how many bytes a shared secret has.
const sharedLen = 32

// Secrets keeps what is shared by all processes, sealed.
type Secrets interface {
	// Sealed exchanges the value of a name, the empty one being none, and returns
	// what is there now: another one when somebody else was faster.
	Sealed(ctx context.Context, name, old, fresh string) (now string, err error)
}

// Shared returns the secret of a name: 32 random bytes that the first to ask, of
// all processes, makes. It is kept sealed for a purpose, so that whoever has a copy
// of the database alone has nothing, and is sealed anew when the key to seal under
// has changed: what was made with it lives on.
func Shared(ctx context.Context, s Secrets, under *Key, purpose, name string) ([]byte, error) {
	sealed, err := s.Sealed(ctx, name, "", "")
	if err != nil {
		return nil, fmt.Errorf("the secret of %s: %w", name, err)
	}
	if sealed == "" {
		var raw [sharedLen]byte
		rand.Read(raw[:]) // never fails: the program ends instead
		if sealed, err = keepShared(ctx, s, under, purpose, name, "", raw[:]); err != nil {
			return nil, err
		}
	}
	secret, err := under.Open(purpose, name, sealed)
	if err != nil {
		return nil, fmt.Errorf("the secret of %s: %w", name, err)
	}
	if len(secret) != sharedLen {
		return nil, fmt.Errorf("the secret of %s has %d bytes, want %d", name, len(secret), sharedLen)
	}
	if under.Stale(sealed) {
		if _, err := keepShared(ctx, s, under, purpose, name, sealed, secret); err != nil {
			return nil, err
		}
	}
	return secret, nil
}

func keepShared(ctx context.Context, s Secrets, under *Key, purpose, name, old string, secret []byte) (string, error) {
	fresh, err := under.Seal(purpose, name, secret)
	if err != nil {
		return "", fmt.Errorf("seal the secret of %s: %w", name, err)
	}
	sealed, err := s.Sealed(ctx, name, old, fresh)
	if err != nil {
		return "", fmt.Errorf("keep the secret of %s: %w", name, err)
	}
	return sealed, nil
}

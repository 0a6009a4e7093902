package grant

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/gatehouse-mcp/gatehouse/internal/seal"
)

const (
	secretLen     = 32
	secretName    = "grants"
	secretPurpose = "secret"
)

// Secrets keeps what is shared by all processes, sealed.
type Secrets interface {
	// Sealed exchanges the value of a name, the empty one being none, and returns
	// what is there now: another one when somebody else was faster.
	Sealed(ctx context.Context, name, old, fresh string) (now string, err error)
}

// Secret returns the secret that refresh tokens are derived from. The first to
// ask, of all processes, makes it. It is sealed in the database: whoever has a
// copy of that alone can make no token.
func Secret(ctx context.Context, s Secrets, under *seal.Key) ([]byte, error) {
	sealed, err := s.Sealed(ctx, secretName, "", "")
	if err != nil {
		return nil, fmt.Errorf("the secret of grants: %w", err)
	}
	if sealed == "" {
		var raw [secretLen]byte
		rand.Read(raw[:]) // never fails: the program ends instead
		if sealed, err = keepSecret(ctx, s, under, "", raw[:]); err != nil {
			return nil, err
		}
	}
	secret, err := under.Open(secretPurpose, secretName, sealed)
	if err != nil {
		return nil, fmt.Errorf("the secret of grants: %w", err)
	}
	if len(secret) != secretLen {
		return nil, fmt.Errorf("the secret of grants has %d bytes, want %d", len(secret), secretLen)
	}
	if under.Stale(sealed) {
		if _, err := keepSecret(ctx, s, under, sealed, secret); err != nil {
			return nil, err
		}
	}
	return secret, nil
}

func keepSecret(ctx context.Context, s Secrets, under *seal.Key, old string, secret []byte) (string, error) {
	fresh, err := under.Seal(secretPurpose, secretName, secret)
	if err != nil {
		return "", fmt.Errorf("seal the secret of grants: %w", err)
	}
	sealed, err := s.Sealed(ctx, secretName, old, fresh)
	if err != nil {
		return "", fmt.Errorf("keep the secret of grants: %w", err)
	}
	return sealed, nil
}

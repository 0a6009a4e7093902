package grant

import (
	"context"

	"github.com/gatehouse-mcp/gatehouse/internal/seal"
)

// SecretName is what the secret is called in the store.
const SecretName = "grants"

const (
	secretLen     = 32
	secretPurpose = "secret"
)

// Secrets keeps what is shared by all processes, sealed.
type Secrets = seal.Secrets

// Secret returns the secret that refresh tokens are derived from. The first to
// ask, of all processes, makes it; see [seal.Shared].
func Secret(ctx context.Context, s Secrets, under *seal.Key) ([]byte, error) {
	return seal.Shared(ctx, s, under, secretPurpose, SecretName)
}

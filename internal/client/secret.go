package client

import (
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"

	"github.com/gatehouse-mcp/gatehouse/internal/seal"
)

// SecretName is what the secret is called in the store.
const SecretName = "clients"

const (
	secretLen     = 32
	secretPurpose = "client"
)

// Secrets keeps what is shared by all processes, sealed.
type Secrets interface {
	// Sealed exchanges the value of a name, the empty one being none, and returns
	// what is there now: another one when somebody else was faster.
	Sealed(ctx context.Context, name, old, fresh string) (now string, err error)
}

// Secret returns the secret that the ids and secrets of registrations are made
// with. The first to ask, of all processes, makes it. It is sealed in the
// database, and sealed anew when the key to seal under changes: ids live on.
func Secret(ctx context.Context, s Secrets, under *seal.Key) ([]byte, error) {
	sealed, err := s.Sealed(ctx, SecretName, "", "")
	if err != nil {
		return nil, fmt.Errorf("the secret of clients: %w", err)
	}
	if sealed == "" {
		var raw [secretLen]byte
		rand.Read(raw[:]) // never fails: the program ends instead
		if sealed, err = keepSecret(ctx, s, under, "", raw[:]); err != nil {
			return nil, err
		}
	}
	secret, err := under.Open(secretPurpose, SecretName, sealed)
	if err != nil {
		return nil, fmt.Errorf("the secret of clients: %w", err)
	}
	if len(secret) != secretLen {
		return nil, fmt.Errorf("the secret of clients has %d bytes, want %d", len(secret), secretLen)
	}
	if under.Stale(sealed) {
		if _, err := keepSecret(ctx, s, under, sealed, secret); err != nil {
			return nil, err
		}
	}
	return secret, nil
}

func keepSecret(ctx context.Context, s Secrets, under *seal.Key, old string, secret []byte) (string, error) {
	fresh, err := under.Seal(secretPurpose, SecretName, secret)
	if err != nil {
		return "", fmt.Errorf("seal the secret of clients: %w", err)
	}
	sealed, err := s.Sealed(ctx, SecretName, old, fresh)
	if err != nil {
		return "", fmt.Errorf("keep the secret of clients: %w", err)
	}
	return sealed, nil
}

// What is derived from the secret, each under a key of its own.
const (
	forID           = "id"
	forSecret       = "secret"
	forRegistration = "registration"
)

// tag is a MAC over a text for a purpose. RFC 2104, keyed by RFC 5869
func tag(secret []byte, purpose string, text []byte) ([]byte, error) {
	if len(secret) != secretLen {
		return nil, fmt.Errorf("client registry: the secret has %d bytes, want %d", len(secret), secretLen)
	}
	key, err := hkdf.Key(sha256.New, secret, nil, "gatehouse client "+purpose, secretLen)
	if err != nil {
		return nil, fmt.Errorf("derive a key: %w", err)
	}
	m := hmac.New(sha256.New, key)
	m.Write(text)
	return m.Sum(nil), nil
}

// derived is the secret of a registration, or its management token: nobody has
// to keep them.
func derived(secret []byte, purpose, id string) (string, error) {
	sum, err := tag(secret, purpose, []byte(id))
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}

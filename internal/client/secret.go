package client

import (
	"context"
	"crypto/hkdf"
	"crypto/hmac"
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

// Secret returns the secret that the ids and secrets of registrations are made
// with. The first to ask, of all processes, makes it; see [seal.Shared].
func Secret(ctx context.Context, s seal.Secrets, under *seal.Key) ([]byte, error) {
	return seal.Shared(ctx, s, under, secretPurpose, SecretName)
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

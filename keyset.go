package gatehouse

import (
	"context"
	"crypto"
	"errors"
)

// ErrUnknownKey says that an issuer has published no key that would fit.
var ErrUnknownKey = errors.New("the issuer has published no such key")

// KeySet finds the public keys of one issuer.
type KeySet interface {
	// Keys returns the keys that may have signed a token whose header has this
	// kid and alg: one if kid names it, or every key that fits alg when kid is
	// empty. None is ErrUnknownKey; any other error means that the keys cannot be
	// had at present. It never returns a symmetric key.
	Keys(ctx context.Context, kid, alg string) ([]crypto.PublicKey, error)
}

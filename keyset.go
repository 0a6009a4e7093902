package gatehouse

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/jwks"
)

// ErrUnknownKey says that an issuer has published no key that would fit. The
// error's text has the story: which keys there are, and how old that knowledge is.
var ErrUnknownKey = errors.New("the issuer has published no such key")

// KeySet finds the public keys of one issuer.
type KeySet interface {
	// Keys returns the keys that may have signed a token whose header has this
	// kid and alg: those that kid names, or every key that fits alg when kid is
	// empty. None is ErrUnknownKey; any other error means that the keys cannot be
	// had at present. It never returns a symmetric key.
	Keys(ctx context.Context, kid, alg string) ([]crypto.PublicKey, error)
}

// ParseKeys returns the keys of a JWK Set, which never change. RFC 7517 §5
//
// Keys that nobody should verify by are left out: symmetric and private ones,
// RSA below 2048 bits, those for encryption. It is an error if the document is
// not a JWK Set, if it has more than 1 MiB or 100 keys, or if no key is left.
func ParseKeys(set []byte) (KeySet, error) {
	s, err := jwks.Parse(set)
	if err != nil {
		return nil, err
	}
	return fixedKeys{s}, nil
}

type fixedKeys struct{ set *jwks.Set }

func (f fixedKeys) Keys(_ context.Context, kid, alg string) ([]crypto.PublicKey, error) {
	if found := pick(f.set, kid, alg); found != nil {
		return found, nil
	}
	return nil, fmt.Errorf("%w: %s", ErrUnknownKey, missing(f.set, "the key set", kid, alg))
}

// maxTries bounds how many keys a signature may be tried with: each costs time,
// and the token is not known to be anybody's yet.
const maxTries = 8

// pick returns the keys that fit, or nil.
func pick(s *jwks.Set, kid, alg string) []crypto.PublicKey {
	if found := s.Find(kid, alg); len(found) > 0 && len(found) <= maxTries {
		return found
	}
	return nil
}

// missing says why pick found nothing.
func missing(s *jwks.Set, where, kid, alg string) string {
	n := len(s.Find(kid, alg))
	switch {
	case n > maxTries && kid == "":
		return fmt.Sprintf("the token names no key, and %d in %s fit alg %.20q: no more than %d are tried", n, where, alg, maxTries)
	case n > maxTries:
		return fmt.Sprintf("%d keys in %s are called %.64q: no more than %d are tried", n, where, kid, maxTries)
	case kid == "":
		return fmt.Sprintf("the token names no key, and none in %s fits alg %.20q", where, alg)
	case s.Has(kid):
		return fmt.Sprintf("key %.64q in %s is not for alg %.20q", kid, where, alg)
	}
	return fmt.Sprintf("key %.64q is not in %s (%s)", kid, where, kids(s))
}

// kids lists what there is, for people.
func kids(s *jwks.Set) string {
	const most = 20
	ids := s.IDs()
	if len(ids) == 0 {
		return "no key there has a kid"
	}
	more := ""
	if len(ids) > most {
		more = fmt.Sprintf(" and %d more", len(ids)-most)
		ids = ids[:most]
	}
	for i, id := range ids {
		ids[i] = fmt.Sprintf("%.64q", id)
	}
	return "kids " + strings.Join(ids, ", ") + more
}

package gatehouse

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/credential"
	"github.com/gatehouse-mcp/gatehouse/internal/keytext"
)

// minOpaque is the least length of a key that is not in our format, in bytes:
// from there on it can hold as much chance as a fast digest needs.
const minOpaque = 32

const digestPrefix = "sha256:"

// APIKey is what is kept of an API key. Its text is not: who reads the store
// cannot call with what is there.
type APIKey struct {
	Digest string // required: "sha256:" and the SHA-256 of the key's whole text in hexadecimal

	// Identity is whom the key stands for. An empty Subject becomes "key:" and the
	// key's id, an empty KeyID that id: of a key in Gatehouse's format the part that
	// is public, else the first 12 digits of the digest. Expires is when the key ends.
	Identity Identity
}

// APIKeyVerifier accepts API keys that you hold yourself: those of [NewAPIKey],
// of "gatehouse key create", and other random texts of at least 32 bytes.
type APIKeyVerifier struct {
	Keys []APIKey // those that there are; nil: Lookup knows

	// Lookup returns the key that has a digest; nil and no error: there is none. It
	// is asked on each request. Whatever it returns is compared once more, so that a
	// search which does not tell A from a lets nobody in.
	Lookup func(ctx context.Context, digest string) (*APIKey, error)

	Now func() time.Time // nil: time.Now

	once    sync.Once
	known   map[[sha256.Size]byte]*held
	invalid error
}

// held is one of Keys, and what it stands for once it was seen: only then its id is known.
type held struct {
	key *APIKey
	id  atomic.Pointer[Identity]
}

// NewAPIKey returns a new key in Gatehouse's format, which scanners for leaked
// secrets know, and its digest for [APIKey]. The text is to be shown once, to
// whom it is for, and to be stored nowhere.
func NewAPIKey() (text, digest string) {
	_, text, err := keytext.Mint(nil)
	if err != nil {
		panic(err) // crypto/rand ends the program before it fails
	}
	sum := sha256.Sum256([]byte(text))
	return text, digestPrefix + hex.EncodeToString(sum[:])
}

// Check says which field will not do.
func (v *APIKeyVerifier) Check() error {
	switch {
	case len(v.Keys) == 0 && v.Lookup == nil:
		return errors.New("APIKeyVerifier.Keys: no key is there, and there is no Lookup")
	case v.Keys != nil && v.Lookup != nil:
		return errors.New("APIKeyVerifier.Lookup: give either it or Keys")
	}
	v.prepare()
	return v.invalid
}

// prepare reads Keys.
func (v *APIKeyVerifier) prepare() {
	v.once.Do(func() {
		v.known = make(map[[sha256.Size]byte]*held, len(v.Keys))
		for i, k := range v.Keys {
			sum, err := parseDigest(k.Digest)
			if err == nil && v.known[sum] != nil {
				err = errors.New("it is there twice")
			}
			if err != nil {
				v.invalid = fmt.Errorf("APIKeyVerifier.Keys[%d].Digest: %w", i, err)
				return
			}
			v.known[sum] = &held{key: &k}
		}
	})
}

// parseDigest reads a digest, and refuses that of nothing.
func parseDigest(text string) (sum [sha256.Size]byte, err error) {
	digits, ok := strings.CutPrefix(text, digestPrefix)
	if !ok || len(digits) != hex.EncodedLen(len(sum)) {
		return sum, errors.New(`want "sha256:" and 64 hexadecimal digits`)
	}
	if _, err := hex.Decode(sum[:], []byte(digits)); err != nil {
		return sum, errors.New(`want "sha256:" and 64 hexadecimal digits`)
	}
	if sum == sha256.Sum256(nil) || sum == [sha256.Size]byte{} {
		return sum, errors.New("that is the digest of nothing")
	}
	return sum, nil
}

// Verify implements [Verifier]. It refuses with 401 GH-1010 (damaged) and
// GH-1011 (not accepted), and with 503 GH-1902 when Lookup fails. What is not in
// Gatehouse's format, and of no key, is not its own: ErrNotMine.
func (v *APIKeyVerifier) Verify(ctx context.Context, c *Credential) (*Identity, error) {
	if err := v.Check(); err != nil {
		return nil, err
	}
	ours := keytext.Is(c.Text)
	if c.Scheme != "" && c.Scheme != credential.Bearer || !ours && len(c.Text) < minOpaque {
		return nil, ErrNotMine // a key is bound to nothing, and proofs beside it prove nothing
	}
	if ours {
		if _, err := keytext.Parse(c.Text); err != nil {
			return nil, Refuse("GH-1010", "This looks like a gatehouse key, but it is damaged. Probably cut while copying.", err)
		}
	}
	var room [128]byte // what is longer is moved to the heap
	sum := sha256.Sum256(append(room[:0], c.Text...))
	id, err := v.find(ctx, sum, c.Text)
	switch {
	case err != nil:
		return nil, &Error{Code: "GH-1902", Status: 503, Description: "Keys cannot be judged at present.", Cause: fmt.Errorf("look up a key: %w", err)}
	case id == nil && !ours:
		return nil, ErrNotMine
	case id == nil:
		return nil, Refuse("GH-1011", "Key not accepted.", errors.New("no key has the id "+keytext.ID(c.Text)))
	case !id.Expires.IsZero() && !v.now().Before(id.Expires):
		return nil, Refuse("GH-1011", "Key not accepted.", errors.New("key id "+id.KeyID+" has expired"))
	}
	return id, nil
}

// find returns whom the key with a digest stands for; nil: there is none.
func (v *APIKeyVerifier) find(ctx context.Context, sum [sha256.Size]byte, text string) (*Identity, error) {
	if v.Lookup == nil {
		// How long a map takes tells of the digest at most, which nobody can choose.
		h := v.known[sum]
		if h == nil {
			return nil, nil //nolint:nilnil // there is none
		}
		id := h.id.Load()
		if id == nil {
			id = h.key.identity(sum, text)
			h.id.Store(id)
		}
		return id, nil
	}
	k, err := v.Lookup(ctx, digestPrefix+hex.EncodeToString(sum[:]))
	if err != nil || k == nil {
		return nil, err
	}
	kept, err := parseDigest(k.Digest)
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare(kept[:], sum[:]) != 1 {
		return nil, nil //nolint:nilnil // there is none
	}
	return k.identity(sum, text), nil
}

// identity returns whom the key stands for, with what follows from its text.
func (k *APIKey) identity(sum [sha256.Size]byte, text string) *Identity {
	id := k.Identity
	switch {
	case id.KeyID != "":
	case keytext.Is(text):
		id.KeyID = strings.Clone(keytext.ID(text)) // or the whole key would stay in memory
	default:
		id.KeyID = hex.EncodeToString(sum[:6])
	}
	if id.Subject == "" {
		id.Subject = "key:" + id.KeyID
	}
	return &id
}

func (v *APIKeyVerifier) now() time.Time {
	if v.Now == nil {
		return time.Now()
	}
	return v.Now()
}

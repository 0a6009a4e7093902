package apikey

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/keytext"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// Foreign is a key minted elsewhere in our format: its text, or its id and hash.
type Foreign struct {
	Text string // the key itself; empty: ID and Hash are given
	ID   string
	Hash string // "sha256:" and the SHA-256 of the key's whole text in hexadecimal
}

// Import stores a key minted elsewhere. It returns [ErrMalformed], [ErrWeak] or
// [ErrExists] when the key will not do.
func (s *Service) Import(ctx context.Context, t tenant.ID, f Foreign, spec Spec) (*Key, error) {
	at := s.now()
	if err := spec.Validate(at); err != nil {
		return nil, err
	}
	r := &Record{}
	id, err := s.judge(f, r)
	if err != nil {
		return nil, err
	}
	r.Key = spec.key(id, t, at)
	return s.add(ctx, r)
}

// judge fills in the digest of a foreign key and returns its id.
func (s *Service) judge(f Foreign, r *Record) (id string, err error) {
	if f.Text == "" {
		r.Digest, err = parseHash(f.Hash)
		if err == nil && !keytext.ValidID(f.ID) {
			err = fmt.Errorf("%w: an id is %d letters and digits", ErrMalformed, keytext.IDLen)
		}
		return f.ID, err
	}
	if f.ID != "" || f.Hash != "" {
		return "", fmt.Errorf("%w: give either the key's text or its id and hash", ErrInvalid)
	}
	raw, err := keytext.Parse(f.Text)
	if err != nil {
		return "", err
	}
	if weak(f.Text[keytext.SecretAt:keytext.ChecksumAt]) {
		return "", fmt.Errorf("%w: it does not look random", ErrWeak)
	}
	h, err := newHasher(s.Pepper)
	if err != nil {
		return "", err
	}
	r.Digest, r.Pepper = h.digest(raw[:]), h.fingerprint
	return keytext.ID(f.Text), nil
}

// parseHash reads "sha256:<64 hex digits>" and refuses digests of nothing.
func parseHash(text string) (sum [32]byte, err error) {
	digits, ok := strings.CutPrefix(text, "sha256:")
	if !ok || len(digits) != hex.EncodedLen(len(sum)) {
		return sum, fmt.Errorf(`%w: a hash is "sha256:" and 64 hexadecimal digits`, ErrMalformed)
	}
	if _, err := hex.Decode(sum[:], []byte(digits)); err != nil {
		return sum, fmt.Errorf(`%w: a hash is "sha256:" and 64 hexadecimal digits`, ErrMalformed)
	}
	if sum == plain(nil) || bytes.Count(sum[:], sum[:1]) == len(sum) {
		return sum, fmt.Errorf("%w: that is the hash of nothing", ErrWeak)
	}
	return sum, nil
}

// weak reports whether a secret is plainly not 43 random characters: those have
// about 31 different ones, and fewer than 16, or one six times in a row, less
// often than once in ten million keys.
func weak(secret string) bool {
	var seen [256]bool
	different, run := 0, 1
	for i := range len(secret) {
		if !seen[secret[i]] {
			seen[secret[i]] = true
			different++
		}
		if i > 0 && secret[i] == secret[i-1] {
			run++
		} else {
			run = 1
		}
		if run == 6 {
			return true
		}
	}
	return different < 16
}

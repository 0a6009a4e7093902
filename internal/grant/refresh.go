package grant

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/gatehouse-mcp/gatehouse/internal/keytext"
)

// RefreshRequest is what a client brings with a refresh token.
type RefreshRequest struct {
	Token    string
	Client   string   // that was authenticated
	Scopes   []string // that the access token shall have; nil: those of the grant. RFC 6749 §6
	Resource string   // canonical; empty: that of the grant
	Key      string   // thumbprint of the key that the request's DPoP proof is by; empty: there was none
}

// refreshToken returns the token of a generation. It is derived, not stored: the
// generation and a MAC of it under the secret. So every process gives the same
// answer to the same question, and a made-up token never reaches the database.
func (s *Service) refreshToken(id string, generation int64) string {
	var secret [32]byte
	binary.BigEndian.PutUint32(secret[:4], uint32(generation)) //nolint:gosec // Rotate ends before
	mac := hmac.New(sha256.New, s.Secret)
	mac.Write([]byte("refresh token\x00" + id))
	mac.Write(secret[:4])
	copy(secret[4:], mac.Sum(nil)) // 224 of its bits
	return keytext.Compose(keytext.Refresh, id, secret)
}

// maxGeneration is how often a grant may be refreshed: what four bytes hold.
const maxGeneration = 1<<32 - 2

// genuine returns whose refresh token a text is, and which.
func (s *Service) genuine(text string) (id string, generation int64, err error) {
	id, secret, err := keytext.Read(keytext.Refresh, text)
	if err != nil {
		return "", 0, fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	generation = int64(binary.BigEndian.Uint32(secret[:4]))
	if subtle.ConstantTimeCompare([]byte(s.refreshToken(id, generation)), []byte(text)) != 1 {
		return "", 0, fmt.Errorf("%w: no refresh token of ours", ErrNotFound)
	}
	return id, generation, nil
}

// RefreshTokenOf returns the refresh token of a grant; empty: it has none.
func (s *Service) RefreshTokenOf(g *Grant) string {
	if !g.Offline || g.Generation < 1 {
		return ""
	}
	return s.refreshToken(g.ID, g.Generation)
}

// Find returns the grant of a refresh token, whether it can still be used or
// not, and whether the token is the latest one; or ErrNotFound.
func (s *Service) Find(ctx context.Context, text string) (g *Grant, latest bool, err error) {
	id, generation, err := s.genuine(text)
	if err != nil {
		return nil, false, err
	}
	r, err := s.Store.Find(ctx, id)
	if err != nil {
		return nil, false, known(err)
	}
	return &r.Grant, r.Generation == generation, nil
}

// Refresh exchanges a refresh token for its successor, and returns the grant
// that an access token may be made of, with the scopes that were asked for.
//
// A client whose answer was lost asks again, and gets the byte-identical
// successor within RefreshGrace, from whichever process. A token that was used
// and comes later, or after its successor was used as well, was stolen, or is
// used by whoever it was stolen from: the grant ends. OAuth 2.1 §4.3.1
func (s *Service) Refresh(ctx context.Context, q RefreshRequest) (*Grant, string, error) {
	id, generation, err := s.genuine(q.Token)
	if err != nil {
		return nil, "", err
	}
	for range 3 { // the second time it is another's predecessor, or over
		r, err := s.Store.Find(ctx, id)
		if err != nil {
			return nil, "", known(err)
		}
		g, err := s.turn(ctx, &q, &r.Grant, generation)
		switch {
		case errors.Is(err, ErrRaced):
			continue
		case err != nil:
			return nil, "", known(err)
		}
		if q.Scopes != nil {
			g.Scopes = q.Scopes
		}
		return g, s.refreshToken(id, g.Generation), nil
	}
	return nil, "", known(ErrRaced)
}

// turn judges a request by the grant as it is, and does what follows.
func (s *Service) turn(ctx context.Context, q *RefreshRequest, g *Grant, generation int64) (*Grant, error) {
	now := s.now()
	used := generation < g.Generation
	switch state := g.State(now); {
	case state == Revoked:
		return nil, ErrRevoked
	case state == Ended:
		return nil, ErrExpired
	case generation > g.Generation: // the database was restored to an older state; what it forgot may be a revocation
		return nil, fmt.Errorf("%w: the refresh token is newer than what is known of it", ErrNotFound)
	}
	if err := q.judge(g); err != nil {
		if used && errors.Is(err, ErrMismatch) { // it came to somebody else: that it was used before proves it
			return nil, s.reused(ctx, g)
		}
		return nil, err
	}
	if err := s.marked(ctx, g, g.Rotated, now); err != nil {
		return nil, err
	}
	switch {
	case !used && g.Generation >= maxGeneration:
		return nil, ErrExpired
	case !used:
		return s.Store.Rotate(ctx, g.Tenant, g.ID, generation, now, s.idle(now))
	case generation == g.Generation-1 && now.Sub(g.Rotated).Abs() < s.RefreshGrace: // clocks of two processes differ either way
		return g, nil
	}
	return nil, s.reused(ctx, g)
}

// judge says whether a request is of whom the grant is for, and for no more.
func (q *RefreshRequest) judge(g *Grant) error {
	switch {
	case q.Client != g.Client:
		return fmt.Errorf("%w: the refresh token was given to another client", ErrMismatch)
	case g.Key != "" && q.Key != g.Key: // RFC 9449 §5
		return fmt.Errorf("%w: the refresh token is bound to another key", ErrMismatch)
	case q.Resource != "" && q.Resource != g.Resource: // RFC 8707 §2.2
		return ErrTarget
	}
	for _, scope := range q.Scopes {
		if !slices.Contains(g.Scopes, scope) { // RFC 6749 §6
			return ErrScope
		}
	}
	return nil
}

// reused ends a grant of which a used token came again.
func (s *Service) reused(ctx context.Context, g *Grant) error {
	if _, err := s.end(ctx, g, "its refresh token was used twice", "gatehouse"); err != nil {
		return errors.Join(err, ErrReused)
	}
	return &EndedError{Grant: g, Why: ErrReused}
}

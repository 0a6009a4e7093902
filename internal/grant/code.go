package grant

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/keytext"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

// Authorize keeps a grant that somebody has just allowed, and returns the code
// that it can be had for. It fills in ID and Created.
func (s *Service) Authorize(ctx context.Context, a *Authorization) (code string, err error) {
	if a.Challenge == "" || a.Redirect == "" { // a code that nothing protects is worth stealing. RFC 7636
		return "", errors.New("authorize: a code needs a challenge and a redirect URI")
	}
	secret := keytext.NewSecret()
	r, err := s.record(a)
	if err != nil {
		return "", err
	}
	r.Code = sha256.Sum256(secret[:])
	if err := s.Store.Create(ctx, r.Tenant, r); err != nil {
		return "", known(err)
	}
	return keytext.Compose(keytext.Code, r.ID, secret), nil
}

// record is what is stored of an authorization.
func (s *Service) record(a *Authorization) (*Record, error) {
	if a.Tenant == "" || a.Client == "" || a.Subject == "" || a.Resource == "" {
		return nil, errors.New("a grant needs a tenant, a client, a subject and a resource")
	}
	a.ID, a.Created = keytext.NewID(), s.now()
	r := &Record{Authorization: *a, CodeExpires: a.Created.Add(orElse(s.CodeTTL, defaultCodeTTL))}
	r.Expires, r.Idle = r.CodeExpires, time.Time{} // until it is redeemed
	return r, nil
}

// Redemption is what a client brings for a code.
type Redemption struct {
	Code     string
	Client   string // that was authenticated
	Redirect string // redirect_uri; empty: not sent, as in OAuth 2.1
	Verifier string // code_verifier. RFC 7636 §4.5
	Resource string // canonical; empty: not sent
	Key      string // thumbprint of the key that the request's DPoP proof is by; empty: there was none
	Public   bool   // the client cannot prove who it is: its refresh tokens are bound to Key. RFC 9449 §5
}

// Redeem returns the grant of a code, once.
//
// Everything is judged before the code is spent: whoever has only the code
// cannot use it up. A request that is right in everything but comes a second
// time revokes the grant, for one of the two was made by a thief; one that is
// wrong in anything revokes nothing. OAuth 2.1 §4.1.3, §7.5.3
func (s *Service) Redeem(ctx context.Context, q Redemption) (*Grant, error) {
	id, secret, err := keytext.Read(keytext.Code, q.Code)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	r, err := s.Store.Find(ctx, id)
	if err != nil {
		return nil, known(err)
	}
	if err := q.judge(r, sha256.Sum256(secret[:])); err != nil {
		return nil, err
	}
	now := s.now()
	switch {
	case r.Generation > 0:
		return nil, s.spent(ctx, r)
	case !r.Revoked.IsZero():
		return nil, ErrRevoked
	case !now.Before(r.CodeExpires):
		return nil, ErrExpired
	}
	if err := s.marked(ctx, &r.Grant, r.Created, now); err != nil {
		return nil, known(err)
	}
	g, err := s.Store.Redeem(ctx, r.Tenant, id, s.start(&r.Grant, now, q.bind()))
	if errors.Is(err, ErrSpent) { // by another request, a moment ago
		return nil, s.spent(ctx, r)
	}
	return g, known(err)
}

// FlowOfCode returns the id of the login that a code came of, for the trail; empty:
// this is no code of ours, or it is not known. Whoever has only guessed the id of
// a code learns nothing, and what became of the code does not matter.
func (s *Service) FlowOfCode(ctx context.Context, code string) string {
	id, secret, err := keytext.Read(keytext.Code, code)
	if err != nil {
		return ""
	}
	r, err := s.Store.Find(ctx, id)
	hash := sha256.Sum256(secret[:])
	if err != nil || r.Code == [32]byte{} || subtle.ConstantTimeCompare(r.Code[:], hash[:]) != 1 {
		return ""
	}
	return r.Flow
}

// judge says whether a request is the one that a code was given out for.
func (q *Redemption) judge(r *Record, hash [32]byte) error {
	switch {
	case r.Code == [32]byte{} || subtle.ConstantTimeCompare(r.Code[:], hash[:]) != 1:
		return ErrNotFound
	case q.Client != r.Client:
		return fmt.Errorf("%w: the code was given to another client", ErrMismatch)
	case q.Redirect != "" && q.Redirect != r.Redirect: // RFC 6749 §4.1.3
		return fmt.Errorf("%w: redirect_uri is not the one that the code was sent to", ErrMismatch)
	case r.Challenge == "" || q.Verifier == "" || !oauth.VerifyPKCE(r.Challenge, q.Verifier): // RFC 7636 §4.6
		return fmt.Errorf("%w: code_verifier is not that of the code_challenge", ErrMismatch)
	case r.Bound != "" && r.Bound != q.Key: // RFC 9449 §10
		return fmt.Errorf("%w: the code is for the key of dpop_jkt", ErrMismatch)
	case q.Resource != "" && q.Resource != r.Resource: // RFC 8707 §2.2
		return ErrTarget
	}
	return nil
}

// bind is the key that refresh tokens are bound to.
func (q *Redemption) bind() string {
	if q.Public {
		return q.Key
	}
	return ""
}

// start says how long a grant is good for from its redemption on.
func (s *Service) start(g *Grant, now time.Time, key string) Start {
	b := Start{At: now, Key: key}
	if !g.Offline { // nothing but one access token comes of it
		b.Expires = now.Add(s.accessTTL())
		return b
	}
	b.Expires = now.Add(orElse(s.RefreshMax, defaultRefreshMax))
	b.Idle = s.idle(now)
	return b
}

func (s *Service) idle(now time.Time) time.Time {
	if s.RefreshIdle <= 0 {
		return time.Time{}
	}
	return now.Add(s.RefreshIdle)
}

// spent ends a grant whose code came again.
func (s *Service) spent(ctx context.Context, r *Record) error {
	if !r.Revoked.IsZero() {
		return ErrSpent
	}
	if _, err := s.end(ctx, &r.Grant, "its code was used twice", "gatehouse"); err != nil {
		return errors.Join(err, ErrSpent)
	}
	return &EndedError{Grant: &r.Grant, Why: ErrSpent}
}

package gatehouse

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/jws"
)

// confirmation says what a token is bound to. The zero value is nothing. RFC 7800 §3.1
type confirmation struct {
	key         string // cnf.jkt: the thumbprint of a key. RFC 9449 §6.1
	certificate string // cnf.x5t#S256: that of a certificate. RFC 8705 §3.1
}

// readConfirmation reads cnf. A binding of another kind is refused: whoever
// cannot hold a token to it must not take it for one that is free. RFC 7800 §3.1
func readConfirmation(claims *jws.Object) (confirmation, error) {
	v, there := claims.Get("cnf")
	if !there {
		return confirmation{}, nil
	}
	members, _ := jws.Members(v) // none, if it is no object
	if len(members) == 0 {
		return confirmation{}, unbound("cnf of the token is not an object that names what it is bound to")
	}
	var c confirmation
	for _, m := range members {
		s, ok := jws.Text(m.Value)
		if ok {
			raw, err := base64.RawURLEncoding.Strict().DecodeString(s)
			ok = err == nil && len(raw) == sha256.Size && len(s) == base64.RawURLEncoding.EncodedLen(sha256.Size)
		}
		switch {
		case m.Name == "jkt" && ok:
			c.key = s
		case m.Name == "x5t#S256" && ok:
			c.certificate = s
		default:
			return confirmation{}, unbound("cnf of the token binds it by %q in a way that is not understood", cut(m.Name))
		}
	}
	return c, nil
}

// unbound is a refusal of how a token and its sender belong together.
func unbound(story string, args ...any) *Error {
	return refuse("GH-1116", "The token is bound to its sender in another way than it was sent.", story, args...)
}

// senders judges whether a token's sender is whom it is bound to.
type senders struct {
	dpop                     *proofs
	requireDPoP, requireMTLS bool
}

func newSenders(d *DPoP, requireDPoP, requireMTLS bool, now func() time.Time) (*senders, error) {
	if d == nil {
		d = &DPoP{Now: now}
	}
	p, err := d.settle()
	if err != nil {
		return nil, fmt.Errorf("DPoP.%w", err)
	}
	return &senders{dpop: p, requireDPoP: requireDPoP, requireMTLS: requireMTLS}, nil
}

// judge holds a request to the binding of its token. RFC 9449 §7, RFC 8705 §3
func (s *senders) judge(ctx context.Context, c *Credential, cnf confirmation, now time.Time) error {
	asProof := strings.EqualFold(c.Scheme, "DPoP")
	switch {
	case c.Scheme != "" && !asProof && !strings.EqualFold(c.Scheme, "Bearer"):
		return unbound("the token came with the scheme %q", cut(c.Scheme))
	case cnf.key == "" && s.requireDPoP:
		return s.wantsProof("the token is bound to no key, and only such tokens are accepted (RequireDPoP)")
	case cnf.key == "" && asProof: // RFC 9449 §7.1
		return s.wantsProof("the token came with the scheme DPoP, but is bound to no key (no cnf.jkt)")
	case cnf.key != "" && !asProof: // RFC 9449 §7.2
		return s.wantsProof("the token is bound to key %s, and came as a plain Bearer token: whoever sends it has to prove that they hold the key", cnf.key)
	case cnf.certificate == "" && s.requireMTLS:
		return unbound("the token is bound to no client certificate, and only such tokens are accepted (RequireMTLS)")
	}
	if cnf.certificate != "" {
		shown := c.Presented
		if shown == nil {
			shown = c.Certificate
		}
		if err := sameCertificate(shown, cnf.certificate); err != nil {
			return err
		}
	}
	if cnf.key == "" {
		return nil
	}
	return s.dpop.judge(ctx, c, cnf.key, sha256.Sum256([]byte(c.Text)), now)
}

// sameCertificate compares the certificate of the connection with that of the
// token. RFC 8705 §3.1
func sameCertificate(der []byte, thumbprint string) error {
	if len(der) == 0 {
		return unbound("the token is bound to a client certificate (%s), and the request came without one", thumbprint)
	}
	sum := sha256.Sum256(der)
	got := base64.RawURLEncoding.EncodeToString(sum[:])
	if subtle.ConstantTimeCompare([]byte(got), []byte(thumbprint)) != 1 {
		return unbound("the token is bound to the client certificate %s, and the request came with %s", thumbprint, got)
	}
	return nil
}

// challenge makes a refusal ask for a bound token, where the request
// brought one or should have. RFC 9449 §7.1
func (s *senders) challenge(c *Credential, err error) error {
	e, ok := err.(*Error) //nolint:errorlint // one that is wrapped says that others may try
	if !ok || e.Challenge == nil {
		return err
	}
	if !s.requireDPoP && !strings.EqualFold(c.Scheme, "DPoP") {
		return err
	}
	asked, with := *e, *e.Challenge // a key set may keep the refusal that it returned
	with.Scheme, with.Algorithms = "DPoP", s.dpop.words
	asked.Challenge = &with
	return &asked
}

// wantsProof is unbound where a proof was missing.
func (s *senders) wantsProof(story string, args ...any) *Error {
	e := unbound(story, args...)
	e.Challenge.Scheme, e.Challenge.Algorithms = "DPoP", s.dpop.words
	return e
}

// CheckBinding holds a request to what its token is bound to: a key (RFC 9449) or
// a client certificate (RFC 8705), by the token's claims in an identity that
// Verify has returned. It is for those who keep identities themselves; Verify has
// done the same. The error is as that of Verify.
func (v *JWTVerifier) CheckBinding(ctx context.Context, c *Credential, who *Identity) error {
	r, err := v.settle()
	if err != nil {
		return err
	}
	cnf := confirmation{}
	if bytes.Contains(who.Claims, []byte("cnf")) || bytes.IndexByte(who.Claims, '\\') >= 0 { // a name may be written with escapes
		claims, err := readClaims(who.Claims)
		if err != nil {
			return malformed(err)
		}
		if cnf, err = readConfirmation(claims); err != nil {
			return err
		}
	}
	return r.senders.challenge(c, r.senders.judge(ctx, c, cnf, r.now()))
}

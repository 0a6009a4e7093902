package gatehouse

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/jws"
)

// DPoP says how proofs of possession are judged. The zero value is ready for
// use; all verifiers of a server share one, so that a proof counts once whichever
// of them sees it. It is used through a pointer and not copied or changed after
// its first use. RFC 9449
type DPoP struct {
	Algorithms []string      // alg of proofs; nil: RS, PS and ES of 256, 384 and 512 bits, and EdDSA
	Window     time.Duration // how far a proof's iat may be from now; 0: a minute; at most 10 minutes
	Replays    Replays       // which proofs were seen; nil: kept in memory, which one process of several does not share

	// RequireNonce asks for a nonce of ours in every proof, so that none can be
	// made in advance. RFC 9449 §9
	RequireNonce bool
	NonceKey     []byte // what nonces are made with, at least 32 bytes, the same in all processes; nil: random, of this process

	Now func() time.Time // nil: time.Now

	once  sync.Once
	rules *proofs
	fault error
}

// Replays remembers which proofs were seen.
type Replays interface {
	// Once reports whether an id was not seen before, and remembers it until a
	// time. Of all that ask at once, one is told true. An error refuses the proof.
	//
	// The first 16 bytes of an id are those of its key: a memory that is bounded
	// has to be so for each key, or whoever has one token could fill it for all.
	// The last 16 bytes alone tell proofs apart.
	Once(ctx context.Context, id [32]byte, until time.Time) (bool, error)
}

// Check reports what is wrong with the configuration, by the name of the field.
func (d *DPoP) Check() error {
	_, err := d.settle()
	return err
}

// Nonce returns a nonce for the header DPoP-Nonce of an answer, so that the next
// proof need not be refused first; empty if none is required. RFC 9449 §8.2
func (d *DPoP) Nonce() string {
	p, err := d.settle()
	if err != nil || p.nonces == nil {
		return ""
	}
	return p.nonces.at(p.now())
}

// proofs is the configuration of a DPoP as it was read. It never changes.
type proofs struct {
	algorithms []string
	words      string // the same with blanks between
	window     time.Duration
	replays    Replays
	nonces     *nonces // nil: none is required
	now        func() time.Time
}

func (d *DPoP) settle() (*proofs, error) {
	d.once.Do(func() { d.rules, d.fault = d.compile() })
	return d.rules, d.fault
}

func (d *DPoP) compile() (*proofs, error) {
	p := &proofs{algorithms: d.Algorithms, window: d.Window, replays: d.Replays, now: d.Now}
	if p.algorithms == nil {
		p.algorithms = jws.Algorithms()
	}
	if len(p.algorithms) == 0 {
		return nil, errors.New("Algorithms is empty")
	}
	for _, alg := range p.algorithms {
		if !slices.Contains(jws.Algorithms(), alg) {
			return nil, fmt.Errorf("Algorithms has %q; known are %s", alg, strings.Join(jws.Algorithms(), ", "))
		}
	}
	p.words = strings.Join(p.algorithms, " ")
	switch {
	case p.window < 0 || p.window > 10*time.Minute:
		return nil, errors.New("Window is not between 0 and 10 minutes")
	case p.window == 0:
		p.window = time.Minute
	}
	if p.now == nil {
		p.now = time.Now
	}
	if p.replays == nil {
		p.replays = &seen{now: p.now}
	}
	if !d.RequireNonce {
		return p, nil
	}
	key := d.NonceKey
	switch {
	case key == nil:
		key = make([]byte, minNonceKey)
		_, _ = rand.Read(key) // it cannot fail
	case len(key) < minNonceKey:
		return nil, fmt.Errorf("NonceKey has %d bytes, and at least %d are needed", len(key), minNonceKey)
	}
	p.nonces = &nonces{key: key}
	return p, nil
}

// Key judges the proof of a request that presents no token, as those for tokens
// are, and returns the thumbprint of the key that it is by. What such a request
// gets can be bound to that key. A refusal is an [*Error]. RFC 9449 §5
func (d *DPoP) Key(ctx context.Context, c *Credential) (thumbprint string, err error) {
	p, err := d.settle()
	if err != nil {
		return "", err
	}
	proof, err := p.read(c)
	if err != nil {
		return "", err
	}
	now := p.now()
	if err := p.fits(proof, c, now); err != nil {
		return "", err
	}
	if err := p.first(ctx, proof); err != nil {
		return "", err
	}
	return proof.Thumbprint, nil
}

// read returns the one proof of a request. RFC 9449 §4.3, steps 1 to 7
func (p *proofs) read(c *Credential) (*jws.Proof, error) {
	switch {
	case len(c.Proofs) != 1:
		return nil, p.refuse("the request has %d DPoP headers instead of one", len(c.Proofs))
	case c.Method == "" || c.URL == "":
		return nil, p.refuse("it is not known what the request was sent to, so no proof can be held to it")
	}
	proof, err := jws.ReadProof(c.Proofs[0], p.algorithms)
	if err != nil {
		return nil, p.refuse("the DPoP proof is not accepted: %w", err)
	}
	return proof, nil
}

// judge holds a request to the proof that it brings. RFC 9449 §4.3
func (p *proofs) judge(ctx context.Context, c *Credential, key string, token [sha256.Size]byte, now time.Time) error {
	proof, err := p.read(c)
	if err != nil {
		return err
	}
	if ath := base64.RawURLEncoding.EncodeToString(token[:]); subtle.ConstantTimeCompare([]byte(proof.Hash), []byte(ath)) != 1 {
		return p.refuse("the proof is not for this token (ath)")
	}
	if err := p.fits(proof, c, now); err != nil {
		return err
	}
	// The binding is the token's, so a wrong key is the token's fault. RFC 9449 §7.1
	if subtle.ConstantTimeCompare([]byte(proof.Thumbprint), []byte(key)) != 1 {
		return unbound("the token is bound to key %s, and the proof is by key %s", key, proof.Thumbprint)
	}
	return p.first(ctx, proof)
}

// fits reports why a proof is not for this request. RFC 9449 §4.3, steps 8 to 11
func (p *proofs) fits(proof *jws.Proof, c *Credential, now time.Time) error {
	switch at := seconds(now); {
	case proof.Method != c.Method:
		return p.refuse("the proof is for %q, the request is a %s", cut(proof.Method), c.Method)
	case !jws.SameTarget(proof.URL, c.URL):
		return p.refuse("the proof is for %q, the request went to %q", cut(proof.URL), cut(c.URL))
	case proof.Issued < at-p.window.Seconds():
		return p.refuse("the proof was made %s ago, at most %s are accepted. The client's clock may be wrong", span(at-proof.Issued), p.window)
	case proof.Issued > at+p.window.Seconds():
		return p.refuse("the proof was made %s from now. The client's clock is wrong", span(proof.Issued-at))
	}
	if p.nonces != nil && !p.nonces.hold(proof.Nonce, now) {
		e := p.refuse("the proof has no nonce of ours, or an old one. The client has to use the one in the answer")
		e.Code, e.Description = "GH-1115", "The DPoP proof needs the nonce of this answer."
		e.Challenge.Error, e.Challenge.Description, e.Challenge.Nonce = "use_dpop_nonce", e.Description, p.nonces.at(now)
		return e
	}
	return nil
}

// first reports a proof that was seen before. Only one that is good in every
// other way is remembered: nobody else can fill the memory. RFC 9449 §11.1
func (p *proofs) first(ctx context.Context, proof *jws.Proof) error {
	id, one := sha256.Sum256([]byte(proof.Thumbprint)), sha256.Sum256([]byte(proof.Thumbprint+"."+proof.ID))
	copy(id[16:], one[:16])
	fresh, err := p.replays.Once(ctx, id, instant(proof.Issued).Add(p.window+time.Second))
	if err != nil {
		return &Error{
			Code: "GH-1118", Status: 503, Cause: fmt.Errorf("remember a DPoP proof: %w", err),
			Description: "The DPoP proof cannot be judged at present.",
		}
	}
	if !fresh {
		return p.refuse("the proof was used before (jti %q)", cut(proof.ID))
	}
	return nil
}

// refuse returns a refusal of a proof. RFC 9449 §7.1
func (p *proofs) refuse(story string, args ...any) *Error {
	e := refuse("GH-1114", "The DPoP proof is not accepted.", story, args...)
	e.Challenge.Scheme, e.Challenge.Error, e.Challenge.Algorithms = "DPoP", "invalid_dpop_proof", p.words
	return e
}

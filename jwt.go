package gatehouse

import (
	"context"
	"crypto/sha256"
	"errors"
	"strings"
	"sync"
	"time"
)

// JWTVerifier verifies the access tokens of one issuer: compact JWS in the JWT
// profile for access tokens (RFC 9068), or whatever else Types admits.
//
// It is used through a pointer and not copied or changed after its first use.
// What is decided about a token is kept in memory; its time, audience, client,
// key and binding are judged anew each time.
type JWTVerifier struct {
	Issuer      string   // required: the exact iss
	AlsoIssuers []string // further values of iss of the same issuer, with the same keys

	// Audience is the resource that a token must be for, such as
	// "https://mcp.example.com/mcp". It is required, and compared byte for byte;
	// the same URL with or without a slash at its end is ours too. RFC 8707 §2
	Audience  string
	Audiences []string // further values of aud that are ours alone; compared byte for byte

	// InsecureNoAudience leaves aud unread, for issuers that cannot say whom a
	// token is for: every other service of the issuer could use its callers'
	// tokens here. Clients is required then.
	InsecureNoAudience bool

	Clients    []string // the only clients whose tokens are accepted; empty: any
	Keys       KeySet   // required: the issuer's keys
	Algorithms []string // values of alg; nil: RS, PS and ES of 256, 384 and 512 bits, and EdDSA
	Types      []string // values of typ, "" for none, with or without "application/"; nil: "at+jwt"
	Claims     ClaimMap // where the issuer puts identity and rights

	Reject  []ClaimRule // a token of which one is true is refused
	Require []ClaimRule // and so is one of which any is not

	Leeway  time.Duration // how far clocks may differ; 0: 60 s, which is also the most; negative: not at all
	MaxLife time.Duration // from a token's iat (now, if it has none) to its exp; 0: 366 days

	// RequireIssued refuses a token without iat. Nobody can tell how long it has
	// lived: it passes MaxLife once it has no more than that to live.
	RequireIssued bool

	RequireDPoP bool  // a token that is not bound to a key is refused. RFC 9449
	RequireMTLS bool  // a token that is not bound to a client certificate is refused. RFC 8705 §3
	DPoP        *DPoP // how proofs are judged, best shared by all verifiers; nil: the zero value's way

	MaxToken  int              // bytes of a token; 0: 16 KiB
	CacheSize int              // verified tokens to keep; 0: 10,000; negative: none
	Now       func() time.Time // nil: time.Now

	once  sync.Once
	rules *jwtRules
	fault error
}

// Check reports what is wrong with the configuration, by the name of the field.
// With such a fault Verify refuses every token.
func (v *JWTVerifier) Check() error {
	_, err := v.settle()
	return err
}

// settle reads the configuration at the first use.
func (v *JWTVerifier) settle() (*jwtRules, error) {
	v.once.Do(func() { v.rules, v.fault = v.compile() })
	return v.rules, v.fault
}

// Verify returns whom an access token stands for. A refusal is an [*Error] of
// status 401, or 503 if the issuer's keys cannot be had. What is no JWT, and what
// another issuer has made, is [ErrNotMine]: it may carry an [*Error] that tells
// what to answer if nobody takes the token. Any other error is a fault of the
// configuration, or of what a DPoP proof is judged by.
func (v *JWTVerifier) Verify(ctx context.Context, c *Credential) (*Identity, error) {
	rules, err := v.settle()
	if err != nil {
		return nil, err
	}
	who, err := rules.verify(ctx, c)
	if err != nil {
		return nil, rules.senders.challenge(c, err)
	}
	return who, nil
}

func (r *jwtRules) verify(ctx context.Context, c *Credential) (*Identity, error) {
	if len(c.Text) > r.maxToken {
		return nil, r.tooLong(c.Text)
	}
	t := &jwtToken{credential: c, now: r.now()}
	var hash [sha256.Size]byte
	if r.cache != nil {
		hash = sha256.Sum256([]byte(c.Text))
	}
	if facts := r.cache.get(hash, t.now); facts != nil {
		t.jwtFacts = facts
		// A key that its issuer has withdrawn takes its tokens along.
		if err := r.keyStands(ctx, t); err != nil {
			return nil, err
		}
	} else {
		if err := r.read(ctx, t); err != nil {
			return nil, err
		}
		r.cache.put(hash, t.jwtFacts, t.now)
	}
	for _, check := range r.each {
		if err := check.judge(ctx, t); err != nil {
			return nil, err
		}
	}
	return t.who, nil
}

// read judges a token that was not seen before, and finds out what is kept of it.
func (r *jwtRules) read(ctx context.Context, t *jwtToken) error {
	if err := t.parse(); err != nil {
		return err
	}
	for _, check := range r.once {
		if err := check.judge(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// tooLong refuses a text by its length alone. If it does not look like a JWT,
// another verifier may have a use for it.
func (r *jwtRules) tooLong(text string) error {
	e := refuse("GH-1101", "The token is too long.", "the token has %d bytes, and %d are accepted", len(text), r.maxToken)
	if strings.HasPrefix(text, "ey") {
		return e
	}
	return passed(e)
}

// ourCheck is one of the checks of a token.
type jwtCheck struct {
	name  string
	judge func(context.Context, *jwtToken) error // a refusal; nil: passed
}

// notMine is ErrNotMine with what to answer if nobody takes the credential.
type notMine struct{ answer *Error }

func passed(e *Error) error { return &notMine{e} }

func (e *notMine) Error() string { return ErrNotMine.Error() + ": " + e.answer.Error() }

// Unwrap makes both visible: that others may try, and what to answer.
func (e *notMine) Unwrap() []error { return []error{ErrNotMine, e.answer} }

// refused returns the refusal in an error, nil if it is none.
func refused(err error) *Error {
	e, _ := errors.AsType[*Error](err)
	return e
}

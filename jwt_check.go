package gatehouse

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"math"
	"net/url"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/jws"
)

// jwtFacts is what is known of a token once it was read. It never changes, and
// is all that is kept of the token.
type jwtFacts struct {
	who *Identity
	alg string
	kid string
	key crypto.PublicKey // the one that verified the signature

	times  times
	aud    []string // nil: there is none
	access bool     // typ says that it is an access token
	scoped bool     // it speaks of scopes
	cnf    confirmation
}

// claimNames are the claims that no other spelling may pretend to be: a server
// behind us may fold case where we do not. RFC 7519 §4.1, RFC 9068 §2.2
var claimNames = []string{
	"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "typ", "client_id", "azp", "scope", "scp", "cnf", "act", "may_act",
	"auth_time", "nonce", "email", "email_verified", "token_use", "events",
}

// readClaims reads claims strictly: two readers of them cannot see two things.
// The error never repeats what is in them. RFC 8725 §2.4
func readClaims(raw []byte) (*jws.Object, error) { return jws.ReadObject(raw, claimNames) }

// parse reads the form of the token.
func (t *jwtToken) parse() error {
	signed, err := jws.Read(t.credential.Text)
	switch {
	case errors.Is(err, jws.ErrNotSigned):
		return passed(refuse("GH-1106", "This is not a signed JWT.", "the token is %w", err))
	case err != nil:
		return malformed(err)
	}
	claims, err := readClaims(signed.Payload)
	if err != nil {
		return refuse("GH-1101", "The token is malformed.", "the token's claims are not strict JSON: %w", err)
	}
	t.signed, t.claims, t.jwtFacts = signed, claims, &jwtFacts{alg: signed.Algorithm, kid: signed.KeyID}
	return nil
}

func malformed(err error) *Error {
	return refuse("GH-1101", "The token is malformed.", "the token is malformed: %w", err)
}

// checkIssuer is how a token finds its verifier. RFC 7519 §4.1.1, RFC 8725 §3.8
func (r *jwtRules) checkIssuer(_ context.Context, t *jwtToken) error {
	iss, _ := textClaim(t.claims, "iss")
	if slices.Contains(r.issuers, iss) {
		return nil
	}
	return passed(refuse("GH-1103", "The issuer of this token is not accepted here.", "%w", otherIssuer(iss, iss != "", r.issuers)))
}

func otherIssuer(iss string, ok bool, ours []string) error {
	if !ok {
		return errors.New(`the token has no "iss", so nobody can tell whose it is`)
	}
	return errors.New("iss " + differs(iss, "configured", ours))
}

// checkAlgorithm holds the token to the issuer's list, before any key is looked
// at. RFC 8725 §3.1
func (r *jwtRules) checkAlgorithm(_ context.Context, t *jwtToken) error {
	if slices.Contains(r.algorithms, t.alg) {
		return nil
	}
	why := "it is not one of this issuer's"
	switch alg := strings.ToUpper(t.alg); {
	case strings.HasPrefix(alg, "HS"):
		why = "anyone who knows the shared secret could mint tokens; have the issuer use asymmetric signing keys"
	case alg == "NONE", alg == "":
		why = "such a token is not signed"
	}
	return refuse("GH-1105", "The token's signature algorithm is not accepted.", "alg %q is not accepted: %s (accepted: %s)",
		cut(t.alg), why, strings.Join(r.algorithms, ", "))
}

// checkType keeps other kinds of JWT of the same issuer out. RFC 9068 §4, RFC 8725 §3.11
func (r *jwtRules) checkType(_ context.Context, t *jwtToken) error {
	typ := t.signed.Type
	if what, no := otherTypes[typ]; no {
		return otherKind(what, "typ is "+typ)
	}
	if !slices.Contains(r.types, typ) {
		return refuse("GH-1107", notAccess, "typ %q is not one of the issuer's access tokens (accepted: %s)",
			cut(typ), quoted(r.types))
	}
	t.access = typ == atJWT
	return nil
}

// checkKind looks for what only other kinds of JWT have.
func (r *jwtRules) checkKind(_ context.Context, t *jwtToken) error { return kindOf(t.claims, t.access) }

// checkHeader refuses keys that the token brings along or points to. RFC 8725 §3.10
func (r *jwtRules) checkHeader(_ context.Context, t *jwtToken) error {
	if _, there := t.signed.JWK(); there {
		return malformed(errors.New(`its header brings a key of its own ("jwk")`))
	}
	iss, _ := textClaim(t.claims, "iss")
	if jku := t.signed.URL; jku != "" && !sameOrigin(jku, iss) { // some issuers put their own into every token; it is not fetched
		return malformed(errors.New(`its header points to keys elsewhere ("jku")`))
	}
	return nil
}

// checkKey finds the keys that the token may be signed with.
func (r *jwtRules) checkKey(ctx context.Context, t *jwtToken) (err error) {
	t.keys, err = r.candidates(ctx, t)
	return err
}

// maxCandidates bounds the work that a token without a kid can make.
const maxCandidates = 8

// candidates returns the keys that may have signed the token.
func (r *jwtRules) candidates(ctx context.Context, t *jwtToken) ([]crypto.PublicKey, error) {
	keys, err := r.keys.Keys(ctx, t.kid, t.alg)
	if err == nil && (len(keys) == 0 || len(keys) > maxCandidates) {
		err = ErrUnknownKey
	}
	switch {
	case err == nil:
		return keys, nil
	case errors.Is(err, ErrUnknownKey):
		return nil, refuse("GH-1110", "The token is signed with a key that its issuer has not published.", "key %q: %w", cut(t.kid), err)
	case refused(err) != nil:
		return nil, err
	}
	return nil, &Error{
		Code: "GH-1111", Status: 503, Cause: err,
		Description: "The keys of the token's issuer cannot be had at present.",
	}
}

// checkSignature verifies the signature by one of the issuer's keys. RFC 7515 §5.2
func (r *jwtRules) checkSignature(_ context.Context, t *jwtToken) error {
	err := errors.New("there is no key")
	for _, key := range t.keys {
		if err = t.signed.Verify(key); err == nil {
			t.key = key
			return nil
		}
	}
	return refuse("GH-1102", "The token's signature is wrong.", "the signature does not verify with the issuer's key %q: %w. "+
		"It was changed on its way, cut, or is from another environment of the same issuer", cut(t.kid), err)
}

// keyStands asks whether the key that once verified a token is still its
// issuer's: who withdraws a key wants its tokens gone.
func (r *jwtRules) keyStands(ctx context.Context, t *jwtToken) error {
	keys, err := r.candidates(ctx, t)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if sameKey(key, t.key) {
			return nil
		}
	}
	return refuse("GH-1102", "The token's signature is wrong.", "the issuer has replaced the key %q that signed the token", cut(t.kid))
}

// sameKey compares two public keys: the pointers first, which is what it is
// nearly always.
func sameKey(a, b crypto.PublicKey) bool {
	switch k := a.(type) {
	case *rsa.PublicKey:
		other, ok := b.(*rsa.PublicKey)
		return ok && (k == other || k.Equal(other))
	case *ecdsa.PublicKey:
		other, ok := b.(*ecdsa.PublicKey)
		return ok && (k == other || k.Equal(other))
	case ed25519.PublicKey:
		return k.Equal(b)
	}
	return false
}

// checkRules holds the token to the rules of its issuer.
func (r *jwtRules) checkRules(_ context.Context, t *jwtToken) error {
	for _, rule := range r.reject {
		if rule.matches(t.claims) {
			return refuse("GH-1113", "A token like this is not accepted here.", "the claims have %s, which is refused (Reject)", rule)
		}
	}
	for _, rule := range r.require {
		if !rule.matches(t.claims) {
			return refuse("GH-1113", "A token like this is not accepted here.", "the claims do not have %s, which is required (Require)", rule)
		}
	}
	return nil
}

// What is judged at each request is read once.

func (r *jwtRules) readTime(_ context.Context, t *jwtToken) (err error) {
	t.times, err = readTimes(t.claims, math.NaN())
	return err
}

func (r *jwtRules) readAudience(_ context.Context, t *jwtToken) (err error) {
	t.scoped = r.claims.speaksOfScopes(t.claims)
	t.aud, err = readAudience(t.claims)
	return err
}

func (r *jwtRules) readBinding(_ context.Context, t *jwtToken) (err error) {
	t.cnf, err = readConfirmation(t.claims)
	return err
}

// checkIdentity reads whom the token stands for.
func (r *jwtRules) checkIdentity(_ context.Context, t *jwtToken) error {
	who, err := r.claims.identity(t.claims)
	if err != nil {
		return err
	}
	t.who = who
	return nil
}

func (r *jwtRules) checkTime(_ context.Context, t *jwtToken) error {
	if r.dated && math.IsNaN(t.times.iat) {
		return refuse("GH-1109", "The token does not say when it was issued.", `the token has no "iat", so how long it lives cannot be told (RequireIssued)`)
	}
	return t.times.judge(t.now, r.leeway, r.maxLife)
}

func (r *jwtRules) checkAudience(_ context.Context, t *jwtToken) error {
	resource, err := r.audience.judge(t.aud)
	if err != nil || resource || t.access {
		return err
	}
	return unlikeIDToken(t.who.Client, t.aud, t.scoped)
}

// checkClient holds the token to the list of clients.
func (r *jwtRules) checkClient(_ context.Context, t *jwtToken) error {
	if r.clients == nil || slices.Contains(r.clients, t.who.Client) {
		return nil
	}
	if t.who.Client == "" {
		return refuse("GH-1112", "The client of this token is not accepted here.", "the token names no client, and only some are accepted (Clients)")
	}
	return refuse("GH-1112", "The client of this token is not accepted here.", "client %q is not one of those that are accepted (Clients)", cut(t.who.Client))
}

func (r *jwtRules) checkBinding(ctx context.Context, t *jwtToken) error {
	return r.senders.judge(ctx, t.credential, t.cnf, t.now)
}

// textClaim returns a claim that is a text.
func textClaim(claims *jws.Object, name string) (string, bool) {
	v, _ := claims.Get(name)
	return jws.Text(v)
}

// sameOrigin reports whether two URLs have scheme, host and port in common.
func sameOrigin(a, b string) bool {
	x, err := url.Parse(a)
	y, also := url.Parse(b)
	return err == nil && also == nil && x.Host != "" && x.Scheme == y.Scheme && x.Host == y.Host
}

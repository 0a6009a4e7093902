package differential

import (
	"context"
	"crypto"
	"encoding/asn1"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/big"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
	jwxt "github.com/lestrrat-go/jwx/v3/jwt"

	"github.com/gatehouse-mcp/gatehouse"
)

var (
	count = flag.Int("tokens", 10_000, "how many tokens are tried")
	seed  = flag.Uint64("seed", 2026, "the seed they are made from")
)

// concatenated writes an ECDSA signature as JWS has it. RFC 7518 §3.4
func concatenated(t *testing.T, der []byte) []byte {
	t.Helper()
	var sig struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &sig); err != nil {
		t.Fatal(err)
	}
	return append(sig.R.FillBytes(make([]byte, 32)), sig.S.FillBytes(make([]byte, 32))...)
}

// judge says whose token it is, or why not.
type judge func(text string) (subject string, err error)

// fixed are our keys.
type fixed map[string]crypto.Signer

func (f fixed) Keys(_ context.Context, kid, alg string) ([]crypto.PublicKey, error) {
	if k, ok := f[kid]; ok {
		return []crypto.PublicKey{k.Public()}, nil
	}
	if k, ok := f[alg]; ok && kid == "" {
		return []crypto.PublicKey{k.Public()}, nil
	}
	return nil, gatehouse.ErrUnknownKey
}

func ours(keys fixed) judge {
	v := &gatehouse.JWTVerifier{Issuer: issuer, Audience: resource, Keys: keys, CacheSize: -1, Now: func() time.Time { return now }}
	return func(text string) (string, error) {
		id, err := v.Verify(context.Background(), &gatehouse.Credential{Scheme: "Bearer", Text: text})
		if err != nil {
			return "", err
		}
		return id.Subject, nil
	}
}

// golangJWT is golang-jwt with everything on that it has.
func golangJWT(keys fixed) judge {
	p := jwt.NewParser(
		jwt.WithValidMethods([]string{"RS256", "ES256", "EdDSA"}), jwt.WithIssuer(issuer), jwt.WithAudience(resource), jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(), jwt.WithLeeway(time.Minute), jwt.WithStrictDecoding(), jwt.WithTimeFunc(func() time.Time { return now }),
	)
	return func(text string) (string, error) {
		var c jwt.RegisteredClaims
		_, err := p.ParseWithClaims(text, &c, func(tok *jwt.Token) (any, error) {
			kid, _ := tok.Header["kid"].(string)
			if kid == "" {
				kid = tok.Method.Alg()
			}
			if k, ok := keys[kid]; ok {
				return k.Public(), nil
			}
			return nil, errors.New("no such key")
		})
		return c.Subject, err
	}
}

// jwx is jwx with everything on that it has.
func jwx(t *testing.T, keys fixed) judge {
	t.Helper()
	set := jwk.NewSet()
	for alg, k := range keys {
		key, err := jwk.Import(k.Public())
		if err != nil {
			t.Fatal(err)
		}
		known, _ := jwa.LookupSignatureAlgorithm(alg)
		for name, value := range map[string]any{jwk.KeyIDKey: alg, jwk.AlgorithmKey: known} {
			if err := key.Set(name, value); err != nil {
				t.Fatal(err)
			}
		}
		if err := set.AddKey(key); err != nil {
			t.Fatal(err)
		}
	}
	return func(text string) (string, error) {
		tok, err := jwxt.Parse([]byte(text), jwxt.WithKeySet(set), jwxt.WithValidate(true), jwxt.WithIssuer(issuer), jwxt.WithAudience(resource),
			jwxt.WithRequiredClaim("exp"), jwxt.WithAcceptableSkew(time.Minute), jwxt.WithClock(jwxt.ClockFunc(func() time.Time { return now })))
		if err != nil {
			return "", err
		}
		sub, _ := tok.Subject()
		return sub, nil
	}
}

// TestDifferential demands that every difference between our verdict and that of
// another library has an explanation, and that each explanation is in the manual.
func TestDifferential(t *testing.T) {
	keys := newKeys(t)
	we := ours(keys)
	others := map[string]judge{"golang-jwt": golangJWT(keys), "jwx": jwx(t, keys)}
	m := &maker{t, keys, rand.New(rand.NewPCG(*seed, 1))}
	seen := map[string]map[string]int{"golang-jwt": {}, "jwx": {}}
	var accepted int
	for range *count {
		tok := m.next()
		mine, err := we(tok.text)
		if err == nil {
			accepted++
		}
		for name, other := range others {
			theirs, errTheirs := other(tok.text)
			switch {
			case (err == nil) == (errTheirs == nil) && (err != nil || mine == theirs):
				seen[name]["agreed"]++
			default:
				why := explain(name, tok, mine, theirs, err, errTheirs)
				if why == "" {
					t.Errorf("%s, %s: we say %q, %v (%v); it says %q, %v", tok.what, name, mine, err, cause(err), theirs, errTheirs)
					why = "unexplained"
				}
				seen[name][why]++
			}
		}
	}
	t.Logf("%d tokens, of which we accept %d", *count, accepted)
	for _, name := range slices.Sorted(maps.Keys(seen)) {
		for _, why := range slices.Sorted(maps.Keys(seen[name])) {
			t.Logf("%-10s %5d  %s", name, seen[name][why], why)
		}
	}
	if accepted < *count/20 || accepted > *count/2 {
		t.Errorf("%d of %d tokens are accepted: they say little", accepted, *count)
	}
	inTheManual(t, seen)
}

func inTheManual(t *testing.T, seen map[string]map[string]int) {
	t.Helper()
	page, err := os.ReadFile("../../../docs/reference/tokens.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, reasons := range seen {
		for why := range reasons {
			if why != "agreed" && !strings.Contains(string(page), why) {
				t.Errorf("docs/reference/tokens.md does not explain: %s", why)
			}
		}
	}
}

func cause(err error) error {
	if e, ok := errors.AsType[*gatehouse.Error](err); ok {
		return e.Cause
	}
	return nil
}

// difference is a kind of difference, and how it is known.
type difference struct {
	why  string
	when func(d *disagreement) bool
}

// disagreement is a token that is judged in two ways.
type disagreement struct {
	library      string
	what         string
	code, story  string // of our refusal; empty: we accept it
	theirs       string // their error; empty: they accept it
	mine, others string // subjects
}

func explain(library string, tok mutant, mine, theirs string, err, errTheirs error) string {
	d := &disagreement{library: library, what: tok.what, mine: mine, others: theirs}
	if e, ok := errors.AsType[*gatehouse.Error](err); ok {
		d.code, d.story = e.Code, fmt.Sprint(e.Cause)
	}
	if errTheirs != nil {
		d.theirs = errTheirs.Error()
	}
	for _, known := range differences() {
		if known.when(d) {
			return known.why
		}
	}
	return ""
}

// differences are all that are known. Nearly all are refusals of ours.
func differences() []difference {
	refusal := func(code string, words ...string) func(*disagreement) bool {
		return func(d *disagreement) bool {
			return d.code == code && d.theirs == "" && (len(words) == 0 || slices.ContainsFunc(words, func(w string) bool { return strings.Contains(d.story, w) }))
		}
	}
	header := func(of string) func(*disagreement) bool { // jwx looks at the key's algorithm, not at the header's
		return func(d *disagreement) bool {
			return d.library == "jwx" && d.theirs == "" && (d.code == "GH-1102" || d.code == "GH-1105") && strings.HasPrefix(d.what, of)
		}
	}
	accepted := func(library, what, words string) func(*disagreement) bool {
		return func(d *disagreement) bool {
			return d.code == "" && d.library == library && strings.HasPrefix(d.what, what) && strings.Contains(d.theirs, words)
		}
	}
	return []difference{
		{"a name twice, in another spelling, or with a control character", refusal("GH-1101", "named twice", "differ in case", "another spelling", "control characters")},
		{"JSON that readers differ about", refusal("GH-1101", "invalid syntax", "out of range", "something follows", "nested too deeply", "not an object", "too many members")},
		{"base64url in another than its one form", refusal("GH-1101", "not base64url")},
		{"a header whose members are not texts, or without measure", refusal("GH-1101", "is not a text", "is too long")},
		{"an extension, or a key, in the header", refusal("GH-1101", "its header has", "brings a key", "points to keys")},
		{"an algorithm that is not the header's", header("header alg")},
		{"another kind of token", refusal("GH-1107")},
		{"a binding to a key that is not understood", refusal("GH-1116")},
		{"claims that do not say clearly who it is", refusal("GH-1117")},
		{"a time that is none", refusal("GH-1109", "is not a time")},
		{"a life without measure", refusal("GH-1109", "lives for")},
		{"a fraction of a second at the edge of the skew", refusal("GH-1109", "valid in 1m1s", "issued 1m1s")},
		{"a fraction of a second at the edge of the skew", func(d *disagreement) bool {
			return d.code == "" && strings.HasPrefix(d.what, "claim exp") && strings.Contains(d.what, ".5") && strings.Contains(d.theirs, "expired")
		}},
		{"white space around the token", refusal("GH-1106", "opaque")},
		{"a key that is named by no kid", accepted("jwx", "header kid removed", "no key ID")},
		{"white space in the header", accepted("jwx", "header written oddly", "signature")},
		{"a slash at the end of aud", accepted("jwx", "claim aud", "aud")},
		{"a slash at the end of aud", accepted("golang-jwt", "claim aud", "audience")},
	}
}

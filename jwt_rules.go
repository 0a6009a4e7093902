package gatehouse

import (
	"cmp"
	"crypto"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/jws"
)

// Defaults and bounds of a JWTVerifier.
const (
	maxLeeway       = time.Minute
	defaultMaxLife  = 366 * 24 * time.Hour
	defaultMaxToken = 16 << 10
	defaultCache    = 10_000
)

// jwtRules is the configuration of a JWTVerifier as it was read. It never changes.
type jwtRules struct {
	issuers    []string
	audience   audience
	clients    []string // nil: any
	keys       KeySet
	algorithms []string
	types      []string
	claims     *ClaimMap
	reject     []ClaimRule
	require    []ClaimRule
	leeway     time.Duration
	maxLife    time.Duration
	dated      bool // iat is required
	maxToken   int
	senders    *senders
	cache      *jwtCache
	now        func() time.Time

	once []jwtCheck // what is judged once for each token, in order
	each []jwtCheck // what is judged at each request, in order
}

// jwtToken is a token while it is judged.
type jwtToken struct {
	credential *Credential
	now        time.Time
	signed     *jws.Token         // nil: it was verified before
	claims     *jws.Object        // nil: it was verified before
	keys       []crypto.PublicKey // that may have signed it
	*jwtFacts
}

// compile reads the configuration, or says which field is wrong.
func (v *JWTVerifier) compile() (*jwtRules, error) {
	r := &jwtRules{
		issuers: append([]string{v.Issuer}, v.AlsoIssuers...), keys: v.Keys,
		algorithms: v.Algorithms, claims: &v.Claims, reject: v.Reject, require: v.Require,
		maxLife: cmp.Or(v.MaxLife, defaultMaxLife), dated: v.RequireIssued, maxToken: cmp.Or(v.MaxToken, defaultMaxToken), now: v.Now,
	}
	if r.now == nil {
		r.now = time.Now
	}
	for _, set := range []func(*jwtRules) error{
		v.compileIssuer, v.compileAudience, v.compileAlgorithms, v.compileTypes, v.compileTimes, v.compileRules, v.compileSenders,
	} {
		if err := set(r); err != nil {
			return nil, fmt.Errorf("JWTVerifier.%w", err)
		}
	}
	r.cache = newJWTCache(v.CacheSize)
	r.once = []jwtCheck{
		{"issuer", r.checkIssuer}, {"header", r.checkHeader}, {"algorithm", r.checkAlgorithm}, {"type", r.checkType}, {"kind", r.checkKind},
		{"key", r.checkKey}, {"signature", r.checkSignature},
		{"rules", r.checkRules}, {"identity", r.checkIdentity},
		{"time", r.readTime}, {"audience", r.readAudience}, {"binding", r.readBinding},
	}
	r.each = []jwtCheck{{"time", r.checkTime}, {"audience", r.checkAudience}, {"client", r.checkClient}, {"binding", r.checkBinding}}
	return r, nil
}

func (v *JWTVerifier) compileIssuer(r *jwtRules) error {
	if slices.Contains(r.issuers, "") {
		return errors.New("Issuer is empty")
	}
	if v.Keys == nil {
		return errors.New("Keys is nil: RemoteKeys finds those of an issuer")
	}
	if keys, ok := v.Keys.(interface{ Check() error }); ok {
		if err := keys.Check(); err != nil {
			return fmt.Errorf("Keys: %w", err)
		}
	}
	return nil
}

func (v *JWTVerifier) compileAudience(r *jwtRules) error {
	var err error
	if r.audience, err = newAudience(v.Audience, v.Audiences, v.InsecureNoAudience); err != nil {
		return err
	}
	switch {
	case slices.Equal(v.Clients, []string{"*"}): // any, and somebody has said so
	case slices.Contains(v.Clients, ""), slices.Contains(v.Clients, "*"):
		return errors.New(`Clients has an empty name, or "*" among others`)
	case v.InsecureNoAudience && len(v.Clients) == 0:
		return errors.New("Clients is empty: without an audience, only the client tells tokens for us from others")
	case len(v.Clients) > 0:
		r.clients = v.Clients
	}
	return nil
}

func (v *JWTVerifier) compileAlgorithms(r *jwtRules) error {
	known := jws.Algorithms()
	switch {
	case v.Algorithms == nil:
		r.algorithms = known
	case len(v.Algorithms) == 0:
		return errors.New("Algorithms is empty")
	}
	for _, alg := range r.algorithms {
		if !slices.Contains(known, alg) { // HMAC and none are not: RFC 8725 §3.1
			return fmt.Errorf("Algorithms has %q; known are %s", alg, strings.Join(known, ", "))
		}
	}
	return nil
}

func (v *JWTVerifier) compileTypes(r *jwtRules) error {
	switch {
	case v.Types == nil:
		r.types = []string{atJWT}
	case len(v.Types) == 0:
		return errors.New("Types is empty")
	}
	for _, typ := range v.Types {
		typ = jws.MediaType(typ)
		if what, no := otherTypes[typ]; no {
			return fmt.Errorf("Types has %q, which is %s", typ, what)
		}
		r.types = append(r.types, typ)
	}
	return nil
}

func (v *JWTVerifier) compileTimes(r *jwtRules) error {
	switch {
	case v.Leeway > maxLeeway:
		return fmt.Errorf("Leeway is %s, and at most %s", v.Leeway, maxLeeway)
	case v.Leeway == 0:
		r.leeway = maxLeeway
	default:
		r.leeway = max(v.Leeway, 0)
	}
	if v.MaxLife < 0 {
		return errors.New("MaxLife is negative")
	}
	if v.MaxToken < 0 {
		return errors.New("MaxToken is negative")
	}
	return nil
}

func (v *JWTVerifier) compileRules(*jwtRules) error {
	for field, rules := range map[string][]ClaimRule{"Reject": v.Reject, "Require": v.Require, "Claims.Service": v.Claims.Service} {
		for _, rule := range rules {
			if rule.Claim == "" {
				return fmt.Errorf("%s has a rule without a claim", field)
			}
		}
	}
	if err := v.Claims.check(); err != nil {
		return fmt.Errorf("Claims.%w", err)
	}
	return nil
}

func (v *JWTVerifier) compileSenders(r *jwtRules) error {
	var err error
	r.senders, err = newSenders(v.DPoP, v.RequireDPoP, v.RequireMTLS, v.Now)
	return err
}

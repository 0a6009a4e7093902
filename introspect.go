package gatehouse

import (
	"context"
	"crypto/sha256"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/jws"
	"github.com/gatehouse-mcp/gatehouse/internal/keytext"
)

// IntrospectionVerifier verifies opaque access tokens by asking their issuer.
// RFC 7662
//
// It is used through a pointer and not copied or changed after its first use.
// Only the literal answer "active": true counts. What the issuer said of a token
// is kept for CacheFor, and never past the token's end; its time, audience, client
// and binding are judged anew each time.
type IntrospectionVerifier struct {
	Issuer      string   // required: the exact iss of answers, and of identities
	AlsoIssuers []string // further values of iss of the same issuer

	// InsecureNoIssuer admits answers without iss, as RFC 7662 §2.2 does: another
	// issuer's tokens count if the endpoint serves several. A wrong iss is refused
	// all the same.
	InsecureNoIssuer bool

	Endpoint     string // required: the introspection endpoint, https
	ClientID     string // required: whom the issuer knows us as
	ClientSecret string // required

	SecretInBody bool // client_secret_post instead of client_secret_basic. RFC 6749 §2.3.1
	Anonymous    bool // the endpoint asks for no client, as Ory Hydra's admin port does; no ClientID and ClientSecret then

	// Audience is the resource that a token must be for. It is required, as in
	// [JWTVerifier], and so are the following four as there.
	Audience           string
	Audiences          []string
	InsecureNoAudience bool
	Clients            []string
	Claims             ClaimMap

	Reject  []ClaimRule // a token is refused if one is true of the answer
	Require []ClaimRule // and if any is not

	Prefixes []string // how the issuer's tokens begin, such as "oat_"; others are not shown to it. Empty: any
	JWTs     bool     // ask about what looks like a JWT as well; else that is ErrNotMine

	Leeway  time.Duration // how far clocks may differ; 0: 60 s, which is also the most; negative: not at all
	MaxLife time.Duration // from a token's iat (now, if it has none) to its exp; 0: 366 days

	RequireIssued bool // as in JWTVerifier, like the next three

	RequireDPoP bool  //
	RequireMTLS bool  //
	DPoP        *DPoP //

	HTTP      *http.Client     // as in RemoteKeys; nil: a client that reaches public addresses only, over HTTPS
	CacheFor  time.Duration    // how long "active" is believed; 0: 30 s, which is also the most; negative: each token is asked about each time
	CacheSize int              // tokens to keep, and as many that are not active; 0: 10,000
	Now       func() time.Time // nil: time.Now

	once  sync.Once
	asker *asker
	fault error
}

// endless is how long a token counts of whose end its issuer does not speak. It
// is asked about again long before, but who keeps the identity needs an end.
const endless = time.Hour

// Check reports what is wrong with the configuration, by the name of the field.
// With such a fault Verify refuses every token.
func (v *IntrospectionVerifier) Check() error {
	_, err := v.settle()
	return err
}

func (v *IntrospectionVerifier) settle() (*asker, error) {
	v.once.Do(func() { v.asker, v.fault = v.compile() })
	return v.asker, v.fault
}

// Verify returns whom a token stands for. What is no token of this kind is
// [ErrNotMine], and so is one that is not active, as it may be another issuer's:
// that error carries the refusal to answer with if nobody takes the token,
// GH-1121. Any other refusal is an [*Error] of status 401, or 503 (GH-1120) if
// the issuer cannot be asked.
func (v *IntrospectionVerifier) Verify(ctx context.Context, c *Credential) (*Identity, error) {
	a, err := v.settle()
	if err != nil {
		return nil, err
	}
	if !v.plausible(c.Text) {
		return nil, ErrNotMine
	}
	hash := sha256.Sum256([]byte(c.Text))
	said, err := a.ask(ctx, c.Text, hash)
	if err != nil {
		return nil, err
	}
	who, err := a.judge(ctx, c, said)
	if err != nil {
		return nil, a.rules.senders.challenge(c, err)
	}
	return who, nil
}

// Bounds of what may be an opaque token.
const (
	shortestToken = 16 // characters; fewer can be guessed
	longestToken  = 4 << 10
)

// plausible says whether a text may be an opaque token: nobody else's credential
// is shown to the issuer, nor what no issuer would make. RFC 6750 §2.1
func (v *IntrospectionVerifier) plausible(text string) bool {
	most := longestToken
	if v.JWTs {
		most = defaultMaxToken
	}
	switch {
	case len(text) < shortestToken || len(text) > most, keytext.Mentions(text):
		return false
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }): // RFC 6749 §A.12, and no blank
		return false
	case !v.JWTs && looksLikeJWT(text):
		return false
	}
	return len(v.Prefixes) == 0 || slices.ContainsFunc(v.Prefixes, func(p string) bool { return strings.HasPrefix(text, p) })
}

// looksLikeJWT says whether a text has the form of a signed or encrypted JWT.
func looksLikeJWT(text string) bool {
	dots := strings.Count(text, ".")
	return strings.HasPrefix(text, "ey") && (dots == 2 || dots == 4)
}

// opinion is what an issuer says of a token, as it was understood.
type opinion struct {
	refusal error     // why the token is refused; nil: it is active
	facts   *jwtFacts // of an active token
	until   float64   // when the issuer has to be asked again, in seconds since 1970
}

// judge holds a request to what is known of its token, by the checks that JWTs
// have at each request.
func (a *asker) judge(ctx context.Context, c *Credential, said *opinion) (*Identity, error) {
	if said.refusal != nil {
		return nil, own(said.refusal)
	}
	t := &jwtToken{credential: c, now: a.rules.now(), jwtFacts: said.facts}
	for _, check := range []func(context.Context, *jwtToken) error{
		a.rules.checkTime, a.rules.checkAudience, a.rules.checkClient, a.rules.checkBinding,
	} {
		if err := check(ctx, t); err != nil {
			return nil, err
		}
	}
	return said.facts.who, nil
}

// own returns a copy of a refusal that is kept for several: its challenge is
// still to be completed for the one who asked.
func own(err error) error {
	e, ok := err.(*Error) //nolint:errorlint // one that is wrapped is completed by nobody
	if !ok || e.Challenge == nil {
		return err
	}
	mine, challenge := *e, *e.Challenge
	mine.Challenge = &challenge
	return &mine
}

// notActive is the refusal of a token that its issuer does not vouch for.
func notActive(story string, args ...any) error {
	return passed(refuse("GH-1121", "The token is not active.", story, args...))
}

// understand reads an answer of the issuer. What is not said clearly is not said.
// RFC 7662 §2.2
func (a *asker) understand(text string, answer []byte) *opinion {
	claims, err := jws.ReadObject(answer, answerNames)
	if err != nil {
		return &opinion{refusal: notActive("the issuer's answer is not strict JSON: %w", err)}
	}
	if v, _ := claims.Get("active"); string(v) != "true" {
		return &opinion{refusal: notActive(`the issuer says "active": %s`, cut(string(v)))}
	}
	t := &jwtToken{claims: claims, now: a.rules.now(), jwtFacts: &jwtFacts{access: !looksLikeJWT(text)}}
	for _, step := range []func(*jwtToken) error{a.readIssuer, a.readKind, a.readFacts, a.readIdentity} {
		if err := step(t); err != nil {
			return &opinion{refusal: err}
		}
	}
	return &opinion{facts: t.jwtFacts}
}

// answerNames are the members of an answer that no other spelling may pretend to be.
var answerNames = append([]string{"active", "token_type", "username"}, claimNames...)

func (a *asker) readIssuer(t *jwtToken) error {
	iss, ok := textClaim(t.claims, "iss")
	switch {
	case !t.claims.Has("iss") && a.noIssuer:
		return nil
	case !ok || !slices.Contains(a.rules.issuers, iss):
		return refuse("GH-1103", "The issuer of this token is not accepted here.", "introspection: %w", otherIssuer(iss, ok, a.rules.issuers))
	}
	return nil
}

// readKind refuses refresh tokens and the like: they are active too.
func (a *asker) readKind(t *jwtToken) error { return kindOf(t.claims, t.access) }

// readFacts also bounds a token of whose end the issuer does not speak.
func (a *asker) readFacts(t *jwtToken) error {
	if err := a.rules.checkRules(context.Background(), t); err != nil {
		return err
	}
	var err error
	if t.times, err = readTimes(t.claims, math.Floor(seconds(t.now)+min(endless, a.rules.maxLife).Seconds())); err != nil {
		return err
	}
	if t.aud, err = readAudience(t.claims); err != nil {
		return err
	}
	t.scoped = a.rules.claims.speaksOfScopes(t.claims)
	t.cnf, err = readConfirmation(t.claims)
	return err
}

func (a *asker) readIdentity(t *jwtToken) error {
	who, err := a.rules.claims.identity(t.claims)
	if err != nil {
		return err
	}
	if who.Issuer == "" {
		who.Issuer = a.rules.issuers[0]
	}
	if who.Expires.IsZero() {
		who.Expires = instant(t.times.exp)
	}
	t.who = who
	return nil
}

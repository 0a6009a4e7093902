package client

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

// Attempt is what a client sends to prove who it is.
type Attempt struct {
	Authorization []string      // every Authorization header
	Form          *oauth.Params // required
	Certificate   []byte        // DER of the connection's certificate, whose chain was verified; nil: none
	Offered       []byte        // DER of the connection's certificate, verified or not; nil: Certificate
	Audiences     []string      // what an assertion may be for: our issuer, and the URL of this endpoint
}

// AttemptOf reads what a request offers.
func AttemptOf(r *http.Request, form *oauth.Params, audiences ...string) *Attempt {
	a := &Attempt{Authorization: r.Header.Values("Authorization"), Form: form, Audiences: audiences}
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		a.Offered = r.TLS.PeerCertificates[0].Raw
		if len(r.TLS.VerifiedChains) > 0 {
			a.Certificate = a.Offered
		}
	}
	return a
}

// claim is an attempt that was read: who it is by, and by what.
type claim struct {
	id        string
	method    string // empty: it shows nothing, which may be a certificate
	secret    string
	assertion *assertion
	basic     bool // it came in the header, so that is where it is asked for again
}

// Authenticate returns the client that an attempt is by, if it is proven in a way
// that the client has registered; a public client has nothing to prove. The error
// is an [oauth.Error] if it is the client's fault. RFC 6749 §2.3
func (g *Registry) Authenticate(ctx context.Context, a *Attempt) (*Client, error) {
	said, err := read(a)
	if err != nil {
		return nil, err
	}
	c, err := g.Find(ctx, said.id)
	if err != nil {
		if refusal := Refusal(err); refusal != nil {
			return nil, said.challenge(refusal)
		}
		return nil, err
	}
	switch err = g.prove(ctx, c, said, a); {
	case err == nil:
		return c, nil
	case errors.Is(err, ErrFetch):
		return nil, &oauth.Error{
			Code: oauth.Unavailable, Status: http.StatusServiceUnavailable, Ref: "GH-1405", Cause: err,
			Description: "the client's keys cannot be fetched at present",
		}
	}
	var no *unproven
	if errors.As(err, &no) {
		return nil, said.challenge(&oauth.Error{
			Code: oauth.InvalidClient, Status: http.StatusUnauthorized, Ref: "GH-1409", Cause: no,
			Description: "the client has not proven who it is",
		})
	}
	return nil, err
}

// unproven is why an attempt fails: for the operator.
type unproven struct{ why string }

func (u *unproven) Error() string { return u.why }

// challenge asks for the header again when it was used. RFC 6749 §5.2
func (s *claim) challenge(e *oauth.Error) *oauth.Error {
	if s.basic && e.Status == http.StatusUnauthorized {
		e.Challenge = `Basic realm="token"`
	}
	return e
}

func badAttempt(description string) error {
	return &oauth.Error{Code: oauth.InvalidRequest, Description: description, Ref: "GH-1409"}
}

// read finds out what an attempt claims. One way is used at a time. RFC 6749 §2.3
func read(a *Attempt) (*claim, error) {
	if len(a.Authorization) > 1 {
		return nil, badAttempt("there is more than one Authorization header")
	}
	s := &claim{id: a.Form.Get("client_id"), secret: a.Form.Get("client_secret")}
	ways := 0
	if s.secret != "" {
		s.method = oauth.AuthSecretPost
		ways++
	}
	if len(a.Authorization) == 1 {
		if err := s.readBasic(a.Authorization[0], &ways); err != nil {
			return nil, err
		}
	}
	text, kind := a.Form.Get("client_assertion"), a.Form.Get("client_assertion_type")
	if text != "" || kind != "" {
		ways++
		var err error
		if s.assertion, err = readAssertion(text, kind); err != nil {
			return nil, err
		}
		if s.id != "" && s.id != s.assertion.subject { // RFC 7521 §4.2
			return nil, badAttempt("client_id is not the one that the assertion is about")
		}
		s.id, s.method = s.assertion.subject, oauth.AuthPrivateKeyJWT
	}
	switch {
	case ways > 1:
		return nil, badAttempt("the client proves who it is in more than one way")
	case s.id == "":
		return nil, &oauth.Error{
			Code: oauth.InvalidClient, Status: http.StatusUnauthorized, Ref: "GH-1409",
			Description: "there is no client_id", Challenge: `Basic realm="token"`,
		}
	}
	return s, nil
}

// readBasic reads the header. Other schemes are none of a client's, and prove
// nothing; id and secret are form-encoded in it. RFC 6749 §2.3.1
func (s *claim) readBasic(header string, ways *int) error {
	scheme, encoded, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Basic") {
		return nil
	}
	s.basic = true
	wrong := func() error {
		return s.challenge(&oauth.Error{
			Code: oauth.InvalidClient, Status: http.StatusUnauthorized, Ref: "GH-1409",
			Description: "the Authorization header is not Basic with an encoded id and secret",
		})
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSpace(encoded))
	if err != nil {
		return wrong()
	}
	user, pass, ok := strings.Cut(string(raw), ":")
	id, err1 := url.QueryUnescape(user)
	secret, err2 := url.QueryUnescape(pass)
	if !ok || err1 != nil || err2 != nil || id == "" {
		return wrong()
	}
	if s.id != "" && s.id != id {
		return badAttempt("client_id is not the one in the Authorization header")
	}
	s.id = id
	if secret == "" { // a public client says so: there is nothing that could be right or wrong
		return nil
	}
	if s.secret != "" {
		return badAttempt("the client proves who it is in more than one way")
	}
	*ways++
	s.secret, s.method = secret, oauth.AuthSecretBasic
	return nil
}

// prove judges a claim by what the client has registered.
func (g *Registry) prove(ctx context.Context, c *Client, s *claim, a *Attempt) error {
	may := func(method string) bool { return slices.Contains(c.AuthMethods, method) }
	if s.method == "" {
		switch {
		case may(oauth.AuthTLS) && certified(c, a.Certificate):
			return nil
		case may(oauth.AuthTLSSelfSigned) && pinnedCertificate(c, a.offered()):
			return nil
		case may(oauth.AuthNone):
			return nil
		}
		return &unproven{"it shows nothing, and has registered " + strings.Join(c.AuthMethods, ", ")}
	}
	if !may(s.method) {
		return &unproven{"it used " + s.method + ", and has registered " + strings.Join(c.AuthMethods, ", ")}
	}
	if s.method == oauth.AuthPrivateKeyJWT {
		return g.judge(ctx, c, s.assertion, a.Audiences)
	}
	return g.compare(c, s.secret)
}

// compare judges a secret. A registration's is derived from its id.
func (g *Registry) compare(c *Client, secret string) error {
	want := slices.Clone(c.Credentials.SecretHashes)
	if g.now().Before(c.Credentials.FormerUntil) {
		want = append(want, c.Credentials.FormerHashes...)
	}
	if c.Kind == Dynamic {
		own, err := derived(g.Secret, forSecret, c.ID)
		if err != nil {
			return err
		}
		want = append(want, sha256.Sum256([]byte(own)))
	}
	sum, right := sha256.Sum256([]byte(secret)), 0
	for i := range want {
		right |= subtle.ConstantTimeCompare(sum[:], want[i][:])
	}
	if right != 1 {
		return &unproven{"its secret is wrong"}
	}
	return nil
}

func (a *Attempt) offered() []byte {
	if a.Offered != nil {
		return a.Offered
	}
	return a.Certificate
}

package signin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/jws"
)

// session is what is kept of a sign-in: which authorization server gave what, and for what.
type session struct {
	Server   string      `json:"server"`
	Issuer   string      `json:"issuer"`
	Resource string      `json:"resource"`
	Client   client      `json:"client"`
	Token    string      `json:"token_endpoint"`
	Revoke   string      `json:"revocation_endpoint,omitempty"`
	Grant    Grant       `json:"grant"`
	Access   string      `json:"access_token"`
	Key      *jws.Prover `json:"dpop_key,omitempty"` // that the tokens are bound to; nil: they are not. RFC 9449
	Refresh  string      `json:"refresh_token,omitempty"`
	Expires  time.Time   `json:"expires,omitzero"`  // zero: nobody said
	Got      time.Time   `json:"got,omitzero"`      // when the access token came; zero: nobody noted it
	Signed   time.Time   `json:"signed"`            // when somebody signed in last
	Asked    []string    `json:"asked,omitempty"`   // scopes
	Granted  []string    `json:"granted,omitempty"` // scopes; nil: what was asked for

	of *Client
}

// early is how long before it expires a token is renewed, at most: it has to arrive.
const early = 20 * time.Second

// due says whether the token has to be renewed before it is used. One that lives
// for seconds only is not renewed for each request.
func (s *session) due(now time.Time) bool {
	ahead := early
	if life := s.Expires.Sub(s.Got); !s.Got.IsZero() && life > 0 {
		ahead = min(ahead, life/4)
	}
	return !s.Expires.IsZero() && !now.Add(ahead).Before(s.Expires)
}

// covers says whether everything was asked for already.
func (s *session) covers(scopes []string) bool {
	for _, one := range scopes {
		if !slices.Contains(s.Asked, one) {
			return false
		}
	}
	return true
}

// Credential goes with requests to the one server it was got for.
type Credential struct {
	Scheme  string    // "Bearer" or "DPoP"
	Expires time.Time // zero: not known
	text    string
	origin  string
	header  string      // empty: Authorization, after the scheme
	key     *jws.Prover // that it is bound to; nil: to none
	wants   *wanted     // what the next proof has in it; nil: what the server has said last
	tried   []string    // faults of proofs for which the request was repeated
	of      *Client
}

// Worked notes that the server has let a request with the credential through: when
// it refuses it later, it has ended, and another sign-in may help. nil is nothing.
func (c *Credential) Worked() {
	if c != nil && c.of != nil {
		c.of.worked.Store(&c.text)
	}
}

func (s *session) credential() (*Credential, error) {
	u, err := url.Parse(s.Server)
	if err != nil {
		return nil, err
	}
	c := &Credential{Scheme: schemeBearer, Expires: s.Expires, text: s.Access, origin: rootOf(u), key: s.Key, of: s.of}
	if s.Key != nil {
		c.Scheme = schemeDPoP
	}
	return c, nil
}

// orNil is the credential of what a refresh returned.
func (s *session) orNil(err error) (*Credential, error) {
	if err != nil {
		return nil, err
	}
	return s.credential()
}

// Apply puts the credential on a request, with a proof of its own for each when it
// is bound to a key. One that leads to another origin than the server's goes
// without, and fails there.
func (c *Credential) Apply(r *http.Request) error {
	r.Header.Del("Authorization")
	r.Header.Del(schemeDPoP)
	if c == nil || rootOf(r.URL) != c.origin {
		return nil
	}
	if c.header != "" {
		r.Header.Set(c.header, c.text)
		return nil
	}
	if c.key != nil {
		w := c.of.peers.at(asResource + c.origin)
		if c.wants != nil { // for this one request
			w, c.wants = *c.wants, nil
		}
		proof, err := c.of.prove(c.key, w, r.Method, r.URL, c.text)
		if err != nil {
			return err
		}
		r.Header.Set(schemeDPoP, proof)
	}
	r.Header.Set("Authorization", c.Scheme+" "+c.text)
	return nil
}

// Names in the store.
func (c *Client) lockName() string    { return "server/" + c.Server }
func (c *Client) pointerName() string { return "issuer/" + c.Server + " " + c.who() }
func sessionName(issuer, server, who string) string {
	return "session/" + issuer + " " + server + " " + who
}
func clientName(issuer string) string { return "client/" + issuer }

// who tells sign-ins to one server apart: an agent that signs in by itself must
// not use, or replace, what a person got.
func (c *Client) who() string {
	id := ""
	if c.Registered != nil {
		id = c.Registered.ID
	}
	grant := c.Grant
	if c.person() {
		grant = Code
	}
	return string(grant) + " " + id
}

// session returns what is kept for the server; nil: nothing. What is not of this
// server and its issuer is not ours.
func (c *Client) session(ctx context.Context) (*session, error) {
	issuer, err := c.Store.Load(ctx, c.pointerName())
	if issuer == nil || err != nil {
		return nil, orStoreErr(err)
	}
	raw, err := c.Store.Load(ctx, sessionName(string(issuer), c.Server, c.who()))
	if raw == nil || err != nil {
		return nil, orStoreErr(err)
	}
	s := &session{of: c}
	if err := json.Unmarshal(raw, s); err != nil || s.Issuer != string(issuer) || s.Server != c.Server || !sendable(s.Access) {
		return nil, fail(CodeKeychain, "What is kept of the sign-in at %s is damaged: sign in again.", c.Server)
	}
	return s, nil
}

func orStoreErr(err error) error {
	if err == nil {
		return nil
	}
	return storeErr(err)
}

// isSealed says whether something is kept that cannot be opened any more: the keyring
// was reset, or the passphrase is another one. What is there may be written over by
// who signs in or out, who is there and wants it.
func isSealed(err error) bool {
	var s interface{ Sealed() bool }
	return errors.As(err, &s) && s.Sealed()
}

// keep stores a session: the token first, then that it is the one that counts.
func (c *Client) keep(ctx context.Context, s *session) error {
	raw, err := json.Marshal(s)
	if err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx) // a refresh token that was spent and not kept is lost
	if err := c.Store.Save(ctx, sessionName(s.Issuer, s.Server, c.who()), raw); err != nil {
		return storeErr(err)
	}
	return orStoreErr(c.Store.Save(ctx, c.pointerName(), []byte(s.Issuer)))
}

// sendable says whether a text can be a token in a header. RFC 6750 §2.1
func sendable(token string) bool {
	if token == "" || len(token) > 64<<10 {
		return false
	}
	return strings.IndexFunc(token, func(r rune) bool { return r <= ' ' || r >= 0x7f }) < 0
}

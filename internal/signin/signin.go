// Package signin gets access to protected MCP servers: it finds a server's
// authorization server, becomes a client there, has the user sign in or a machine
// identify itself, and keeps, renews and gives up what it got. MCP 2026-07-28,
// authorization
//
// Nothing that a server says is believed for another: what an authorization
// server gave is bound to its issuer and to the server it is for.
package signin

import (
	"context"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/discovery"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
	"github.com/gatehouse-mcp/gatehouse/internal/proxy"
)

// Store keeps what was got. Load returns what Save was given last under the same
// name, and nil when there is nothing. Lock admits one at a time for a name,
// across all processes that share the store.
type Store interface {
	Load(ctx context.Context, name string) ([]byte, error)
	Save(ctx context.Context, name string, value []byte) error
	Delete(ctx context.Context, name string) error
	Lock(ctx context.Context, name string) (unlock func(), err error)
}

// Grant is a way to get a token.
type Grant string

// The grants.
const (
	Code              Grant = "code"               // the user signs in with a browser. OAuth 2.1 §4.1
	Device            Grant = "device"             // the user signs in on another device. RFC 8628
	ClientCredentials Grant = "client-credentials" // a machine of its own. OAuth 2.1 §4.2
	Enterprise        Grant = "enterprise"         // the company's identity provider vouches for the user. Enterprise-managed authorization (ID-JAG)
	Workload          Grant = "workload"           // a platform vouches for the machine. RFC 7523 §2.1
)

// Grants are all grants, in the order in which people are told of them.
func Grants() []Grant { return []Grant{Code, Device, ClientCredentials, Enterprise, Workload} }

// Registered is a client that was registered by hand.
type Registered struct {
	ID     string // required
	Secret string // empty: a public client, or one with a key
	Key    string // PEM of a private key for private_key_jwt; empty: none. RFC 7523 §2.2
	Issuer string // the authorization server it is known to; empty: the first one it is used with
}

// Provider is the company's identity provider, for the grant Enterprise.
type Provider struct {
	Issuer        string                                    // required
	TokenEndpoint string                                    // empty: discovered from Issuer
	ClientID      string                                    // required: by which the ID token was got
	ClientSecret  string                                    // empty: a public client
	IDToken       func(ctx context.Context) (string, error) // required: the user's, as it is now
}

// Client signs in to one server. It is safe for concurrent use.
type Client struct {
	Server      string                                      // required: the URL of the server
	Store       Store                                       // required
	Grant       Grant                                       // empty: Code
	Registered  *Registered                                 // nil: none
	Issuer      string                                      // the only authorization server to sign in at; empty: one that the server names
	MetadataURL string                                      // the client's metadata document, which is its id where that is supported; empty: none. CIMD
	Name        string                                      // by which the client registers itself; empty: "Gatehouse"
	Scopes      []string                                    // asked for besides what the server wants
	Provider    *Provider                                   // required for Enterprise
	Assertion   func(ctx context.Context) (string, error)   // required for Workload: what the platform issued
	Open        func(ctx context.Context, url string) error // opens the browser; nil: there is none
	Show        func(ctx context.Context, text string)      // tells the user what to do; nil: nobody is there
	Port        int                                         // of the redirect URI; 0: any that is free
	Roots       *x509.CertPool                              // who vouches for servers; nil: the system's
	Proxy       *proxy.Settings                             // which proxy leads where; nil: none
	Resolver    *net.Resolver                               // nil: the system's
	Log         *slog.Logger                                // nil: nothing is logged
	Now         func() time.Time                            // nil: time.Now

	mu    sync.Mutex // one sign-in at a time
	reach sync.Once
	own   *http.Client // for the server
	fetch *http.Client // for what it names
	wrong error        // of reach

	peers  peers
	worked atomic.Pointer[string] // the last token that the server let through
	anew   time.Time              // when somebody signed in because such a token was refused
}

// Refusal is how a server answered a request.
type Refusal struct {
	Status int
	Header http.Header
	With   *Credential // what the request carried; nil: nothing
}

// Credential returns what the server is to be asked with: what is kept, renewed
// when it has expired. nil and no error: nobody has signed in.
func (c *Client) Credential(ctx context.Context) (*Credential, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	s, err := c.session(ctx)
	if s == nil || err != nil {
		return nil, err
	}
	if !s.due(c.now()) {
		return s.credential()
	}
	release, err := c.alone(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	if s, err = c.session(ctx); s == nil || err != nil {
		return nil, err // somebody signed out meanwhile
	}
	if !s.due(c.now()) {
		return s.credential() // somebody else renewed it
	}
	renewed, err := c.refresh(ctx, s)
	if passes(err) && c.now().Before(s.Expires) {
		return s.credential() // which is good for some seconds yet
	}
	if err != nil {
		return nil, err
	}
	if renewed == nil {
		return s.credential() // the server says whether it is enough
	}
	return renewed.credential()
}

// alone keeps everybody else away from the sign-in at the server, in this process
// and others, until release is called.
func (c *Client) alone(ctx context.Context) (release func(), err error) {
	c.mu.Lock()
	unlock, err := c.Store.Lock(ctx, c.lockName())
	if err != nil {
		c.mu.Unlock()
		return nil, storeErr(err)
	}
	return func() {
		unlock()
		c.mu.Unlock()
	}, nil
}

// Renew returns another credential after a server has refused a request: one that
// somebody else got meanwhile, a renewed one, or one of a new sign-in. An error
// is final for this request.
func (c *Client) Renew(ctx context.Context, r Refusal) (*Credential, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	release, err := c.alone(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	s, err := c.session(ctx)
	if err != nil {
		return nil, err
	}
	if s != nil && (r.With == nil || r.With.text != s.Access) {
		return s.credential() // all who wait for one sign-in get its result
	}
	return c.again(ctx, s, r)
}

// again gets another credential in the place of that of s, which was refused.
func (c *Client) again(ctx context.Context, s *session, r Refusal) (*Credential, error) {
	ch := readChallenge(r.Header)
	if r.With != nil && r.With.key != nil && (ch.fault == oauth.UseDPoPNonce || ch.fault == oauth.InvalidDPoPProof) {
		return nil, fail(CodeProof, "%s does not accept the proof that the token is ours (%s), twice. Is the clock of this machine right? Is that the address by which the server knows itself?",
			c.Server, ch.fault).Of(r.Header)
	}
	if r.Status == http.StatusForbidden && ch.Error != insufficientScope {
		return nil, fail(CodeRefused, "The server knows who is calling, and refuses it (403): another sign-in would not help.").Of(r.Header)
	}
	p, err := c.protected(ctx, ch)
	if err != nil {
		return nil, err
	}
	as, err := c.authorizationServer(ctx, p, s)
	if err != nil {
		return nil, err
	}
	if s != nil && s.Issuer != as.Issuer { // what the other one gave stays with it. SEP-2352
		c.log().Warn("the server names another authorization server: signing in there", "was", s.Issuer, "is", as.Issuer)
		s = nil
	}
	b, err := c.bind(p, ch, as)
	if err != nil {
		return nil, err
	}
	if s != nil && s.Key == nil && b.required { // since the sign-in: no renewal helps
		c.log().Info("the server takes only tokens that are bound to a key now: signing in anew", "server", c.Server)
		return c.signIn(ctx, &flow{client: c, place: p, as: as, bound: b, scopes: c.scopes(s, ch, p, as)})
	}
	if s != nil && r.Status == http.StatusUnauthorized && !c.outlived(s, p, ch) {
		if renewed, err := c.refresh(ctx, s); err != nil || renewed != nil {
			return renewed.orNil(err)
		}
	}
	if err := c.pointless(s, r.Status, ch); err != nil {
		return nil, err.Of(r.Header)
	}
	return c.signIn(ctx, &flow{client: c, place: p, as: as, bound: b, scopes: c.scopes(s, ch, p, as), known: s != nil && r.Status == http.StatusForbidden})
}

// outlived says whether the token of a session is bound to a key, and its server says in
// no place any more that it takes such tokens: what a renewal gives would be bound as
// well. A token that was let through may just have ended.
func (c *Client) outlived(s *session, p *place, ch challenge) bool {
	says := ch.proof || !ch.bearer || p.DPoPOnly || len(p.DPoPAlgorithms) > 0
	return s.Key != nil && !says && !c.hasWorked(s)
}

// pointless says why a sign-in would not lead further than the last one did.
func (c *Client) pointless(s *session, status int, ch challenge) *Error {
	switch {
	case s == nil:
		return nil
	case status == http.StatusForbidden && s.covers(ch.Scopes): // bounded step-up
		return fail(CodeRefused, "The server asks for the scope %q, which was asked for at the last sign-in and not granted.", strings.Join(ch.Scopes, " "))
	case status == http.StatusUnauthorized && c.justNow(s.Signed) && !c.hasEnded(s):
		return fail(CodeRefused, "The server does not accept the token of a sign-in that was just made (%s). Its settings and those of %s do not fit.", ch.words(), s.Issuer)
	}
	return nil
}

// hasEnded says whether the token of a session was good once: it was revoked since.
// A server that lets one request through and refuses the next is believed once.
func (c *Client) hasEnded(s *session) bool {
	if !c.hasWorked(s) || c.justNow(c.anew) {
		return false
	}
	c.anew = c.now()
	return true
}

// hasWorked says whether the server let the token of a session through last.
func (c *Client) hasWorked(s *session) bool {
	was := c.worked.Load()
	return was != nil && *was == s.Access
}

// justNow says whether something happened lately. What lies ahead was written
// before the clock was set back, nobody knows when.
func (c *Client) justNow(t time.Time) bool {
	since := c.now().Sub(t)
	return since >= 0 && since < tooSoon
}

// tooSoon is how long after a sign-in another one makes no sense.
const tooSoon = time.Minute

// scopes are what is asked for: what the challenge says, else all that the
// resource has; and what was asked for before, or a step-up would lose it. MCP
// 2026-07-28, authorization, §scope selection; SEP-2350, SEP-2207
func (c *Client) scopes(s *session, ch challenge, p *place, as *discovery.Metadata) []string {
	want := ch.Scopes
	if len(want) == 0 {
		want = p.Scopes
	}
	var all []string
	if s != nil {
		all = append(all, s.Asked...)
	}
	for _, scope := range append(slices.Clone(want), c.Scopes...) {
		if !slices.Contains(all, scope) {
			all = append(all, scope)
		}
	}
	if c.person() && slices.Contains(as.ScopesSupported, offline) && !slices.Contains(all, offline) {
		all = append(all, offline)
	}
	return all
}

// person says whether somebody signs in.
func (c *Client) person() bool { return c.Grant == "" || c.Grant == Code || c.Grant == Device }

func (c *Client) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}

func (c *Client) log() *slog.Logger {
	if c.Log != nil {
		return c.Log
	}
	return slog.New(slog.DiscardHandler)
}

// Package federation signs people in with the provider that they have: it sends
// their browser there, judges what comes back, and knows who may come in.
package federation

import (
	"context"
	"errors"
	"time"
)

// Life is how long a person may take to sign in at their provider.
const Life = 10 * time.Minute

// Profile is what a provider said of a person who signed in.
type Profile struct {
	Provider string // name in the configuration
	Issuer   string // of the provider; for GitHub "https://github.com"
	Subject  string // unique within Issuer and never reused
	Name     string
	Username string // for people: it can change and be taken by somebody else; empty: there is none
	Email    string // ASCII with one "@"; empty unless the provider says that it is verified
	Vouched  bool   // the provider is authoritative for the domain of Email: it gives those addresses out, or the operator says so
	Domain   string // to which the provider says they belong, such as Google's hd; else that of Email
	Groups   []string
	Roles    []string
	Orgs     []string // of those that the allow-list names, as it names them; GitHub
	Teams    []string // the same, as "acme/platform"
	Tenant   string   // what the provider says of their organization; empty: nothing
	AuthTime time.Time
	Methods  []string // amr; nil: not told
	Tokens   *Tokens  // nil: nobody wants them

	GroupsOmitted bool   // they are in groups that the provider left out
	Claims        []byte // JSON: what the provider said, for the operator's own test; nil in GitHub's case
}

// Tokens are the provider's own. They never reach a client.
type Tokens struct {
	Access  string    `json:"a"`
	Refresh string    `json:"r,omitzero"`
	Expires time.Time `json:"e,omitzero"` // of Access; zero: not told
	Scopes  []string  `json:"s,omitzero"`
}

// Start is where a browser goes to sign in, and what has to be kept until it is back.
type Start struct {
	URL     string // of the provider's authorization endpoint
	Pending Pending
}

// Pending is one sign-in under way. It is good for one callback within [Life],
// and is bound to a browser by its keeper.
type Pending struct {
	State    string    `json:"-"` // random; also the key
	Provider string    `json:"p"`
	Redirect string    `json:"r"`          // the redirect URI that was sent
	Nonce    string    `json:"n,omitzero"` // OpenID Connect Core §3.1.2.1; empty: not an OpenID provider
	Verifier string    `json:"v"`          // PKCE. RFC 7636 §4.1
	Forced   bool      `json:"f,omitzero"` // they had to prove anew who they are
	Began    time.Time `json:"b"`
}

// Callback is what the browser brought back.
type Callback struct {
	Code, State, Issuer, Error, ErrorDescription string
}

// Provider signs people in. [Open] makes one.
type Provider interface {
	// Name is that of the configuration; Title is for people.
	Name() string
	Title() string
	// Begin starts a sign-in. hint is an address that the client gave; may be
	// empty. With prompt the person has to prove anew who they are. redirect is
	// one that no other provider has: it tells whose answer comes back.
	Begin(ctx context.Context, redirect, hint string, prompt bool) (*Start, error)
	// Finish judges what came back for p, and whether the allow-list admits who
	// signed in. What it refuses is a *Refusal.
	Finish(ctx context.Context, redirect string, p *Pending, c *Callback) (*Profile, error)
	// Identify is Finish without the allow-list, and Admit is the allow-list:
	// nil, or a *Refusal.
	Identify(ctx context.Context, redirect string, p *Pending, c *Callback) (*Profile, error)
	Admit(who *Profile) error
	// Refresh returns new tokens for a refresh token; ErrDead if the provider
	// takes it no more.
	Refresh(ctx context.Context, refresh string) (*Tokens, error)
}

// Refusal is a sign-in that was not accepted, with words for the person.
type Refusal struct {
	Code    string   // ours, GH-14nn
	Text    string   // for the person: what happened and what to do; nothing of what the provider wrote
	Cause   error    // for the operator
	Account string   // who the provider says they are, for "You signed in as"; empty: not to be shown
	Advice  []string // what they, or whoever runs this server, can do
}

// Codes of refusals.
const (
	CodeTenant      = "GH-1439" // they are known here as somebody of another tenant
	CodeState       = "GH-1440" // no such sign-in is under way
	CodeBrowser     = "GH-1441" // it began in another browser
	CodeDenied      = "GH-1442" // the provider, or the person there, said no
	CodeAnswer      = "GH-1443" // what the provider says cannot be believed
	CodeAllow       = "GH-1444" // the allow-list does not have them
	CodeMembership  = "GH-1445" // whether they may come in cannot be seen
	CodeUnavailable = "GH-1446" // the provider does not answer
	CodeSetup       = "GH-1447" // the provider knows us otherwise than we are set up
	CodeSignIn      = "GH-1448" // a server needs a token of theirs that is not there any more
	CodeProvider    = "GH-1449" // nobody signs in by a provider of this name
)

// Error implements error.
func (r *Refusal) Error() string {
	if r.Cause != nil {
		return r.Text + ": " + r.Cause.Error()
	}
	return r.Text
}

// Unwrap returns the cause.
func (r *Refusal) Unwrap() error { return r.Cause }

// Facts that callers branch on.
var (
	ErrUnavailable = errors.New("the identity provider does not answer")
	ErrDead        = errors.New("the provider takes the refresh token no more")
	ErrNotFound    = errors.New("there is none")
	ErrFull        = errors.New("too many sign-ins are under way")
)

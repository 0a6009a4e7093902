// Package federation signs people in with the provider that they have: it sends
// their browser there, judges what comes back, and knows who may come in.
package federation

import (
	"context"
	"errors"
	"time"
)

// Profile is what a provider said of a person who signed in.
type Profile struct {
	Provider string // name in the configuration
	Issuer   string // of the provider; for GitHub "https://github.com"
	Subject  string // unique within Issuer and never reused
	Name     string
	Email    string // empty unless the provider says that it is verified
	Groups   []string
	Roles    []string
	Tenant   string // what the provider says of their organization; empty: nothing
	AuthTime time.Time
	Methods  []string // amr; nil: not told
	Tokens   *Tokens  // nil: nobody wants them
}

// Tokens are the provider's own. They never reach a client.
type Tokens struct {
	Access, Refresh string
	Expires         time.Time // of Access; zero: not told
	Scopes          []string
}

// Start is where a browser goes to sign in, and what has to be kept until it is back.
type Start struct {
	URL     string // of the provider's authorization endpoint
	Pending Pending
}

// Pending is one sign-in under way. It is kept sealed or in the store, is good for
// one callback within ten minutes, and is bound to a browser by its keeper.
type Pending struct {
	State    string // random; also the key
	Provider string
	Nonce    string // OpenID Connect Core §3.1.2.1; empty: not an OpenID provider
	Verifier string // PKCE. RFC 7636 §4.1
	Began    time.Time
}

// Callback is what the browser brought back.
type Callback struct {
	Code, State, Issuer, Error, ErrorDescription string
}

// Provider signs people in.
type Provider interface {
	// Name is that of the configuration; Title is for people.
	Name() string
	Title() string
	// Begin starts a sign-in. hint is an address that the client gave; may be empty.
	Begin(ctx context.Context, redirect, hint string, prompt bool) (*Start, error)
	// Finish judges what came back for p. What it refuses is an *Refusal.
	Finish(ctx context.Context, redirect string, p *Pending, c *Callback) (*Profile, error)
}

// Refusal is a sign-in that was not accepted, with words for the person.
type Refusal struct {
	Code    string // ours, GH-14nn
	Text    string // for the person: what happened and what to do; nothing of what the provider wrote
	Cause   error  // for the operator
	Account string // who the provider says they are, for "You signed in as"; empty: not to be shown
}

// Error implements error.
func (r *Refusal) Error() string {
	if r.Cause != nil {
		return r.Text + ": " + r.Cause.Error()
	}
	return r.Text
}

// Unwrap returns the cause.
func (r *Refusal) Unwrap() error { return r.Cause }

// ErrUnavailable says that the provider does not answer at present.
var ErrUnavailable = errors.New("the identity provider does not answer")

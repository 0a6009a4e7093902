// Package client knows the OAuth clients: those that an administrator made,
// those that registered themselves (RFC 7591), and those whose id is the URL of
// a document about them (Client ID Metadata Document).
//
// A stranger costs no disk. What registered itself is in its id, and what has a
// document is fetched; a row is what an administrator decided, or what a
// person's consent made worth keeping.
package client

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// Kind is how a client came to be known.
type Kind string

// The kinds of clients.
const (
	Static   Kind = "static"   // by an administrator
	Dynamic  Kind = "dynamic"  // by itself. RFC 7591
	Document Kind = "document" // by its URL. draft-ietf-oauth-client-id-metadata-document
)

// State is what an administrator thinks of a client.
type State string

// The states. Clients of somebody else's making need no row to be Known.
const (
	Known    State = "known"    // it may ask people; nobody vouches for it
	Approved State = "approved" // an administrator, or the list of trusted domains, vouches for it
	Pending  State = "pending"  // it may not ask people before an administrator approves of it
	Blocked  State = "blocked"  // it may not do anything
)

// Client is an OAuth client, as it is at this moment.
type Client struct {
	ID    string
	Kind  Kind
	State State

	Name         string   // what it calls itself: a claim, never to be shown without Domain or a redirect's host
	Domain       string   // host of the URL that is its id; empty: nothing vouches for its name
	RedirectURIs []string // as registered. Compare by oauth.MatchRedirect
	Grants       []string // grant types that it may use, of those that we offer
	AuthMethods  []string // ways in which it may prove who it is; AuthNone alone: a public client
	Scopes       []string // the most that it may be given; nil: whatever the user may
	Native       bool     // it runs on its user's machine

	Bound bool // its access tokens are bound to the certificate of its connection. RFC 8705 §3.4

	// Of Static clients.
	Resources []string // it is the server of these: it may introspect and exchange tokens that are for them
	Targets   []string // resources that it may exchange tokens for

	Tenant  tenant.ID // whose it is; empty: everybody's. Callers by client credentials belong to it
	Version string    // changes whenever what people were shown about it does: consent is asked for again

	Created  time.Time // of Document: when it was first used; zero: it never was
	LastUsed time.Time // when it was last given a token, to the hour; zero: never
	Expires  time.Time // when its registration ends; zero: never

	Credentials Credentials
}

// Public says whether the client cannot prove who it is.
func (c *Client) Public() bool { return len(c.AuthMethods) == 1 && c.AuthMethods[0] == "none" }

// May says whether the client may use a grant type.
func (c *Client) May(grant string) bool { return slices.Contains(c.Grants, grant) }

// Credentials are what a client is recognized by.
type Credentials struct {
	SecretHashes [][32]byte // SHA-256 of secrets that are honoured
	FormerHashes [][32]byte // of those that are honoured before FormerUntil only
	FormerUntil  time.Time
	JWKS         []byte     // a JWK Set; nil: JWKSURI
	JWKSURI      string     // fetched as a stranger's URL
	Subject      string     // of its certificate, RFC 4514; with tls_client_auth. RFC 8705 §2.1.2
	Thumbprints  [][32]byte // SHA-256 of its certificates; with self_signed_tls_client_auth
}

// Facts that callers branch on.
var (
	ErrUnknown = errors.New("no such client") // or its registration has ended
	ErrBlocked = errors.New("the client is blocked")
	ErrPending = errors.New("the client waits for approval")
	ErrFetch   = errors.New("the client's document cannot be had") // what it wraps says why; another time it may be
	ErrInvalid = errors.New("the client's document is not valid")  // for good, as far as we know
	ErrExists  = errors.New("there is a client with this id")
	ErrFull    = errors.New("too many clients that nobody uses have been changed; later there is room again")
	ErrRaced   = errors.New("somebody else has just changed the client")

	ErrRotating   = errors.New("the client's secret was rotated, and the former one is honoured still")
	ErrNotRotated = errors.New("the client has no former secret that is honoured still")

	ErrWrong = errors.New("a client cannot be like that") // of what an administrator asks for; the text says why
)

// Finder is what the doors need of the registry.
type Finder interface {
	// Find returns the client of an id that a stranger sent, Known or Approved;
	// else one of the errors above. It may fetch a document for it.
	Find(ctx context.Context, id string) (*Client, error)
}

// Package grant keeps what people allowed clients to do: from the code, over a
// family of refresh tokens, to its end by age, withdrawal or theft.
package grant

import (
	"errors"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// Grant is what a person, or an administrator in their place, allowed a client.
// It is the family of all tokens that come of one authorization.
type Grant struct {
	ID       string // also the claim "grant" of its access tokens
	Tenant   tenant.ID
	Client   string // id of the client
	Subject  string // usr_… of the person
	Resource string // the one resource that its tokens are for. RFC 8707 §2
	Scopes   []string
	Offline  bool // a refresh token goes with it

	Redirect string    // the redirect URI, byte for byte; empty: a device
	Key      string    // thumbprint of the key that its refresh tokens are bound to; empty: none. RFC 9449 §5
	Flow     string    // id of the authorization request, for the trail
	AuthTime time.Time // when the person last proved who they are
	Identity Identity  // by which the person signed in

	Created  time.Time
	LastUsed time.Time // when a token was last given out for it
	Expires  time.Time // for good, whatever happens
	Idle     time.Time // unless it is used before
	Revoked  time.Time // zero: it is not
	Reason   string    // why it was
	By       string    // who revoked it

	Generation int64     // of its refresh token: how often one was given out; 0: the code was not redeemed yet
	Rotated    time.Time // when it last became another
}

// State is how a grant stands.
type State string

// The states of a grant.
const (
	Waiting State = "waiting" // for its code to be redeemed
	Active  State = "active"
	Ended   State = "ended" // by age, or because it was not used
	Revoked State = "revoked"
)

// State returns how the grant stands at a moment.
func (g *Grant) State(now time.Time) State {
	switch {
	case !g.Revoked.IsZero():
		return Revoked
	case !now.Before(g.Expires), !g.Idle.IsZero() && !now.Before(g.Idle):
		return Ended
	case g.Generation == 0:
		return Waiting
	}
	return Active
}

// Identity is how a person's provider knows them.
type Identity struct {
	Issuer  string // empty: a local account
	Subject string
}

// Authorization is what /authorize or a device's page ends with: a grant that
// waits for its code to be redeemed.
type Authorization struct {
	Grant
	Challenge string // PKCE, S256. RFC 7636 §4.2
	Bound     string // thumbprint of the key that the code is for (dpop_jkt); empty: any. RFC 9449 §10
}

// EndedError is an ErrSpent or an ErrReused that has ended a grant just now.
type EndedError struct {
	Grant *Grant
	Why   error
}

func (e *EndedError) Error() string { return e.Why.Error() }
func (e *EndedError) Unwrap() error { return e.Why }

// Facts that callers branch on.
var (
	ErrNotFound = errors.New("no such grant, code or token")
	ErrSpent    = errors.New("the code was used before")                  // the grant that came of it is revoked with it, if the request was right in everything else
	ErrReused   = errors.New("the refresh token was used before")         // its family is revoked
	ErrMismatch = errors.New("the code or token is not for this request") // nothing was spent
	ErrExpired  = errors.New("the code or token has expired")
	ErrRevoked  = errors.New("the grant was revoked")
	ErrReplay   = errors.New("seen before")                        // of what may be seen once
	ErrTarget   = errors.New("the grant is for another resource")  // nothing was spent. RFC 8707 §2.2
	ErrScope    = errors.New("more is asked for than was granted") // nothing was spent
	ErrRaced    = errors.New("the grant was changed by somebody else meanwhile")

	ErrPending  = errors.New("nobody has decided yet")      // RFC 8628 §3.5
	ErrSlowDown = errors.New("the device asks too often")   // RFC 8628 §3.5
	ErrDenied   = errors.New("the person did not allow it") // RFC 8628 §3.5
)

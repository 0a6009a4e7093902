// Package login knows the people: their accounts, how they prove who they are
// here, and the browsers in which they did.
package login

import (
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// User is a person. The id is what tokens call them, whichever way they sign in.
type User struct {
	ID       string // usr_…, for good
	Tenant   tenant.ID
	Name     string // for people
	Email    string // empty unless it is verified; lower case
	Vouched  bool   // Email was given by an administrator, or by a provider that is authoritative for its domain
	Username string // of a local account; empty: they sign in by a provider only
	Groups   []string
	Roles    []string
	State    State
	Links    []Link // by which providers know them

	Created  time.Time
	LastSeen time.Time // zero: never
}

// TenantError is [ErrTenant].
type TenantError struct {
	User string // who the identity is, in that tenant
}

// Error implements error.
func (e *TenantError) Error() string { return ErrTenant.Error() + ": " + e.User }

// Unwrap implements error.
func (e *TenantError) Unwrap() error { return ErrTenant }

// UsedError is [ErrWrong]: the code is right, and it or a later one was used before.
type UsedError struct {
	User string // whose code it is
}

// Error implements error. It says no more than ErrWrong does.
func (e *UsedError) Error() string { return ErrWrong.Error() }

// Unwrap implements error.
func (e *UsedError) Unwrap() error { return ErrWrong }

// State is whether a user may sign in.
type State string

// The states.
const (
	Active   State = "active"
	Disabled State = "disabled" // no sign-in, no session, no grant and no token
	Invited  State = "invited"  // has never signed in, and has no password to do it with
)

// Link is how a provider knows a user. Issuer and Subject are the only key to an
// account: nobody is known by an address.
type Link struct {
	Provider string // name in the configuration
	Issuer   string
	Subject  string
	Email    string // for people
	Groups   []string
	Roles    []string
	Created  time.Time
	LastUsed time.Time
}

// Session is a browser in which a person signed in.
type Session struct {
	ID       string // ses_…, shown in lists; not what the cookie holds
	User     string
	Provider string   // by which they signed in; empty: a local account
	Methods  []string // RFC 8176: "pwd", "otp", "hwk"; of a provider: what it says
	SignedIn time.Time
	LastSeen time.Time // to the minute
	Expires  time.Time
	Address  string
	Agent    string // what the browser calls itself
}

// Person is somebody who has just proved who they are, or did earlier in this
// browser. Groups and Roles are those of the user and of the identity by which
// they signed in.
type Person struct {
	User
	Session  Session
	Identity Link // by which they signed in; empty: a local account
}

// Facts that callers branch on.
var (
	ErrNotFound = errors.New("no such user or session")
	ErrExists   = errors.New("a user of this name exists")
	ErrWrong    = errors.New("not accepted") // a password, code or passkey; never says which
	ErrDisabled = errors.New("the account is disabled")
	ErrLinked   = errors.New("this identity is another user's")
	ErrTenant   = errors.New("this identity is a user of another tenant")
	ErrInvalid  = errors.New("invalid user")
	ErrWeak     = errors.New("the password is too easy to guess")
	ErrSpent    = errors.New("the link was used, replaced, or is too old") // an invitation
	ErrBusy     = errors.New("too many people sign in at once")
	ErrIssuer   = errors.New("whose tokens to end is not known without the configuration")
	ErrFull     = errors.New("there are as many of these as a user may have")
)

// Wait says that somebody has to wait before they may try again, whether or not
// what they tried would be right.
type Wait struct {
	For time.Duration // at least
}

// Error implements error.
func (w *Wait) Error() string {
	return fmt.Sprintf("too many attempts; the next may be made in %s", w.For)
}

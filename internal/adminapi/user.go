package adminapi

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// User is a person who signs in by our own authorization server.
type User struct {
	ID         string     `json:"id"`                 // usr_…: sub of their tokens
	Username   string     `json:"username,omitempty"` // absent: they sign in by a provider only
	Name       string     `json:"name"`
	Email      string     `json:"email,omitempty"` // verified
	Tenant     string     `json:"tenant"`          // the tenant's name
	State      string     `json:"state"`           // active, disabled or invited
	Groups     []string   `json:"groups"`          // given here; a provider's are with the identity
	Roles      []string   `json:"roles"`
	Created    time.Time  `json:"created"`
	LastSeen   *time.Time `json:"last_seen"` // null: never
	Identities []Identity `json:"identities"`

	Means    *Means `json:"means,omitempty"`    // in the answer about one user
	Sessions *int   `json:"sessions,omitempty"` // open ones, in the answer about one user
	Ended    *Ended `json:"ended,omitempty"`    // what was ended
	DryRun   bool   `json:"dry_run,omitempty"`
}

// Identity is how a provider knows a user.
type Identity struct {
	Provider string    `json:"provider"`
	Issuer   string    `json:"issuer"`
	Subject  string    `json:"subject"`
	Email    string    `json:"email,omitempty"`
	Groups   []string  `json:"groups"`
	Roles    []string  `json:"roles"`
	LastUsed time.Time `json:"last_used"`
}

// Means are what a user signs in with here; nothing of it is told.
type Means struct {
	Password      bool      `json:"password"`
	Authenticator bool      `json:"authenticator"`
	RecoveryCodes int       `json:"recovery_codes"` // that are left
	Passkeys      []Passkey `json:"passkeys"`
}

// Passkey is one of a user.
type Passkey struct {
	ID       string     `json:"id"`
	Name     string     `json:"name"`
	Created  time.Time  `json:"created"`
	LastUsed *time.Time `json:"last_used"` // null: never
}

// Ended is how much of a user was ended, beside their access tokens.
type Ended struct {
	Sessions int `json:"sessions"`
	Grants   int `json:"grants"`
}

// NewUser asks for a user with an account of ours.
type NewUser struct {
	Username string   `json:"username"`
	Name     string   `json:"name,omitempty"`   // empty: the username
	Email    string   `json:"email,omitempty"`  // whoever asks vouches for it
	Tenant   string   `json:"tenant,omitempty"` // name or id; empty: the default tenant
	Groups   []string `json:"groups,omitempty"`
	Roles    []string `json:"roles,omitempty"`
	Password string   `json:"password,omitempty"` // empty: they are invited
}

// UserChange says what changes about a user; what is absent stays.
type UserChange struct {
	Name   *string   `json:"name,omitempty"`  // empty: the username
	Email  *string   `json:"email,omitempty"` // whoever asks vouches for it; empty: none
	Groups *[]string `json:"groups,omitempty"`
	Roles  *[]string `json:"roles,omitempty"`
}

// EndUser says why everything of a user is ended.
type EndUser struct {
	Reason string `json:"reason,omitempty"`
}

// Invite asks for a link with which a user sets up how they sign in.
type Invite struct {
	Reset bool `json:"reset,omitempty"` // what they sign in with now is taken away
}

// Invitation is such a link. Whoever has it is the user, once.
type Invitation struct {
	User     string    `json:"user"`
	Username string    `json:"username"`
	Link     string    `json:"link,omitempty"` // in no dry run
	Expires  time.Time `json:"expires"`
	Reset    bool      `json:"reset,omitempty"`
	DryRun   bool      `json:"dry_run,omitempty"`
}

// Session is a browser in which a user is signed in.
type Session struct {
	ID       string    `json:"id"`
	User     string    `json:"user"`
	Username string    `json:"username,omitempty"`
	Provider string    `json:"provider,omitempty"` // absent: an account of ours
	Methods  []string  `json:"methods"`            // RFC 8176
	SignedIn time.Time `json:"signed_in"`
	LastSeen time.Time `json:"last_seen"`
	Expires  time.Time `json:"expires"`
	Address  string    `json:"address,omitempty"`
	Agent    string    `json:"agent,omitempty"`
	DryRun   bool      `json:"dry_run,omitempty"`
}

// UserFilter says which users to list, by id.
type UserFilter struct {
	Tenant string // empty: every tenant
	After  string // the id after which to go on
	Limit  int    // 0: 100
}

// Users lists users.
func (c *Client) Users(ctx context.Context, f UserFilter) ([]User, error) {
	q := url.Values{"tenant": {f.Tenant}, "after": {f.After}}
	if f.Limit != 0 {
		q.Set("limit", strconv.Itoa(f.Limit))
	}
	list, err := call[[]User](ctx, c, http.MethodGet, "/v1/users?"+q.Encode(), nil)
	if err != nil {
		return nil, err
	}
	return *list, nil
}

func userPath(user string, rest string) string { return "/v1/users/" + url.PathEscape(user) + rest }

// User shows one, by id or username.
func (c *Client) User(ctx context.Context, user string) (*User, error) {
	return call[User](ctx, c, http.MethodGet, userPath(user, ""), nil)
}

// CreateUser adds one.
func (c *Client) CreateUser(ctx context.Context, n NewUser) (*User, error) {
	return call[User](ctx, c, http.MethodPost, "/v1/users", n)
}

// UpdateUser changes one.
func (c *Client) UpdateUser(ctx context.Context, user string, change UserChange) (*User, error) {
	return call[User](ctx, c, http.MethodPatch, userPath(user, ""), change)
}

// DeleteUser ends everything that a user has, and deletes them.
func (c *Client) DeleteUser(ctx context.Context, user string, e EndUser) (*User, error) {
	return call[User](ctx, c, http.MethodDelete, userPath(user, ""), e)
}

// InviteUser makes a link. The answer has it, once.
func (c *Client) InviteUser(ctx context.Context, user string, i Invite) (*Invitation, error) {
	return call[Invitation](ctx, c, http.MethodPost, userPath(user, "/invite"), i)
}

// DisableUser keeps a user out and ends what they have open.
func (c *Client) DisableUser(ctx context.Context, user string, e EndUser) (*User, error) {
	return call[User](ctx, c, http.MethodPost, userPath(user, "/disable"), e)
}

// EnableUser lets a user sign in again.
func (c *Client) EnableUser(ctx context.Context, user string) (*User, error) {
	return call[User](ctx, c, http.MethodPost, userPath(user, "/enable"), struct{}{})
}

// RevokeUser ends everything that a user has open.
func (c *Client) RevokeUser(ctx context.Context, user string, e EndUser) (*User, error) {
	return call[User](ctx, c, http.MethodPost, userPath(user, "/revoke-all"), e)
}

// Sessions lists sessions, the latest first; the empty user stands for everybody.
func (c *Client) Sessions(ctx context.Context, user string) ([]Session, error) {
	list, err := call[[]Session](ctx, c, http.MethodGet, "/v1/sessions?"+url.Values{"user": {user}}.Encode(), nil)
	if err != nil {
		return nil, err
	}
	return *list, nil
}

// EndSession ends one and returns it.
func (c *Client) EndSession(ctx context.Context, id string) (*Session, error) {
	return call[Session](ctx, c, http.MethodDelete, "/v1/sessions/"+url.PathEscape(id), nil)
}

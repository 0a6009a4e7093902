package login

import (
	"context"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// Store keeps people for [Service]. What a method reports as done is on disk.
// The empty tenant.ID stands for every tenant; a user of another tenant than the
// one given is ErrNotFound.
type Store interface {
	UserStore
	SessionStore
	SecretStore
	AttemptStore
}

// UserStore keeps who there is.
type UserStore interface {
	// CreateUser adds a user without links, with a password (argon2id, in PHC's
	// form) unless that is empty. It returns ErrExists when the username is taken,
	// and tenant.ErrNotFound when the tenant is deleted or was never there.
	CreateUser(ctx context.Context, t tenant.ID, u *User, password string) error
	// User returns the user of an id, or else of a username.
	User(ctx context.Context, t tenant.ID, idOrName string) (*User, error)
	// Users lists them by id after a cursor, at most so many.
	Users(ctx context.Context, t tenant.ID, after string, limit int) ([]User, error)
	// UpdateUser sets Name, Email, Vouched, Groups and Roles to what change makes
	// of the user (without Links) as they are at that moment: no other change comes
	// between. What change returns as an error ends it. change does not block.
	UpdateUser(ctx context.Context, t tenant.ID, id string, change func(*User) (*User, error)) (*User, error)
	// DeleteUser deletes a user and everything of theirs but grants, which the trail
	// may speak of. Their username and identities are free then.
	DeleteUser(ctx context.Context, t tenant.ID, id string) error
	// SetState changes the state; Active is Invited for who was never seen and has no
	// password. Disabled ends the user's sessions and invitations in the same
	// transaction, whatever is opened at the same moment; ended is how many sessions
	// that were.
	SetState(ctx context.Context, t tenant.ID, id string, s State) (u *User, ended int, err error)
	// Arrive finds or makes the user of a federated identity, and keeps what the
	// provider says now. However many arrive at once, one identity is one user.
	// A user of another tenant is ErrTenant, a disabled one ErrDisabled. With
	// link, an identity that nobody has is given to the only user of fresh.Tenant
	// who has the address and is Vouched for.
	Arrive(ctx context.Context, l *Link, fresh *User, link bool) (*User, error)
}

// SessionStore keeps the browsers.
type SessionStore interface {
	// OpenSession adds a session, unless the user is disabled (ErrDisabled) or
	// their tenant is not active (ErrDisabled), ends the one that it replaces, and
	// the oldest beyond most. It says that the user was seen.
	OpenSession(ctx context.Context, r *SessionRecord, most int) error
	// Session returns who has a session at a moment, if they were seen in it since
	// idle. One of a disabled user, of a tenant that is not active, or by an
	// identity that is the user's no longer, is ErrNotFound.
	Session(ctx context.Context, hash string, at, idle time.Time) (*Person, error)
	// SeeSession says that a session was used.
	SeeSession(ctx context.Context, hash string, at time.Time) error
	// Sessions lists what a user has open at a moment, the latest first. The empty
	// user means everybody's.
	Sessions(ctx context.Context, t tenant.ID, user string, at time.Time) ([]Session, error)
	// EndSession ends one by its id, or by its hash, and returns what it was.
	EndSession(ctx context.Context, t tenant.ID, idOrHash string) (*Session, error)
	// EndSessions ends all of a user's, whatever is opened at the same moment.
	EndSessions(ctx context.Context, t tenant.ID, user string) (int, error)
}

// SessionRecord is a session to be opened.
type SessionRecord struct {
	Session
	Hash     string // SHA-256 of the cookie, hexadecimal; the row's key
	Replaces string // the same of the session that the browser had; empty: none
	Issuer   string // of the identity; empty: a local account
	Subject  string
}

// SecretStore keeps what people of local accounts prove themselves with.
type SecretStore interface {
	// Secrets returns what a user has, of an id; ErrNotFound: no such user.
	Secrets(ctx context.Context, id string) (*Secrets, error)
	// Enrol sets what is given, of a user who is not disabled, in one transaction
	// that also spends the invitation or the recovery code if there is one: of many
	// who bring the same, one succeeds, and the others get ErrSpent. Passkeys
	// beyond most are ErrFull.
	Enrol(ctx context.Context, e *Enrolment, most int) error
	// SpendStep notes that a one-time code was used. It returns false when that or
	// a later one was.
	SpendStep(ctx context.Context, id string, step int64) (bool, error)
	// HasRecovery says whether a user has a recovery code, without taking it away.
	HasRecovery(ctx context.Context, id, hash string) (bool, error)
	// SpendRecovery takes a recovery code away. It returns false when there was none.
	SpendRecovery(ctx context.Context, id, hash string) (bool, error)
	// Passkey returns the one of a credential id, with its user's id.
	Passkey(ctx context.Context, credential string) (*Passkey, error)
	// UsePasskey keeps what an assertion changed, and returns false when the one
	// that is stored is not the one that was judged.
	UsePasskey(ctx context.Context, p *Passkey, was string) (bool, error)
	// RemovePasskey removes one of a user; ErrNotFound: they have none such.
	RemovePasskey(ctx context.Context, id, passkey string) error
	// Invite adds an invitation in place of those that the user had, and with reset
	// takes away everything that they prove themselves with. A disabled user is
	// ErrDisabled.
	Invite(ctx context.Context, i *Invitation, reset bool) error
	// Invitation returns one that has not ended, by its hash; else ErrSpent.
	Invitation(ctx context.Context, hash string, at time.Time) (*Invitation, error)
	// SpendChallenge takes note of a challenge; false: it was met before.
	SpendChallenge(ctx context.Context, hash string, until time.Time) (bool, error)
}

// AttemptStore counts attempts.
type AttemptStore interface {
	// Attempt counts one more in a bucket, unless it has to wait, and returns for
	// how long it has. Counting and judging are one: of many at once no more get
	// through than may.
	Attempt(ctx context.Context, bucket string, at time.Time, p Pace) (wait time.Duration, err error)
	// Forgive takes attempts back: n of them, or all when n is 0.
	Forgive(ctx context.Context, bucket string, n int) error
	// SweepLogin deletes what has ended before a moment.
	SweepLogin(ctx context.Context, before time.Time) error
}

// Pace is how attempts in a bucket are slowed down.
type Pace struct {
	Free  int           // so many may be made without a wait
	First time.Duration // the wait after the next, which doubles with each
	Most  time.Duration // up to this
	Calm  time.Duration // without an attempt for so long, counting begins anew
}

// Secrets are what a user of a local account proves themselves with.
type Secrets struct {
	Password string // argon2id, in PHC's form; empty: none
	TOTP     string // sealed; empty: none
	Recovery int    // codes that are left
	Passkeys []Passkey
}

// Passkey is a WebAuthn credential.
type Passkey struct {
	ID         string // pky_…, shown in lists
	Credential string // its id, base64url
	User       string // usr_…
	Name       string // for people: "Ada's phone"
	Record     string // JSON of the library's credential record
	Created    time.Time
	LastUsed   time.Time // zero: never
}

// Enrolment is what a person sets up at once. What is empty stays as it is.
type Enrolment struct {
	User       string
	Invitation string // hash of the one that is spent by it
	Spends     string // hash of the recovery code that is spent by it
	Password   string // argon2id, in PHC's form
	TOTP       string // sealed
	Step       int64  // of the code with which TOTP was confirmed: it is used
	Passkey    *Passkey
	Recovery   []string // hashes; nil: those that there are stay

	EndSessions bool // what the user has open ends
	At          time.Time
}

// Invitation lets somebody set up how they sign in.
type Invitation struct {
	ID      string // inv_…, shown in lists
	Hash    string // SHA-256 of what is in the link, hexadecimal
	User    string
	Expires time.Time
	Created time.Time
	By      string
}

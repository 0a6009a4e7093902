// Package audit is the trail of who did what, and why it was allowed or
// refused: JSON lines in a file that is written by one process, turned over by
// size, and read again without a server.
package audit

import (
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"time"
)

// ErrUnwritable says that the trail takes nothing at present. What it wraps says why.
var ErrUnwritable = errors.New("the audit trail cannot be written")

// ErrLocked says that another process writes the trail.
var ErrLocked = errors.New("another process writes this audit trail")

// ErrUnsafe says that a file cannot be a trail: somebody else could read it or put another in its place.
var ErrUnsafe = errors.New("not a safe place for an audit trail")

// Outcomes of an event.
const (
	OK      = "ok"      // it was done
	Failed  = "error"   // it was tried and did not work
	Refused = "refused" // it was not tried
	Cut     = "cut"     // a stream, or the answer to a call, ended because its caller may no longer be here
)

// Phases of an administrative change.
const (
	Intent = "intent" // it is about to be made
	Result = "result" // what became of it
)

// Entries of an event's Detail that others look for.
const (
	DetailFlow      = "flow"      // of a refusal at our authorization server: id of the login that it belongs to
	DetailGrant     = "grant"     // of a token: id of the grant that it came of
	DetailChallenge = "challenge" // of a refusal: what WWW-Authenticate said
)

// Event is one line of the trail. Everything may be left out but Kind; a zero
// Time is that of writing.
// Strings may come from strangers: they are made harmless when they are written.
type Event struct {
	Time    time.Time
	Kind    string // one of config.AuditKinds
	Action  string // of an admin event: "key.create"; of a stream: "open", "close", "cut"
	Phase   string // of an admin event: Intent or Result
	Request string // id of the request, which the caller and the log have too

	Server   string // the MCP server that was meant
	Tenant   string // the tenant's name
	TenantID string
	Subject  string // who it was; of auth_failed: whose the token was that its issuer accepted, and we did not
	KeyID    string // of the key they came with; of auth_failed: the key they claim to have
	KeyName  string // what that key is called
	Client   string // what the client calls itself; written as client_supplied
	Address  netip.Addr

	// Of a caller who came with an access token: who vouches for them and for what.
	Issuer   string // empty: an API key
	ClientID string // of the OAuth client
	TokenID  string // jti
	Rights   *Rights
	AuthAge  *int64 // seconds since the caller signed in; nil: not told

	Method string // of MCP
	Name   string // of the tool, prompt or resource

	Rules   []string // that matched, those that decided first
	Status  int      // of the HTTP answer
	Code    string   // GH code
	Reason  string   // the cause, for operators
	Outcome string
	Changed bool // not written: it has ended or changed something all the same, so that it stands alone, however many are alike
	Took    time.Duration

	Count int       // how many alike this event stands for; 0 and 1: one
	Since time.Time // when the first of many was

	Args   []byte            // of a tool: JSON that Redact has been over
	Detail map[string]string // what an administrator changed, never a secret
	By     string            // who made an administrative change
}

// Rights are what a token says that its bearer may do. Nil lists are not in it.
type Rights struct {
	Scopes        []string `json:"scopes,omitzero"`
	Permissions   []string `json:"permissions,omitzero"`
	Roles         []string `json:"roles,omitzero"`
	Groups        []string `json:"groups,omitzero"`
	GroupsOmitted bool     `json:"groups_omitted,omitzero"`
}

// Config says where the trail is and what goes into it.
type Config struct {
	Path    string       // the file; required unless Stdout is set
	Stdout  io.Writer    // instead of a file
	MaxSize int64        // bytes of a file before the next is begun; 0: config.AuditMaxSize
	Keep    int          // full files that are kept; 0: config.AuditKeep
	Include []string     // kinds that are written beside auth_failed and admin; nil: all
	Strict  bool         // Write is as durable as Durable
	Log     *slog.Logger // hears when the trail breaks and when it is whole again; nil: nobody
	Now     func() time.Time

	Patience time.Duration // how long anybody waits for the sink; 0: one second
}

// Bounds. docs/reference/limits.md has them all.
const (
	maxQueue      = 16384   // events that wait for the sink
	maxQueueBytes = 8 << 20 // so many bytes of them
	maxText       = 512     // bytes of a string, as written
	maxReason     = 1024    // bytes of a reason, as written
	maxArgs       = 8 << 10 // bytes of a tool's arguments, as written
	maxList       = 64      // entries of a list, such as the groups of a caller
	maxRights     = 2 << 10 // bytes of a list of rights, as written
	maxDetails    = 16      // entries of Detail
	maxName       = 64      // bytes of an entry's name, as written
	maxLine       = 32 << 10

	patience   = time.Second            // for the sink
	lockWait   = 5 * time.Second        // for another process to finish
	retryTime  = 250 * time.Millisecond // between two attempts to write again
	lookTime   = 500 * time.Millisecond // between two looks whether the file was moved, and two syncs
	gatherTime = 4 * time.Millisecond   // how long lines that nobody waits for are gathered

	collapseWindow = 10 * time.Second // in which refusals are counted
	collapseAfter  = 10               // refusals of one address and code that are written one by one
	collapseTotal  = 500              // refusals that are written one by one, of all
	collapseKeys   = 256              // addresses and codes that are told apart
)

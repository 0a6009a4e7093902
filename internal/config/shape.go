package config

import (
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/unit"
)

// Config is one installation. What a file leaves out has its default after
// [Load]; a Config made by hand is completed by [Config.Complete].
type Config struct {
	Server  Server
	Servers []Upstream // at least one
	Auth    Auth
	Tenants Tenants
	Scopes  []Scope // that callers can ask for
	Policy  Policy  // of every server that has none of its own
	Limits  Limits
	Store   Store
	Audit   Audit
	Admin   Admin

	source *source // where it came from; nil: made by hand
}

// Server is what listens.
type Server struct {
	Listen         string   // host:port, unix:/path or systemd:NAME; port 0 takes a free one
	PublicURL      string   // how callers reach us, https; empty: as Listen says
	AllowOrigins   []string // browser origins that may call; empty: none but our own
	MaxBody        int64    // bytes of one request
	TLS            TLS
	TrustedProxies []netip.Prefix // whose X-Forwarded-For and PROXY headers are believed; none: nobody's
	ProxyProtocol  bool           // connections of trusted proxies begin with a PROXY header, v1 or v2
	PlainListen    string         // host:port or systemd:NAME where plain HTTP is refused, and ACME is answered; empty: nowhere
	ShutdownGrace  time.Duration  // how long calls and streams may go on after a stop was asked for
}

// TLS says how callers' connections are encrypted. The zero value does not.
type TLS struct {
	Files             []KeyPair
	ACME              *ACME
	TerminatedByProxy bool          // by one of Server.TrustedProxies, or on loopback or a unix socket
	ClientCA          string        // PEM file: certificates of callers are verified against it; empty: none are asked for
	ClientRequired    bool          // a caller without a certificate is not even heard
	ClientSelfSigned  bool          // certificates that nobody vouches for are let in: they are good for clients that registered them. RFC 8705 §2.2
	HSTS              time.Duration // max-age of Strict-Transport-Security; 0: not sent
}

// On says whether we end TLS ourselves.
func (t *TLS) On() bool { return len(t.Files) > 0 || t.ACME != nil }

// KeyPair is a certificate chain and its key, as PEM files. Both are read again when they change.
type KeyPair struct{ Cert, Key string }

// ACME gets certificates by itself. RFC 8555
type ACME struct {
	Email     string
	AcceptTOS bool     // required: it is the operator who agrees, not we
	Directory string   // URL; empty: Let's Encrypt
	CA        string   // PEM file of roots to trust the directory by; empty: the system's
	Domains   []string // empty: the hosts of PublicURL and of the servers
	DNS       *DNS     // DNS-01; nil: HTTP-01 and TLS-ALPN-01
}

// DNS is a name server that takes updates. RFC 2136, RFC 8945
type DNS struct {
	Server    string // host:port
	KeyName   string
	Algorithm string // such as hmac-sha256
	Key       Secret
}

// Upstream is one MCP server to protect: over HTTP or as a child process.
type Upstream struct {
	Name      string // for people, logs, and in rules
	Host      string // name in Host that is this server's; empty: any that is ours
	Path      string // where it is served
	URL       string // of an HTTP server; empty when Stdio is set
	Transport string // of URL: TransportStreamable or TransportSSE
	Stdio     *Stdio // a server that speaks on its standard input and output
	SSE       string // path of the event stream for clients of HTTP+SSE (2024-11-05), "/sse"; empty: they are not served
	Forward   Forward
	Tenants   []string // names of tenants that may come in; empty: all
	Policy    *Policy  // instead of the installation's; nil: that
	PerTool   []ToolRate
}

// How an upstream speaks HTTP.
const (
	TransportStreamable = "streamable"
	TransportSSE        = "sse" // HTTP+SSE of 2024-11-05
)

// Stdio says how to start a child.
type Stdio struct {
	Command   []string          // program and arguments; never passed to a shell
	Cwd       string            // working directory; empty: ours
	Env       map[string]string // added to the few variables that a child is given
	Secrets   map[string]Secret // so are these; they are shown nowhere
	User      string            // account the child runs as; empty: ours. Needs root
	Isolation string            // IsolationShared or IsolationPerTenant
	Tenants   map[string]Place  // by tenant's name, with IsolationPerTenant: what differs from the above
}

// Who meets whom in a child of the newer era. Sessions of the older always have their own.
const (
	IsolationShared    = "shared"
	IsolationPerTenant = "per_tenant" // "{tenant}" in Cwd, User and Env is the tenant's name, "{tenant_id}" its id
)

// Place is where a tenant's child runs.
type Place struct {
	Cwd     string
	Env     map[string]string
	Secrets map[string]Secret
	User    string
}

// Forward is what the upstream learns of the caller, and how we sign in to it.
type Forward struct {
	Identity      string // IdentityNone, IdentityJWT or IdentityHeaders
	Header        string // of the JWT
	TenantHeader  string // also gets the tenant's name; empty: none does
	Authorization Secret // the Authorization header for the upstream; empty: none is sent
	UpstreamToken string // name of the login whose access token of the caller is the Authorization header; empty: none is
}

// What an upstream is told about the caller.
const (
	IdentityNone    = "none"
	IdentityJWT     = "jwt"     // signed by us, for this upstream alone
	IdentityHeaders = "headers" // plain X-Gatehouse-…: for an upstream that nobody else reaches
)

// APIKeys are the settings of API keys.
type APIKeys struct {
	Pepper          Secret        // keys are hashed under it; empty: plainly
	DefaultTTL      time.Duration // life of a new key, unless said otherwise; 0: 90 days
	RotationOverlap time.Duration // of a rotation, unless said otherwise; 0: 24 h
	MaxPerTenant    int           // keys that are honoured at once; 0: no limit
}

// Limits bound what callers may use. A rate of zero is none.
type Limits struct {
	PerKey       unit.Rate // of one key, its successors included
	PerTenant    unit.Rate
	PerPrincipal unit.Rate
	PerAddress   unit.Rate // of one address, IPv6 by /64
	PerTool      []ToolRate
	ByTenant     []ToolRate // by pattern of tenants' names: the first that matches, instead of PerTenant
	Concurrent   Caps       // calls under way
	Streams      Caps       // open event streams
	FailedAuth   FailedAuth
}

// ToolRate bounds how often one caller may call the tools of a pattern.
type ToolRate struct {
	Tools string // pattern
	Rate  unit.Rate
}

// Caps bound how much is held at once. Zero is no limit.
type Caps struct{ PerKey, PerTenant int }

// FailedAuth bans addresses from which too many credentials were refused.
type FailedAuth struct {
	PerAddress unit.Rate // IPv6 by /64
	Ban        time.Duration
}

// Store is where the state lies.
type Store struct {
	SQLite        string // path of the database; empty: Database in the state directory
	EncryptionKey Secret // what is secret in the database is sealed under it; empty: under a key file beside it
}

// Audit is the trail of who did what.
type Audit struct {
	File      string   // JSON lines; empty: AuditFile in the state directory, unless Stdout
	Stdout    bool     // write them to standard output instead
	MaxSize   int64    // bytes of a file before the next is begun
	Keep      int      // full files that are kept
	Include   []string // kinds of events; AuditKinds has them all
	Arguments *Arguments
	Strict    bool // admitted calls are on disk before they are forwarded
}

// Kinds of events. The first two cannot be left out.
const (
	AuditAuthFailed = "auth_failed" // somebody was not let in
	AuditAdmin      = "admin"       // somebody changed keys, tenants, bans or the configuration
	AuditDenied     = "denied"      // a caller was refused a call
	AuditToolCall   = "tool_call"   // a tool was called
	AuditCall       = "call"        // any other method
	AuditStream     = "stream"      // an event stream was opened, closed or cut

	AuditToolChanged = "tool_changed" // a server describes a tool in another way than was approved
	AuditSignIn      = "sign_in"      // a step of a login at our own authorization server
)

// AuditKinds are all of them.
func AuditKinds() []string {
	return []string{AuditAuthFailed, AuditAdmin, AuditDenied, AuditToolCall, AuditCall, AuditStream, AuditToolChanged, AuditSignIn}
}

// Arguments has the arguments of tools written down too.
type Arguments struct {
	Tools  []string // patterns of tools
	Redact []string // patterns of member names, at any depth, whose values are hidden; names that look secret always are
}

// Admin is the listener for operators: /-/live, /-/ready and /-/metrics.
type Admin struct {
	Listen           string // host:port or unix:/path; empty: none
	InsecureExternal bool   // it may listen beyond loopback, though it asks nobody who they are
}

// Secret is text that is shown to nobody: every way of printing it hides it.
// Only in an unexported field of something else that is printed, fmt does not ask.
type Secret string

const masked = "••••••"

// Reveal returns the text itself.
func (s Secret) Reveal() string { return string(s) }

// String implements fmt.Stringer.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return masked
}

// Format implements fmt.Formatter: a verb that does not suit, such as %d, would
// print the text as it is.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText implements encoding.TextMarshaler.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

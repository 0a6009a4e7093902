package config

import (
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/idp"
)

// Auth says who may call.
type Auth struct {
	APIKeys *APIKeys // nil: keys are not accepted
	Issuers []Issuer // whose access tokens are accepted

	// DPoPNonce has every proof (RFC 9449) hold a nonce of ours, so that none can be
	// made in advance.
	DPoPNonce bool

	Embedded *Embedded // our own authorization server; nil: there is none
}

// Issuer is an identity provider whose access tokens are accepted. After
// [Config.Complete] whatever its preset knows is filled in. See package idp.
type Issuer struct {
	Name   string            // for people, logs and rules; empty: the preset's
	Preset string            // of package idp; empty: DefaultPreset
	Params map[string]string // of the preset

	Issuer      string   // the exact iss
	AlsoIssuer  []string // further values of iss of the same provider, with the same keys
	Keys        IssuerKeys
	CA          string   // PEM file: the provider's servers are judged by it instead of by the system's authorities
	Algorithms  []string // never HMAC, never none
	TokenTypes  []string // values of typ; "" stands for none
	Audience    Audience
	Clients     []string // the only clients whose tokens are accepted; empty: any. [AnyClient] alone says that any is meant
	ClockSkew   time.Duration
	MaxLife     time.Duration // of a token; 0: no bound
	Claims      Claims
	RejectIf    []ClaimTest
	Require     []ClaimTest
	Introspect  *Introspect // opaque tokens; nil: refused
	DPoP        string      // BoundAccepted or BoundRequired
	MTLS        string      // the same
	BindTenant  string      // the one tenant of this issuer's callers; empty: as tenants.resolve says
	TenantNames bool        // claims.tenant carries names of our tenants; else its values count once they are linked to one
	Advertise   bool        // listed in protected resource metadata
	Private     []string    // names or networks that may be reached though they are private, and over plain HTTP
}

// Measured says that no token of the issuer lives longer than MaxLife, which only
// those show that say when they were issued. So those that do not are refused,
// and a revocation ends when all that it could mean are over.
func (u *Issuer) Measured() bool { return u.MaxLife > 0 }

// DefaultPreset is any provider that does by the book what others have a preset for.
const DefaultPreset = "oidc"

// AnyClient says, alone in Issuer.Clients, that any client will do.
const AnyClient = "any"

// IssuerKeys says where an issuer's keys come from.
type IssuerKeys struct {
	From     string // KeysDiscovery, KeysURL or KeysFile
	URL      string
	File     string
	Refresh  time.Duration
	MaxStale time.Duration
}

// Where keys come from.
const (
	KeysDiscovery = "discovery"
	KeysURL       = "url"
	KeysFile      = "file"
)

// Audience says which aud is ours.
type Audience struct {
	Mode   string   // AudienceExact, AudienceClient or AudienceNone
	Values []string // with AudienceExact; [idp.Resource] stands for the resource of each server; empty: that alone
}

// How a token is bound to us.
const (
	AudienceExact  = idp.AudienceExact  // aud has one of the values
	AudienceClient = idp.AudienceClient // whatever aud says: the issuer and an allow-list of clients have to do
	AudienceNone   = idp.AudienceNone   // there is no aud; the same
)

// Whether a token has to be bound to its sender.
const (
	BoundAccepted = "accepted"
	BoundRequired = "required"
)

// Claims says where things stand in the claims.
type Claims = idp.Claims

// ClaimTest is true of claims that have a path, with a value if one is given.
type ClaimTest = idp.ClaimTest

// Introspect asks the issuer about opaque tokens. RFC 7662
type Introspect struct {
	URL          string
	ClientID     string // empty: we say nothing about ourselves there
	ClientSecret Secret
	SecretInBody bool          // client_secret_post instead of client_secret_basic
	CacheFor     time.Duration // at most 30 s

	InsecureNoIssuer bool // answers need not say whose token it is
}

// Tenants says which tenant a caller belongs to.
type Tenants struct {
	Resolve    []TenantSource
	Require    bool                         // whoever belongs to none is refused; else they belong to the default tenant
	Upstream   map[string]string            // by tenant's name: the URL of its own server, instead of servers[].url
	Attributes map[string]map[string]string // by tenant's name: what conditions know of it, such as root
}

// TenantSource is one place that tells a tenant.
type TenantSource struct {
	From  string // TenantAPIKey, TenantClaim, TenantIssuer or TenantHost
	Claim string // with TenantClaim: a path; empty: as the issuer's claims.tenant says
}

// Where a tenant is told.
const (
	TenantAPIKey = "api_key"
	TenantClaim  = "claim"
	TenantIssuer = "issuer" // its bind_tenant
	TenantHost   = "host"   // servers[].tenants of the server that is called, if it names just one
)

// Scope is what a caller can ask for.
type Scope struct {
	Name     string
	Title    string   // for people
	Default  bool     // it is in the first challenge
	Includes []string // scopes that it stands for too
}

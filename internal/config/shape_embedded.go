package config

import (
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/idp"
	"github.com/gatehouse-mcp/gatehouse/internal/unit"
)

// Embedded is our own authorization server. After [Config.Complete] whatever was
// left out has its default.
type Embedded struct {
	Issuer string // https, an origin; empty: that of server.public_url
	Name   string // of the installation, for people; empty: the issuer's host

	AccessTTL    time.Duration // of an access token; MaxAccessTTL at most
	RefreshTTL   time.Duration // of a grant that is not used
	RefreshMax   time.Duration // of a grant, whatever happens
	RefreshGrace time.Duration // how long the refresh token before the newest is still understood; 0: not at all
	SessionTTL   time.Duration // of a sign-in in a browser
	SessionIdle  time.Duration // of one that is not used

	DPoP string // BoundAccepted or BoundRequired

	Signing  Signing
	Clients  Clients
	Consent  Consent
	Login    []Login // providers by which people sign in
	Accounts bool    // people can have a passkey or a password here
	LinkBy   string  // LinkNever or LinkVerifiedEmail

	Assertions []Assertions // enterprises whose identity assertions are taken for a grant
	Support    string       // whom people are told to ask; empty: nobody
}

// MaxAccessTTL is the longest life of an access token of ours.
const MaxAccessTTL = 10 * time.Minute

// Defaults of our authorization server.
const (
	DefaultRefreshTTL   = 30 * 24 * time.Hour
	DefaultRefreshMax   = 365 * 24 * time.Hour
	DefaultRefreshGrace = 30 * time.Second
	DefaultSessionTTL   = 7 * 24 * time.Hour
	DefaultRemember     = 90 * 24 * time.Hour
	DefaultUnused       = 30 * 24 * time.Hour
)

// How a person who signs in by another provider is recognized.
const (
	LinkNever         = "never"
	LinkVerifiedEmail = "verified_email" // by an address of a domain that both providers are authoritative for
)

// Signing says how tokens are signed.
type Signing struct {
	Alg         string // ES256, EdDSA or RS256
	RotateEvery time.Duration
	PublishNext time.Duration
	KeepOld     time.Duration
}

// Clients says which OAuth clients are known.
type Clients struct {
	CIMD Documents
	DCR  Registration
}

// Documents are about clients whose id is a URL.
type Documents struct {
	Enabled bool
	Trusted []string // domains; "*.example.com" stands for those below it
	Others  string   // OthersWarn, OthersApprove or OthersRefuse
	Private []string // hosts and networks that documents may be fetched from though they are private
	CA      string   // PEM file: servers of documents are judged by it
}

// What becomes of clients of other domains than the trusted ones.
const (
	OthersWarn    = "consent_with_warning"
	OthersApprove = "approval"
	OthersRefuse  = "refuse"
)

// Registration is of clients that register themselves. RFC 7591
type Registration struct {
	Enabled bool
	Rate    unit.Rate // of one address, IPv6 by /64
	Unused  time.Duration
	Schemes []string // exact redirect URIs with a scheme of their own, beside those that come with Gatehouse
}

// Consent is what people are asked.
type Consent struct {
	Remember  time.Duration // 0: they are asked each time
	ShowTools bool
}

// Login is a provider by which people sign in. See package idp.
type Login struct {
	Name          string // in URLs; empty: the preset's
	Preset        string
	Params        map[string]string
	Title         string // on the button; empty: the preset's
	Issuer        string
	ClientID      string
	ClientSecret  Secret
	Scopes        []string // beside the preset's
	Tenant        string   // of its people; empty: what is linked to their organization, else the default tenant
	Allow         Admitted
	Authoritative []string // domains of addresses that it vouches for, beside those that it is known for
	CA            string
	Private       []string
	KeepTokens    bool // they are kept, sealed, for servers that forward them
}

// Admitted says who may come in.
type Admitted = idp.Allow

// Assertions is an identity provider whose ID-JAGs are taken. See docs/how-to/enterprise-managed.md.
type Assertions struct {
	Issuer  string
	Tenant  string   // its people belong to it; empty: the default tenant
	Clients []string // ids of the clients that it may speak about; empty: any that can prove who it is
	Scopes  []string // the most that is given; empty: whatever there is
	CA      string
	Private []string
}

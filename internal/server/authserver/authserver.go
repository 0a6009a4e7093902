// Package authserver is the door of our own authorization server: OAuth 2.1 for
// clients, and the pages on which people sign in and decide. One endpoint per
// file, one grant per file.
package authserver

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/client"
	"github.com/gatehouse-mcp/gatehouse/internal/federation"
	"github.com/gatehouse-mcp/gatehouse/internal/login"
	"github.com/gatehouse-mcp/gatehouse/internal/seal"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
	"github.com/gatehouse-mcp/gatehouse/internal/unit"
)

// Server answers under one issuer. It is made anew with every configuration;
// what it keeps is in the store.
type Server struct {
	Issuer    string     // required: the one string that is iss everywhere; an origin, without a slash at its end
	Name      string     // of the installation, for pages; empty: the issuer's host
	Resources []Resource // at least one

	Clients   client.Finder
	Registrar Registrar // of clients that register themselves; nil: none may
	People    People
	Accounts  *login.Service        // accounts of ours; nil: nobody has one
	Providers []federation.Provider // by which people can sign in; in the order of the pages
	Logins    *federation.Logins    // sign-ins under way at them; required with Providers
	Vault     *federation.Vault     // of tokens that servers of ours are to get; nil: none are kept
	// Place returns the tenant of somebody who comes by a provider; a refusal is a
	// *federation.Refusal. Required with Providers.
	Place func(ctx context.Context, who *federation.Profile) (tenant.ID, error)
	Seal  *seal.Key // of requests under way: purpose "flow" and "upstream"

	Settings Settings

	Door // of clients: what the token endpoint and those around it need

	Knock  func(*http.Request) (retry time.Duration, refused bool) // whether an address may ask at all; nil: any may
	Failed func(*http.Request, string)                             // counts an attempt that was refused with a code; nil: nobody counts
	Count  func(endpoint string, status int, took time.Duration)   // nil: nobody counts

	Trail   Trail                                              // required
	Address func(*http.Request) (from netip.Addr, shared bool) // required: where a request came from
	Quiet   bool                                               // what was answered as asked gets no line in the log unless it is verbose
	Log     *slog.Logger                                       // required
	Now     func() time.Time                                   // nil: time.Now
}

// Resource is an MCP server that tokens are given out for.
type Resource struct {
	URL    string  // what clients call it, and aud. RFC 8707 §2
	Name   string  // for people
	Scopes []Scope // that can be asked for, in the order of the configuration

	// Grantable returns those of scopes that the rules could ever let this person
	// use. The rest is left out of what they are asked, and of tokens.
	Grantable func(ctx context.Context, who Who, scopes []string) []string
	// Tools returns the names of the tools that a scope opens, for the page; nil: not known.
	Tools func(ctx context.Context, scope string) []string
	// Admits says whether people of a tenant, by name, may come in at all.
	Admits func(tenant string) bool
}

// Who is a person or a program, as far as rules look at it.
type Who struct {
	Subject, Tenant, Client string
	Groups, Roles           []string
	Service                 bool // a program that speaks for itself
}

// Scope is one right, in words.
type Scope struct {
	Name, Title string
	Default     bool
	Includes    []string
}

// Settings are those of auth.embedded.
type Settings struct {
	CodeTTL         time.Duration // 60 s
	AccessTTL       time.Duration // at most 10 min
	RefreshIdle     time.Duration
	RefreshMax      time.Duration
	RefreshGrace    time.Duration // 0: strict
	ConsentRemember time.Duration // 0: people are asked each time
	SessionTTL      time.Duration
	DeviceTTL       time.Duration
	ShowTools       bool
	Registration    bool // RFC 7591

	RegistrationRate unit.Rate // of one address; zero: no limit

	Documents bool // client ids that are URLs
	// Whether TLS ends here and callers are asked for certificates: of authorities
	// that we know, and of whomever. RFC 8705
	Certificates, SelfSigned bool

	RequireProof bool // every token is bound to a key, or not given. RFC 9449

	Assertions bool   // identity assertions of enterprises are taken for a grant
	Support    string // whom people are told to ask; empty: nobody
}

// Trail takes what is to be written down.
type Trail interface {
	// Durable returns when the event is on disk.
	Durable(ctx context.Context, e *audit.Event) error
	// Write takes the event, and waits only when there are too many.
	Write(ctx context.Context, e *audit.Event) error
}

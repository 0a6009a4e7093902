// Package idp knows identity providers: what their access tokens look like, how
// they are bound to a resource, what they lack, and what their operators have
// to switch on. Each is data, a [Preset]; nothing here asks anybody anything.
package idp

import (
	"slices"
	"strings"
)

// Verdict is what a provider can be used for.
type Verdict string

// The verdicts, from best to worst. This is what is known beforehand; what a
// provider's own metadata says goes before it.
const (
	Direct     Verdict = "direct"     // clients get tokens from the provider that are for this server alone
	Weaker     Verdict = "weaker"     // so they do, but others may have been given the same token
	Registered Verdict = "registered" // clients have to be registered there by hand
	Broker     Verdict = "broker"     // its tokens are not for us: an authorization server has to stand between
)

// How a token is bound to us.
const (
	AudienceExact  = "exact"             // aud has one of the values
	AudienceClient = "issuer_and_client" // aud is the same for many: an allow-list of clients has to do
	AudienceNone   = "none"              // there is no aud; the same
)

// Resource stands, in what a preset expands to, for the URL of the server that
// is called.
const Resource = "{resource}"

// Preset is one provider. In its texts {name} stands for a parameter, {issuer}
// for the issuer, and [Resource] for the server; "{realm_url:last}" is the last
// part of a URL's path and ":host" its scheme and host.
type Preset struct {
	Name    string  // as in the configuration
	Title   string  // as the vendor writes it
	Verdict Verdict // what is known beforehand
	Params  []Param // what is written beside the preset's name
	Issuer  Issuer  // what it expands to

	// Refusal says why tokens of the provider are not accepted, and what to do;
	// empty: they are. Unless names the parameter that has them accepted all the
	// same; empty: none does.
	Refusal string
	Unless  string

	Weak    string            // what binds its tokens instead of the server's URL; empty: that does
	Shared  map[string]string // audiences that all its tokens have, and why that is
	Foreign []Foreign         // tokens of the same vendor that are never the right ones
	Opaque  []string          // what its opaque tokens begin with
	Hints   map[string]string // by code: what its operator has to do about a refusal
	Login   *Login            // how people sign in with it; nil: as with any OpenID provider

	Closed string // why its registration endpoint, if there is one, does not do for MCP clients; empty: it does

	Setup   []string // what to do at the provider, in order
	Gotchas []string // what is known to go wrong
}

// Param is one parameter of a preset.
type Param struct {
	Name    string
	Doc     string   // a sentence
	Example string   // a value that works
	Need    bool     // there is no preset without it
	Else    string   // what it is when left out; empty: nothing
	One     []string // the only values; nil: any
	Form    Form
	Missing string // what is said when it is needed and left out; empty: its doc
	// Not are values that are refused, and why.
	Not map[string]string
}

// Form is how a parameter is written.
type Form int

// The forms.
const (
	Word Form = iota // without blanks and slashes
	Host             // the name of a host, with a port or without
	URL              // https, no query; a slash at its end is dropped
	GUID
	Claim // a path in the claims
)

// Issuer is the expanded form of a preset. Its lists are those of the
// configuration's auth.issuers.
type Issuer struct {
	Issuer     string   // the exact iss; empty: it has to be written down
	Form       string   // a regular expression that the issuer has to match; empty: any
	Wrong      string   // what is said when it does not
	AlsoIssuer []string // further values of iss
	KeysURL    string   // empty: discovered
	Algorithms []string
	TokenTypes []string // "" stands for none
	Mode       string   // of the audience
	Audiences  []string
	Claims     Claims
	RejectIf   []ClaimTest
	Require    []ClaimTest
	Introspect string // where opaque tokens are asked about, if a client for it is configured; empty: nowhere

	IntrospectOpen bool // it asks for no client: a URL is enough
}

// Claims says where things stand in the claims; gatehouse.ClaimMap explains the paths.
type Claims struct {
	Subject, Client, Tenant, Scopes, Name, Email []string
	Permissions, Roles, Groups                   []string
	Drop, ScopePrefix, GroupsOmitted             []string
	Service                                      []ClaimTest
}

// ClaimTest is true of claims that have a path, with a value if one is given.
type ClaimTest struct{ Claim, Equals string }

// Foreign is an issuer whose tokens people send by mistake.
type Foreign struct {
	Issuer string // exactly, or its beginning when it ends with '*'
	Code   string // what they are refused with
	Text   string // the story, for the operator
}

// Presets are all of them, by name.
func Presets() []*Preset {
	all := []*Preset{
		auth0(), authentik(), clerk(), cognito(), descope(), dex(), entra(), gatehouse(), github(), google(), hydra(),
		keycloak(), logto(), oidc(), okta(), ping(), pingAIC(), scalekit(), stytch(), supabase(), workos(), zitadel(),
	}
	slices.SortFunc(all, func(a, b *Preset) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Find returns the preset of a name, or nil.
func Find(name string) *Preset {
	for _, p := range Presets() {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// Names are those of all presets, in order.
func Names() []string {
	var all []string
	for _, p := range Presets() {
		all = append(all, p.Name)
	}
	return all
}

// OfOpaque returns the preset whose opaque tokens begin like a text, or nil.
func OfOpaque(token string) *Preset {
	for _, p := range Presets() {
		if slices.ContainsFunc(p.Opaque, func(prefix string) bool { return strings.HasPrefix(token, prefix) }) {
			return p
		}
	}
	return nil
}

// Param returns a parameter of a preset, or nil.
func (p *Preset) Param(name string) *Param {
	for i := range p.Params {
		if p.Params[i].Name == name {
			return &p.Params[i]
		}
	}
	return nil
}

// Means says what a verdict is, for people.
func (v Verdict) Means() string {
	return map[Verdict]string{
		Direct: "direct mode works", Weaker: "direct mode works, with a weaker binding of tokens to this server",
		Registered: "direct mode works for clients that are registered there by hand, else broker mode", Broker: "broker mode only",
	}[v]
}

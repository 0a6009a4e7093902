package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/idp"
	"github.com/gatehouse-mcp/gatehouse/internal/token"
)

// issuers makes what judges tokens of what the configuration says.
type issuers struct {
	Keys *keySets         // required
	DPoP *gatehouse.DPoP  // shared by all, so that a proof is good for one of them; nil: each has its own
	Now  func() time.Time // nil: time.Now
}

// of returns an issuer as one server's tokens are judged by it. resource is the
// URL of that server.
func (b *issuers) of(u *config.Issuer, resource string) (token.Issuer, error) {
	version, err := settingsVersion(u, resource)
	if err != nil {
		return token.Issuer{}, err
	}
	p := idp.Find(u.Preset)
	if p == nil {
		return token.Issuer{}, fmt.Errorf("issuer %s: there is no preset %q", u.Name, u.Preset)
	}
	t := token.Issuer{
		Name: u.Name, Values: append([]string{u.Issuer}, u.AlsoIssuer...), Leeway: leeway(u),
		BindTenant: u.BindTenant, TenantNames: u.TenantNames, Version: version,
	}
	var bound func(context.Context, *gatehouse.Credential, *gatehouse.Identity) error
	if t.Verifier, bound, err = b.verifier(u, p, resource); err != nil {
		return token.Issuer{}, err
	}
	t.Bound = bound
	if u.Introspect != nil {
		t.Introspects, t.Prefixes, t.Fresh = true, p.Opaque, u.Introspect.CacheFor
	}
	return t, nil
}

// verifier returns what judges an issuer's tokens, in the words of its preset,
// and what judges their binding alone.
func (b *issuers) verifier(u *config.Issuer, p *idp.Preset, resource string) (gatehouse.Verifier, func(context.Context, *gatehouse.Credential, *gatehouse.Identity) error, error) {
	set, err := b.Keys.of(u)
	if err != nil {
		return nil, nil, err
	}
	signed := JWTVerifier(u, resource, set.keys)
	signed.Now, signed.DPoP, signed.CacheSize = b.Now, b.DPoP, -1 // package token remembers, and knows what was revoked
	if err := signed.Check(); err != nil {
		return nil, nil, fmt.Errorf("issuer %s: %w", u.Name, err)
	}
	v := &issuerVerifier{kinds: []gatehouse.Verifier{signed}, preset: p, resource: resource}
	if u.Introspect != nil {
		opaque := introspection(u, resource)
		opaque.HTTP, opaque.Now, opaque.DPoP, opaque.Prefixes = set.http, b.Now, b.DPoP, p.Opaque
		if err := opaque.Check(); err != nil {
			return nil, nil, fmt.Errorf("issuer %s: %w", u.Name, err)
		}
		v.kinds = append(v.kinds, opaque)
	}
	return v, signed.CheckBinding, nil
}

// JWTVerifier is how the signed tokens of an issuer are judged, by these keys.
func JWTVerifier(u *config.Issuer, resource string, keys gatehouse.KeySet) *gatehouse.JWTVerifier {
	v := &gatehouse.JWTVerifier{
		Issuer: u.Issuer, AlsoIssuers: u.AlsoIssuer, Keys: keys, Algorithms: u.Algorithms, Types: u.TokenTypes,
		Claims: claimMap(&u.Claims, resource), Reject: claimRules(u.RejectIf), Require: claimRules(u.Require),
		Leeway: leeway(u), MaxLife: u.MaxLife, RequireIssued: u.Measured(), Clients: clients(u),
		RequireDPoP: u.DPoP == config.BoundRequired, RequireMTLS: u.MTLS == config.BoundRequired,
	}
	v.Audience, v.Audiences, v.InsecureNoAudience = audience(u, resource)
	return v
}

// introspection is how the opaque tokens of an issuer are judged.
func introspection(u *config.Issuer, resource string) *gatehouse.IntrospectionVerifier {
	i := u.Introspect
	v := &gatehouse.IntrospectionVerifier{
		Issuer: u.Issuer, AlsoIssuers: u.AlsoIssuer, InsecureNoIssuer: i.InsecureNoIssuer,
		Endpoint: i.URL, ClientID: i.ClientID, ClientSecret: i.ClientSecret.Reveal(), SecretInBody: i.SecretInBody, Anonymous: i.ClientID == "",
		Clients: clients(u), Claims: claimMap(&u.Claims, resource), Reject: claimRules(u.RejectIf), Require: claimRules(u.Require),
		Leeway: leeway(u), MaxLife: u.MaxLife, RequireIssued: u.Measured(), CacheFor: -1, // package token remembers
		RequireDPoP: u.DPoP == config.BoundRequired, RequireMTLS: u.MTLS == config.BoundRequired,
	}
	v.Audience, v.Audiences, v.InsecureNoAudience = audience(u, resource)
	return v
}

// leeway: a skew of zero is none, where a verifier takes zero for its default.
func leeway(u *config.Issuer) time.Duration {
	if u.ClockSkew == 0 {
		return -1
	}
	return u.ClockSkew
}

// clients are those whose tokens are accepted, as verifiers have it.
func clients(u *config.Issuer) []string {
	if slices.Equal(u.Clients, []string{config.AnyClient}) {
		return []string{"*"}
	}
	return u.Clients
}

// audience is what aud has to be. The server's own URL comes first: it alone may
// be written with a slash more or less.
func audience(u *config.Issuer, resource string) (first string, more []string, none bool) {
	if u.Audience.Mode != config.AudienceExact {
		return "", nil, true
	}
	for _, v := range u.Audience.Values {
		if v == idp.Resource {
			first = resource
		} else {
			more = append(more, v)
		}
	}
	if first == "" && len(more) > 0 {
		first, more = more[0], more[1:]
	}
	return first, more, false
}

// claimMap is where an issuer puts things. A list that is empty asks for nothing,
// where a nil one would ask for what RFC 9068 says.
func claimMap(c *config.Claims, resource string) gatehouse.ClaimMap {
	some := func(paths []string) []string { return append([]string{}, paths...) }
	m := gatehouse.ClaimMap{
		Subject: some(c.Subject), Client: some(c.Client), Tenant: c.Tenant, Scopes: some(c.Scopes), Name: c.Name, Email: c.Email,
		Permissions: c.Permissions, Roles: some(c.Roles), Groups: some(c.Groups),
		Drop: c.Drop, GroupsOmitted: c.GroupsOmitted, Service: claimRules(c.Service),
	}
	for _, p := range c.ScopePrefix {
		m.ScopePrefix = append(m.ScopePrefix, strings.ReplaceAll(p, idp.Resource, resource))
	}
	return m
}

func claimRules(tests []config.ClaimTest) []gatehouse.ClaimRule {
	var all []gatehouse.ClaimRule
	for _, t := range tests {
		all = append(all, gatehouse.ClaimRule(t))
	}
	return all
}

// settingsVersion changes with every setting by which an issuer's tokens are judged.
func settingsVersion(u *config.Issuer, resource string) (string, error) {
	secret := ""
	if u.Introspect != nil {
		secret = u.Introspect.ClientSecret.Reveal() // it is masked in the text
	}
	keys, err := fingerprint(u)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal([]any{u, secret, resource, keys})
	if err != nil {
		return "", fmt.Errorf("issuer %s: %w", u.Name, err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

// issuerVerifier judges the tokens of one issuer, and tells its operator what to
// do about a refusal.
type issuerVerifier struct {
	kinds    []gatehouse.Verifier // signed tokens, and opaque ones
	preset   *idp.Preset
	resource string
}

// Verify implements gatehouse.Verifier.
func (v *issuerVerifier) Verify(ctx context.Context, c *gatehouse.Credential) (*gatehouse.Identity, error) {
	var last error = gatehouse.ErrNotMine
	for _, kind := range v.kinds {
		id, err := kind.Verify(ctx, c)
		if err == nil {
			return id, nil
		}
		if !errors.Is(err, gatehouse.ErrNotMine) {
			return nil, v.advised(err, c.Text)
		}
		last = err
	}
	return nil, last
}

// advised adds what the operator of the provider has to do to the story of a refusal.
func (v *issuerVerifier) advised(err error, text string) error {
	refusal, ok := err.(*gatehouse.Error) //nolint:errorlint // one that is wrapped is somebody else's
	if !ok {
		return err
	}
	hint := v.preset.Hint(refusal.Code, v.resource)
	if shared := v.sharedAudience(refusal.Code, text); shared != "" {
		hint = strings.TrimSpace(shared + ". " + hint)
	}
	return advised(refusal, hint)
}

// sharedAudience says that a token was refused for an audience that all tokens of
// the provider have. Nothing is decided by it.
func (v *issuerVerifier) sharedAudience(code, text string) string {
	if code != "GH-1104" || len(v.preset.Shared) == 0 {
		return ""
	}
	for _, aud := range peek(text).audience {
		if why := v.preset.Shared[aud]; why != "" && !strings.Contains(v.preset.Hints[code], why) {
			return strings.ReplaceAll(why, idp.Resource, v.resource)
		}
	}
	return ""
}

package config

import (
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/idp"
)

var authSettings = slices.Concat([]setting{
	{key: "api_keys", field: "APIKeys", doc: "Keys are accepted. `{}` takes the defaults.", within: slices.Concat([]setting{
		{key: "enabled", def: "true", doc: "`false`: as if `api_keys` were not there.", one: []string{"true", "false"}, hook: (*reader).enabled},
		{key: "allow_tenantless", def: "false", doc: "Every key has a tenant, so only `false` is understood.", one: []string{"true", "false"}, hook: (*reader).tenantless},
		{key: "pepper", field: "Pepper", form: formSecret, check: checkLong, doc: "Keys are hashed under it: 32 characters or more. Without it, or with another, no key is known."},
		{key: "default_ttl", field: "DefaultTTL", def: "90d", least: "1m", doc: "Life of a new key, unless it is made with another."},
		{key: "rotation_overlap", field: "RotationOverlap", def: "1d", least: "1s", doc: "How long the old key works on after a rotation, unless that says otherwise."},
		{key: "max_per_tenant", field: "MaxPerTenant", def: "0", doc: "Keys of one tenant that are honoured at once. 0: no limit."},
	}, later("last_used"))},
	{key: "issuers", field: "Issuers", within: issuerSettings, doc: "Identity providers whose access tokens are accepted. A preset fills in what is left out; `gatehouse config expand` shows what comes of it. See [identity providers](../how-to/identity-providers.md)."},
	{key: "dpop_nonce", field: "DPoPNonce", def: "false", doc: "Proofs of clients whose tokens are bound to a key (DPoP, RFC 9449) have to hold a nonce that they get from us, so that none can be made in advance. It costs a client a request every few minutes."},
	{key: "embedded", field: "Embedded", within: embeddedSettings, doc: "Our own authorization server: clients log in here, people with the provider that they have. `{}` takes the defaults. See [authorization server](../how-to/authorization-server.md)."},
}, later("local"))

var issuerSettings = slices.Concat([]setting{
	{key: "name", field: "Name", check: checkServerName, doc: "For people, logs and rules. Left out: that of the preset."},
	{key: "preset", field: "Preset", one: idp.Names(), def: DefaultPreset, doc: "The provider. `gatehouse idp presets` lists what each needs and fills in."},
}, paramSettings(), []setting{
	{key: "issuer", field: "Issuer", doc: "The `iss` of its tokens, exactly: a slash more or less is another. Most presets make it of their parameters."},
	{key: "also_issuer", field: "AlsoIssuer", single: true, doc: "Further values of `iss` of the same provider, with the same keys."},
	{key: "keys", field: "Keys", doc: "Where its keys come from.", within: []setting{
		{key: "from", field: "From", one: []string{KeysDiscovery, KeysURL, KeysFile}, def: KeysDiscovery, doc: "`discovery`: its metadata says where (RFC 8414, OpenID Connect Discovery)."},
		{key: "url", field: "URL", doc: "URL of a JWK Set."},
		{key: "file", field: "File", form: formPath, doc: "File of a JWK Set. It has to be there when the configuration is read, and is read again when it changes."},
		{key: "refresh", field: "Refresh", def: "10m", least: "1s", doc: "How often they are fetched again. A key that is not known yet has them fetched at once, twice a minute at most."},
		{key: "max_stale", field: "MaxStale", def: "1d", least: "1s", doc: "How long they hold when they cannot be fetched."},
	}},
	{key: "ca", field: "CA", form: formPath, doc: "PEM file: the provider's servers are judged by it instead of by the system's authorities."},
	{key: "algorithms", field: "Algorithms", single: true, check: checkAlgorithm, doc: "Signature algorithms. Never HMAC and never `none`."},
	{key: "token_types", field: "TokenTypes", single: true, empty: true, doc: "Values of `typ` in the token's header; `\"\"` stands for none."},
	{key: "audience", field: "Audience", short: "values", doc: "Which `aud` is ours. It may be written as the values alone.", within: []setting{
		{key: "mode", field: "Mode", one: []string{AudienceExact, AudienceClient, AudienceNone}, def: AudienceExact, doc: "`exact`: `aud` has one of `values`. `issuer_and_client`: whatever `aud` says; `none`: there is none. Both accept tokens that were meant for others, and need `clients`."},
		{key: "values", field: "Values", single: true, doc: "Left out: the public URL of the server that is called, which `{resource}` stands for in a list of several."},
	}},
	{key: "clients", field: "Clients", single: true, doc: "The only OAuth clients whose tokens are accepted. Left out: any client's, if `audience.mode` is `exact`. `any`: any client's, though nothing in a token says that it is for us."},
	{key: "clock_skew", field: "ClockSkew", def: "1m", least: "1s", doc: "How far clocks may differ: `1m` at most."},
	{key: "max_life", field: "MaxLife", def: "0", doc: "Tokens that live longer are refused, and those without `iat`, of which nobody can tell. 0: no bound but 366 days."},
	{key: "claims", field: "Claims", doc: "Where things stand in the claims: names joined by dots lead into objects, `*` stands for every member, and `=TEXT` is the text itself.", within: claimSettings},
	{key: "reject_if", field: "RejectIf", single: true, within: claimTestSettings, doc: "A token whose claims pass one of these tests is refused."},
	{key: "require", field: "Require", single: true, within: claimTestSettings, doc: "A token has to pass all of these tests."},
	{key: "introspection", field: "Introspect", doc: "Opaque tokens are asked about (RFC 7662). Left out: they are refused.", within: []setting{
		{key: "url", field: "URL", doc: "The introspection endpoint. Some presets know it."},
		{key: "client_id", field: "ClientID", doc: "By which we sign in there."},
		{key: "client_secret", field: "ClientSecret", form: formSecret, doc: "Its secret."},
		{key: "secret_in_body", field: "SecretInBody", def: "false", doc: "The secret is sent as a parameter (`client_secret_post`), not in the `Authorization` header."},
		{key: "insecure_no_issuer", field: "InsecureNoIssuer", def: "false", doc: "Answers without `iss` count. If the endpoint knows tokens of other issuers, those count too."},
		{key: "cache_for", field: "CacheFor", def: "30s", doc: "How long an answer holds: `30s` at most."},
	}},
	{key: "dpop", field: "DPoP", one: []string{BoundAccepted, BoundRequired}, def: BoundAccepted, doc: "`required`: a token that is not bound to a key of its client (RFC 9449) is refused. A bound one never works without its proof."},
	{key: "mtls", field: "MTLS", one: []string{BoundAccepted, BoundRequired}, def: BoundAccepted, doc: "`required`: a token that is not bound to a client certificate (RFC 8705) is refused."},
	{key: "bind_tenant", field: "BindTenant", check: checkTenant, doc: "Name of the one tenant that all its callers belong to. Left out: as `tenants.resolve` says."},
	{key: "tenant_names", field: "TenantNames", def: "false", doc: "`claims.tenant` carries names of our tenants. Otherwise a value counts once it is linked: `gatehouse tenant link acme --external-id auth0=org_9yb`."},
	{key: "advertise", field: "Advertise", def: "true", doc: "It is listed in the protected resource metadata, so that clients go there for tokens."},
	{key: "private", field: "Private", single: true, check: checkPrivate, doc: "Hosts and networks of the provider that may be reached though they are private, and over plain HTTP."},
})

var claimTestSettings = []setting{
	{key: "claim", field: "Claim", need: true, check: checkClaimPath, doc: "A path."},
	{key: "equals", field: "Equals", doc: "The value that it has to have. Left out: it has to be there."},
}

var claimSettings = []setting{
	{key: "subject", field: "Subject", single: true, check: checkClaimPath, doc: "Who is calling. Of several paths the first that is there counts, here and for the next five."},
	{key: "client", field: "Client", single: true, check: checkClaimPath, doc: "The OAuth client."},
	{key: "tenant", field: "Tenant", single: true, check: checkClaimPath, doc: "The tenant."},
	{key: "scopes", field: "Scopes", single: true, check: checkClaimPath, doc: "A text with blanks, or a list."},
	{key: "name", field: "Name", single: true, check: checkClaimPath, doc: "For people, never for decisions."},
	{key: "email", field: "Email", single: true, check: checkClaimPath, doc: "Counts if `email_verified` is true."},
	{key: "permissions", field: "Permissions", single: true, check: checkClaimPath, doc: "All paths are added up, here and for the next two."},
	{key: "roles", field: "Roles", single: true, check: checkClaimPath, doc: "Roles."},
	{key: "groups", field: "Groups", single: true, check: checkClaimPath, doc: "Groups."},
	{key: "drop", field: "Drop", single: true, doc: "Patterns of roles and groups that say nothing."},
	{key: "scope_prefix", field: "ScopePrefix", single: true, doc: "Taken off the scopes that begin with one of them."},
	{key: "groups_omitted", field: "GroupsOmitted", single: true, check: checkClaimPath, doc: "Paths that are there if groups were left out because they are too many. Rules that ask for a group then deny (GH-1210)."},
	{key: "service", field: "Service", single: true, within: claimTestSettings, doc: "The caller is a program if one of these tests passes."},
}

// paramSettings are the parameters of all presets. Which of them a preset has is
// for Check to say.
func paramSettings() []setting { return paramsOf(func(p *idp.Preset) []idp.Param { return p.Params }) }

// paramsOf are the parameters of all presets, those of one use.
func paramsOf(use func(*idp.Preset) []idp.Param) []setting {
	var all []setting
	for _, p := range idp.Presets() {
		for _, q := range use(p) {
			doc := "`" + p.Name + "`: " + q.Doc
			if s := find(all, q.Name); s != nil {
				s.doc += " " + doc
				s.one = nil // presets differ
				continue
			}
			all = append(all, setting{key: q.Name, field: "Params", entry: true, one: q.One, doc: doc})
		}
	}
	slices.SortFunc(all, func(a, b setting) int { return strings.Compare(a.key, b.key) })
	return all
}

var tenantSettings = []setting{
	{key: "resolve", field: "Resolve", single: true, short: "from", doc: "What tells a caller's tenant: `api_key`, `issuer`, `host`, or `{claim: PATH}`. Everything that tells one has to tell the same.", within: []setting{
		{key: "from", field: "From", one: []string{TenantAPIKey, TenantClaim, TenantIssuer, TenantHost}, doc: "`api_key`: the key's. `issuer`: its `bind_tenant`. `host`: `servers[].tenants` of the server that is called, if it names just one."},
		{key: "claim", field: "Claim", check: checkClaimPath, doc: "A path in the claims. Left out: as `claims.tenant` of the issuer says."},
	}},
	{key: "require", field: "Require", doc: "Whoever belongs to no tenant is refused; otherwise they belong to the tenant `default`. Left out: `true` if there is `resolve`, else `false`."},
	{key: "attributes", field: "Attributes", keys: []func(string) error{checkTenant, checkAttribute}, doc: "By tenant: what conditions of rules know of it, as `tenant.root`."},
	{key: "isolation", doc: "What tenants have for themselves.", within: []setting{
		{key: "upstream_by_tenant", field: "Upstream", keys: []func(string) error{checkTenant}, check: CheckUpstreamURL, doc: "By tenant: the URL of a server of its own, instead of `servers[].url`."},
	}},
}

var scopeSettings = []setting{
	{key: "title", field: "Title", doc: "For people. A scope may be written as this alone."},
	{key: "default", field: "Default", def: "false", doc: "Clients are told to ask for it at first."},
	{key: "includes", field: "Includes", single: true, check: checkScope, doc: "Scopes that it stands for too."},
}

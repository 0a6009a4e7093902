package config

import (
	"slices"

	"github.com/gatehouse-mcp/gatehouse/internal/idp"
)

var embeddedSettings = []setting{
	{key: "issuer", field: "Issuer", check: checkOriginURL, doc: "The `iss` of its tokens: an origin without a slash at its end. Left out: that of `server.public_url`."},
	{key: "name", field: "Name", check: checkShownName, doc: "What people call this installation: on its pages, in their authenticator app and in their passkeys. Left out: the host of the issuer."},
	{key: "access_token_ttl", field: "AccessTTL", def: "10m", least: "1m", doc: "Life of an access token: `10m` at most; more is cut to that."},
	{key: "refresh_token_ttl", field: "RefreshTTL", def: "30d", least: "1m", doc: "How long a grant lives without being used."},
	{key: "refresh_token_max", field: "RefreshMax", def: "365d", least: "1m", doc: "How long a grant lives at most."},
	{key: "refresh_grace", field: "RefreshGrace", def: "30s", doc: "How long a client that did not get our answer may send the refresh token before the newest again; it is given the same newest one. Later it counts as stolen. `0`: at once."},
	{key: "session_ttl", field: "SessionTTL", def: "7d", least: "1m", doc: "How long somebody stays signed in, in a browser."},
	{key: "session_idle", field: "SessionIdle", least: "1m", doc: "How long somebody stays signed in without being seen here. Left out: `session_ttl`."},
	{key: "dpop", field: "DPoP", one: []string{BoundAccepted, BoundRequired}, def: BoundAccepted, doc: "`required`: clients are given tokens that are bound to a key of theirs (RFC 9449), or none. A bound one never works without its proof."},
	{key: "signing", field: "Signing", doc: "The keys that tokens are signed with.", within: []setting{
		{key: "alg", field: "Alg", one: []string{"ES256", "EdDSA", "RS256"}, def: "ES256", doc: "Of keys that are made from now on."},
		{key: "rotate_every", field: "RotateEvery", def: "30d", least: "1h", doc: "How long a key signs."},
		{key: "publish_next", field: "PublishNext", def: "1d", least: "5m", doc: "How long it is published before."},
		{key: "keep_old", field: "KeepOld", def: "2d", least: "15m", doc: "How long it is published afterwards."},
	}},
	{key: "clients", field: "Clients", doc: "Which OAuth clients are known, beside those of `gatehouse client create`.", within: []setting{
		{key: "cimd", field: "CIMD", doc: "Clients whose id is the URL of a document about them.", within: []setting{
			{key: "enabled", field: "Enabled", def: "true", doc: "They are known."},
			{key: "trusted_domains", field: "Trusted", single: true, check: checkDomain, doc: "Domains that are vouched for; `*.example.com` stands for those below it. Left out: those of well-known clients."},
			{key: "others", field: "Others", one: []string{OthersWarn, OthersApprove, OthersRefuse}, def: OthersWarn, doc: "What becomes of the rest: people are warned, an administrator has to approve first, or they are refused."},
			{key: "private", field: "Private", single: true, check: checkPrivate, doc: "Hosts and networks that documents may be fetched from though they are private."},
			{key: "ca", field: "CA", form: formPath, doc: "PEM file: servers of documents are judged by it instead of by the system's authorities."},
		}},
		{key: "dcr", field: "DCR", doc: "Clients that register themselves (RFC 7591).", within: []setting{
			{key: "enabled", field: "Enabled", def: "true", doc: "They may."},
			{key: "rate_limit", field: "Rate", def: "60/h", doc: "Registrations of one address."},
			{key: "expire_unused_after", field: "Unused", def: "30d", least: "1h", doc: "A registration that is not used ends then."},
			{key: "redirect_schemes", field: "Schemes", single: true, doc: "Redirect URIs with a scheme of their own, exactly, beside those of well-known clients: `myapp://oauth/callback`."},
		}},
	}},
	{key: "consent", field: "Consent", doc: "What people are asked.", within: []setting{
		{key: "remember", field: "Remember", def: "90d", doc: "How long the same client need not ask the same person for the same again. `0`: it has to each time."},
		{key: "show_tools", field: "ShowTools", def: "true", doc: "The page has the names of the tools that a scope opens."},
	}},
	{key: "login", field: "Login", single: true, short: "preset", within: loginSettings, doc: "Providers by which people sign in. Left out: `accounts` is on."},
	{key: "accounts", field: "Accounts", def: "false", doc: "People can have a passkey or a password here: `gatehouse user create`."},
	{key: "link_accounts_by", field: "LinkBy", one: []string{LinkNever, LinkVerifiedEmail}, def: LinkNever, doc: "Whether somebody who comes by another provider is the same person: never, or by a verified address of a domain that the provider is authoritative for."},
	{key: "assertions", field: "Assertions", single: true, doc: "Identity providers of enterprises whose ID-JAGs (Enterprise-Managed Authorization) are taken for a grant.", within: []setting{
		{key: "issuer", field: "Issuer", need: true, doc: "The `iss` of the assertions, exactly."},
		{key: "tenant", field: "Tenant", check: checkTenant, doc: "The tenant of its people. Left out: `default`."},
		{key: "clients", field: "Clients", single: true, doc: "Ids of the clients that it may speak about. Left out: any."},
		{key: "scopes", field: "Scopes", single: true, check: checkScope, doc: "The most that is given. Left out: whatever there is."},
		{key: "ca", field: "CA", form: formPath, doc: "PEM file: its servers are judged by it."},
		{key: "private", field: "Private", single: true, check: checkPrivate, doc: "Hosts and networks of it that may be reached though they are private, and over plain HTTP."},
	}},
	{key: "support", field: "Support", doc: "Whom people are told to ask: an address or a URL."},
}

var loginSettings = slices.Concat([]setting{
	{key: "name", field: "Name", check: checkServerName, doc: "In the callback's URL, `/auth/callback/NAME`, and in logs. Left out: that of the preset."},
	{key: "preset", field: "Preset", def: DefaultPreset, doc: "The provider: one of `gatehouse idp presets`."},
	{key: "title", field: "Title", doc: "On the button. Left out: the provider's name."},
	{key: "issuer", field: "Issuer", doc: "Its issuer, exactly. Most presets make it of their parameters."},
	{key: "client_id", field: "ClientID", need: true, doc: "By which we are registered there."},
	{key: "client_secret", field: "ClientSecret", form: formSecret, doc: "Its secret."},
}, loginParams(), []setting{
	{key: "scopes", field: "Scopes", single: true, doc: "What is asked for beside what the preset asks for."},
	{key: "bind_tenant", field: "Tenant", check: checkTenant, doc: "The tenant of its people. Left out: the one that is linked to what the provider says of their organization (`gatehouse tenant link acme --external-id google=acme.com`), else `default`, unless `tenants.require` is true."},
	{key: "allow", field: "Allow", doc: "Who may come in: `users`, whatever else is written, and whoever has an entry of each of the other lists that are there. A provider that anybody can have an account at needs it.", within: []setting{
		{key: "everyone", field: "Everyone", def: "false", doc: "Whoever has an account there."},
		{key: "domains", field: "Domains", single: true, doc: "Domains of verified addresses, exactly; of accounts, where the provider tells that (Google's Workspace)."},
		{key: "users", field: "Users", single: true, doc: "Verified addresses, or subjects; GitHub's are numbers."},
		{key: "orgs", field: "Orgs", single: true, doc: "Organizations of GitHub."},
		{key: "teams", field: "Teams", single: true, doc: "Teams of GitHub, as `acme/platform`."},
		{key: "groups", field: "Groups", single: true, doc: "Groups."},
		{key: "roles", field: "Roles", single: true, doc: "Roles."},
	}},
	{key: "authoritative", field: "Authoritative", single: true, check: checkDomain, doc: "Domains whose addresses it vouches for, with `link_accounts_by`."},
	{key: "ca", field: "CA", form: formPath, doc: "PEM file: its servers are judged by it instead of by the system's authorities."},
	{key: "private", field: "Private", single: true, check: checkPrivate, doc: "Hosts and networks of it that may be reached though they are private, and over plain HTTP."},
	{key: "keep_tokens", field: "KeepTokens", def: "false", doc: "Its own tokens are kept, sealed, for servers that are given them."},
})

// loginParams are the parameters of presets, but for those that a login has anyway.
func loginParams() []setting {
	own := []string{"name", "issuer", "client_id", "client_secret", "scopes", "title"}
	return slices.DeleteFunc(paramsOf((*idp.Preset).LoginParams), func(s setting) bool { return slices.Contains(own, s.key) })
}

package config

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// root are the settings of a file, in the order in which they are best read.
var root = slices.Concat([]setting{
	{key: "version", doc: "The version of the format.", one: []string{"1"}, need: true},
	{key: "server", field: "Server", doc: "What listens.", within: serverSettings},
	{key: "servers", field: "Servers", doc: "The MCP servers to protect.", within: upstreamSettings},
	{key: "auth", field: "Auth", doc: "Who may call.", within: authSettings},
	{key: "tenants", field: "Tenants", doc: "Which tenant a caller belongs to. See [isolation](isolation.md).", within: tenantSettings},
	{key: "scopes", field: "Scopes", named: true, short: "title", keys: []func(string) error{checkScope}, doc: "What callers can ask for, by name, as in `{\"notes:read\": {title: Read your notes, default: true}}`.", within: scopeSettings},
	{key: "policy", field: "Policy", doc: "Which tools may be called, of every server that has no policy of its own.", within: policySettings},
	{key: "limits", field: "Limits", doc: "How much callers may use. A rate is written 10/s, 60/min, 1000/h, 5/d or off.", within: limitSettings},
	{key: "store", field: "Store", doc: "Where the state lies.", within: storeSettings},
	{key: "audit", field: "Audit", doc: "The trail of who did what.", within: auditSettings},
	{key: "admin", field: "Admin", doc: "The listener for operators: `/-/live`, `/-/ready` and `/-/metrics`.", within: adminSettings},
}, later("mode", "cache", "observability"))

var serverSettings = []setting{
	{key: "listen", field: "Listen", form: formAddress, def: DefaultListen, doc: "`host:port`, a port alone (on 127.0.0.1), `unix:/path` or `systemd:NAME`. `0.0.0.0` is every address, IPv6 too. Port 0 takes a free one."},
	{key: "public_url", field: "PublicURL", check: checkBareURL, doc: "How callers reach us, such as `https://mcp.example.com`. The path of a server is added to it. Left out: as `listen` says."},
	{key: "allow_origins", field: "AllowOrigins", check: CheckOrigin, doc: "Origins of web pages that may call from browsers, such as `https://app.example.com`. Left out: none but our own."},
	{key: "max_body", field: "MaxBody", def: "4MiB", least: "1KiB", doc: "Size of one request at most: `512KiB`, `4MiB` or a number of bytes."},
	{key: "tls", field: "TLS", doc: "How callers' connections are encrypted: by exactly one of `files`, `acme` and `terminated_by_proxy`. Left out: not at all, which only loopback and unix sockets may.", within: tlsSettings},
	{key: "trusted_proxies", field: "TrustedProxies", doc: "Addresses and networks of proxies whose `X-Forwarded-For` and PROXY headers are believed. Left out: nobody's."},
	{key: "proxy_protocol", field: "ProxyProtocol", def: "false", doc: "Connections of `trusted_proxies` begin with a PROXY header, version 1 or 2."},
	{key: "plain_listen", field: "PlainListen", form: formAddress, doc: "`host:port` or `systemd:NAME` where plain HTTP is refused and ACME is answered, usually `0.0.0.0:80`. Left out: nowhere."},
	{key: "shutdown_grace", field: "ShutdownGrace", def: "10s", least: "100ms", doc: "How long calls and streams may go on after a stop was asked for."},
}

var tlsSettings = []setting{
	{key: "files", field: "Files", single: true, doc: "A certificate and its key, or a list of them. They are read again when they change.", within: []setting{
		{key: "cert", field: "Cert", form: formPath, need: true, doc: "PEM file of the certificate and its chain."},
		{key: "key", field: "Key", form: formPath, need: true, doc: "PEM file of its key, which nobody else may read."},
	}},
	{key: "acme", field: "ACME", doc: "Certificates are fetched and renewed by themselves.", within: []setting{
		{key: "email", field: "Email", check: checkEmail, doc: "Where the certificate authority writes to."},
		{key: "accept_tos", field: "AcceptTOS", need: true, doc: "`true`: you agree to the terms of the certificate authority."},
		{key: "directory", field: "Directory", check: checkDirectory, doc: "URL of the authority's directory. Left out: Let's Encrypt."},
		{key: "ca", field: "CA", form: formPath, doc: "PEM file of roots to trust the directory by. Left out: the system's."},
		{key: "domains", field: "Domains", check: CheckHost, doc: "Names to get certificates for. Left out: those of `public_url` and of the servers."},
		{key: "dns", field: "DNS", doc: "A name server that takes updates, for the DNS-01 challenge. Left out: HTTP-01 and TLS-ALPN-01.", within: []setting{
			{key: "server", field: "Server", check: checkHostPort, need: true, doc: "`host:port` of the name server."},
			{key: "key_name", field: "KeyName", need: true, doc: "Name of the TSIG key."},
			{key: "algorithm", field: "Algorithm", def: "hmac-sha256", one: []string{"hmac-sha256", "hmac-sha384", "hmac-sha512"}, doc: "Of the TSIG key."},
			{key: "key", field: "Key", form: formSecret, need: true, doc: "The TSIG key in base64."},
		}},
	}},
	{key: "terminated_by_proxy", field: "TerminatedByProxy", def: "false", doc: "TLS ends at one of `server.trusted_proxies`, or on this machine in front of a loopback address or a unix socket."},
	{key: "client_ca", field: "ClientCA", form: formPath, doc: "PEM file: certificates of callers are verified against it. Left out: callers are asked for none."},
	{key: "client_required", field: "ClientRequired", def: "false", doc: "Callers without a certificate are not even heard."},
	{key: "client_self_signed", field: "ClientSelfSigned", def: "false", doc: "Certificates that no authority vouches for are let in too, and count for OAuth clients that registered exactly them (`self_signed_tls_client_auth`) and for tokens that are bound to them. Browsers ask people for a certificate then, if they have any."},
	{key: "hsts", field: "HSTS", def: "365d", doc: "`max-age` of Strict-Transport-Security, with TLS; `0` sends none."},
}

var upstreamSettings = slices.Concat([]setting{
	{key: "name", field: "Name", check: checkServerName, need: true, doc: "For people, logs and rules: letters, digits, `.`, `_` and `-`."},
	{key: "host", field: "Host", check: CheckHost, doc: "The host name that is this server's. Left out: any that is ours."},
	{key: "path", field: "Path", check: CheckPath, def: DefaultPath, doc: "Where it is served. Some clients only know `/mcp`: tell servers apart by host first."},
	{key: "url", field: "URL", check: CheckUpstreamURL, doc: "Address of an HTTP server. One of `url` and `stdio` is needed."},
	{key: "transport", field: "Transport", one: []string{TransportStreamable, TransportSSE}, def: TransportStreamable, doc: "How the server at `url` speaks: `sse` is HTTP+SSE of 2024-11-05."},
	{key: "stdio", field: "Stdio", doc: "A server that speaks on its standard input and output.", within: stdioSettings},
	{key: "sse", field: "SSE", check: CheckPath, doc: "Path of the event stream for clients of HTTP+SSE (2024-11-05), usually `/sse`. Left out: they are not served."},
	{key: "forward", field: "Forward", doc: "What the server learns of the caller, and how we sign in to it.", within: []setting{
		{key: "identity", field: "Identity", one: []string{IdentityNone, IdentityJWT, IdentityHeaders}, def: IdentityNone, doc: "`jwt`: a token signed by us for this server alone. `headers`: plain `X-Gatehouse-…` headers, for a server that nobody else reaches."},
		{key: "header", field: "Header", check: CheckForwardHeader, def: DefaultIdentity, doc: "The header of the token."},
		{key: "tenant_header", field: "TenantHeader", check: CheckForwardHeader, doc: "A header that gets the tenant's name too."},
		{key: "authorization", field: "Authorization", form: formPartial, doc: "The `Authorization` header for the server, such as `\"Bearer ${UPSTREAM_TOKEN}\"`. What the caller sent is never forwarded."},
		{key: "upstream_token", field: "UpstreamToken", doc: "Name of a provider under `auth.embedded.login`: the server gets the access token that it gave the caller, as `Authorization: Bearer`. Whoever did not sign in with it is refused."},
	}},
	{key: "tenants", field: "Tenants", check: checkTenant, doc: "Names of tenants that may come in. Left out: all."},
	{key: "policy", field: "Policy", doc: "Instead of the policy of the installation.", within: policySettings},
	{key: "limits", field: "", doc: "Limits of this server alone.", within: []setting{
		{key: "per_tool", field: "PerTool", doc: "Rates by pattern of tool, for one caller: `{\"search_*\": 10/min}`."},
	}},
}, later("pin"))

var stdioSettings = slices.Concat([]setting{
	{key: "command", field: "Command", need: true, doc: "Program and arguments, `[npx, -y, some-server]`. Never passed to a shell."},
	{key: "cwd", field: "Cwd", form: formPath, doc: "Working directory. Left out: the gateway's."},
	{key: "env", field: "Env", form: formEnv, empty: true, doc: "Variables of the child. It inherits none but PATH, HOME, LANG and TZ."},
	{key: "secrets", field: "Secrets", form: formSecret, doc: "Variables of the child whose values are shown nowhere."},
	{key: "user", field: "User", doc: "Account it runs as. Needs root. Left out: the gateway's."},
	{key: "isolation", field: "Isolation", one: []string{IsolationShared, IsolationPerTenant}, def: IsolationShared, doc: "`per_tenant`: a child for each tenant. `{tenant}` in `cwd`, `user` and `env` is its name, `{tenant_id}` its id."},
	{key: "tenants", field: "Tenants", doc: "With `isolation: per_tenant`, what differs for a tenant, by name.", within: []setting{
		{key: "cwd", field: "Cwd", form: formPath, doc: "Instead of the one above."},
		{key: "env", field: "Env", form: formEnv, empty: true, doc: "Added to those above."},
		{key: "secrets", field: "Secrets", form: formSecret, doc: "Added to those above."},
		{key: "user", field: "User", doc: "Instead of the one above."},
	}},
}, later("sandbox", "pin"))

var limitSettings = slices.Concat([]setting{
	{key: "per_key", field: "PerKey", def: "600/min", doc: "Calls with one key, its successors included."},
	{key: "per_tenant", field: "PerTenant", def: "off", doc: "Calls of one tenant."},
	{key: "per_principal", field: "PerPrincipal", def: "off", doc: "Calls of one caller."},
	{key: "per_address", field: "PerAddress", def: "off", doc: "Calls from one address, IPv6 by /64."},
	{key: "per_tool", field: "PerTool", doc: "Rates by pattern of tool, for one caller: `{\"search_*\": 10/min}`."},
	{key: "by_tenant", field: "ByTenant", doc: "Rates by pattern of tenant, in place of `per_tenant`: `{\"trial-*\": 60/min}`. Of several patterns that match a tenant the first counts."},
	{key: "concurrent", field: "Concurrent", doc: "Calls under way at once. 0: no limit.", within: capSettings},
	{key: "streams", field: "Streams", doc: "Event streams open at once. 0: no limit.", within: capSettings},
	{key: "failed_auth", field: "FailedAuth", doc: "Addresses from which too many credentials were refused are banned.", within: []setting{
		{key: "per_ip", also: "per_address", field: "PerAddress", def: "20/min", doc: "Refused credentials of one address, IPv6 by /64."},
		{key: "ban", field: "Ban", def: "10m", least: "1s", doc: "How long nothing is heard from the address then."},
	}},
}, later("by_plan", "on_store_failure"))

var capSettings = []setting{
	{key: "per_key", field: "PerKey", def: "0", doc: "Of one key."},
	{key: "per_tenant", field: "PerTenant", def: "0", doc: "Of one tenant."},
}

var storeSettings = slices.Concat([]setting{
	{key: "sqlite", field: "SQLite", form: formPath, doc: "Path of the database. Left out: `gatehouse.db` in the state directory."},
	{key: "encryption_key", field: "EncryptionKey", form: formSecret, check: checkLong, doc: "What is secret in the database is sealed under it: 32 characters or more. Left out: a key file beside the database."},
}, later("postgres", "migrate"))

var auditSettings = slices.Concat([]setting{
	{key: "file", field: "File", form: formPath, doc: "JSON lines. Left out: `audit.jsonl` in the state directory, unless `stdout`."},
	{key: "stdout", field: "Stdout", def: "false", doc: "The trail is written to standard output instead."},
	{key: "max_size", field: "MaxSize", def: "100MiB", least: "64KiB", doc: "Size of a file before the next is begun."},
	{key: "keep", field: "Keep", def: "10", least: "1", doc: "Full files that are kept."},
	{key: "include", field: "Include", one: AuditKinds(), def: "[auth_failed, admin, denied, tool_call, call, stream, tool_changed, sign_in]", doc: "Kinds of events. `auth_failed` and `admin` cannot be left out."},
	{key: "arguments", field: "Arguments", doc: "The arguments of tools are written down too.", within: []setting{
		{key: "tools", field: "Tools", check: CheckPattern, need: true, doc: "Patterns of tools."},
		{key: "redact", field: "Redact", check: CheckPattern, doc: "Patterns of names of members, at any depth, whose values are hidden. Names that look secret always are."},
	}},
	{key: "strict", field: "Strict", def: "false", doc: "Admitted calls are on disk before they are forwarded."},
}, later("sinks", "otlp"))

var adminSettings = slices.Concat([]setting{
	{key: "listen", field: "Listen", form: formAddress, doc: "`host:port`, a port alone (on 127.0.0.1) or `unix:/path`. Left out: none."},
	{key: "insecure_external", field: "InsecureExternal", def: "false", doc: "It may listen beyond this machine, though it asks nobody who they are. On loopback it answers to the names of loopback only: no web page can read it."},
}, later("sso", "public_url"))

// enabled reads auth.api_keys.enabled.
func (r *reader) enabled(path, text string) {
	if text == "false" {
		r.off[strings.TrimSuffix(path, ".enabled")] = true
	}
}

// tenantless reads auth.api_keys.allow_tenantless.
func (r *reader) tenantless(path, text string) {
	if text == "true" {
		r.fail(r.node, path, "every key has a tenant, so that its limits and rights are somebody's. Leave it out, and make keys with --tenant")
	}
}

// checkLong refuses what can be guessed.
func checkLong(secret string) error {
	const least = 32
	if len(secret) < least {
		return fmt.Errorf("has %d characters; %d are the least that protects anything. Make one: openssl rand -base64 32", len(secret), least)
	}
	return nil
}

func checkServerName(name string) error {
	if !serverName().MatchString(name) {
		return fmt.Errorf("%.80q is not a name: letters, digits, '.', '_' and '-', 64 at most", name)
	}
	return nil
}

// checkShownName takes what people are shown as it is: nothing of it may be hidden.
func checkShownName(name string) error {
	if len(name) > 64 || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) || strings.TrimSpace(name) == "" {
		return fmt.Errorf("%.80q is not a name that people can read: 64 bytes at most, and nothing that cannot be seen", name)
	}
	return nil
}

func checkTenant(name string) error {
	if !tenantName().MatchString(name) {
		return fmt.Errorf("%.80q is not the name of a tenant: a-z, 0-9 and '-', 63 at most", name)
	}
	return nil
}

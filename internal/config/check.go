package config

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/unit"
)

// checker gathers mistakes and finds their places in the file.
type checker struct {
	*Config
	found Mistakes
}

// wrong notes a mistake, if there is one.
func (c *checker) wrong(path string, err error) {
	if err == nil {
		return
	}
	c.add(path, mistakeOf(path, err))
}

func (c *checker) wrongf(path, format string, args ...any) {
	c.wrong(path, fmt.Errorf(format, args...))
}

func (c *checker) add(path string, m Mistake) {
	if c.source != nil {
		p := c.source.where(path)
		m.File, m.Line, m.Col = p.in(c.source), p.line, p.col
		m.Text = c.source.mask(m.Text)
	}
	c.found = append(c.found, m)
}

// Check returns every reason why a completed configuration cannot be served, as
// [Mistakes], or nil.
func (c *Config) Check() error {
	k := &checker{Config: c}
	k.checkServer()
	k.checkTLS()
	k.checkProxies()
	k.checkServers()
	k.checkRights()
	k.checkLimits()
	k.checkRest()
	if len(k.found) == 0 {
		return nil
	}
	k.found.sort()
	return k.found
}

func (c *checker) checkServer() {
	s := &c.Server
	listen := cmp.Or(s.Listen, DefaultListen)
	err := CheckAddress(listen)
	c.wrong("server.listen", err)
	if err == nil {
		c.wrong("server.listen", c.plainHTTP(listen))
	}
	c.wrong("server.public_url", CheckPublicURL(s.PublicURL))
	for i, o := range s.AllowOrigins {
		c.wrong(fmt.Sprintf("server.allow_origins[%d]", i), CheckOrigin(o))
	}
	if s.MaxBody < 0 || s.ShutdownGrace < 0 {
		c.wrongf("server", "max_body and shutdown_grace cannot be negative")
	}
	if s.PlainListen == "" {
		return
	}
	switch {
	case strings.HasPrefix(s.PlainListen, "unix:"):
		c.wrongf("server.plain_listen", "needs HOST:PORT, as in 0.0.0.0:80, or systemd:NAME")
	case !s.TLS.On():
		c.wrongf("server.plain_listen", "has a meaning only beside tls.files or tls.acme")
	case s.PlainListen == listen && !strings.HasSuffix(listen, ":0"):
		c.wrongf("server.plain_listen", "is the address of server.listen")
	default:
		c.wrong("server.plain_listen", CheckAddress(s.PlainListen))
	}
}

// plainHTTP: callers beyond this machine would send keys in the clear.
func (c *checker) plainHTTP(listen string) error {
	t := &c.Server.TLS
	if t.On() || t.TerminatedByProxy || Local(listen) {
		return nil
	}
	way := "give tls.acme, tls.files, or tls.terminated_by_proxy: true with trusted_proxies"
	if c.source == nil {
		way = "name the HTTPS address of the proxy in front with --public-url https://… and its network with --trusted-proxy"
	}
	return plainHTTP{fmt.Sprintf("%s is not loopback, and keys would travel in the clear. Listen on %s, or %s", listen, DefaultListen, way)}
}

func (c *checker) checkTLS() {
	t := &c.Server.TLS
	ways := 0
	for _, on := range []bool{len(t.Files) > 0, t.ACME != nil, t.TerminatedByProxy} {
		if on {
			ways++
		}
	}
	if ways > 1 {
		c.wrongf("server.tls", "says more than one of files, acme and terminated_by_proxy; TLS ends in one way")
	}
	if said := c.source != nil && c.source.at["server.tls"].line > 0; said && ways == 0 {
		c.wrongf("server.tls", "says none of files, acme and terminated_by_proxy: true, so nothing would be encrypted")
	}
	for i, f := range t.Files {
		if f.Cert == "" || f.Key == "" {
			c.wrongf(fmt.Sprintf("server.tls.files[%d]", i), "needs cert and key")
		}
	}
	if t.ACME != nil {
		c.checkACME(t.ACME)
	}
	if t.ClientCA != "" && !t.On() {
		c.wrongf("server.tls.client_ca", "can only be checked where TLS ends: give tls.files or tls.acme")
	}
	if t.ClientRequired && t.ClientCA == "" {
		c.wrongf("server.tls.client_required", "needs client_ca: without it no certificate can be verified")
	}
	switch {
	case t.ClientSelfSigned && !t.On():
		c.wrongf("server.tls.client_self_signed", "is for where TLS ends: give tls.files or tls.acme")
	case t.ClientSelfSigned && t.ClientRequired:
		c.wrongf("server.tls.client_self_signed", "makes client_required mean nothing: anybody can make such a certificate. Leave one of them out")
	}
	if t.HSTS != 0 && ways == 0 && c.source == nil {
		c.wrongf("server.tls.hsts", "is for HTTPS: give tls.files, tls.acme or tls.terminated_by_proxy")
	}
	if c.Server.PublicURL != "" || ways == 0 {
		return
	}
	for i := range c.Servers {
		if c.Servers[i].Host == "" {
			c.wrongf("server.public_url", "is missing, and %s has no host: callers need a name that the certificate is for", c.Servers[i].Name)
			return
		}
	}
}

func (c *checker) checkACME(a *ACME) {
	const at = "server.tls.acme"
	if !a.AcceptTOS {
		c.wrongf(at+".accept_tos", "has to be true: it is you who agrees to the terms of the certificate authority")
	}
	if a.Email != "" {
		c.wrong(at+".email", checkEmail(a.Email))
	}
	if a.Directory != "" {
		c.wrong(at+".directory", checkDirectory(a.Directory))
	}
	for i, d := range a.Domains {
		c.wrong(fmt.Sprintf("%s.domains[%d]", at, i), CheckHost(d))
	}
	if a.DNS == nil {
		return
	}
	c.wrong(at+".dns.server", checkHostPort(a.DNS.Server))
	if a.DNS.KeyName == "" || a.DNS.Key == "" {
		c.wrongf(at+".dns", "needs key_name and key: a name server that takes updates from anybody is not to be relied on")
	}
}

func (c *checker) checkProxies() {
	s := &c.Server
	for i, p := range s.TrustedProxies {
		if !p.IsValid() || p.Bits() == 0 {
			c.wrongf(fmt.Sprintf("server.trusted_proxies[%d]", i), "%s is everybody: any caller could choose the address that is written down and banned", p)
		}
	}
	if len(s.TrustedProxies) > 0 {
		return
	}
	if s.TLS.TerminatedByProxy && !Local(cmp.Or(s.Listen, DefaultListen)) {
		c.wrongf("server.tls.terminated_by_proxy", "needs trusted_proxies, unless we listen on loopback or a unix socket: whoever comes past the proxy sends keys in the clear")
	}
	if s.ProxyProtocol {
		c.wrongf("server.proxy_protocol", "needs trusted_proxies: anybody else could claim any address")
	}
}

func (c *checker) checkLimits() {
	l := &c.Limits
	for path, n := range map[string]int{
		"limits.concurrent.per_key": l.Concurrent.PerKey, "limits.concurrent.per_tenant": l.Concurrent.PerTenant,
		"limits.streams.per_key": l.Streams.PerKey, "limits.streams.per_tenant": l.Streams.PerTenant,
	} {
		if n < 0 {
			c.wrongf(path, "is negative")
		}
	}
	if l.FailedAuth.Ban < 0 || !l.FailedAuth.PerAddress.Zero() && l.FailedAuth.Ban == 0 {
		c.wrongf("limits.failed_auth.ban", "is missing: how long is nothing heard from the address?")
	}
	c.checkRates("limits.per_tool", l.PerTool)
	c.checkRates("limits.by_tenant", l.ByTenant)
}

func (c *checker) checkRates(path string, rates []ToolRate) {
	for i, r := range rates {
		at := path + "." + r.Tools
		c.wrong(at, CheckPattern(r.Tools))
		if slices.ContainsFunc(rates[:i], func(o ToolRate) bool { return o.Tools == r.Tools }) {
			c.wrongf(at, "appears twice")
		}
		if r.Rate.Count < 0 || !r.Rate.Zero() && r.Rate.Per <= 0 {
			c.wrongf(at, "is no rate")
		}
	}
}

// checkRest is about the store, the audit trail and the operators' listener.
func (c *checker) checkRest() {
	if k := c.Store.EncryptionKey; k != "" {
		c.wrong("store.encryption_key", checkLong(k.Reveal()))
	}
	a := &c.Audit
	if a.Stdout && a.File != "" {
		c.wrongf("audit", "has both file and stdout; the trail is in one place")
	}
	if a.MaxSize < 0 || a.Keep < 0 {
		c.wrongf("audit", "max_size and keep cannot be negative")
	}
	for i, kind := range a.Include {
		if !slices.Contains(AuditKinds(), kind) {
			c.wrongf(fmt.Sprintf("audit.include[%d]", i), "%q is not %s", kind, choice(AuditKinds()))
		}
	}
	for _, kind := range []string{AuditAuthFailed, AuditAdmin} {
		if len(a.Include) > 0 && !slices.Contains(a.Include, kind) {
			c.wrongf("audit.include", "leaves out %s, without which an attack cannot be told from a fault", kind)
		}
	}
	if a.Arguments != nil {
		if len(a.Arguments.Tools) == 0 {
			c.wrongf("audit.arguments.tools", "is missing: of which tools?")
		}
		c.patterns("audit.arguments.tools", a.Arguments.Tools)
		c.patterns("audit.arguments.redact", a.Arguments.Redact)
	}
	if c.Admin.Listen == "" {
		return
	}
	err := CheckAddress(c.Admin.Listen)
	switch {
	case err == nil && c.Admin.Listen == c.Server.Listen && !strings.HasSuffix(c.Admin.Listen, ":0"):
		err = errors.New("is the address of server.listen; operators have a listener of their own")
	case err == nil && !Local(c.Admin.Listen) && !c.Admin.InsecureExternal:
		err = fmt.Errorf("%s is beyond this machine, and this listener asks nobody who they are. Listen on 127.0.0.1 or unix:, or say insecure_external: true to mean it", c.Admin.Listen)
	}
	c.wrong("admin.listen", err)
}

// patterns checks a list of patterns of tools.
func (c *checker) patterns(path string, list []string) {
	for i, p := range list {
		c.wrong(fmt.Sprintf("%s[%d]", path, i), CheckPattern(p))
	}
}

// rates are the limits that are rates, by path.
func (l *Limits) rates() iter.Seq2[string, unit.Rate] {
	return func(yield func(string, unit.Rate) bool) {
		_ = yield("limits.per_key", l.PerKey) && yield("limits.failed_auth.per_ip", l.FailedAuth.PerAddress)
	}
}

// wide says whether a network is larger than one operator has proxies in.
func wide(p netip.Prefix) bool {
	if p.Addr().Is4() {
		return p.Bits() <= 8
	}
	return p.Bits() <= 32
}

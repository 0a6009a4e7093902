package doctor

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// names looks every host of the configuration up.
var names = Check{"names", "the DNS of every host in the configuration", func(ctx context.Context, m *Machine, r *report) {
	if r.noFile(m) {
		return
	}
	all := m.hosts()
	answers := make([][]netip.Addr, len(all))
	wrong := make([]error, len(all))
	var each sync.WaitGroup
	for i, h := range all {
		each.Go(func() { answers[i], wrong[i] = m.Resolver.LookupNetIP(ctx, "ip", h.host) })
	}
	each.Wait()
	for i, h := range all {
		judgeName(r, h, answers[i], wrong[i])
	}
	if len(all) == 0 {
		r.ok("the configuration names no host, only addresses")
	}
}}

func judgeName(r *report, h namedHost, found []netip.Addr, err error) {
	none, is := errors.AsType[*net.DNSError](err)
	switch {
	case err == nil && h.public && found[0].Unmap().IsLoopback():
		r.warn("GH-2414", "an entry in /etc/hosts is fine; others need a record in the DNS that leads here", "%s (%s) is this machine itself, as seen from here", h.host, h.setting)
	case err == nil:
		r.ok("%s (%s) is %s", h.host, h.setting, found[0].Unmap())
	case is && none.IsNotFound:
		r.fail("GH-2414", "correct "+h.setting+", or have the name entered in the DNS", "%s (%s) does not exist", h.host, h.setting)
	default:
		r.fail("GH-2414", "see that this machine's resolver works: resolvectl query "+h.host, "%s (%s) cannot be looked up: %v", h.host, h.setting, err)
	}
}

type namedHost struct {
	setting, host string
	public        bool // it is we who go by it
}

// hosts are the names in the configuration, each once; addresses are none.
func (m *Machine) hosts() (all []namedHost) {
	c := m.Config
	seen := map[string]bool{}
	add := func(setting, host string, public bool) {
		_, err := netip.ParseAddr(host)
		if host == "" || err == nil || seen[host] || host == "localhost" {
			return
		}
		seen[host] = true
		all = append(all, namedHost{setting, host, public})
	}
	add("server.public_url", hostOf(c.Server.PublicURL), true)
	for i := range c.Servers {
		u := &c.Servers[i]
		add("host of server "+u.Name, u.Host, true)
		add("url of server "+u.Name, hostOf(u.URL), false)
	}
	for _, tenant := range slices.Sorted(maps.Keys(c.Tenants.Upstream)) {
		add("server of tenant "+tenant, hostOf(c.Tenants.Upstream[tenant]), false)
	}
	for _, p := range m.providers() {
		add(p.setting, hostOf(p.url), false)
	}
	for i := range c.Auth.Issuers {
		u := &c.Auth.Issuers[i]
		if u.Keys.From == config.KeysURL {
			add("keys of "+u.Name, hostOf(u.Keys.URL), false)
		}
		if u.Introspect != nil {
			add("introspection of "+u.Name, hostOf(u.Introspect.URL), false)
		}
	}
	if a := c.Server.TLS.ACME; a != nil {
		add("server.tls.acme.directory", hostOf(a.Directory), false)
		if a.DNS != nil {
			if host, _, err := net.SplitHostPort(a.DNS.Server); err == nil {
				add("server.tls.acme.dns.server", host, false)
			}
		}
	}
	return all
}

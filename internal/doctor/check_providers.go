package doctor

import (
	"context"
	"sync"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/discovery"
	"github.com/gatehouse-mcp/gatehouse/internal/idp"
	"github.com/gatehouse-mcp/gatehouse/internal/jwks"
	"github.com/gatehouse-mcp/gatehouse/internal/safehttp"
)

// providers asks identity providers as `gatehouse idp test` does.
var providers = Check{"providers", "identity providers: their metadata and keys", func(ctx context.Context, m *Machine, r *report) {
	if r.noFile(m) {
		return
	}
	c := m.Config
	asked := make([]*report, len(c.Auth.Issuers))
	var each sync.WaitGroup
	for i := range c.Auth.Issuers {
		asked[i] = &report{group: r.group}
		each.Go(func() { m.judgeIssuer(ctx, asked[i], &c.Auth.Issuers[i]) })
	}
	var rest []provider
	if c.Auth.Embedded != nil {
		for _, p := range m.providers() {
			if !isIssuer(c, p.url) {
				rest = append(rest, p)
			}
		}
	}
	others := make([]*report, len(rest))
	for i, p := range rest {
		others[i] = &report{group: r.group}
		each.Go(func() { m.judgeLogin(ctx, others[i], p) })
	}
	each.Wait()
	for _, x := range append(asked, others...) {
		r.lines = append(r.lines, x.lines...)
	}
	if e := c.Auth.Embedded; e != nil {
		for i := range e.Login {
			if l := &e.Login[i]; l.Issuer == "" { // it is no OpenID provider
				r.unknown("sign in once: gatehouse idp login-test -c "+m.File+" "+l.Name, "%s: it has no metadata that one could ask for", l.Name)
			}
		}
	}
	if len(r.lines) == 0 {
		r.ok("the configuration has no identity provider")
	}
}}

func isIssuer(c *config.Config, url string) bool {
	for i := range c.Auth.Issuers {
		if c.Auth.Issuers[i].Issuer == url {
			return true
		}
	}
	return false
}

func (m *Machine) judgeIssuer(ctx context.Context, r *report, u *config.Issuer) {
	p := idp.Find(u.Preset)
	if p == nil {
		r.unknown("gatehouse idp presets", "%s: there is no preset %q", u.Name, u.Preset)
		return
	}
	f := &idp.Facts{}
	if len(m.URLs) > 0 {
		f.Resource = m.URLs[0]
	}
	again := "gatehouse idp test -c " + m.File + " " + u.Name
	if answered, err := m.Gather(ctx, u, f); err != nil || !answered {
		if u.Keys.From == config.KeysFile {
			r.ok("%s: keys are in %s, and nobody has to be asked", u.Name, u.Keys.File)
			return
		}
		why := f.KeysWhy
		if err != nil {
			why = err.Error()
		} else if len(f.Tried) > 0 {
			why = f.Tried[0]
		}
		r.fail("GH-2418", "see that this machine reaches it (a proxy is not used), then: "+again, "%s: %s does not answer: %s", u.Name, u.Issuer, why)
		return
	}
	_, checks := p.Judge(&idp.Issuer{Issuer: u.Issuer, Algorithms: u.Algorithms, Mode: u.Audience.Mode, Audiences: u.Audience.Values}, f)
	for _, c := range checks {
		fix := c.Fix
		if fix == "" {
			fix = "see that this machine reaches it; else it is for whoever runs it. Again: " + again
		}
		switch c.Result {
		case idp.Fail:
			r.fail("GH-2418", fix, "%s: %s: %s", u.Name, c.Name, c.Text)
		case idp.Warn:
			r.warn("GH-2418", fix, "%s: %s: %s", u.Name, c.Name, c.Text)
		default:
			r.ok("%s: %s: %s", u.Name, c.Name, c.Text)
		}
	}
}

// judgeLogin asks for the metadata and keys of a provider by which people sign in.
func (m *Machine) judgeLogin(ctx context.Context, r *report, p provider) {
	client, err := m.guarded(p.private, p.ca)
	if err != nil {
		r.fail("GH-2418", "correct its ca or private", "%s: %v", p.setting, err)
		return
	}
	f := safehttp.Fetcher{Client: client}
	d, err := discovery.FetchOpenID(ctx, f, p.url)
	if err != nil {
		r.fail("GH-2418", "see that this machine reaches it and that its issuer is right, letter by letter", "%s: %v", p.setting, err)
		return
	}
	raw, err := f.Get(ctx, d.JWKSURI)
	if err != nil {
		r.fail("GH-2418", "see that this machine reaches it: it may be another host than the issuer's", "%s: its keys cannot be had: %s", p.setting, safehttp.Reason(err))
		return
	}
	set, err := jwks.Parse(raw)
	if err != nil || len(set.Keys) == 0 {
		r.fail("GH-2418", "its operator has to mend it", "%s: it publishes no key that can be used", p.setting)
		return
	}
	r.ok("%s: %s answers, usable keys: %d", p.setting, p.url, len(set.Keys))
}

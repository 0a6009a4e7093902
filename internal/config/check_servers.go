package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

func (c *checker) checkServers() {
	if len(c.Servers) == 0 {
		c.wrongf("servers", "has none; there is nothing to protect")
	}
	for i := range c.Servers {
		u := &c.Servers[i]
		at := fmt.Sprintf("servers[%d]", i)
		err := checkServerName(u.Name)
		if slices.ContainsFunc(c.Servers[:i], func(o Upstream) bool { return o.Name == u.Name }) {
			err = fmt.Errorf("%q appears twice", u.Name)
		}
		c.wrong(at+".name", err)
		c.checkUpstream(at, u)
		c.checkForward(at+".forward", u)
		c.checkPlaces(at, i)
		for j, t := range u.Tenants {
			c.wrong(fmt.Sprintf("%s.tenants[%d]", at, j), checkTenant(t))
		}
		c.checkRates(at+".limits.per_tool", u.PerTool)
	}
}

// checkUpstream is about how the server is reached.
func (c *checker) checkUpstream(at string, u *Upstream) {
	if u.Host != "" {
		c.wrong(at+".host", CheckHost(u.Host))
	}
	switch {
	case u.URL == "" && u.Stdio == nil:
		c.wrongf(at, "needs a url or stdio")
	case u.URL != "" && u.Stdio != nil:
		c.wrongf(at, "has both url and stdio; one server is one of them")
	case u.URL != "":
		c.wrong(at+".url", CheckUpstreamURL(u.URL))
	default:
		c.checkStdio(at+".stdio", u.Stdio)
	}
	switch {
	case u.Transport == "" || u.Transport == TransportStreamable:
	case u.Transport != TransportSSE:
		c.wrongf(at+".transport", "%q is not %s or %s", u.Transport, TransportStreamable, TransportSSE)
	case u.Stdio != nil:
		c.wrongf(at+".transport", "is for a url")
	}
}

func (c *checker) checkStdio(at string, s *Stdio) {
	if len(s.Command) == 0 || s.Command[0] == "" {
		c.wrongf(at+".command", "is empty")
	}
	c.variables(at, s.Env, s.Secrets)
	switch {
	case !slices.Contains([]string{"", IsolationShared, IsolationPerTenant}, s.Isolation):
		c.wrongf(at+".isolation", "%q is not %s or %s", s.Isolation, IsolationShared, IsolationPerTenant)
	case len(s.Tenants) > 0 && s.Isolation != IsolationPerTenant:
		c.wrongf(at+".tenants", "needs isolation: %s; a shared child has one place for all", IsolationPerTenant)
	}
	for _, name := range names(s.Tenants) {
		p := s.Tenants[name]
		c.wrong(at+".tenants."+name, checkTenant(name))
		c.variables(at+".tenants."+name, p.Env, p.Secrets)
	}
}

// variables checks what a child is given.
func (c *checker) variables(at string, env map[string]string, secrets map[string]Secret) {
	for _, name := range names(env) {
		if !variableName().MatchString(name) || strings.ContainsRune(env[name], 0) {
			c.wrongf(at+".env."+name, "is not a variable")
		}
		if _, twice := secrets[name]; twice {
			c.wrongf(at+".secrets."+name, "is in env too")
		}
	}
	for _, name := range names(secrets) {
		if !variableName().MatchString(name) || strings.ContainsRune(secrets[name].Reveal(), 0) {
			c.wrongf(at+".secrets."+name, "is not a variable")
		}
	}
}

func (c *checker) checkForward(at string, u *Upstream) {
	f := &u.Forward
	if !slices.Contains([]string{"", IdentityNone, IdentityJWT, IdentityHeaders}, f.Identity) {
		c.wrongf(at+".identity", "%q is not %s", f.Identity, choice([]string{IdentityNone, IdentityJWT, IdentityHeaders}))
	}
	if u.Stdio != nil {
		for _, said := range []struct {
			key string
			is  bool
		}{{"identity", f.Identity != "" && f.Identity != IdentityNone}, {"tenant_header", f.TenantHeader != ""}, {"authorization", f.Authorization != ""}, {"upstream_token", f.UpstreamToken != ""}} {
			if said.is {
				c.wrongf(at+"."+said.key, "is sent in a header, and a server on standard input has none; give it a secret under stdio.secrets")
			}
		}
		return
	}
	for key, name := range map[string]string{"header": f.Header, "tenant_header": f.TenantHeader} {
		if name != "" {
			c.wrong(at+"."+key, CheckForwardHeader(name))
		}
	}
	switch tenant := Folded(f.TenantHeader); {
	case tenant != "" && tenant == Folded(orHeader(f.Header)):
		c.wrongf(at+".tenant_header", "is the header of the identity")
	case strings.HasPrefix(tenant, "x-gatehouse-"):
		c.wrongf(at+".tenant_header", "begins with X-Gatehouse-, which is taken")
	}
	if name := f.UpstreamToken; name != "" {
		switch e := c.Auth.Embedded; {
		case e == nil || !slices.ContainsFunc(e.Login, func(l Login) bool { return l.Name == name }):
			c.wrongf(at+".upstream_token", "%.80q is the name of no provider under auth.embedded.login", name)
		case f.Authorization != "":
			c.wrongf(at+".upstream_token", "and authorization are one header: give one of the two")
		}
	}
	if v := f.Authorization.Reveal(); strings.TrimSpace(v) != v || strings.ContainsFunc(v, unprintable) {
		c.wrongf(at+".authorization", "cannot be sent in a header: it begins or ends with a space, or has a character in it that no header has")
	}
}

// checkPlaces holds a server's paths against ours and those of the servers before it.
func (c *checker) checkPlaces(at string, index int) {
	u := &c.Servers[index]
	for key, path := range map[string]string{"path": cmp.Or(u.Path, DefaultPath), "sse": u.SSE} {
		if path == "" {
			continue
		}
		err := CheckPath(path)
		if reservedPath(path) {
			err = fmt.Errorf("%q is ours: /-/… and /.well-known/… are not given away", path)
		}
		c.wrong(at+"."+key, err)
	}
	if u.SSE != "" && under(cmp.Or(u.Path, DefaultPath), u.SSE) {
		c.wrongf(at+".sse", "is, or contains, the path of the server itself")
	}
	for i := range c.Servers[:index] {
		o := &c.Servers[i]
		if u.Host != "" && o.Host != "" && !strings.EqualFold(u.Host, o.Host) {
			continue
		}
		if a := collision(u, o); a != "" {
			c.wrongf(at+".path", "%s is served by %q already. Give one of them another path, or both a host", a, o.Name)
		}
	}
}

func reservedPath(path string) bool {
	return under(path, "/-") || under(path, "/.well-known")
}

// under says whether a path is another or lies below it.
func under(path, above string) bool {
	return path == above || strings.HasPrefix(path, strings.TrimSuffix(above, "/")+"/")
}

// collision returns a path that two servers would both answer at, or "". Below
// an event stream's path are the addresses that its messages go to.
func collision(u, o *Upstream) string {
	up, op := cmp.Or(u.Path, DefaultPath), cmp.Or(o.Path, DefaultPath)
	switch {
	case up == op, o.SSE != "" && under(up, o.SSE):
		return up
	case u.SSE != "" && (under(op, u.SSE) || o.SSE != "" && (under(u.SSE, o.SSE) || under(o.SSE, u.SSE))):
		return u.SSE
	}
	return ""
}

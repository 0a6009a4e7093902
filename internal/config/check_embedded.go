package config

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/idp"
	"github.com/gatehouse-mcp/gatehouse/internal/pattern"
)

// OwnIssuer is the issuer of our own tokens; empty: there are none, or nobody
// has said under which name we go.
func (c *Config) OwnIssuer() string {
	e := c.Auth.Embedded
	switch {
	case e == nil:
		return ""
	case e.Issuer != "":
		return e.Issuer
	}
	u, err := url.Parse(c.Server.PublicURL)
	if err != nil || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + strings.ToLower(u.Host)
}

// checkEmbedded asks whether our authorization server can be one.
func (c *checker) checkEmbedded() {
	e := c.Auth.Embedded
	if e == nil {
		return
	}
	const at = "auth.embedded"
	if c.OwnIssuer() == "" {
		c.wrongf(at+".issuer", "is not said, and there is no server.public_url to take it from: clients compare it exactly")
	} else {
		c.wrong(at+".issuer", checkOriginURL(c.OwnIssuer()))
	}
	for i := range c.Auth.Issuers {
		if c.Auth.Issuers[i].Issuer == c.OwnIssuer() {
			c.wrongf(fmt.Sprintf("auth.issuers[%d].issuer", i), "is our own: its tokens are accepted without an entry")
		}
		if c.Auth.Issuers[i].Name == OwnIssuerName {
			c.wrongf(fmt.Sprintf("auth.issuers[%d].name", i), "%s is what our own issuer is called", OwnIssuerName)
		}
	}
	if e.RefreshMax < e.RefreshTTL {
		c.wrongf(at+".refresh_token_max", "is shorter than refresh_token_ttl")
	}
	if e.RefreshGrace < 0 || e.RefreshGrace > maxGrace {
		c.wrongf(at+".refresh_grace", "is longer than %s: whoever finds an old token could use it", maxGrace)
	}
	if s := &e.Signing; s.RotateEvery <= s.PublishNext {
		c.wrongf(at+".signing.rotate_every", "is not longer than publish_next")
	}
	for i, d := range e.Clients.CIMD.Trusted {
		c.wrong(fmt.Sprintf("%s.clients.cimd.trusted_domains[%d]", at, i), checkDomain(d))
	}
	if len(e.Login) == 0 && !e.Accounts {
		c.wrongf(at, "has nobody who could sign in: give login, or accounts: true")
	}
	c.checkLogins(at)
	for i := range c.Servers {
		if p := c.Servers[i].Path; c.Servers[i].Host == "" && ownPath(p) {
			c.wrongf(fmt.Sprintf("servers[%d].path", i), "%s is our authorization server's", p)
		}
	}
	for i, a := range e.Assertions {
		c.wrong(fmt.Sprintf("%s.assertions[%d].issuer", at, i), checkIssuerURL(a.Issuer, a.Private))
	}
}

func (c *checker) checkLogins(at string) {
	e := c.Auth.Embedded
	for i := range e.Login {
		l, at := &e.Login[i], fmt.Sprintf("%s.login[%d]", at, i)
		if !loginName().MatchString(l.Name) {
			c.wrongf(at+".name", "%.80q is not of lower-case letters, digits, '-' and '_', 63 at most: it stands in the redirect URI", l.Name)
		}
		if slices.ContainsFunc(e.Login[:i], func(o Login) bool { return o.Name == l.Name }) {
			c.wrongf(at+".name", "%q appears twice; give one of them another name", l.Name)
		}
		if l.ClientID == "" {
			c.wrongf(at+".client_id", "is missing")
		}
		c.checkLogin(at, l)
	}
}

// loginName is what stands in a redirect URI, and is no other provider's on any server.
var loginName = pattern.Lazy(`^[a-z0-9][a-z0-9_-]{0,62}$`)

// checkLogin asks whether people can sign in with a provider, and not just anybody.
func (c *checker) checkLogin(at string, l *Login) {
	p := idp.Find(l.Preset)
	if p == nil {
		c.wrongf(at+".preset", "%.80q is none. There are: %s", l.Preset, strings.Join(idp.Names(), ", "))
		return
	}
	made, problems := p.ExpandLogin(l.Params, l.Issuer)
	if made != nil {
		c.wrong(at+".issuer", checkIssuerURL(made.Issuer, l.Private))
		problems = p.CheckAllow(made, &l.Allow)
		for _, q := range made.OpenToAll(l.Name, &l.Allow) {
			m := mistakeOf(at+"."+q.Setting, errors.New(q.Text))
			m.Code = codeOpen
			c.add(at+"."+q.Setting, m)
		}
	}
	for _, q := range problems {
		c.wrongf(at+"."+q.Setting, "%s", q.Text)
	}
}

// ownPath says whether our authorization server answers at a path.
func ownPath(path string) bool {
	return slices.ContainsFunc([]string{
		"/authorize", "/token", "/register", "/revoke", "/introspect", "/par", "/device_authorization", "/device", "/account", "/auth",
	}, func(own string) bool { return path == own || strings.HasPrefix(path, own+"/") })
}

// checkOriginURL wants an origin without a slash at its end, as one string for
// everybody. Plain HTTP stays on the machine.
func checkOriginURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return errors.New("is not a URL such as https://mcp.example.com")
	case u.Scheme == "http" && !Loopback(u.Hostname()):
		return errors.New("is not https; plain HTTP is for this machine alone")
	case text != u.Scheme+"://"+strings.ToLower(u.Host):
		return fmt.Errorf("%q is more than an origin: write %s://%s", text, u.Scheme, strings.ToLower(u.Host))
	}
	return nil
}

// checkDomain wants a host name, or one behind "*.".
func checkDomain(text string) error {
	return CheckHost(strings.TrimPrefix(text, "*."))
}

package idp

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// How a provider is spoken to when people sign in with it.
const (
	LoginOIDC   = ""       // by OpenID Connect
	LoginGitHub = "github" // by OAuth, and an interface of its own
)

// Login is how people sign in with a provider, in broker mode. In its texts
// {name} stands for a parameter, as in [Preset]; what names one that is left out
// is left out itself.
type Login struct {
	Refusal string   // why nobody can sign in with it, and what to do; empty: people can
	Kind    string   // LoginOIDC or LoginGitHub
	Issuers []string // of these the first whose parameters are there; nil: Issuer.Issuer of the preset
	Params  []Param  // that only count here; one of the preset's name takes its place

	Claims   Claims      // of the ID token and the userinfo endpoint; without a subject: those of access tokens
	Require  []ClaimTest // that have to be true of whoever signs in
	Verified []ClaimTest // one that is true says that the address is verified, beside email_verified
	Domain   []string    // claims that say which domain people belong to; nil: that of a verified address

	Authority []string // domains whose addresses it gives out itself

	Scopes        []string          // what is asked for
	GroupScopes   []string          // and where the allow-list asks for more than who somebody is
	OfflineScopes []string          // and where a refresh token is wanted
	ScopePrefix   string            // before scopes of the operator's that are no URL; empty: none
	Send          map[string]string // further parameters of the authorization request
	OfflineSend   map[string]string // and where a refresh token is wanted
	Reprove       string            // prompt, where people have to prove anew who they are; empty: login
	NoUserinfo    bool              // its userinfo endpoint takes other tokens than ours

	Public  string   // who can sign in there, if that is anybody; empty: those whom the operator knows
	Lists   []string // what an allow-list can be of
	Setup   []string // what to do there, in order
	Gotchas []string

	Issuer string // the exact one; filled in by ExpandLogin
}

// Lists of an allow-list.
const (
	ListDomains = "domains"
	ListUsers   = "users"
	ListOrgs    = "orgs"
	ListTeams   = "teams"
	ListGroups  = "groups"
	ListRoles   = "roles"
)

// login returns how people sign in with a preset, with what it does not say.
func (p *Preset) login() Login {
	var l Login
	if p.Login != nil {
		l = *p.Login
	}
	if l.Issuers == nil && p.Issuer.Issuer != "" {
		l.Issuers = []string{p.Issuer.Issuer}
	}
	if l.Claims.Subject == nil {
		c := p.Issuer.Claims
		l.Claims = Claims{Subject: c.Subject, Tenant: c.Tenant, Name: c.Name, Email: c.Email, Roles: c.Roles, Groups: c.Groups, Drop: c.Drop, GroupsOmitted: c.GroupsOmitted}
	}
	if l.Scopes == nil {
		l.Scopes = []string{"openid", "profile", "email"}
	}
	if l.OfflineScopes == nil {
		l.OfflineScopes = []string{"offline_access"} // OpenID Connect Core §11
	}
	if l.Reprove == "" {
		l.Reprove = "login"
	}
	if l.Lists == nil {
		l.Lists = []string{ListDomains, ListUsers, ListGroups, ListRoles}
	}
	return l
}

// LoginDefaults returns how people sign in with a preset, with what it leaves
// unsaid and before parameters are filled in.
func (p *Preset) LoginDefaults() Login { return p.login() }

// ShortLogin is what one writes for a preset under auth.embedded.login, with its
// examples.
func (p *Preset) ShortLogin() string {
	l := p.login()
	if l.Refusal != "" {
		return ""
	}
	lines := []string{"- preset: " + p.Name}
	if len(l.Issuers) == 0 {
		lines = append(lines, "  issuer: "+orSentence(loginIssuers[p.Name], exampleIssuers[p.Name]))
	}
	for _, q := range p.LoginParams() {
		if q.Need {
			lines = append(lines, "  "+q.Name+": "+q.Example)
		}
	}
	lines = append(lines, "  client_id: YOUR-CLIENT-ID", `  client_secret: "${file:/run/secrets/`+p.Name+`}"`)
	if l.Public != "" {
		lines = append(lines, "  allow: {"+allowExamples[l.Lists[len(l.Lists)-1]]+"}")
	}
	return strings.Join(lines, "\n") + "\n"
}

// loginIssuers are examples where people sign in at another issuer than tokens come from.
var loginIssuers = map[string]string{"descope": "https://api.descope.com/v1/apps/P2abc"}

var allowExamples = map[string]string{
	ListUsers: "domains: [acme.com]", ListTeams: "orgs: [acme]", ListRoles: "domains: [acme.com]",
}

// LoginParams are the parameters that count where people sign in with a preset.
func (p *Preset) LoginParams() []Param {
	l := p.login()
	if l.Refusal != "" {
		return nil
	}
	var all []Param
	for _, q := range p.Params {
		in := 0
		for _, t := range l.Issuers {
			if strings.Contains(t, "{"+q.Name+"}") {
				in++
			}
		}
		if in == 0 || slices.ContainsFunc(l.Params, func(o Param) bool { return o.Name == q.Name }) {
			continue
		}
		q.Need = q.Need && in == len(l.Issuers)
		all = append(all, q)
	}
	return append(all, l.Params...)
}

// ExpandLogin fills in how people sign in with a preset. issuer is the one that
// is written down; empty: the preset's own. With a problem what comes back is
// not to be used.
func (p *Preset) ExpandLogin(params map[string]string, issuer string) (*Login, []Problem) {
	if p.Login != nil && p.Login.Refusal != "" {
		return nil, []Problem{{"preset", p.Login.Refusal}}
	}
	own := &Preset{Name: p.Name, Params: p.LoginParams()}
	values, problems := own.values(params)
	f := filler{values}
	l := p.login()
	l.Issuer = issuer
	for _, t := range l.Issuers {
		if l.Issuer == "" {
			l.Issuer = f.text(t)
		}
	}
	if l.Issuer == "" && len(problems) == 0 {
		problems = append(problems, Problem{"issuer", "is missing: " + p.Title + " has one for each customer. " + orSentence(p.Issuer.Wrong, "It is the iss of its tokens, exactly")})
	}
	if why := loginIssuer(l.Issuer); l.Issuer != "" && why != "" {
		problems = append(problems, Problem{"issuer", fmt.Sprintf("%.200q %s", l.Issuer, why)})
	}
	if len(problems) > 0 {
		return nil, problems
	}
	values["issuer"] = l.Issuer
	l.Claims = f.claims(l.Claims)
	l.Require = f.settled(l.Require)
	l.Send, l.OfflineSend = f.table(l.Send), f.table(l.OfflineSend)
	l.ScopePrefix = f.text(l.ScopePrefix)
	if l.Public == "" {
		l.Public = publicIssuer(l.Issuer)
	}
	return &l, nil
}

// loginIssuer says why a text cannot be the issuer of an OpenID provider. OpenID Connect Discovery §3
func loginIssuer(issuer string) string {
	u, err := url.Parse(issuer)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || strings.ContainsAny(issuer, "?#{} ") {
		return "is no URL of https without user, query and fragment"
	}
	return ""
}

// settled leaves out the tests whose value names a parameter that is left out.
func (f filler) settled(all []ClaimTest) []ClaimTest {
	var out []ClaimTest
	for _, t := range all {
		if filled := f.text(t.Equals); filled != "" || t.Equals == "" {
			out = append(out, ClaimTest{t.Claim, filled})
		}
	}
	return out
}

// table leaves out what has no value.
func (f filler) table(all map[string]string) map[string]string {
	out := maps.Clone(all)
	for name, t := range all {
		if out[name] = f.text(t); out[name] == "" {
			delete(out, name)
		}
	}
	return out
}

// publicIssuers are issuers with which anybody can sign in, whatever preset is
// named: exactly, or by what a host ends with when there is a dot in front.
var publicIssuers = map[string]string{
	"accounts.google.com": "anyone with a Google account", "appleid.apple.com": "anyone with an Apple account",
	"gitlab.com": "anyone with an account of gitlab.com", "www.facebook.com": "anyone with a Facebook account", "www.linkedin.com": "anyone with a LinkedIn account",
	"discord.com": "anyone with a Discord account", "id.twitch.tv": "anyone with a Twitch account", "slack.com": "anyone with a Slack account",
	"login.yahoo.com": "anyone with a Yahoo account", "api.login.yahoo.com": "anyone with a Yahoo account", "kauth.kakao.com": "anyone with a Kakao account",
	"access.line.me": "anyone with a LINE account", "www.paypal.com": "anyone with a PayPal account", "id.atlassian.com": "anyone with an Atlassian account",
	".auth0.com": signsUp, ".clerk.accounts.dev": signsUp, ".supabase.co": signsUp, ".amazonaws.com": signsUp, ".authkit.app": signsUp, ".logto.app": signsUp,
	".zitadel.cloud": signsUp, ".descope.com": signsUp, ".stytch.com": signsUp, ".scalekit.com": signsUp,
}

const signsUp = "anyone who signs up there"

// consumers is the tenant of Entra that all personal accounts of Microsoft are in.
const consumers = "9188040d-6c67-4c5b-b112-36a304b66dad"

// publicIssuer says who can sign in with an issuer, if that is anybody.
func publicIssuer(issuer string) string {
	u, err := url.Parse(issuer)
	if err != nil {
		return ""
	}
	name := strings.ToLower(u.Hostname())
	if strings.Contains(strings.ToLower(u.Path), consumers) {
		return "anyone with a personal Microsoft account"
	}
	if who := publicIssuers[name]; who != "" {
		return who
	}
	for suffix, who := range publicIssuers {
		if suffix[0] == '.' && strings.HasSuffix(name, suffix) {
			return who
		}
	}
	return ""
}

// Parameters that say where people's groups and roles are, of providers that
// leave it to their operators.
var (
	groupsClaim = Param{Name: "groups_claim", Form: Claim, Else: "groups", Example: "https://acme.com/groups", Doc: "The claim that the groups are in. Left out: `groups`."}
	rolesClaim  = Param{Name: "roles_claim", Form: Claim, Else: "roles", Example: "https://acme.com/roles", Doc: "The claim that the roles are in. Left out: `roles`."}
)

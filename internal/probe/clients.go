package probe

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// ClientResult says whether a real client can log in, as far as was seen.
type ClientResult struct {
	Client string // its name
	Verdict
}

// clientRule is what results about clients are reported under. It is not asked by itself.
var clientRule = &Rule{
	Code: "GH-2190", Name: "clients", Title: "The clients that people have can log in", Group: Discovery, Severity: Medium,
	Why: "Each client looks for other things when it signs in: where the metadata is, how it gets an id, what the authorization server advertises.",
	Fix: "As the client's line says.",
}

// clients goes through what each client would do, on what was seen.
func (r *run) clients() []ClientResult {
	var all []ClientResult
	for i := range models {
		all = append(all, ClientResult{models[i].name, r.login(&models[i])})
	}
	return all
}

func verdict(o Outcome, format string, args ...any) Verdict {
	return Verdict{Outcome: o, Text: shown(fmt.Sprintf(format, args...))}
}

// login follows a client to the point where it cannot go on.
func (r *run) login(m *model) Verdict {
	d := r.strangers()
	switch {
	case m.cloud && r.unreached() != nil:
		return *r.unreached()
	case d.state == doorUnseen:
		return verdict(Unknown, "%s", d.why)
	case m.cloud && inside(r.target.Hostname()):
		return verdict(Unknown, "it connects from the internet, and does not reach %s", r.target.Hostname())
	case m.cloud && r.target.Scheme != "https":
		return verdict(Fail, "it takes https only")
	case d.state == doorOpen:
		return verdict(Without, "nobody is asked to sign in")
	}
	if s := r.facts.session; s != nil && s.era != "" && m.legacy && s.legacy.kind() != served {
		return verdict(Fail, "it begins with initialize, and the server speaks 2026-07-28 only")
	}
	meta := r.metadata()
	if meta.used == nil {
		return r.withKey(m)
	}
	if v := r.discovers(m, meta); v != nil {
		return *v
	}
	return r.registers(m)
}

// unreached says why those who connect from the internet do not get here; nil:
// nothing is known against it.
func (r *run) unreached() *Verdict {
	for _, rule := range []*Rule{publicNameRule, publicCertificate, publicIssuer} {
		for i := range r.results {
			if res := &r.results[i]; res.Rule == rule && res.Outcome == Fail {
				v := verdict(Fail, "it connects from the internet: %s", res.Text)
				return &v
			}
		}
	}
	return nil
}

// inside says whether only a machine or a private network reaches a host.
func inside(host string) bool {
	ip, err := netip.ParseAddr(host)
	return local(host) || err == nil && (ip.IsPrivate() || ip.IsLinkLocalUnicast()) || strings.HasSuffix(host, ".local") || strings.HasSuffix(host, ".internal") || !strings.Contains(host, ".") && err != nil
}

// withKey is for servers that say nothing of tokens.
func (r *run) withKey(m *model) Verdict {
	switch m.keys {
	case keyHeader:
		return verdict(Pass, "with a key, in a header of its configuration")
	case keyBeta:
		return verdict(Warn, "with a key only for those in a beta; without the protected resource metadata it cannot sign in")
	}
	return verdict(Warn, "it can only sign in, and the server takes keys only: it has no protected resource metadata")
}

// discovers follows a client from the challenge to the authorization server; nil: it gets there.
func (r *run) discovers(m *model, meta *resource) *Verdict {
	no := func(format string, args ...any) *Verdict {
		v := verdict(Fail, format, args...)
		return &v
	}
	if d := r.strangers(); d.state != doorGuarded {
		return no("it does not begin to sign in: %s, not with 401", d.why)
	}
	mine := strings.TrimSuffix(r.target.Scheme+"://"+r.target.Host+r.target.EscapedPath(), "/")
	if m.strict && strings.TrimSuffix(meta.Resource, "/") != mine && !strings.HasPrefix(mine, strings.TrimSuffix(meta.Resource, "/")+"/") {
		return no("it refuses metadata of %s", place(meta.Resource))
	}
	i := r.authServer()
	switch {
	case i == nil:
		return no("the metadata names no authorization server")
	case i.meta == nil:
		return no("it finds no metadata of %s: %s", place(i.name), i.why)
	case len(i.meta.CodeChallengeMethods) == 0 || !slices.Contains(i.meta.CodeChallengeMethods, "S256"):
		return no("it stops because the authorization server does not advertise PKCE with S256")
	case i.meta.AuthorizationEndpoint == "" || i.meta.TokenEndpoint == "":
		return no("the authorization server has no authorization or token endpoint")
	}
	return nil
}

// registers says how a client gets an id, and what may go wrong after that.
func (r *run) registers(m *model) Verdict {
	meta := r.authServer().meta
	open := meta.TokenEndpointAuthMethods == nil || slices.Contains(meta.TokenEndpointAuthMethods, "none")
	if meta.ClientIDMetadataDocuments && m.cimd != "" && (open || !m.none && slices.Contains(meta.TokenEndpointAuthMethods, "private_key_jwt")) {
		return r.returns(m, "by its id "+m.cimd, false)
	}
	if meta.RegistrationEndpoint != "" && m.dcr {
		if v := r.asClient(m); v != nil {
			return *v
		}
		return r.returns(m, "registers itself", true)
	}
	switch {
	case m.byHand:
		return verdict(Warn, "it needs a client id by hand: it can neither bring one nor register itself there")
	case m.keys == keyHeader:
		return verdict(Warn, "it cannot get a client id there, and does with a key only")
	}
	return verdict(Fail, "it cannot get a client id: %s", map[bool]string{true: "clients cannot register themselves there", false: "ids that are URLs (CIMD) are not taken"}[m.cimd == ""])
}

// returns says what is known of the way back, of a client that registers itself
// with the port that it has, or of one that does not.
func (r *run) returns(m *model, how string, itself bool) Verdict {
	switch {
	case m.iss && !r.authServer().meta.IssParameter:
		return verdict(Warn, "%s; without iss each connector has a redirect URI of its own", how)
	case m.iss && r.outcome(issSent) == Fail:
		return verdict(Fail, "its lasting redirect URI needs iss on error responses too")
	case m.loopback && r.outcome(redirects) == Warn && !itself:
		return verdict(Fail, "it listens on a free port, and another port than the registered one is refused")
	case m.loopback && r.outcome(redirects) == Warn:
		return verdict(Warn, "%s, and signs in again only if it gets the same port: another one is refused", how)
	}
	return verdict(Pass, "%s", how)
}

// outcome is what a rule came to; empty: it was not asked.
func (r *run) outcome(rule *Rule) Outcome {
	for i := range r.results {
		if r.results[i].Rule == rule {
			return r.results[i].Outcome
		}
	}
	return ""
}

// asClient registers with a client's own redirect URIs, if that is wanted; nil: nothing speaks against it.
func (r *run) asClient(m *model) *Verdict {
	if !r.o.Register || len(m.redirects) == 0 {
		return nil
	}
	c := r.registerClient(r.authServer(), m.redirects...)
	var v Verdict
	switch {
	case c.id != "":
		return r.kept(m, c)
	case c.x.Status == 0 || c.x.Status == http.StatusTooManyRequests || c.x.Status >= 500:
		v = verdict(Unknown, "its registration was not answered: %s", c.why)
	default:
		v = verdict(Fail, "its registration is refused (%d), with %s", c.x.Status, strings.Join(m.redirects, ", "))
	}
	v.Evidence = []*Exchange{c.x}
	return &v
}

// kept looks whether at least one of the redirect URIs was taken.
func (r *run) kept(m *model, c *registered) *Verdict {
	var got struct {
		URIs []string `json:"redirect_uris"`
	}
	if json.Unmarshal(c.x.Answer, &got) != nil || len(got.URIs) == 0 {
		return nil // not told is not refused. RFC 7591 §3.2.1 has it told
	}
	if slices.ContainsFunc(m.redirects, func(u string) bool { return slices.Contains(got.URIs, u) }) {
		return nil
	}
	v := verdict(Fail, "none of its redirect URIs was taken")
	v.Evidence = []*Exchange{c.x}
	return &v
}

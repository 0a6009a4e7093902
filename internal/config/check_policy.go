package config

import (
	"fmt"
	"slices"
	"strings"
)

// checkRights asks whether anybody can do anything. Deny is what happens when
// nothing else did: what is left out must not mean "everybody", and would
// otherwise mean "nobody" without a word.
func (c *checker) checkRights() {
	c.checkAuth()
	own := 0
	for i := range c.Servers {
		if p := c.Servers[i].Policy; p != nil {
			own++
			c.checkPolicy(fmt.Sprintf("servers[%d].policy", i), p, c.Servers[i].Name)
		}
	}
	if own < len(c.Servers) || own == 0 || c.Policy.Default != "" || len(c.Policy.Rules) > 0 {
		c.checkPolicy("policy", &c.Policy, "")
	}
}

// checkPolicy checks a policy; only is the one server that it is for, if any.
func (c *checker) checkPolicy(at string, p *Policy, only string) {
	switch p.Default {
	case Allow:
	case Deny:
		unread := len(p.Files) > 0 && c.source != nil && !c.source.followed // of a text alone
		if !unread && !slices.ContainsFunc(p.Rules, func(r Rule) bool { return r.Effect == Allow }) {
			c.wrongf(at+".default", "is deny, and no rule allows anything: every call would be denied. Add rules, as in {tools: [\"get_*\"], effect: allow}")
		}
	case "":
		c.wrongf(at+".default", `is missing, so every call would be denied. Say "policy: {default: allow}" to let each key call the tools it was made for`)
	default:
		c.wrongf(at+".default", "%q is not %s or %s", p.Default, Allow, Deny)
	}
	if on := p.Pinning.OnChange; !slices.Contains([]string{"", PinOff, PinWarn, PinBlock}, on) {
		c.wrongf(at+".tool_pinning.on_change", "%q is not %s", on, choice([]string{PinOff, PinWarn, PinBlock}))
	}
	switch on := p.Pinning.OnNew; {
	case !slices.Contains([]string{"", PinApprove, PinHold}, on):
		c.wrongf(at+".tool_pinning.on_new", "%q is not %s", on, choice([]string{PinApprove, PinHold}))
	case on == PinHold && p.Pinning.OnChange != PinBlock:
		c.wrongf(at+".tool_pinning.on_new", "is hold, and nothing is held back unless on_change is block")
	}
	for i := range p.Rules {
		c.checkRule(fmt.Sprintf("%s.rules[%d]", at, i), p, &p.Rules[i], only)
	}
}

func (c *checker) checkRule(at string, p *Policy, r *Rule, only string) {
	if len(r.Tools)+len(r.Prompts)+len(r.Resources) == 0 {
		c.wrongf(at+".tools", `is missing, and so are prompts and resources: a rule says what it is about, as in ["*"]`)
	}
	for key, list := range map[string][]string{"tools": r.Tools, "prompts": r.Prompts, "resources": r.Resources, "keys": r.Keys, "clients": r.Clients} {
		c.patterns(at+"."+key, list)
	}
	if r.Effect != Allow && r.Effect != Deny {
		c.wrongf(at+".effect", "%q is not %s or %s", r.Effect, Allow, Deny)
	}
	for i, t := range r.Tenants {
		c.wrong(fmt.Sprintf("%s.tenants[%d]", at, i), checkTenant(t))
	}
	c.checkRequire(at, p, r)
	c.named(at+".issuers", "issuer", r.Issuers, c.Auth.names())
	var all []string
	for i := range c.Servers {
		all = append(all, c.Servers[i].Name)
	}
	for i, s := range r.Servers {
		if only != "" && s != only {
			c.wrongf(fmt.Sprintf("%s.servers[%d]", at, i), "%q: these are the rules of %q alone", s, only)
			return
		}
	}
	c.named(at+".servers", "server", r.Servers, all)
}

// names are those of the issuers.
func (a *Auth) names() []string {
	var all []string
	for i := range a.Issuers {
		all = append(all, a.Issuers[i].Name)
	}
	return all
}

// named refuses names of what is not there.
func (c *checker) named(at, what string, list, all []string) {
	for i, name := range list {
		if slices.Contains(all, name) {
			continue
		}
		c.wrongf(fmt.Sprintf("%s[%d]", at, i), "there is no %s %.80q%s", what, name, meant(name, all))
	}
}

// meant asks whether another word was meant.
func meant(word string, all []string) string {
	if near := closest(word, all); near != "" {
		return fmt.Sprintf(". Did you mean %q?", near)
	}
	return ""
}

// checkRequire refuses what would not be obeyed.
func (c *checker) checkRequire(at string, p *Policy, r *Rule) {
	if q := r.Require; q != nil {
		if len(q.Scopes)+len(q.Permissions)+len(q.Roles)+len(q.Groups) == 0 && q.MaxAuthAge == 0 {
			c.wrongf(at+".require", "requires nothing; leave it out")
		}
		if q.MaxAuthAge < 0 {
			c.wrongf(at+".require.max_auth_age", "cannot be negative")
		}
		if r.Effect == Deny {
			c.wrongf(at+".require", "is for rules that allow. To deny whoever lacks something, allow only those who have it; to deny whoever has it, say so in when")
		}
	}
	if r.Effect == Allow && p.Default == Allow && (r.Require != nil || r.When != "") {
		c.wrongf(at+".effect", "is allow, and so is the default: whoever does not meet the rule would be let through all the same. Say default: deny, or make it a deny rule")
	}
}

// covers says whether whatever other is about, r is about too, and asks no more.
func (r *Rule) covers(other *Rule) bool {
	if r.When != "" && r.When != other.When {
		return false
	}
	return r.Require.within(other.Require) &&
		includes(r.Servers, other.Servers, equal) && includes(r.Tenants, other.Tenants, equal) && includes(r.Issuers, other.Issuers, equal) &&
		only(r.Keys, other.Keys) && only(r.Clients, other.Clients) &&
		about(r.Tools, other.Tools) && about(r.Prompts, other.Prompts) && about(r.Resources, other.Resources)
}

// about is includes for what a rule is about: an empty list is nothing.
func about(whole, parts []string) bool {
	return len(parts) == 0 || len(whole) > 0 && includes(whole, parts, matches)
}

// only is includes for callers of a kind: an empty list is callers of every kind,
// so no pattern has all that it has.
func only(whole, parts []string) bool {
	return len(whole) == 0 || len(parts) > 0 && includes(whole, parts, matches)
}

// within says whether whoever has what other requires has what q does.
func (q *Require) within(other *Require) bool {
	if q == nil {
		return true
	}
	if other == nil {
		return false
	}
	all := func(wanted, had []string) bool {
		return !slices.ContainsFunc(wanted, func(w string) bool { return !slices.Contains(had, w) })
	}
	return all(q.Scopes, other.Scopes) && all(q.Permissions, other.Permissions) && all(q.Roles, other.Roles) && all(q.Groups, other.Groups) &&
		(q.MaxAuthAge == 0 || other.MaxAuthAge != 0 && other.MaxAuthAge <= q.MaxAuthAge)
}

func equal(a, b string) bool { return a == b }

// includes says whether every part is in one of the whole's; an empty list is all.
func includes(whole, parts []string, in func(whole, part string) bool) bool {
	if len(whole) == 0 {
		return true
	}
	if len(parts) == 0 {
		return slices.ContainsFunc(whole, func(w string) bool { return in(w, "*") })
	}
	for _, p := range parts {
		if !slices.ContainsFunc(whole, func(w string) bool { return in(w, p) }) {
			return false
		}
	}
	return true
}

// matches says whether a pattern has all that another has. Only a star takes the
// other's stars, so what it says is so; it may miss what is so in a roundabout way.
func matches(pattern, other string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == other
	}
	const star = "\x00"
	rest, ok := strings.CutPrefix(strings.ReplaceAll(other, "*", star), parts[0])
	if !ok {
		return false
	}
	for _, middle := range parts[1 : len(parts)-1] {
		_, after, ok := strings.Cut(rest, middle)
		if !ok {
			return false
		}
		rest = after
	}
	return strings.HasSuffix(rest, parts[len(parts)-1])
}

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
		if !slices.ContainsFunc(p.Rules, func(r Rule) bool { return r.Effect == Allow }) {
			c.wrongf(at+".default", "is deny, and no rule allows anything: every call would be denied. Add rules, as in {tools: [\"get_*\"], effect: allow}")
		}
	case "":
		c.wrongf(at+".default", `is missing, so every call would be denied. Say "policy: {default: allow}" to let each key call the tools it was made for`)
	default:
		c.wrongf(at+".default", "%q is not %s or %s", p.Default, Allow, Deny)
	}
	for i := range p.Rules {
		c.checkRule(fmt.Sprintf("%s.rules[%d]", at, i), &p.Rules[i], only)
	}
}

func (c *checker) checkRule(at string, r *Rule, only string) {
	if len(r.Tools) == 0 {
		c.wrongf(at+".tools", `is missing: a rule says for which tools it is, as in ["*"]`)
	}
	c.patterns(at+".tools", r.Tools)
	c.patterns(at+".keys", r.Keys)
	if r.Effect != Allow && r.Effect != Deny {
		c.wrongf(at+".effect", "%q is not %s or %s", r.Effect, Allow, Deny)
	}
	for i, t := range r.Tenants {
		c.wrong(fmt.Sprintf("%s.tenants[%d]", at, i), checkTenant(t))
	}
	var all []string
	for i := range c.Servers {
		all = append(all, c.Servers[i].Name)
	}
	for i, s := range r.Servers {
		place := fmt.Sprintf("%s.servers[%d]", at, i)
		switch {
		case only != "" && s != only:
			c.wrongf(place, "%q: these are the rules of %q alone", s, only)
		case !slices.Contains(all, s):
			hint := ""
			if near := closest(s, all); near != "" {
				hint = fmt.Sprintf(". Did you mean %q?", near)
			}
			c.wrongf(place, "there is no server %.80q%s", s, hint)
		}
	}
}

// covers says whether whatever other is about, r is about too.
func (r *Rule) covers(other *Rule) bool {
	return includes(r.Servers, other.Servers, equal) && includes(r.Tenants, other.Tenants, equal) &&
		includes(r.Keys, other.Keys, matches) && includes(r.Tools, other.Tools, matches)
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

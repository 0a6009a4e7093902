package config

import (
	"fmt"
	"slices"
	"strings"
)

// warnPolicy finds rules that can never decide anything, and names that nobody
// declared.
func (c *checker) warnPolicy(at string, p *Policy) {
	c.warnCovered(at, p)
	c.warnNamesakes(at, p)
	scopes, tenants := c.scopeNames(), c.tenantNames()
	for i := range p.Rules {
		r, at := &p.Rules[i], fmt.Sprintf("%s.rules[%d]", at, i)
		if r.Effect == Allow && p.Default == Allow {
			c.warn(false, at, "decides nothing: what no rule denies is allowed anyway")
		}
		if r.Require != nil && len(scopes) > 0 {
			for j, s := range r.Require.Scopes {
				if !slices.Contains(scopes, s) {
					c.warn(false, fmt.Sprintf("%s.require.scopes[%d]", at, j), "%q is not among scopes%s", s, meant(s, scopes))
				}
			}
		}
		for j, t := range r.Tenants {
			if near := meant(t, tenants); near != "" && !slices.Contains(tenants, t) { // most tenants are in no file
				c.warn(false, fmt.Sprintf("%s.tenants[%d]", at, j), "there is no tenant %q in this file%s", t, near)
			}
		}
	}
}

// warnNamesakes finds rules of one name that are about one server: a reason, the
// trail and a test name a rule by it, and cannot say which of the two they mean.
func (c *checker) warnNamesakes(at string, p *Policy) {
	same := map[string][]int{}
	for i := range p.Rules {
		r := &p.Rules[i]
		if r.Name == "" {
			continue
		}
		if j := slices.IndexFunc(same[r.Name], func(j int) bool { return p.Rules[j].besides(r) }); j >= 0 {
			c.warn(false, fmt.Sprintf("%s.rules[%d].name", at, i), "%q is the name of %s.rules[%d] too: nobody can tell which of them decided", r.Name, at, same[r.Name][j])
		}
		same[r.Name] = append(same[r.Name], i)
	}
}

// besides says whether two rules are about one server.
func (r *Rule) besides(o *Rule) bool {
	return len(r.Servers) == 0 || len(o.Servers) == 0 || slices.ContainsFunc(r.Servers, func(s string) bool { return slices.Contains(o.Servers, s) })
}

// warnCovered finds rules that others leave nothing to decide.
func (c *checker) warnCovered(at string, p *Policy) {
	plain, starred := map[string][]int{}, []int{} // by what they are about: without a star, and with one
	for i := range p.Rules {
		star := false
		for _, pattern := range p.Rules[i].subjects() {
			if strings.Contains(pattern, "*") {
				star = true
			} else {
				plain[pattern] = append(plain[pattern], i)
			}
		}
		if star {
			starred = append(starred, i)
		}
	}
	for i := range p.Rules {
		later := &p.Rules[i]
		subjects := later.subjects()
		if len(subjects) == 0 {
			continue
		}
		for _, list := range [...][]int{plain[subjects[0]], starred} {
			j := slices.IndexFunc(list, func(j int) bool {
				o := &p.Rules[j]
				denied := later.Effect == Allow && o.Effect == Deny // denials are asked first, wherever they stand
				return j != i && (j < i && o.Effect == later.Effect || denied) && o.covers(later)
			})
			if j >= 0 {
				verb := map[string]string{Allow: "allows", Deny: "denies"}[p.Rules[list[j]].Effect]
				c.warn(false, fmt.Sprintf("%s.rules[%d]", at, i), "can never match: %s.rules[%d] %s all of it already", at, list[j], verb)
				break
			}
		}
	}
}

// subjects are the patterns of what a rule is about.
func (r *Rule) subjects() []string { return slices.Concat(r.Tools, r.Prompts, r.Resources) }

func (c *Config) scopeNames() []string {
	var all []string
	for _, s := range c.Scopes {
		all = append(append(all, s.Name), s.Includes...)
	}
	return all
}

// tenantNames are those that the configuration mentions outside of rules.
func (c *Config) tenantNames() []string {
	all := slices.Concat(names(c.Tenants.Attributes), names(c.Tenants.Upstream))
	for i := range c.Servers {
		all = append(all, c.Servers[i].Tenants...)
		if s := c.Servers[i].Stdio; s != nil {
			all = append(all, names(s.Tenants)...)
		}
	}
	for i := range c.Auth.Issuers {
		if t := c.Auth.Issuers[i].BindTenant; t != "" {
			all = append(all, t)
		}
	}
	return all
}

package server

import (
	"errors"
	"fmt"
	"slices"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/policy"
)

// Rules compiles the rules about a server. What is wrong with them is
// config.Mistakes, with places. Schemas are input schemas of tools by name, which
// conditions then have to fit; nil: nothing is known of arguments.
func Rules(c *config.Config, u *config.Upstream, schemas map[string][]byte) (*policy.Rules, error) {
	p, at := c.PolicyOf(u)
	spec, index := RulesSpec(c, p, u.Name)
	spec.Schemas = schemas
	rules, err := policy.Build(spec)
	var faults policy.Faults
	if !errors.As(err, &faults) {
		return rules, err
	}
	var all config.Mistakes
	for _, f := range faults {
		path := f.Field
		if f.Rule >= 0 {
			path = fmt.Sprintf("%s.rules[%d].%s", at, index[f.Rule], f.Field)
		}
		all = append(all, c.MistakeAt(path, errors.New(f.Text)))
	}
	return nil, all
}

// RulesSpec says what the rules of a policy are about one server. The rule at i
// is the one at index[i] of the policy.
func RulesSpec(c *config.Config, p *config.Policy, server string) (spec policy.Spec, index []int) {
	spec = policy.Spec{
		Server: server, AllowByDefault: p.Default == config.Allow, Claims: p.Claims, Tenants: c.Tenants.Attributes,
		Scopes: map[string][]string{}, Issuers: map[string][]string{},
	}
	for _, s := range c.Scopes {
		if len(s.Includes) > 0 {
			spec.Scopes[s.Name] = s.Includes
		}
	}
	for _, issuer := range issuersOf(c) {
		spec.Issuers[issuer.Name] = append([]string{issuer.Issuer}, issuer.AlsoIssuer...)
	}
	for i := range p.Rules {
		from := &p.Rules[i]
		if len(from.Servers) > 0 && !slices.Contains(from.Servers, server) {
			continue
		}
		to := policy.Rule{
			Name: from.Name, Source: from.Source(), Tools: from.Tools, Prompts: from.Prompts, Resources: from.Resources,
			Tenants: from.Tenants, Keys: from.Keys, Clients: from.Clients, Issuers: from.Issuers,
			When: from.When, Deny: from.Effect == config.Deny,
		}
		if to.Name == "" {
			to.Name = fmt.Sprintf("policy.rules[%d]", i)
		}
		if q := from.Require; q != nil {
			to.Require = policy.Require{Scopes: q.Scopes, Permissions: q.Permissions, Roles: q.Roles, Groups: q.Groups, MaxAuthAge: int64(q.MaxAuthAge.Seconds())}
		}
		spec.Rules, index = append(spec.Rules, to), append(index, i)
	}
	return spec, index
}

// Check returns every reason why a completed configuration cannot be served, as
// config.Mistakes: what Config.Check finds, or else what is wrong with its rules.
func Check(c *config.Config) error {
	if err := c.Check(); err != nil {
		return err
	}
	var found config.Mistakes
	if err := checkLogins(c); err != nil && !errors.As(err, &found) {
		return err
	}
	for i := range c.Servers {
		_, err := Rules(c, &c.Servers[i], nil)
		var some config.Mistakes
		if err != nil && !errors.As(err, &some) {
			return err
		}
		for _, m := range some {
			if !slices.ContainsFunc(found, func(o config.Mistake) bool { return o.Error() == m.Error() }) { // rules of several servers
				found = append(found, m)
			}
		}
	}
	if len(found) == 0 {
		return nil
	}
	return found
}

package policy

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Build compiles rules, or says everything that is wrong with them as [Faults].
// It never returns rules beside an error.
func Build(s Spec) (*Rules, error) {
	b := &builder{spec: &s, rules: &Rules{spec: s, server: s.Server, open: s.AllowByDefault, tenants: s.Tenants, rules: make([]rule, len(s.Rules))}}
	b.scopes()
	b.language()
	for i := range s.Rules {
		b.rule(i)
	}
	if len(b.faults) > 0 {
		return nil, b.faults
	}
	return b.rules, nil
}

// Same says whether two sets of rules decide alike, wherever they stand. Nil is
// no rules.
func (r *Rules) Same(o *Rules) bool {
	if r == nil || o == nil {
		return r == o
	}
	return reflect.DeepEqual(unplaced(r.spec), unplaced(o.spec))
}

// unplaced leaves out what decides nothing: where rules stand, issuers that none
// of them names, and what conditions were only held to when they were compiled.
func unplaced(s Spec) Spec {
	s.Rules, s.Schemas = slices.Clone(s.Rules), nil
	named := map[string][]string{}
	for i := range s.Rules {
		s.Rules[i].Source = ""
		for _, name := range s.Rules[i].Issuers {
			named[name] = s.Issuers[name]
		}
	}
	s.Issuers = named
	return s
}

// builder gathers what is wrong while it compiles.
type builder struct {
	spec   *Spec
	rules  *Rules
	lang   *language
	faults Faults
}

func (b *builder) wrong(rule int, field, format string, args ...any) {
	f := Fault{Rule: rule, Field: field, Text: fmt.Sprintf(format, args...)}
	if rule >= 0 {
		f.Source = b.spec.Rules[rule].Source
	}
	b.faults = append(b.faults, f)
}

func (b *builder) scopes() {
	var at string
	var err error
	if b.rules.scopes, at, err = newScopes(b.spec.Scopes); err != nil {
		b.wrong(-1, "scopes."+at, "%v", err)
	}
}

func (b *builder) language() {
	var at string
	var err error
	if b.lang, at, err = newLanguage(b.spec); err != nil {
		b.wrong(-1, at, "%v", err)
		return
	}
	b.rules.adapter = b.lang.adapter
}

func (b *builder) rule(i int) {
	from, to := &b.spec.Rules[i], &b.rules.rules[i]
	*to = rule{name: from.Name, source: from.Source, deny: from.Deny, tenants: from.Tenants, need: b.rules.scopes.need(&from.Require)}
	if len(from.Tools)+len(from.Prompts)+len(from.Resources) == 0 {
		b.wrong(i, "tools", "is missing, and so are prompts and resources: a rule says what it is about")
	}
	for kind, list := range [kinds][]string{Tool: from.Tools, Prompt: from.Prompts, Resource: from.Resources} {
		b.patterns(i, Kind(kind), list)
	}
	to.keys, to.clients = b.set(i, "keys", from.Keys), b.set(i, "clients", from.Clients)
	for j, name := range from.Issuers {
		values := b.spec.Issuers[name]
		if len(values) == 0 {
			b.wrong(i, fmt.Sprintf("issuers[%d]", j), "there is no issuer %.80q", name)
		}
		to.issuers = append(to.issuers, values...)
	}
	b.require(i)
	if from.When == "" || b.lang == nil {
		return
	}
	var err error
	if to.cond, err = b.lang.compile(from); err != nil {
		b.wrong(i, "when", "%v", err)
		return
	}
	for kind := range to.about {
		b.rules.args[kind] = b.rules.args[kind] || len(to.about[kind]) > 0 && to.cond.asks["args"]
	}
}

// require refuses what would not be obeyed.
func (b *builder) require(i int) {
	from := &b.spec.Rules[i]
	switch {
	case from.Require.MaxAuthAge < 0:
		b.wrong(i, "require.max_auth_age", "is negative")
	case from.Deny && !from.Require.none():
		b.wrong(i, "require", "is for rules that allow. To deny whoever lacks something, allow only those who have it; to deny whoever has it, say so in when")
	case !from.Deny && b.spec.AllowByDefault && (!from.Require.none() || from.When != ""):
		b.wrong(i, "effect", "is allow, and so is the default: whoever does not meet the rule would be let through all the same. Say default: deny, or make it a deny rule")
	}
	for field, list := range map[string][]string{"scopes": from.Require.Scopes, "permissions": from.Require.Permissions, "roles": from.Require.Roles, "groups": from.Require.Groups} {
		if slices.Contains(list, "") {
			b.wrong(i, "require."+field, "has an empty name")
		}
	}
}

// patterns puts a rule into the index of a kind.
func (b *builder) patterns(i int, kind Kind, list []string) {
	field := [kinds]string{"tools", "prompts", "resources"}[kind]
	to := &b.rules.rules[i]
	for j, p := range list {
		at := fmt.Sprintf("%s[%d]", field, j)
		if err := valid(p); err != nil {
			b.wrong(i, at, "%.140q is no pattern: %v", p, err)
			continue
		}
		if kind == Resource && !strings.HasPrefix(p, "*") {
			if err := canonical(p); err != nil {
				b.wrong(i, at, "%.140q can never match: %v", p, err)
				continue
			}
		}
		g := newGlob(strings.Split(p, "*"))
		to.about[kind] = append(to.about[kind], g)
		b.rules.kinds[kind].add(int32(i), &g, to.tenants) //nolint:gosec // no configuration has 2^31 rules
	}
}

func (b *builder) set(i int, field string, patterns []string) *Tools {
	if len(patterns) == 0 {
		return nil
	}
	set, err := Compile(patterns)
	if err != nil {
		b.wrong(i, field, "%v", err)
	}
	return &set
}

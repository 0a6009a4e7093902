package policy

import "slices"

// Rule allows or denies the tools of a set to some callers. A list of names
// that is empty matches everybody.
type Rule struct {
	Name    string   // for people: it stands in the reason
	Tools   Tools    // required: the zero value matches nothing
	Tenants []string // names of tenants
	Keys    *Tools   // patterns of the names of keys; nil: all
	Deny    bool
}

// Rules decide about the tools of one server. A deny rule that matches wins over
// any that allows; when none matches, AllowByDefault is the answer.
type Rules struct {
	AllowByDefault bool

	exact map[string][]Rule // rules by the full names that they list
	globs []Rule            // rules that have to be tried
}

// NewRules indexes rules by tool: what a decision costs does not grow with the
// rules of other tools.
func NewRules(allowByDefault bool, rules []Rule) *Rules {
	r := &Rules{AllowByDefault: allowByDefault}
	for _, rule := range rules {
		if rule.Tools.all || len(rule.Tools.globs) > 0 {
			r.globs = append(r.globs, rule)
			continue
		}
		for name := range rule.Tools.exact {
			if r.exact == nil {
				r.exact = map[string][]Rule{}
			}
			r.exact[name] = append(r.exact[name], rule)
		}
	}
	return r
}

// Allows says whether a caller may call a tool, and by which rule; "" when
// none matched.
func (r *Rules) Allows(who Asker, tool string) (ok bool, rule string) {
	ok = r.AllowByDefault
	decided := false
	for _, list := range [...][]Rule{r.exact[tool], r.globs} {
		for i := range list {
			switch m := &list[i]; {
			case decided && !m.Deny, !m.matches(who, tool):
			case m.Deny:
				return false, m.Name
			default:
				ok, rule, decided = true, m.Name, true
			}
		}
	}
	return ok, rule
}

func (m *Rule) matches(who Asker, tool string) bool {
	return m.Tools.Allows(tool) &&
		(len(m.Tenants) == 0 || slices.Contains(m.Tenants, who.Tenant)) &&
		(m.Keys == nil || m.Keys.Allows(who.Key))
}

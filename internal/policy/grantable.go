package policy

import "slices"

// Grantable returns those of the scopes that could ever be of use to somebody,
// in their order: those that no rule asks for, which mean something to the
// server alone, and those by which a rule that is for them may allow something.
// What depends on a condition, on arguments or on signing in again may be.
func (r *Rules) Grantable(who *Asker, scopes []string) []string {
	var v verdict
	v.begin(r, who, &Operation{}, unknownName|UnknownArgs|UnknownMethod|UnknownConditions|UnknownSignIn|UnknownScopes)
	asked, useful := map[string]bool{}, map[string]bool{}
	for i := range r.rules {
		m := &r.rules[i]
		if m.deny || len(m.need.scopes) == 0 {
			continue
		}
		open := false
		if target, _ := v.meant(m); target != no {
			l := v.lack(m)
			open = !l.other()
		}
		for j := range m.need.scopes {
			w := &m.need.scopes[j]
			for _, name := range append([]string{w.name}, w.by...) {
				asked[name] = true
				useful[name] = useful[name] || open
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(scopes), func(s string) bool { return asked[s] && !useful[s] })
}

// Opens returns those of the names that a rule may allow by a scope, or by one
// that the scope stands for.
func (r *Rules) Opens(scope string, kind Kind, names []string) (open []string) {
	for _, name := range names {
		var room [64]int32
		about := slices.ContainsFunc(r.kinds[kind].of(name, "", room[:0]), func(i int32) bool {
			m := &r.rules[i]
			return !m.deny && slices.ContainsFunc(m.need.scopes, func(w want) bool { return w.in([]string{scope}) })
		})
		if about {
			open = append(open, name)
		}
	}
	return open
}

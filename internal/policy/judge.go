package policy

import (
	"slices"

	"cel.dev/cel-go/cel"
)

// unknownName is for ListsUnder.
const unknownName Unknown = 1 << 15

// verdict is one decision in the making.
type verdict struct {
	rules   *Rules
	who     Asker
	op      Operation
	unknown Unknown
	refused error // the operation is none that rules could be about

	denies, allows, mayDeny, mayAllow some
	cure                              cure
	omitted                           bool // a rule would allow it but for a group that the token may leave out

	view   *view // nil: no condition was met yet
	hidden []*cel.AttributePatternType
	steps  *[]Step // nil: nobody wants to know
}

// some are a few rules, without help of the heap.
type some struct {
	n     int
	first [4]int32
	more  []int32
}

func (s *some) add(rule int32) {
	if s.n < len(s.first) {
		s.first[s.n] = rule
	} else {
		s.more = append(s.more, rule)
	}
	s.n++
}

func (s *some) all() []int32 {
	return append(s.first[:min(s.n, len(s.first)):min(s.n, len(s.first))], s.more...)
}

// cure is the rule that would allow with the least added.
type cure struct {
	rule    *rule
	missing int // scopes
	stale   bool
}

func (v *verdict) begin(r *Rules, who *Asker, op *Operation, unknown Unknown) {
	v.rules, v.who, v.op, v.unknown = r, *who, *op, unknown
	if op.Kind == Resource && unknown&(unknownName|UnknownConditions) == 0 && r.kinds[Resource].some {
		v.refused = uncanonical(op.Name)
	}
}

// judge asks every rule about the operation.
func (v *verdict) judge() {
	var room [64]int32
	for _, i := range v.rules.kinds[v.op.Kind].of(v.op.Name, v.who.Tenant, room[:0]) {
		m := &v.rules.rules[i]
		switch answer := v.rule(m); {
		case answer == yes && m.deny:
			v.denies.add(i)
		case answer == yes:
			v.allows.add(i)
		case answer == maybe && m.deny:
			v.mayDeny.add(i)
		case answer == maybe:
			v.mayAllow.add(i)
		}
	}
}

// rule says whether a rule that is about the operation matches. What cannot be
// told makes a rule that denies match, and one that allows not.
func (v *verdict) rule(m *rule) answer {
	target, why := v.meant(m)
	if target == no {
		v.note(m, no, why, lack{}, nil)
		return no
	}
	if !m.deny {
		return v.allow(m, target)
	}
	condition, err := v.ask(m)
	result := target
	switch {
	case condition == no:
		result = no
	case condition == maybe:
		result = maybe
	}
	v.note(m, result, why, lack{}, err)
	return result
}

// allow is rule for one that allows.
func (v *verdict) allow(m *rule, target answer) answer {
	l := v.lack(m)
	if l.hard() {
		v.omitted = v.omitted || l.omitted && !l.other()
		v.note(m, no, "", l, nil)
		return no
	}
	condition, err := v.ask(m)
	result := yes
	switch {
	case condition == no || condition == failed:
		result = no
	case l.missing > 0 || l.stale:
		result = no
		v.cure.consider(m, &l)
	case target == maybe || condition == maybe || l.unknown:
		result = maybe
	}
	v.note(m, result, "", l, err)
	return result
}

// consider takes a rule if it asks for less than the one before.
func (c *cure) consider(m *rule, l *lack) {
	price := func(missing int, stale bool) int {
		if stale {
			missing++
		}
		return missing
	}
	now := price(l.missing, l.stale)
	if c.rule != nil {
		before := price(c.missing, c.stale)
		if now > before || now == before && len(m.need.names) >= len(c.rule.need.names) {
			return
		}
	}
	*c = cure{rule: m, missing: l.missing, stale: l.stale}
}

// ask asks the condition of a rule.
func (v *verdict) ask(m *rule) (answer, error) {
	switch {
	case m.cond == nil:
		return yes, nil
	case v.unknown&UnknownConditions != 0:
		return maybe, nil
	}
	if v.view == nil {
		v.view = &view{rules: v.rules, who: v.who, op: v.op}
		v.hidden = unknowns(v.unknown)
	}
	return m.cond.ask(v.view, v.hidden)
}

// meant says whether a rule is for the caller.
func (v *verdict) meant(m *rule) (result answer, why string) {
	result = yes
	id := v.who.Identity
	token := id != nil && id.KeyID == "" && v.who.Key == ""
	switch { // the index has looked at tenants, where there is one
	case len(m.tenants) == 0:
	case v.who.Tenant == "" && m.deny:
		why = "the caller's tenant is not known"
	case v.who.Tenant == "" || v.unknown&unknownName != 0 && !slices.Contains(m.tenants, v.who.Tenant):
		return no, "it is for other tenants"
	}
	switch {
	case m.keys == nil:
	case v.unknown&UnknownKey != 0:
		result = maybe
	case v.who.Key == "" || !m.keys.Allows(v.who.Key):
		return no, "it is for other keys"
	}
	switch {
	case m.clients == nil:
	case v.unknown&UnknownClient != 0:
		result = maybe
	case m.deny && token && id.Client == "":
		why = "the token does not name its client"
	case id == nil || id.Client == "" || !m.clients.Allows(id.Client):
		return no, "it is for other clients"
	}
	switch {
	case m.issuers == nil:
	case v.unknown&UnknownIssuer != 0:
		result = maybe
	case id == nil || !slices.Contains(m.issuers, id.Issuer):
		return no, "it is for callers of other issuers"
	}
	return result, why
}

// unknowns are the attributes of conditions that are not known.
func unknowns(u Unknown) []*cel.AttributePatternType {
	if u == 0 {
		return nil
	}
	var all []*cel.AttributePatternType
	for _, one := range [...]struct {
		bit          Unknown
		name, member string
	}{
		{UnknownArgs, "args", ""}, {UnknownClaims, "claims", ""}, {UnknownMethod, "request", "method"},
		{UnknownScopes, callerType, "scopes"}, {UnknownPermissions, callerType, "permissions"}, {UnknownRoles, callerType, "roles"},
		{UnknownGroups, callerType, "groups"}, {UnknownClient, callerType, "client"}, {UnknownIssuer, callerType, "issuer"},
		{UnknownKey, callerType, "key"}, {UnknownClaims, callerType, "email"}, {UnknownClaims, callerType, "kind"}, {UnknownClaims, callerType, "actors"},
		{unknownName, "name", ""}, {unknownName, "tool", ""},
	} {
		if u&one.bit == 0 {
			continue
		}
		p := cel.AttributePattern(one.name)
		if one.member != "" {
			p = p.QualString(one.member)
		}
		all = append(all, p)
	}
	return all
}

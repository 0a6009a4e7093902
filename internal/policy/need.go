package policy

import "slices"

// lack is what a caller lacks of what a rule requires.
type lack struct {
	missing int  // scopes
	stale   bool // signed in too long ago, or nobody knows when
	unknown bool // it depends on what is not known

	nobody, key, silent     bool // there is no caller; a key, or a token that tells none, cannot have scopes
	permission, role, group string
	omitted                 bool // the group may be among those that the token leaves out
}

// hard says whether something is lacking that the caller's client cannot ask for.
func (l *lack) hard() bool { return l.other() || l.omitted }

func (l *lack) other() bool {
	return l.nobody || l.key || l.silent || l.permission != "" || l.role != "" || l.group != ""
}

// lack compares the caller with what a rule requires.
func (v *verdict) lack(m *rule) (l lack) {
	n := &m.need
	if n.none() {
		return l
	}
	id := v.who.Identity
	if id == nil {
		l.nobody = true
		return l
	}
	key := id.KeyID != "" || v.who.Key != ""
	switch {
	case len(n.scopes) == 0:
	case key:
		l.key = true
	case v.unknown&UnknownScopes != 0:
		l.unknown = true
	case id.Scopes == nil:
		l.silent = true
	default:
		for i := range n.scopes {
			if !n.scopes[i].in(id.Scopes) {
				l.missing++
			}
		}
	}
	l.permission = v.without(n.Permissions, id.Permissions, UnknownPermissions, &l.unknown)
	l.role = v.without(n.Roles, id.Roles, UnknownRoles, &l.unknown)
	if group := v.without(n.Groups, id.Groups, UnknownGroups, &l.unknown); group != "" && id.GroupsOmitted {
		l.omitted = true
	} else {
		l.group = group
	}
	switch {
	case n.MaxAuthAge == 0:
	case v.unknown&UnknownSignIn != 0:
		l.unknown = true
	case key:
		l.key = true
	default:
		l.stale = v.who.SignedIn < 0 || v.who.SignedIn > n.MaxAuthAge
	}
	return l
}

// without returns the first of what is wanted that the caller does not have.
func (v *verdict) without(wanted, held []string, bit Unknown, unknown *bool) string {
	if len(wanted) == 0 {
		return ""
	}
	if v.unknown&bit != 0 {
		*unknown = true
		return ""
	}
	for _, w := range wanted {
		if !slices.Contains(held, w) {
			return w
		}
	}
	return ""
}

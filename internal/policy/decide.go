package policy

import (
	"github.com/gatehouse-mcp/gatehouse"
)

// Kind is what an operation is about.
type Kind uint8

// The kinds of what a server offers.
const (
	Tool Kind = iota
	Prompt
	Resource

	kinds = 3
)

// String is the word for people.
func (k Kind) String() string { return [kinds]string{"tool", "prompt", "resource"}[k] }

// Asker is who wants to do something.
type Asker struct {
	Identity *gatehouse.Identity // nil: nobody's; what needs an identity is denied
	Tenant   string              // the tenant's name
	Key      string              // what the key is called; empty: it is no key
	SignedIn int64               // seconds since the caller proved who they are; negative: not told
}

// Operation is what somebody wants to do.
type Operation struct {
	Kind   Kind
	Name   string // of the tool or prompt; the URI of the resource
	Method string // of MCP, such as "tools/call"; empty: not told
	Args   []byte // JSON object of a tool's or prompt's arguments; nil: none
}

// Decision is the answer, and why.
type Decision struct {
	Allowed bool
	Code    string   // of a refusal: CodeScope, CodeRight, CodeSignIn or CodeGroups
	Rules   []string // names of every rule that matched, those that decided first; shared: not to be changed
	Scopes  []string // everything the operation needs, if scopes are missing and more of them would do; shared
	MaxAge  int64    // seconds: how recently the caller has to have signed in, if that would do; 0: it would not
	Reason  string   // the whole story, for operators
}

// Codes of refusals.
const (
	CodeScope  = "GH-1201" // scopes are missing; with more of them it is allowed. RFC 6750 §3.1
	CodeRight  = "GH-1202" // anything else: no rule allows it, or one denies it
	CodeSignIn = "GH-1205" // the caller signed in too long ago; afterwards it is allowed. RFC 9470 §3
	CodeGroups = "GH-1210" // a group is needed, and the token leaves the caller's groups out
)

// Unknown are parts of an asker and an operation that are not known.
type Unknown uint16

// What may be unknown.
const (
	UnknownArgs Unknown = 1 << iota
	UnknownMethod
	UnknownClaims // and what only they tell: email, kind and actors
	UnknownScopes
	UnknownPermissions
	UnknownRoles
	UnknownGroups
	UnknownClient
	UnknownIssuer
	UnknownKey
	UnknownSignIn
	UnknownConditions // every condition, whatever it asks for
)

// Decide says whether somebody may do something.
func (r *Rules) Decide(who *Asker, op *Operation) Decision {
	d, _ := r.Replay(who, op, 0)
	return d
}

// Replay is Decide when not everything is known. known is false when the answer
// depends on what is not; the decision is then worth nothing.
func (r *Rules) Replay(who *Asker, op *Operation, unknown Unknown) (d Decision, known bool) {
	var v verdict
	v.begin(r, who, op, unknown)
	if v.refused != nil {
		return Decision{Code: CodeRight, Reason: v.refused.Error()}, true
	}
	v.judge()
	switch {
	case v.denies.n > 0:
		return v.denied(), true
	case v.mayDeny.n > 0:
		allowed := v.allows.n > 0 || v.mayAllow.n > 0 || r.open
		return v.refusal(), !allowed // nothing would have allowed it either way
	case v.allows.n > 0:
		return v.allowed(), true
	case r.open:
		return Decision{Allowed: true}, true
	}
	return v.refusal(), v.mayAllow.n == 0
}

// NeedsArgs says whether a decision would look at arguments: whoever would have to
// cut them out of a message need not, if not.
func (r *Rules) NeedsArgs(who *Asker, kind Kind, name string) bool {
	if !r.args[kind] {
		return false
	}
	var room [64]int32
	for _, i := range r.kinds[kind].of(name, who.Tenant, room[:0]) {
		if c := r.rules[i].cond; c != nil && c.asks["args"] {
			return true
		}
	}
	return false
}

// Lists says whether somebody is shown a tool, prompt or resource: some call of
// it may be allowed, now or after they have asked for more scopes or signed in
// again. Whoever comes with a key can do neither.
func (r *Rules) Lists(who *Asker, kind Kind, name string) bool {
	var v verdict
	v.begin(r, who, &Operation{Kind: kind, Name: name}, UnknownArgs|UnknownMethod)
	if v.refused != nil {
		return false
	}
	v.judge()
	switch {
	case v.denies.n > 0:
		return false
	case v.allows.n > 0, v.mayAllow.n > 0, r.open:
		return true
	}
	return v.cure.rule != nil
}

// ListsUnder says whether something whose name begins with a prefix may be shown
// to somebody, as far as that can be told without knowing its name: a rule that
// allows is about some such name, and none that denies is about all of them.
func (r *Rules) ListsUnder(who *Asker, kind Kind, prefix string) bool {
	var v verdict
	v.begin(r, who, &Operation{Kind: kind, Name: prefix}, UnknownArgs|UnknownMethod|unknownName)
	shown := r.open
	for i := range r.rules {
		m := &r.rules[i]
		some, all := m.reaches(kind, prefix)
		if m.deny && all && v.rule(m) == yes {
			return false
		}
		if !m.deny && some && !shown {
			before := v.cure.rule
			answer := v.rule(m)
			shown = answer == yes || answer == maybe || v.cure.rule != before
		}
	}
	return shown
}

// reaches says whether a rule is about some, and about all, of the names that
// begin with a prefix.
func (m *rule) reaches(kind Kind, prefix string) (some, all bool) {
	for i := range m.about[kind] {
		s, a := m.about[kind][i].reaches(prefix)
		some, all = some || s, all || a
	}
	return some, all
}

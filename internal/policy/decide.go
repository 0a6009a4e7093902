package policy

import "github.com/gatehouse-mcp/gatehouse"

// Kind is what an operation is about.
type Kind uint8

// The kinds of what a server offers.
const (
	Tool Kind = iota
	Prompt
	Resource
)

// Asker is who wants to do something.
type Asker struct {
	Identity *gatehouse.Identity // nil: nobody's; what needs an identity is denied
	Tenant   string              // the tenant's name
	Key      string              // what the key is called; empty: it is no key
	SignedIn int64               // seconds since the caller proved who they are; negative: not told
}

// Operation is what somebody wants to do.
type Operation struct {
	Kind Kind
	Name string // of the tool or prompt; the URI of the resource
	Args []byte // JSON object of a tool's or prompt's arguments; nil: none
}

// Decision is the answer, and why.
type Decision struct {
	Allowed bool
	Code    string   // of a refusal: GH-1201 (a scope would cure it), GH-1202 or GH-1210
	Rules   []string // names of every rule that matched, those that decided first
	Scopes  []string // everything the operation needs, if scopes are all that is missing
	Reason  string   // the whole story, for operators
}

// Decide says whether somebody may do something.
func (r *Rules) Decide(who *Asker, op *Operation) Decision {
	ok, rule := r.AllowByDefault, ""
	if op.Kind == Tool {
		ok, rule = r.Allows(*who, op.Name)
	}
	switch {
	case ok && rule != "":
		return Decision{Allowed: true, Rules: []string{rule}}
	case ok:
		return Decision{Allowed: true}
	case rule == "":
		return Decision{Code: "GH-1202", Reason: "no rule allows it"}
	}
	return Decision{Code: "GH-1202", Rules: []string{rule}, Reason: "rule \"" + rule + "\" denies it"}
}

// Lists says whether somebody is shown a tool, prompt or resource: some call of
// it may be allowed, now or after they have asked for more scopes.
func (r *Rules) Lists(who *Asker, kind Kind, name string) bool {
	return r.Decide(who, &Operation{Kind: kind, Name: name}).Allowed
}

package policy

import (
	"fmt"
	"strings"
)

// Spec is what rules about one server are built from.
type Spec struct {
	Server         string // what it is called: request.server in conditions
	AllowByDefault bool   // what happens when no rule speaks
	Rules          []Rule

	// Scopes says what each scope stands for beside itself. Nil: each for itself alone.
	Scopes map[string][]string
	// Issuers has the values of iss that the name of an issuer in a rule stands for.
	Issuers map[string][]string
	// Tenants has the attributes of each tenant, by its name. An attribute that
	// no tenant has is a mistake in a condition; one that only others have denies.
	Tenants map[string]map[string]string
	// Claims are the claims that conditions may ask for, with their types: string,
	// int, double, bool, list (of texts), map or any. Nil: every claim may be asked
	// for, and only those that a specification types are type-checked.
	Claims map[string]string
	// Schemas are the input schemas of tools by name. A condition has to fit the
	// schema of every tool it is about. Nil: nothing is known of arguments.
	Schemas map[string][]byte
}

// Rule allows or denies tools, prompts and resources to some callers. An empty
// list matches all; of Tools, Prompts and Resources one has to be there.
type Rule struct {
	Name   string // for people: it stands in reasons; empty: where it stands
	Source string // where it stands, as file:line; empty: nowhere

	Tools, Prompts, Resources []string // patterns
	Tenants                   []string // names
	Keys                      []string // patterns of the names of keys
	Clients                   []string // patterns of OAuth clients
	Issuers                   []string // names, see Spec.Issuers

	Require Require // what an allow rule needs of the caller; none in a deny rule
	When    string  // a condition in CEL; empty: none
	Deny    bool
}

// Require is what a caller needs: everything that is listed.
type Require struct {
	Scopes, Permissions, Roles, Groups []string
	MaxAuthAge                         int64 // seconds since the caller signed in; 0: any
}

// none says whether nothing is needed.
func (q *Require) none() bool {
	return len(q.Scopes)+len(q.Permissions)+len(q.Roles)+len(q.Groups) == 0 && q.MaxAuthAge == 0
}

// Fault is one thing that is wrong with a [Spec].
type Fault struct {
	Rule   int    // index in Spec.Rules; -1: it is of none
	Field  string // of the rule, as a configuration spells it: "when", "tools[2]"; of no rule: "scopes.admin"
	Source string // of the rule
	Text   string // what, without the place
}

// Error reads `gatehouse.yaml:14: when …`.
func (f Fault) Error() string {
	text := f.Field + " " + f.Text
	if f.Source == "" {
		return text
	}
	return f.Source + ": " + text
}

// Faults are all that is wrong.
type Faults []Fault

// Error is one fault on a line.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i := range f {
		lines[i] = f[i].Error()
	}
	return strings.Join(lines, "\n")
}

// Rules decide about one server. A deny rule that matches wins over any that
// allows; when none matches, the default is the answer. They do not change, and
// any number of goroutines may ask them.
type Rules struct {
	spec    Spec // that they were built from
	server  string
	open    bool // allowed by default
	rules   []rule
	kinds   [kinds]index
	args    [kinds]bool // whether any condition asks for arguments
	scopes  scopes
	tenants map[string]map[string]string
	adapter adapter // of JSON to what conditions see
	told    told    // what was said before
}

// rule is a Rule that was compiled.
type rule struct {
	name, source string
	deny         bool
	tenants      []string
	keys         *Tools   // nil: everybody, with a key or without
	clients      *Tools   // nil: everybody
	issuers      []string // values of iss; nil: everybody
	need         need
	cond         *condition // nil: none
	about        [kinds][]glob
}

// String names a rule in reasons.
func (m *rule) String() string {
	switch {
	case m.name == "":
		return "the rule at " + m.source
	case m.source == "" || m.source == m.name:
		return fmt.Sprintf("rule %q", m.name)
	}
	return fmt.Sprintf("rule %q (%s)", m.name, m.source)
}

// title is what the rule is called in Decision.Rules.
func (m *rule) title() string {
	if m.name == "" {
		return m.source
	}
	return m.name
}

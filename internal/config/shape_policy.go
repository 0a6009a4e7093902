package config

import "time"

// Policy says what may be done: the first question is whether a deny rule
// matches, the second whether an allow rule does, the last is Default.
type Policy struct {
	Default string            // Allow or Deny
	Rules   []Rule            // those of Files come last
	Files   []string          // patterns of files with further rules
	Claims  map[string]string // claims that conditions may ask for, and their types; nil: any
	Pinning Pinning
}

// Pinning says what happens when a tool is not what it was when it was approved.
type Pinning struct {
	OnChange string // PinOff, PinWarn or PinBlock
	OnNew    string // PinApprove or PinHold; empty: PinApprove
}

// What a changed tool leads to.
const (
	PinOff   = "off"
	PinWarn  = "warn"
	PinBlock = "block"
)

// What a tool that was never seen before leads to.
const (
	PinApprove = "approve" // it is approved as it is
	PinHold    = "hold"    // it waits to be approved
)

// Effects of a rule, and of a policy as a whole.
const (
	Allow = "allow"
	Deny  = "deny"
)

// Rule is about tools, prompts and resources, for some callers. A list that is
// empty matches all, but of Tools, Prompts and Resources one has to be there.
type Rule struct {
	Name      string
	Servers   []string // names of servers
	Tools     []string // patterns
	Prompts   []string // patterns
	Resources []string // patterns of URIs
	Tenants   []string // names of tenants
	Keys      []string // patterns of the names of keys
	Clients   []string // patterns of OAuth clients
	Issuers   []string // names of issuers
	Require   *Require // what an allow rule needs of the caller; nil: nothing
	When      string   // a condition in CEL; empty: none
	Effect    string   // Allow or Deny

	source string
}

// Source is where the rule stands, as file:line, for reasons; empty: in no file.
func (r *Rule) Source() string { return r.source }

// Require is what a caller needs. Every list has to be satisfied as a whole.
type Require struct {
	Scopes      []string
	Permissions []string
	Roles       []string
	Groups      []string
	MaxAuthAge  time.Duration // since the caller signed in; 0: any
}

// PolicyOf returns the policy that is in force for a server, and its path.
func (c *Config) PolicyOf(u *Upstream) (p *Policy, path string) {
	if u.Policy == nil {
		return &c.Policy, "policy"
	}
	for i := range c.Servers {
		if c.Servers[i].Name == u.Name {
			return u.Policy, serverPath(i) + ".policy"
		}
	}
	return u.Policy, "servers[].policy"
}

// MistakeAt is a mistake in the setting of a path, with its place.
func (c *Config) MistakeAt(path string, err error) Mistake {
	k := &checker{Config: c}
	k.wrong(path, err)
	return k.found[0]
}

// CountRules is how many rules there are.
func (c *Config) CountRules() int {
	n := len(c.Policy.Rules)
	for i := range c.Servers {
		n += len(c.Servers[i].rules())
	}
	return n
}

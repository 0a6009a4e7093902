package config

import "time"

// Policy says what may be done: the first question is whether a deny rule
// matches, the second whether an allow rule does, the last is Default.
type Policy struct {
	Default string // Allow or Deny
	Rules   []Rule
	Files   []string // patterns of files with further rules
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

	Source string // file:line, for reasons
}

// Require is what a caller needs. Every list has to be satisfied as a whole.
type Require struct {
	Scopes      []string
	Permissions []string
	Roles       []string
	Groups      []string
	MaxAuthAge  time.Duration // since the caller signed in; 0: any
}

package probe

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// Outcome is what a rule makes of what it saw.
type Outcome string

// The outcomes. What was not seen is Unknown, never Pass.
const (
	Pass    Outcome = "pass"
	Fail    Outcome = "fail"
	Warn    Outcome = "warn"
	Unknown Outcome = "unknown"
	Without Outcome = "not_applicable"
)

// Severity is how bad a failure is.
type Severity string

// The severities.
const (
	Critical Severity = "critical" // strangers get in
	High     Severity = "high"     // a guard is missing
	Medium   Severity = "medium"   // an attack becomes easier, or clients fail
	Low      Severity = "low"
)

// Profile is a set of rules.
type Profile string

// The profiles. Without one every rule is asked.
const (
	Checklist Profile = "checklist"       // the eight points of the security checklist
	Spec      Profile = "spec-2026-07-28" // what MCP 2026-07-28 demands
	Strict    Profile = "strict"          // everything, and a warning fails
)

// Profiles lists the profiles.
func Profiles() []Profile { return []Profile{Checklist, Spec, Strict} }

// Group is where a rule stands in a report.
type Group string

// The groups, in the order of a report.
const (
	Transport Group = "Transport"
	Internet  Group = "From the internet"
	Entry     Group = "Entry"
	Discovery Group = "Discovery"
	Refusals  Group = "Refusals"
	Behaviour Group = "Behaviour"
	Issuer    Group = "Authorization server"
	Limits    Group = "Limits and keys"
	File      Group = "Configuration"
)

// Groups lists the groups.
func Groups() []Group {
	return []Group{Transport, Internet, Entry, Discovery, Refusals, Behaviour, Issuer, Limits, File}
}

// Link leads to a text.
type Link struct{ Title, URL string }

// Rule is one thing that is looked at.
type Rule struct {
	Code     string // stable: GH-2101
	Name     string // stable: credential-demanded
	Title    string // what holds when it passes
	Group    Group
	Point    int // of the security checklist, 1 to 8; 0: none
	Severity Severity
	Spec     bool // MCP 2026-07-28 demands it
	Why      string
	Fix      string
	Links    []Link
	Check    func(r *run, t *tally)
	Config   func(c *config.Config, t *tally)               // instead of Check: it is about a file
	Mend     func(c *config.Config, target *url.URL) []Mend // which settings of a server of ours end it; nil: none does
}

// In says whether a rule belongs to a profile.
func (r *Rule) In(p Profile) bool {
	switch p {
	case Checklist:
		return r.Point > 0
	case Spec:
		return r.Spec
	}
	return true
}

// Select returns the rules of a profile, of those that were named (none: all)
// without those that are to be skipped. The error names one that there is not.
func Select(p Profile, only, skip []string) ([]*Rule, error) {
	if p != "" && !slices.Contains(Profiles(), p) {
		return nil, fmt.Errorf("there is no profile %.40q: checklist, spec-2026-07-28 or strict", string(p))
	}
	for _, name := range slices.Concat(only, skip) {
		if Find(name) == nil {
			return nil, fmt.Errorf("there is no rule %.40q", name)
		}
	}
	return pick(Rules(), p, only, skip), nil
}

func pick(rules []*Rule, p Profile, only, skip []string) (all []*Rule) {
	named := func(r *Rule, names []string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return Find(n) == r })
	}
	for _, r := range rules {
		if r.In(p) && (len(only) == 0 || named(r, only)) && !named(r, skip) {
			all = append(all, r)
		}
	}
	return all
}

// Find returns a rule by its code or name; nil: there is none.
func Find(name string) *Rule {
	for _, r := range append(Rules(), ConfigRules()...) {
		if r.Name == strings.ToLower(name) || strings.EqualFold(r.Code, name) {
			return r
		}
	}
	return nil
}

// Verdict is what a rule has to say.
type Verdict struct {
	Outcome  Outcome
	Text     string // with the values
	Fix      string // what to do about it; empty: what the rule says
	Evidence []*Exchange
	Place    string // in a configuration file: file:line:column; empty: it is about a server
}

// tally gathers what a rule sees. The worst of it counts.
type tally struct {
	seen []Verdict
	fix  string
}

func (t *tally) add(o Outcome, x *Exchange, format string, args ...any) {
	v := Verdict{Outcome: o, Text: fmt.Sprintf(format, args...)}
	if x != nil {
		v.Evidence = []*Exchange{x}
	}
	t.seen = append(t.seen, v)
}

func (t *tally) pass(x *Exchange, format string, args ...any)    { t.add(Pass, x, format, args...) }
func (t *tally) fail(x *Exchange, format string, args ...any)    { t.add(Fail, x, format, args...) }
func (t *tally) warn(x *Exchange, format string, args ...any)    { t.add(Warn, x, format, args...) }
func (t *tally) unknown(x *Exchange, format string, args ...any) { t.add(Unknown, x, format, args...) }
func (t *tally) without(format string, args ...any)              { t.add(Without, nil, format, args...) }

// has says whether something of an outcome was seen.
func (t *tally) has(o Outcome) bool {
	return slices.ContainsFunc(t.seen, func(v Verdict) bool { return v.Outcome == o })
}

const maxTexts = 4 // of one verdict: whoever reads them has understood

// worst is the order in which outcomes count: what was not seen spoils a pass.
var worst = []Outcome{Fail, Warn, Unknown, Pass, Without}

// verdict is what all of it comes to. A rule that saw nothing does not know.
func (t *tally) verdict() Verdict {
	for _, o := range worst {
		v := Verdict{Outcome: o, Fix: t.fix}
		var texts []string
		for _, s := range t.seen {
			if s.Outcome != o {
				continue
			}
			if s.Text != "" && !slices.Contains(texts, s.Text) {
				texts = append(texts, s.Text)
			}
			for _, x := range s.Evidence {
				if !slices.Contains(v.Evidence, x) {
					v.Evidence = append(v.Evidence, x)
				}
			}
		}
		if t.has(o) {
			if more := len(texts) - maxTexts; more > 0 {
				texts = append(texts[:maxTexts], fmt.Sprintf("and %d more", more))
			}
			v.Text = shown(strings.Join(texts, "; "))
			return v
		}
	}
	return Verdict{Outcome: Unknown, Text: "nothing was to be seen"}
}

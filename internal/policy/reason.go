package policy

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/gatehouse-mcp/gatehouse/internal/unit"
)

// Step is what became of one rule that is about an operation.
type Step struct {
	Rule   string `json:"rule"`             // its name
	Source string `json:"source,omitempty"` // where it stands
	Deny   bool   `json:"deny"`
	Match  string `json:"match"`         // yes, no, or unknown: it depends on what is not known
	Why    string `json:"why,omitempty"` // it does not match, or matches though a condition failed

	Lacks []string `json:"lacks,omitempty"` // what the caller would need for it to match: "scope a", "permission b", "role c", "group d"
}

// Explain is Decide, with what became of every rule that is about the operation,
// in their order.
func (r *Rules) Explain(who *Asker, op *Operation) (Decision, []Step) {
	steps := []Step{}
	v := verdict{steps: &steps}
	v.begin(r, who, op, 0)
	if v.refused == nil {
		v.judge()
	}
	return r.Decide(who, op), steps
}

// note remembers what became of a rule, if somebody wants to know.
func (v *verdict) note(m *rule, result answer, why string, l lack, err error) {
	if v.steps == nil {
		return
	}
	s := Step{Rule: m.title(), Source: m.source, Deny: m.deny, Match: map[answer]string{yes: "yes", no: "no", maybe: "unknown"}[result], Why: why}
	switch needs := v.needs(m, l); {
	case err != nil:
		s.Why = "its condition cannot be told: " + err.Error()
	case needs != "":
		s.Why, s.Lacks = needs, v.lacks(m, l)
	case result == no && why == "":
		s.Why = "its condition is not met"
	}
	*v.steps = append(*v.steps, s)
}

// needs says what a caller lacks.
func (v *verdict) needs(m *rule, l lack) string {
	var all []string
	add := func(is bool, format string, args ...any) {
		if is {
			all = append(all, fmt.Sprintf(format, args...))
		}
	}
	add(l.nobody, "it requires something of the caller, and there is none")
	add(l.key && len(m.need.scopes) > 0, "it needs %s, and a key has no scopes", listed("scope", m.need.names))
	add(l.key && len(m.need.scopes) == 0, "it needs a sign-in, and a key has none")
	add(l.silent, "it needs %s, and the token does not speak of scopes", listed("scope", m.need.names))
	if l.missing > 0 {
		add(true, "it needs %s", listed("scope", v.missing(m)))
	}
	add(l.permission != "", "it needs permission %s", l.permission)
	add(l.role != "", "it needs role %s", l.role)
	add(l.group != "", "it needs group %s", l.group)
	add(l.omitted, "it needs %s, and the token leaves groups out", listed("group", m.need.Groups))
	add(l.stale && v.who.SignedIn < 0, "it needs a sign-in of the last %s, and the token does not say when that was", unit.FormatSeconds(m.need.MaxAuthAge))
	add(l.stale && v.who.SignedIn >= 0, "it needs a sign-in of the last %s, and that was %s ago", unit.FormatSeconds(m.need.MaxAuthAge), unit.FormatSeconds(v.who.SignedIn))
	return strings.Join(all, ", ")
}

// lacks is needs as a list of rights.
func (v *verdict) lacks(m *rule, l lack) []string {
	var all []string
	if l.missing > 0 {
		for _, name := range v.missing(m) {
			all = append(all, "scope "+name)
		}
	}
	if l.key || l.silent {
		for _, name := range m.need.names {
			all = append(all, "scope "+name)
		}
	}
	for _, one := range [...]struct{ what, name string }{{"permission", l.permission}, {"role", l.role}, {"group", l.group}} {
		if one.name != "" {
			all = append(all, one.what+" "+one.name)
		}
	}
	if l.omitted {
		all = append(all, listed("group", m.need.Groups))
	}
	if l.stale {
		all = append(all, "a sign-in of the last "+unit.FormatSeconds(m.need.MaxAuthAge))
	}
	return all
}

func (v *verdict) missing(m *rule) []string {
	var all []string
	for i := range m.need.scopes {
		if !m.need.scopes[i].in(v.who.Identity.Scopes) {
			all = append(all, m.need.scopes[i].name)
		}
	}
	return all
}

func listed(what string, all []string) string {
	if len(all) > 1 {
		what += "s"
	}
	return what + " " + strings.Join(all, " ")
}

// mostSteps is how many rules a reason tells of.
const mostSteps = 8

// story asks again, and writes down what becomes of the rules that are of interest.
func (v *verdict) story(begin string, tell func(s *Step) bool) string {
	var steps []Step
	again := verdict{steps: &steps}
	again.begin(v.rules, &v.who, &v.op, v.unknown)
	again.judge()
	var b strings.Builder
	b.WriteString(begin)
	told, more := 0, 0
	for i := range steps {
		s := &steps[i]
		if !tell(s) {
			continue
		}
		if told == mostSteps {
			more++
			continue
		}
		told++
		sep := "; "
		if b.Len() == 0 {
			sep = ""
		}
		fmt.Fprintf(&b, "%s%s", sep, s.name())
		switch {
		case s.Match == "yes" && s.Deny:
			b.WriteString(" denies it")
		case s.Match == "yes":
			b.WriteString(" allows it")
		}
		if s.Why != "" {
			b.WriteString(": " + s.Why)
		}
	}
	if more > 0 {
		fmt.Fprintf(&b, "; and %d more", more)
	}
	return b.String()
}

func (s *Step) name() string {
	if s.Source == "" || s.Source == s.Rule {
		return fmt.Sprintf("rule %q", s.Rule)
	}
	return fmt.Sprintf("rule %q (%s)", s.Rule, s.Source)
}

// denied is the decision of rules that deny.
func (v *verdict) denied() Decision {
	return Decision{
		Code: CodeRight, Rules: v.names(v.denies.all(), v.allows.all()),
		Reason: v.story("", func(s *Step) bool { return s.Match == "yes" }),
	}
}

// refusal is the decision when no rule allows.
func (v *verdict) refusal() Decision {
	d := Decision{Code: CodeRight, Reason: v.story("no rule allows it", func(s *Step) bool { return !s.Deny })}
	switch c := &v.cure; {
	case c.rule != nil && c.stale:
		d.Code, d.MaxAge = CodeSignIn, c.rule.need.MaxAuthAge
		if c.missing > 0 {
			d.Scopes = c.rule.need.names
		}
	case c.rule != nil:
		d.Code, d.Scopes = CodeScope, c.rule.need.names
	case v.omitted:
		d.Code = CodeGroups
	}
	return d
}

func (v *verdict) names(lists ...[]int32) []string {
	var all []string
	for _, list := range lists {
		for _, i := range list {
			all = append(all, v.rules.rules[i].title())
		}
	}
	return all
}

// told remembers what is said of the rules that allow something, so that saying
// it again costs nothing. Which rules match together is up to the configuration,
// but it is bounded all the same.
type told struct {
	said atomic.Pointer[map[together]*saying]
}

// together are the rules that allow something.
type together [4]int32

type saying struct {
	rules  []string
	reason string
}

const maxTold = 1024

// allowed is the decision of rules that allow.
func (v *verdict) allowed() Decision {
	if v.allows.n > len(together{}) {
		s := v.says()
		return Decision{Allowed: true, Rules: s.rules, Reason: s.reason}
	}
	which := together(v.allows.first)
	for i := v.allows.n; i < len(which); i++ {
		which[i] = -1
	}
	t := &v.rules.told
	known := t.said.Load()
	if known != nil {
		if s := (*known)[which]; s != nil {
			return Decision{Allowed: true, Rules: s.rules, Reason: s.reason}
		}
	}
	s := v.says()
	next := map[together]*saying{which: s}
	if known != nil {
		if len(*known) >= maxTold {
			return Decision{Allowed: true, Rules: s.rules, Reason: s.reason}
		}
		for k, old := range *known {
			next[k] = old
		}
	}
	t.said.CompareAndSwap(known, &next) // whoever was faster may have forgotten this one: it is said again
	return Decision{Allowed: true, Rules: s.rules, Reason: s.reason}
}

func (v *verdict) says() *saying {
	s := &saying{rules: slices.Clip(v.names(v.allows.all()))}
	var all []string
	for _, i := range v.allows.all() {
		all = append(all, v.rules.rules[i].String()+" allows it")
	}
	s.reason = strings.Join(all, "; ")
	return s
}

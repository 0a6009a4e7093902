package policy

import (
	"fmt"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
)

// Advice is something about a rule that is sound, and likely not meant.
type Advice struct {
	Rule    int    // index in Spec.Rules
	Field   string // as a configuration spells it
	Text    string
	Weakens bool // more is allowed than it looks like
}

// Lint says what is likely not meant, rule by rule. What one rule makes of
// another is not looked at.
func (r *Rules) Lint() []Advice {
	var all []Advice
	for i := range r.rules {
		m := &r.rules[i]
		say := func(field string, weakens bool, format string, args ...any) {
			all = append(all, Advice{Rule: i, Field: field, Weakens: weakens, Text: fmt.Sprintf(format, args...)})
		}
		switch {
		case m.keys == nil:
		case m.clients != nil || m.issuers != nil:
			say("keys", false, "can never match beside clients and issuers: a caller with a key has neither")
		case len(m.need.scopes) > 0 || m.need.MaxAuthAge > 0:
			say("require", false, "can never be met beside keys: a key has neither scopes nor a sign-in")
		}
		r.lintCondition(m, say)
		for j := range m.about[Resource] {
			if g := &m.about[Resource][j]; !g.whole && g.suffix == "" && len(g.middles) == 0 && g.prefix != "" && !strings.HasSuffix(g.prefix, "/") && !strings.HasSuffix(g.prefix, ":") {
				say(fmt.Sprintf("resources[%d]", j), !m.deny, "ends in the middle of a name: %s* is %s and whatever else begins so. Say %[1]s/* for what is below it", g.prefix, g.prefix)
			}
		}
	}
	return all
}

func (r *Rules) lintCondition(m *rule, say func(field string, weakens bool, format string, args ...any)) {
	if m.cond == nil {
		return
	}
	var hidden []*cel.AttributePatternType
	for _, name := range []string{"args", "claims", callerType, requestType, tenantType, "tool", "name"} {
		hidden = append(hidden, cel.AttributePattern(name))
	}
	switch answer, err := m.cond.ask(&view{rules: r}, hidden); answer {
	case no:
		say("when", false, "can never hold")
	case failed:
		say("when", false, "can never be told: %v", err)
	case yes:
		say("when", !m.deny, "always holds, whoever asks for whatever")
	}
	if m.cond.letters {
		say("when", !m.deny, "compares letters where directories are meant: \"/srv/acme\" begins \"/srv/acme-2\" and \"/srv/acme/../x\". Say .under(…)")
	}
}

// comparesLetters says whether an expression takes the beginning of a text for a
// directory.
func comparesLetters(root ast.Expr) bool {
	found := false
	ast.PreOrderVisit(root, ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.CallKind || e.AsCall().FunctionName() != "startsWith" || len(e.AsCall().Args()) != 1 {
			return
		}
		switch with := e.AsCall().Args()[0]; with.Kind() {
		case ast.LiteralKind:
			text, _ := with.AsLiteral().Value().(string)
			found = found || strings.HasPrefix(text, "/") || strings.HasPrefix(text, "file:")
		case ast.SelectKind:
			found = found || with.AsSelect().Operand().Kind() == ast.IdentKind && with.AsSelect().Operand().AsIdent() == tenantType
		default:
		}
	}))
	return found
}

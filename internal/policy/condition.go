package policy

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/types"
)

// condition is an expression that was compiled.
type condition struct {
	text    string
	program cel.Program
	partial cel.Program     // for when not everything is known
	asks    map[string]bool // variables that it mentions; "caller.roles" for the members of caller
	letters bool            // it takes the beginning of a text for a directory
}

// answer is what a condition says.
type answer uint8

const (
	no answer = iota
	yes
	maybe  // it depends on what is not known
	failed // it cannot be told: an error
)

// ask evaluates a condition. hidden are parts of what it may ask about that are
// not known; nil: everything is.
func (c *condition) ask(v *view, hidden []*cel.AttributePatternType) (answer, error) {
	program, vars := c.program, cel.Activation(v)
	if len(hidden) > 0 {
		partial, err := cel.PartialVars(v, hidden...)
		if err != nil {
			return failed, err
		}
		program, vars = c.partial, partial
	}
	out, _, err := program.Eval(vars)
	switch {
	case err != nil:
		if what, ok := strings.CutPrefix(err.Error(), "no such overload: "); ok {
			err = fmt.Errorf("these types do not go together: %s", what)
		}
		return failed, err
	case types.IsUnknown(out):
		return maybe, nil
	case out == types.True:
		return yes, nil
	case out == types.False:
		return no, nil
	}
	return failed, fmt.Errorf("it is %s, not true or false", out.Type().TypeName())
}

// compile compiles the condition of a rule.
func (l *language) compile(r *Rule) (*condition, error) {
	c := l.made[r.When]
	if c == nil {
		tree, err := l.check(l.env, r.When)
		if err != nil {
			return nil, err
		}
		if c, err = l.program(tree, r.When); err != nil {
			return nil, err
		}
		l.made[r.When] = c
	}
	return c, l.fits(r)
}

// check parses and type-checks an expression.
func (l *language) check(env *cel.Env, when string) (*cel.Ast, error) {
	if utf8.RuneCountInString(when) > maxWhen {
		return nil, fmt.Errorf("has more than %d characters", maxWhen)
	}
	tree, issues := env.Compile(infix(when))
	if err := issues.Err(); err != nil {
		return nil, l.mend(issues)
	}
	if t := tree.OutputType(); !t.IsExactType(cel.BoolType) && !t.IsExactType(cel.DynType) {
		return nil, fmt.Errorf("is %s; a condition is true or false", cel.FormatCELType(t))
	}
	var wrong error
	ast.PreOrderVisit(tree.NativeRep().Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.CallKind || e.AsCall().FunctionName() != "matches" {
			return
		}
		call := e.AsCall()
		if args := call.Args(); len(args) == 0 || args[len(args)-1].Kind() != ast.LiteralKind {
			wrong = errors.New("takes a pattern for matches from somewhere else; it has to stand in the condition")
		}
	}))
	if wrong != nil {
		return nil, wrong
	}
	return tree, nil
}

// mend says what is wrong in one line, and what could be meant.
func (l *language) mend(issues *cel.Issues) error {
	var lines []string
	for _, e := range issues.Errors() {
		text, _, _ := strings.Cut(e.Message, "\n")
		text = strings.TrimSuffix(text, " (in container '')")
		text, _, _ = strings.Cut(text, " expecting {") // what the grammar would take, by the names that it has for it
		text = strings.Replace(text, "mismatched input '<EOF>'", "the end comes too early", 1)
		if field, ok := strings.CutPrefix(text, "undefined field "); ok {
			text = "there is no " + strings.Trim(field, "'\"") + l.choices()
		}
		if e.Location != nil && e.Location.Line() > 0 {
			text += fmt.Sprintf(" (at %d:%d)", e.Location.Line(), e.Location.Column()+1)
		}
		lines = append(lines, text)
	}
	return errors.New("is not understood: " + strings.Join(lines, "; "))
}

func (l *language) choices() string {
	var all []string
	for _, object := range slices.Sorted(maps.Keys(l.types.objects)) {
		names, _ := l.types.FindStructFieldNames(object)
		all = append(all, object+" has "+strings.Join(names, ", "))
	}
	return ". What there is: " + strings.Join(all, "; ")
}

// program plans what was checked, and bounds what it may cost.
func (l *language) program(tree *cel.Ast, when string) (*condition, error) {
	usual, err := l.env.EstimateCost(tree, sizes{text: 256, many: 100})
	if err != nil {
		return nil, fmt.Errorf("cannot be weighed: %w", err)
	}
	if usual.Max > maxCost {
		return nil, errors.New("costs too much: it looks at lists within lists, or at long texts again and again")
	}
	worst, err := l.env.EstimateCost(tree, sizes{text: 16 << 20, many: maxValues})
	options := []cel.ProgramOption{cel.CustomDecoratorV2(strict)}
	if err != nil || worst.Max > maxCost { // counting costs too: it is left out where there is nothing to count
		options = append(options, cel.CostLimit(maxCost))
	}
	c := &condition{text: when, asks: asks(tree.NativeRep().Expr()), letters: comparesLetters(tree.NativeRep().Expr())}
	if c.program, err = l.env.Program(tree, append(options, cel.EvalOptions(cel.OptOptimize))...); err != nil {
		return nil, err
	}
	c.partial, err = l.env.Program(tree, append(options, cel.EvalOptions(cel.OptOptimize, cel.OptPartialEval))...)
	return c, err
}

// sizes estimates what is not known before a call.
type sizes struct{ text, many uint64 }

// EstimateSize implements cost.Estimator.
func (s sizes) EstimateSize(n cost.AstNode) *cost.SizeEstimate {
	switch n.Type().Kind() {
	case types.StringKind, types.BytesKind, types.DynKind:
		return &cost.SizeEstimate{Max: s.text}
	case types.ListKind, types.MapKind:
		return &cost.SizeEstimate{Max: s.many}
	}
	return nil
}

// EstimateCallCost implements cost.Estimator.
func (s sizes) EstimateCallCost(string, string, *cost.AstNode, []cost.AstNode) *cost.CallEstimate {
	return nil
}

// asks gathers what an expression mentions.
func asks(root ast.Expr) map[string]bool {
	all := map[string]bool{}
	ast.PreOrderVisit(root, ast.NewExprVisitor(func(e ast.Expr) {
		switch e.Kind() {
		case ast.IdentKind:
			all[e.AsIdent()] = true
		case ast.SelectKind:
			if s := e.AsSelect(); s.Operand().Kind() == ast.IdentKind {
				all[s.Operand().AsIdent()+"."+s.FieldName()] = true
			}
		}
	}))
	return all
}

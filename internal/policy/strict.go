package policy

import (
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/interpreter"
)

// strict makes comparisons errors that CEL answers with "they differ" though
// they are of two kinds: `args.to != "admin"` would else be true of ["admin"],
// and of whatever a server would take for it.
func strict(i interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
	call, ok := i.(interpreter.InterpretableCall)
	if !ok || len(call.Args()) != 2 {
		return i, nil
	}
	if call.Function() == overloads.Matches {
		return &matching{call, &short{call.Args()[0]}}, nil
	}
	judge, ok := comparisons[call.Function()]
	if !ok {
		return i, nil
	}
	args := call.Args()
	return &comparison{id: call.ID(), call: call, left: args[0], right: args[1], judge: judge}, nil
}

var comparisons = map[string]func(l, r ref.Val) ref.Val{
	operators.Equals:    equals,
	operators.NotEquals: func(l, r ref.Val) ref.Val { return not(equals(l, r)) },
	operators.In:        within,
	operators.Less:      ordered(func(n types.Int) bool { return n < 0 }),
	operators.LessEquals: ordered(func(n types.Int) bool {
		return n <= 0
	}),
	operators.Greater: ordered(func(n types.Int) bool { return n > 0 }),
	operators.GreaterEquals: ordered(func(n types.Int) bool {
		return n >= 0
	}),
}

// comparison is a call that was replaced.
type comparison struct {
	id          int64
	call        interpreter.InterpretableCall
	left, right interpreter.InterpretableV2
	judge       func(l, r ref.Val) ref.Val
}

// ID implements interpreter.Interpretable.
func (c *comparison) ID() int64 { return c.id }

// Eval implements interpreter.Interpretable.
func (c *comparison) Eval(vars interpreter.Activation) ref.Val {
	return interpreter.EvalActivation(vars, c.Exec)
}

// Exec implements interpreter.InterpretableV2.
func (c *comparison) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	l := c.left.Exec(frame)
	if types.IsError(l) {
		return l
	}
	r := c.right.Exec(frame)
	if types.IsError(r) {
		return r
	}
	if unknown, ok := types.MaybeMergeUnknowns(l, nil); ok {
		unknown, _ = types.MaybeMergeUnknowns(r, unknown)
		return unknown
	}
	if types.IsUnknown(r) {
		return r
	}
	answer := c.judge(l, r)
	if costs := frame.CostTracker(); costs != nil {
		costs.EvalBinary(frame, c.id, c.call, l, r, answer)
	}
	return answer
}

// matching is a call of matches whose text is short. CEL plans it anew by its
// arguments, as the pattern is a literal.
type matching struct {
	interpreter.InterpretableCall
	text interpreter.InterpretableV2
}

// Args implements interpreter.InterpretableCall.
func (m *matching) Args() []interpreter.InterpretableV2 {
	return []interpreter.InterpretableV2{m.text, m.InterpretableCall.Args()[1]}
}

// short is a text, or an error if it is long: the limit of costs is looked at
// when the work is done.
type short struct{ interpreter.InterpretableV2 }

const maxMatched = 64 << 10 // bytes of a text that a pattern is held against

// Eval implements interpreter.Interpretable.
func (s *short) Eval(vars interpreter.Activation) ref.Val {
	return interpreter.EvalActivation(vars, s.Exec)
}

// Exec implements interpreter.InterpretableV2.
func (s *short) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	v := s.InterpretableV2.Exec(frame)
	if text, ok := v.(types.String); ok && len(text) > maxMatched {
		return types.NewErr("a text of more than %d bytes is matched", maxMatched)
	}
	return v
}

func not(v ref.Val) ref.Val {
	if b, ok := v.(types.Bool); ok {
		return !b
	}
	return v
}

// like says whether two values are of one kind, or why they cannot be compared.
func like(l, r ref.Val) ref.Val {
	number := func(v ref.Val) bool {
		switch v.(type) {
		case types.Int, types.Uint, types.Double:
			return true
		}
		return false
	}
	switch {
	case number(l) && number(r):
		_, ld := l.(types.Double)
		_, rd := r.(types.Double)
		if ld != rd && !(exact(l) && exact(r)) {
			return types.NewErr("a number is too large to be compared exactly")
		}
		return nil
	case l.Type() == types.NullType || r.Type() == types.NullType: // to ask for null is to ask for a kind
		return nil
	case l.Type() != r.Type():
		return types.NewErr("%s and %s cannot be compared", l.Type().TypeName(), r.Type().TypeName())
	}
	return nil
}

// equals compares values of one kind, and what they hold in the same way.
func equals(l, r ref.Val) ref.Val {
	if err := like(l, r); err != nil {
		return err
	}
	if lm, ok := l.(traits.Mapper); ok {
		return equalMaps(lm, r)
	}
	ll, ok := l.(traits.Lister)
	rl, both := r.(traits.Lister)
	if !ok || !both {
		return types.Equal(l, r)
	}
	if ll.Size() != rl.Size() {
		return types.False
	}
	for i, n := types.Int(0), ll.Size().(types.Int); i < n; i++ { //nolint:forcetypeassert // the size of a list
		if same := equals(ll.Get(i), rl.Get(i)); same != types.True {
			return same
		}
	}
	return types.True
}

// equalMaps compares objects member by member. Two values that cannot be compared
// count before any that differ: which of them is met first is chance.
func equalMaps(l traits.Mapper, right ref.Val) ref.Val {
	r, ok := right.(traits.Mapper)
	if !ok {
		return types.Equal(l, right)
	}
	answer := ref.Val(types.Bool(l.Size() == r.Size()))
	for it := l.Iterator(); it.HasNext() == types.True; {
		name := it.Next()
		mine, _ := l.Find(name)
		other, there := r.Find(name)
		switch {
		case other != nil && types.IsError(other):
			return other
		case !there:
			answer = types.False
			continue
		}
		if same := equals(mine, other); types.IsError(same) {
			return same
		} else if same != types.True {
			answer = types.False
		}
	}
	return answer
}

// within says whether something is in a list, or a key of a map. If it is not,
// and nothing there is of its kind, it was not looked for in earnest.
func within(l, r ref.Val) ref.Val {
	if m, ok := r.(traits.Mapper); ok {
		if l.Type() != types.StringType { // JSON has no other keys
			return types.NewErr("%s cannot be a key", l.Type().TypeName())
		}
		return m.Contains(l)
	}
	list, ok := r.(traits.Lister)
	if !ok {
		return types.NewErr("%s is no list", r.Type().TypeName())
	}
	var unlike ref.Val
	if l.Type() == types.NullType { // it is in no list of anything else
		unlike = types.NewErr("null is looked for")
	}
	for it := list.Iterator(); it.HasNext() == types.True; {
		switch same := equals(it.Next(), l); {
		case same == types.True:
			return types.True
		case types.IsError(same):
			unlike = same
		}
	}
	if unlike != nil {
		return unlike
	}
	return types.False
}

func ordered(right func(types.Int) bool) func(l, r ref.Val) ref.Val {
	return func(l, r ref.Val) ref.Val {
		if err := like(l, r); err != nil {
			return err
		}
		c, ok := l.(traits.Comparer)
		if !ok {
			return types.NewErr("%s has no order", l.Type().TypeName())
		}
		n, ok := c.Compare(r).(types.Int)
		if !ok {
			return types.NewErr("%s and %s have no order", l.Type().TypeName(), r.Type().TypeName())
		}
		return types.Bool(right(n))
	}
}

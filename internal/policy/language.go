package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/env"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// Bounds of conditions.
const (
	maxWhen    = 4096    // characters of one
	maxNodes   = 1000    // of its syntax tree
	maxNesting = 50      // of brackets
	maxRegex   = 500     // instructions of a pattern
	maxCost    = 100_000 // units of work, of which a comparison is one
)

// language is CEL as conditions speak it: no clock, no zones, and nothing that
// could answer differently when it is asked again.
type language struct {
	env     *cel.Env
	types   *provider
	adapter adapter
	claims  *cel.Type
	schemas map[string][]byte
	made    map[string]*condition // by their text: rules repeat themselves
}

// timely are the functions of CEL that are about time.
var timely = []string{
	"timestamp", "duration", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getFullYear",
	"getHours", "getMilliseconds", "getMinutes", "getMonth", "getSeconds",
}

// newLanguage prepares compiling. at is what of the specification is at fault.
func newLanguage(s *Spec) (l *language, at string, err error) {
	l = &language{schemas: s.Schemas, made: map[string]*condition{}}
	registry, err := types.NewRegistry()
	if err != nil {
		return nil, "when", err
	}
	l.adapter = adapter{registry}
	l.types = &provider{Provider: registry, objects: map[string]map[string]field{
		callerType: callerFields, requestType: requestFields, tenantType: tenantFields(s.Tenants),
	}}
	claims := cel.MapType(cel.StringType, cel.DynType)
	if s.Claims != nil {
		fields := map[string]field{}
		for _, name := range slices.Sorted(maps.Keys(s.Claims)) {
			t, ok := claimTypes[s.Claims[name]]
			if !ok {
				return nil, "claims." + name, fmt.Errorf("%.40q is none of the types %s", s.Claims[name], strings.Join(slices.Sorted(maps.Keys(claimTypes)), ", "))
			}
			fields[name] = memberField(name, t)
		}
		l.types.objects[claimsType] = fields
		claims = cel.ObjectType(claimsType)
	}
	l.claims = claims
	l.env, err = l.environment(l.types, cel.MapType(cel.StringType, cel.DynType))
	return l, "when", err
}

// environment declares what conditions may ask about.
func (l *language) environment(types *provider, args *cel.Type) (*cel.Env, error) {
	without := &env.LibrarySubset{}
	for _, name := range timely {
		without.ExcludeFunctions = append(without.ExcludeFunctions, env.NewFunction(name))
	}
	return cel.NewCustomEnv(
		cel.StdLib(cel.StdLibSubset(without)),
		cel.CustomTypeProvider(types), cel.CustomTypeAdapter(l.adapter),
		cel.CrossTypeNumericComparisons(true),
		cel.ParserExpressionSizeLimit(2*maxWhen), cel.ParserRecursionLimit(maxNesting), cel.ExpressionNodeLimit(maxNodes), cel.RegexProgramSizeLimit(maxRegex),
		cel.ASTValidators(cel.ValidateRegexLiterals(), cel.ValidateComprehensionNestingLimit(2)),
		cel.Variable("args", args), cel.Variable("claims", l.claims),
		cel.Variable("tool", cel.StringType), cel.Variable("name", cel.StringType),
		cel.Variable("caller", cel.ObjectType(callerType)), cel.Variable("request", cel.ObjectType(requestType)), cel.Variable("tenant", cel.ObjectType(tenantType)),
		cel.Function("under", cel.MemberOverload("string_under_string", []*cel.Type{cel.StringType, cel.StringType}, cel.BoolType, cel.BinaryBinding(celUnder))),
	)
}

// celUnder is under for conditions.
func celUnder(p, dir ref.Val) ref.Val {
	a, ok := p.(types.String)
	b, both := dir.(types.String)
	if !ok || !both {
		return types.NewErr("under compares texts, not %s and %s", p.Type().TypeName(), dir.Type().TypeName())
	}
	is, err := under(string(a), string(b))
	if err != nil {
		return types.WrapErr(err)
	}
	return types.Bool(is)
}

// claimTypes are those that a claim can be declared with.
var claimTypes = map[string]*cel.Type{
	"string": cel.StringType, "int": cel.IntType, "double": cel.DoubleType, "bool": cel.BoolType,
	"list": cel.ListType(cel.StringType), "map": cel.MapType(cel.StringType, cel.DynType), "any": cel.DynType,
}

// Names of the types of what conditions ask about.
const (
	callerType  = "caller"
	requestType = "request"
	tenantType  = "tenant"
	claimsType  = "claims"
	argsType    = "args"
)

// field is a member of something that conditions ask about. Its value is nil
// when it is not told, which is not the same as empty.
type field struct {
	typ *cel.Type
	of  func(obj any) (any, error)
}

// provider knows the fields of our objects beside the types of CEL.
type provider struct {
	types.Provider
	objects map[string]map[string]field
}

// FindStructType implements types.Provider.
func (p *provider) FindStructType(name string) (*types.Type, bool) {
	if _, ok := p.objects[name]; ok {
		return types.NewTypeTypeWithParam(types.NewObjectType(name)), true
	}
	return p.Provider.FindStructType(name)
}

// FindStructFieldNames implements types.Provider.
func (p *provider) FindStructFieldNames(name string) ([]string, bool) {
	if fields, ok := p.objects[name]; ok {
		return slices.Sorted(maps.Keys(fields)), true
	}
	return p.Provider.FindStructFieldNames(name)
}

// FindStructFieldType implements types.Provider.
func (p *provider) FindStructFieldType(name, member string) (*types.FieldType, bool) {
	fields, ours := p.objects[name]
	if !ours {
		return p.Provider.FindStructFieldType(name, member)
	}
	f, ok := fields[member]
	if !ok {
		return nil, false
	}
	return &types.FieldType{
		Type: f.typ,
		IsSet: func(obj any) bool {
			v, err := f.of(obj)
			return err == nil && v != nil
		},
		GetFrom: func(obj any) (any, error) {
			v, err := f.of(obj)
			if err == nil && v == nil {
				err = fmt.Errorf("%s.%s is not told", name, member)
			}
			return v, err
		},
	}, true
}

// memberField is a member of a JSON object.
func memberField(name string, t *cel.Type) field {
	return field{typ: t, of: func(obj any) (any, error) {
		o, ok := obj.(*object)
		if !ok {
			return nil, fmt.Errorf("%s is a member of nothing", name)
		}
		if v := o.member(name); v != nil {
			return v, nil
		}
		return nil, nil
	}}
}

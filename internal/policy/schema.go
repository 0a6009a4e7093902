package policy

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"cel.dev/cel-go/cel"
)

// schema is what of a JSON Schema tells the types of arguments.
type schema struct {
	Type       any                `json:"type"` // a text, or a list of them
	Properties map[string]*schema `json:"properties"`
	Items      *schema            `json:"items"`
}

// fits checks the condition of a rule against the input schema of every tool
// that it is about.
func (l *language) fits(r *Rule) error {
	if len(l.schemas) == 0 || len(r.Tools) == 0 {
		return nil
	}
	about, err := Compile(r.Tools)
	if err != nil {
		return nil //nolint:nilerr // said elsewhere
	}
	for _, tool := range slices.Sorted(maps.Keys(l.schemas)) {
		if !about.Allows(tool) {
			continue
		}
		var s schema
		if json.Unmarshal(l.schemas[tool], &s) != nil {
			continue // an odd schema is the server's matter
		}
		types := &provider{Provider: l.types.Provider, objects: maps.Clone(l.types.objects)}
		env, err := l.environment(types, types.args(&s, argsType, 0))
		if err != nil {
			return err
		}
		typed := &language{types: types}
		if _, err := typed.check(env, r.When); err != nil {
			return fmt.Errorf("does not fit the arguments of %q: %w", tool, err)
		}
	}
	return nil
}

// maxSchema is how deep schemas are followed.
const maxSchema = 5

// args declares what a schema describes; anything where it does not say.
func (p *provider) args(s *schema, name string, depth int) *cel.Type {
	if s == nil || depth > maxSchema {
		return cel.DynType
	}
	switch s.Type {
	case "string":
		return cel.StringType
	case "boolean":
		return cel.BoolType
	case "array":
		return cel.ListType(p.args(s.Items, name+"/items", depth+1))
	case "object":
		if len(s.Properties) == 0 {
			return cel.MapType(cel.StringType, cel.DynType)
		}
		fields := map[string]field{}
		for member, of := range s.Properties {
			fields[member] = memberField(member, p.args(of, name+"/"+member, depth+1))
		}
		p.objects[name] = fields
		return cel.ObjectType(name)
	}
	return cel.DynType // numbers too: 1 and 1.0 are the same to a schema, and not to CEL
}

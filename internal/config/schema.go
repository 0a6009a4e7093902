package config

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/gatehouse-mcp/gatehouse/internal/pattern"
	"github.com/gatehouse-mcp/gatehouse/internal/unit"
)

// SchemaID is where the schema is published.
const SchemaID = "https://gatehouse.example/schema/v1.json"

// Schema describes the file to editors: a JSON Schema of draft 2020-12.
func Schema() *jsonschema.Schema {
	s := objectSchema(root, reflect.TypeFor[Config]())
	s.Schema, s.ID, s.Title = "https://json-schema.org/draft/2020-12/schema", SchemaID, "gatehouse.yaml"
	return s
}

func objectSchema(settings []setting, t reflect.Type) *jsonschema.Schema {
	o := &jsonschema.Schema{Type: "object", Properties: map[string]*jsonschema.Schema{}, AdditionalProperties: nothing()}
	for i := range settings {
		s := &settings[i]
		if s.planned {
			continue
		}
		for _, key := range []string{s.key, s.also} {
			if key == "" {
				continue
			}
			one := valueSchema(s, fieldType(s, t)) // a schema is a tree: nothing in it stands twice
			one.Description = strings.ReplaceAll(s.doc, "`", "")
			if s.def != "" {
				one.Default = defaultJSON(s, fieldType(s, t))
			}
			o.Properties[key] = one
			o.PropertyOrder = append(o.PropertyOrder, key)
		}
		if s.need {
			o.Required = append(o.Required, s.key)
		}
	}
	return o
}

// fieldType is the type of a setting's value; that of its owner when it only
// groups others, and text when only a hook looks at it.
func fieldType(s *setting, owner reflect.Type) reflect.Type {
	switch {
	case s.field == "" && s.within != nil:
		return owner
	case s.field == "":
		return reflect.TypeFor[string]()
	}
	f, _ := owner.FieldByName(s.field)
	return f.Type
}

func nothing() *jsonschema.Schema { return &jsonschema.Schema{Not: &jsonschema.Schema{}} }

func valueSchema(s *setting, t reflect.Type) *jsonschema.Schema {
	switch {
	case t.Kind() == reflect.Pointer:
		return objectSchema(s.within, t.Elem())
	case t == ratesType:
		return &jsonschema.Schema{Type: "object", AdditionalProperties: scalarSchema(s, reflect.TypeFor[unit.Rate]())}
	case s.entry:
		return scalarSchema(s, t.Elem())
	case s.named:
		return &jsonschema.Schema{Type: "object", AdditionalProperties: sectionSchema(s, t.Elem()), PropertyNames: &jsonschema.Schema{Pattern: scopeToken().String()}}
	case t.Kind() == reflect.Slice:
		return listSchema(s, t)
	case t.Kind() == reflect.Map && s.within != nil:
		return &jsonschema.Schema{Type: "object", AdditionalProperties: objectSchema(s.within, t.Elem())}
	case t.Kind() == reflect.Map && t.Elem().Kind() == reflect.Map:
		return &jsonschema.Schema{Type: "object", AdditionalProperties: &jsonschema.Schema{Type: "object", AdditionalProperties: scalarSchema(s, t.Elem().Elem())}}
	case t.Kind() == reflect.Map:
		form := variableName
		if s.keys != nil {
			form = tenantName
		}
		return &jsonschema.Schema{Type: "object", AdditionalProperties: scalarSchema(s, t.Elem()), PropertyNames: &jsonschema.Schema{Pattern: form().String()}}
	case s.within != nil:
		return sectionSchema(s, t)
	}
	return scalarSchema(s, t)
}

// listSchema describes a list, which may also be one element of it.
func listSchema(s *setting, t reflect.Type) *jsonschema.Schema {
	element := func() *jsonschema.Schema {
		if s.within == nil {
			return scalarSchema(s, t.Elem())
		}
		return sectionSchema(s, t.Elem())
	}
	one := 1
	list := &jsonschema.Schema{Type: "array", MinItems: &one, Items: element()}
	if s.single {
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{element(), list}}
	}
	return list
}

// sectionSchema describes a mapping, or what stands for one.
func sectionSchema(s *setting, t reflect.Type) *jsonschema.Schema {
	o := objectSchema(s.within, t)
	if s.short == "" {
		return o
	}
	inner := find(s.within, s.short)
	return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{o, valueSchema(inner, fieldType(inner, t))}}
}

const refers = `\$\{[^}]+\}`

// scalarSchema describes one text. Whatever it is, a reference may stand for it.
func scalarSchema(s *setting, t reflect.Type) *jsonschema.Schema {
	reference := &jsonschema.Schema{Type: "string", Pattern: refers}
	or := func(all ...*jsonschema.Schema) *jsonschema.Schema {
		return &jsonschema.Schema{AnyOf: append(all, reference)}
	}
	text := func(pattern string) *jsonschema.Schema { return &jsonschema.Schema{Type: "string", Pattern: pattern} }
	zero := 0.0
	number := &jsonschema.Schema{Type: "integer", Minimum: &zero}
	switch {
	case t == secretType && s.form == formSecret:
		return text("^" + refers + "$")
	case t == secretType:
		return reference
	case s.form == formText:
		return text("")
	case s.key == "version":
		return &jsonschema.Schema{Enum: []any{1, "1"}}
	case slices.Equal(s.one, []string{"true", "false"}), t.Kind() == reflect.Bool:
		return or(&jsonschema.Schema{Type: "boolean"})
	case s.one != nil:
		var all []any
		for _, v := range s.one {
			all = append(all, v)
		}
		return or(&jsonschema.Schema{Enum: all})
	case t == reflect.TypeFor[int64]():
		return or(number, text(`^[0-9]+ *([KMG]iB)?$`))
	case t == reflect.TypeFor[time.Duration]():
		return or(&jsonschema.Schema{Type: "integer", Enum: []any{0}}, text(`^([0-9]+[dw]|([0-9.]+(ns|us|µs|ms|s|m|h))+|0)$`))
	case t == reflect.TypeFor[unit.Rate]():
		return or(text(`^([0-9]+/(s|min|h|d)|off)$`))
	case t == reflect.TypeFor[netip.Prefix]():
		return or(text(`^[0-9a-fA-F:.]+(/[0-9]+)?$`))
	case t.Kind() == reflect.Int:
		return or(number)
	case s.form == formAddress:
		return &jsonschema.Schema{Types: []string{"string", "integer"}}
	}
	return &jsonschema.Schema{Types: []string{"string", "number", "boolean"}}
}

// defaultJSON is a default as JSON: what is not a list, a number or a flag is text.
func defaultJSON(s *setting, t reflect.Type) json.RawMessage {
	switch {
	case t.Kind() == reflect.Slice:
		return listJSON(s.def)
	case t.Kind() == reflect.Bool, t.Kind() == reflect.Int, slices.Equal(s.one, []string{"true", "false"}):
		return json.RawMessage(s.def)
	}
	return json.RawMessage(fmt.Sprintf("%q", s.def))
}

var bareWord = pattern.Lazy(`[a-z_]+`)

func listJSON(def string) json.RawMessage {
	return json.RawMessage(bareWord().ReplaceAllString(def, `"$0"`))
}

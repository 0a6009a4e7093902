package config

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"strconv"

	"github.com/goccy/go-yaml/ast"

	"github.com/gatehouse-mcp/gatehouse/internal/unit"
)

// Cases are what a policy is expected to decide: a file that ends in _test.yaml.
type Cases struct {
	Config string // path of the configuration; empty: whoever asks knows
	Server string // its name; empty: the only one
	Cases  []Case
}

// Case is one call, and what is expected of it.
type Case struct {
	Name   string
	Caller CaseCaller
	Call   CaseCall
	Expect string   // ExpectAllow, ExpectDeny or ExpectStepUp
	Rule   string   // that is among those that match; empty: any or none
	Scopes []string // that a step-up asks for; nil: any

	source string
}

// Source is where the case stands, as file:line.
func (c *Case) Source() string { return c.source }

// What can be expected.
const (
	ExpectAllow  = "allow"
	ExpectDeny   = "deny"
	ExpectStepUp = "step-up" // refused, and more scopes or a new sign-in would do
)

// CaseCaller is who calls: with a key, if Key is set, else with a token. A list
// that is nil is not in the token.
type CaseCaller struct {
	Subject, Tenant, Key, Client, Kind, Email string
	Issuer                                    string // its name in the configuration, or its iss
	Scopes, Permissions, Roles, Groups        []string
	Actors                                    []string
	GroupsOmitted                             bool
	SignedIn                                  string          // how long ago, as "15m"; empty: not told
	Claims                                    json.RawMessage // an object; nil: none
}

// CaseCall is what is called: one of Tool, Prompt and Resource.
type CaseCall struct {
	Tool, Prompt, Resource string
	Method                 string          // empty: the usual one
	Args                   json.RawMessage // nil: none
}

var caseSettings = []setting{
	{key: "config", field: "Config", form: formPath, doc: "The configuration that is tested, relative to this file."},
	{key: "server", field: "Server", check: checkServerName, doc: "The server that is called."},
	{key: "cases", field: "Cases", need: true, doc: "The calls.", within: []setting{
		{key: "name", field: "Name", doc: "For people."},
		{key: "caller", field: "Caller", doc: "Who calls.", within: []setting{
			{key: "subject", field: "Subject", doc: "Who."},
			{key: "tenant", field: "Tenant", check: checkTenant, doc: "The tenant's name."},
			{key: "key", field: "Key", doc: "Name of the key; it is no caller with a token then."},
			{key: "issuer", field: "Issuer", doc: "Name of the issuer, or its iss."},
			{key: "client", field: "Client", doc: "The OAuth client."},
			{key: "kind", field: "Kind", one: []string{"user", "service"}, doc: "A person or a program."},
			{key: "email", field: "Email", doc: "Verified."},
			{key: "scopes", field: "Scopes", none: true, doc: "Of the token."},
			{key: "permissions", field: "Permissions", none: true, doc: "In the token."},
			{key: "roles", field: "Roles", none: true, doc: "In the token."},
			{key: "groups", field: "Groups", none: true, doc: "In the token."},
			{key: "groups_omitted", field: "GroupsOmitted", doc: "The token leaves groups out."},
			{key: "actors", field: "Actors", none: true, doc: "Who acts for the caller."},
			{key: "signed_in", field: "SignedIn", check: checkSpan, doc: "How long ago."},
			{key: "claims", field: "Claims", doc: "Claims for conditions."},
		}},
		{key: "call", field: "Call", need: true, doc: "What is called.", within: []setting{
			{key: "tool", field: "Tool", doc: "A tool."},
			{key: "prompt", field: "Prompt", doc: "A prompt."},
			{key: "resource", field: "Resource", doc: "The URI of a resource."},
			{key: "method", field: "Method", doc: "The method, if it is not the usual one."},
			{key: "args", field: "Args", doc: "The arguments."},
		}},
		{key: "expect", field: "Expect", need: true, one: []string{ExpectAllow, ExpectDeny, ExpectStepUp}, doc: "What is decided."},
		{key: "rule", field: "Rule", doc: "A rule that is among those that match."},
		{key: "scopes", field: "Scopes", doc: "What a step-up asks for."},
	}},
}

func checkSpan(text string) error {
	_, err := unit.ParseDuration(text)
	return err
}

// LoadCases reads a file of cases. What is wrong with it is Mistakes.
func LoadCases(path string) (*Cases, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	r := &reader{file: path, dir: filepath.Dir(path), off: map[string]bool{}, source: &source{file: path, at: map[string]place{}}}
	c := &Cases{}
	if body := r.body(data); body != nil {
		r.object(body, "", caseSettings, reflect.ValueOf(c).Elem())
	}
	for i := range c.Cases {
		one, at := &c.Cases[i], fmt.Sprintf("cases[%d]", i)
		place := r.source.at[at]
		one.source = fmt.Sprintf("%s:%d", path, place.line)
		said := 0
		for _, name := range []string{one.Call.Tool, one.Call.Prompt, one.Call.Resource} {
			if name != "" {
				said++
			}
		}
		if said != 1 && len(r.mistakes) == 0 {
			r.mistakes = append(r.mistakes, Mistake{Code: codeFile, File: path, Line: place.line, Col: place.col, Path: at + ".call", Text: at + ".call needs one of tool, prompt and resource"})
		}
	}
	if len(r.mistakes) > 0 {
		r.mistakes.sort()
		return nil, r.mistakes
	}
	return c, nil
}

var rawType = reflect.TypeFor[json.RawMessage]()

// json reads any value as the JSON that it stands for.
func (r *reader) json(n ast.Node, path string) (json.RawMessage, bool) {
	switch v := n.(type) {
	case *ast.NullNode:
		return json.RawMessage("null"), true
	case *ast.BoolNode:
		return json.RawMessage(strconv.FormatBool(v.Value)), true
	case *ast.IntegerNode, *ast.FloatNode:
		text := n.GetToken().Value
		if !json.Valid([]byte(text)) {
			r.fail(n, path, "%.40q is no number of JSON", text)
			return nil, false
		}
		return json.RawMessage(text), true
	case *ast.SequenceNode:
		out, sound := json.RawMessage("["), true
		for i, one := range v.Values {
			if i > 0 {
				out = append(out, ',')
			}
			raw, ok := r.json(one, fmt.Sprintf("%s[%d]", path, i))
			out, sound = append(out, raw...), sound && ok
		}
		return append(out, ']'), sound
	}
	if _, plain := unparted(n); !plain && isMap(n) {
		return r.jsonObject(n, path)
	}
	var text string
	switch v := n.(type) {
	case *ast.StringNode:
		text = v.Value
	case *ast.LiteralNode:
		text = v.Value.Value
	default:
		plain, ok := unparted(n)
		if !ok {
			r.fail(n, path, "has no meaning as JSON: anchors, tags and the like are not followed")
			return nil, false
		}
		text = plain
	}
	raw, err := json.Marshal(text)
	return raw, err == nil
}

func (r *reader) jsonObject(n ast.Node, path string) (json.RawMessage, bool) {
	out, sound, before := json.RawMessage("{"), true, len(r.mistakes)
	r.each(n, path, func(key string, _, n ast.Node, at string) {
		if len(out) > 1 {
			out = append(out, ',')
		}
		name, err := json.Marshal(key)
		raw, ok := r.json(n, at)
		out = append(append(append(out, name...), ':'), raw...)
		sound = sound && ok && err == nil
	})
	return append(out, '}'), sound && len(r.mistakes) == before
}

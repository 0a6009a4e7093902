package bridge

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

// headerParam is the word by which a tool's schema has an argument sent as a
// header too. MCP 2026-07-28, transports, §x-mcp-header
const headerParam = "x-mcp-header"

// binding ties an argument, by the path to it, to a header.
type binding struct {
	path   []string
	header string
}

// tools remembers which arguments of which tools are sent as headers, and which
// tools may be called again.
type tools struct {
	mu     sync.Mutex
	all    map[string][]binding
	repeat map[string]bool // those that may be called again
}

// manyTools is how many are remembered. Whoever has more is asked again.
const manyTools = 4096

// toolList is the part of a result that lists tools.
type toolList struct {
	Tools []jsontext.Value `json:"tools"`
	Rest  jsontext.Value   `json:",inline"`
}

type tool struct {
	Name   string         `json:"name"`
	Schema jsontext.Value `json:"inputSchema"`
	Hints  jsontext.Value `json:"annotations"`
	Rest   jsontext.Value `json:",inline"`
}

// learn reads a list of tools, and returns it without those whose headers cannot
// be sent: what they mean must not become another header.
func (t *tools) learn(result []byte, warn func(tool string, err error)) ([]byte, error) {
	var list toolList
	if err := json.Unmarshal(result, &list); err != nil {
		return nil, err
	}
	kept := slices.Clone(list.Tools)[:0]
	for _, raw := range list.Tools {
		var one tool
		if err := json.Unmarshal(raw, &one); err != nil {
			warn("", err)
			continue
		}
		bound, err := bindings(one.Schema)
		if err != nil {
			warn(one.Name, err)
			t.set(one.Name, nil)
			continue
		}
		t.set(one.Name, bound)
		t.mark(one.Name, repeats(one.Hints))
		kept = append(kept, raw)
	}
	if len(kept) == len(list.Tools) {
		return result, nil
	}
	list.Tools = kept
	return json.Marshal(list)
}

func (t *tools) set(name string, bound []binding) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all == nil || len(t.all) >= manyTools {
		t.all = map[string][]binding{}
	}
	t.all[name] = bound
}

// headers adds what a call's arguments are sent as.
func (t *tools) headers(name string, arguments jsontext.Value, to http.Header) {
	t.mu.Lock()
	bound := t.all[name]
	t.mu.Unlock()
	for _, b := range bound {
		if v, ok := headerValue(at(arguments, b.path)); ok {
			to.Set("Mcp-Param-"+b.header, mcp.EncodeHeaderValue(v))
		}
	}
}

// at returns the argument at a path; nil: there is none.
func at(v jsontext.Value, path []string) jsontext.Value {
	for _, name := range path {
		var members map[string]jsontext.Value
		if v.Kind() != '{' || json.Unmarshal(v, &members) != nil {
			return nil
		}
		v = members[name]
	}
	return v
}

// headerValue writes an argument as a header's value; false: it is not sent.
func headerValue(v jsontext.Value) (string, bool) {
	if v == nil {
		return "", false
	}
	switch v.Kind() {
	case '"':
		return text(v), true
	case 't', 'f':
		return string(v), true
	case '0':
		f, err := strconv.ParseFloat(string(v), 64)
		if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53-1 {
			return "", false
		}
		return strconv.FormatInt(int64(f), 10), true
	}
	return "", false
}

// bindings reads a tool's schema. The error says why the tool cannot be used.
func bindings(schema jsontext.Value) ([]binding, error) {
	var found []binding
	seen := map[string]bool{}
	if err := walk(schema, nil, true, seen, &found); err != nil {
		return nil, err
	}
	return found, nil
}

const maxDepth = 64

// walk goes through a schema: properties is whether only "properties" led here, as
// it has to be where the word stands.
func walk(schema jsontext.Value, path []string, properties bool, seen map[string]bool, found *[]binding) error {
	if len(path) > maxDepth {
		return errors.New("its schema is too deep")
	}
	switch schema.Kind() {
	case '[':
		var all []jsontext.Value
		if err := json.Unmarshal(schema, &all); err != nil {
			return err
		}
		for _, one := range all {
			if err := walk(one, append(path, "[]"), false, seen, found); err != nil {
				return err
			}
		}
		return nil
	case '{':
	default:
		return nil
	}
	var members map[string]jsontext.Value
	if err := json.Unmarshal(schema, &members); err != nil {
		return err
	}
	if word, ok := members[headerParam]; ok {
		b, err := bind(word, members["type"], path, properties, seen)
		if err != nil {
			return err
		}
		*found = append(*found, b)
	}
	for name, below := range members {
		var err error
		switch name {
		case "properties":
			err = walkProperties(below, path, properties, seen, found)
		case "const", "default", "enum", "examples", headerParam: // values, not schemas
		default:
			err = walk(below, append(slices.Clone(path), name), false, seen, found)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func walkProperties(v jsontext.Value, path []string, properties bool, seen map[string]bool, found *[]binding) error {
	var members map[string]jsontext.Value
	if v.Kind() != '{' || json.Unmarshal(v, &members) != nil {
		return nil
	}
	for name, below := range members {
		if err := walk(below, append(slices.Clone(path), name), properties, seen, found); err != nil {
			return err
		}
	}
	return nil
}

func bind(word, kind jsontext.Value, path []string, properties bool, seen map[string]bool) (binding, error) {
	name := text(word)
	switch k := text(kind); {
	case !properties || len(path) == 0:
		return binding{}, errors.New("a header is asked for where no argument stands")
	case k != "string" && k != "integer" && k != "boolean":
		return binding{}, fmt.Errorf("a header is asked for of the type %.40q", k)
	case !isToken(name):
		return binding{}, fmt.Errorf("%.40q cannot be a part of a header's name", name)
	case seen[strings.ToLower(name)]:
		return binding{}, fmt.Errorf("the header %.40q is asked for twice", name)
	}
	seen[strings.ToLower(name)] = true
	return binding{path: slices.Clone(path), header: name}, nil
}

// isToken says whether a text can be in a header's name. RFC 9110 §5.6.2
func isToken(s string) bool {
	if s == "" || len(s) > 200 {
		return false
	}
	for _, c := range []byte(s) {
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return true
}

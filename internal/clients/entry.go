package clients

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/clients/edit"
)

// Server is what a client is to be connected to.
type Server struct {
	Name string // of the entry
	URL  string
	Way  Way
	Var  string   // the variable that has the key, when Way is ByKey
	Line []string // our bridge as a command, when Way is ByBridge: the program first
}

// Way is how a client gets in.
type Way string

// The ways.
const (
	Open     Way = "open"   // the server asks for nothing
	ByOAuth  Way = "oauth"  // the client signs in
	ByKey    Way = "key"    // the client sends a key that it has in a variable, or asks for
	ByBridge Way = "bridge" // the client starts our bridge, which signs in or has the key
)

// Bridge is the command line of our bridge. keyFrom says where it finds a key,
// as in "keychain:acme"; empty: it signs in. The key itself is never in it.
func Bridge(program, url, keyFrom string) []string {
	line := []string{program, "bridge", url}
	if keyFrom != "" {
		line = append(line, "--key-from", keyFrom)
	}
	return line
}

var noName = regexp.MustCompile(`[^A-Za-z0-9_-]+`)

// EntryName makes a name that every client takes of a server's name.
func EntryName(name string) string {
	name = strings.Trim(noName.ReplaceAllString(name, "-"), "-")
	if name == "" {
		return "server"
	}
	return name[:min(len(name), 48)]
}

// Variable is what the variable with the key of an entry is called.
func Variable(name string) string {
	return strings.ToUpper(strings.ReplaceAll(EntryName(name), "-", "_")) + "_MCP_KEY"
}

// Can says whether the client gets in on a way.
func (c *Client) Can(w Way) bool {
	switch w {
	case Open:
		return c.Remote != nil || c.Steps != nil
	case ByOAuth:
		return c.OAuth != nil && (c.Remote != nil || c.Steps != nil)
	case ByKey:
		return c.Key != nil && (c.Remote != nil || c.Steps != nil)
	case ByBridge:
		return c.Bridge != nil
	}
	return false
}

// Entry returns the members of an entry, and the paths of those that must not be
// beside them: they belong to another way in.
func (c *Client) Entry(v Server) (want edit.Object, drop [][]string) {
	shape := c.Remote
	switch v.Way {
	case ByOAuth:
		shape = slices.Concat(c.Remote, c.OAuth)
	case ByKey:
		shape = slices.Concat(c.Remote, c.Key)
	case ByBridge:
		shape = c.Bridge
	}
	want, _ = v.fill(shape).(edit.Object)
	other, _ := v.fill(slices.Concat(c.Remote, c.OAuth, c.Key, c.Bridge, edit.Object{{Name: "httpUrl"}})).(edit.Object)
	for _, path := range leaves(other) {
		if !slices.ContainsFunc(leaves(want), func(p []string) bool { return slices.Equal(p, path) }) {
			drop = append(drop, path)
		}
	}
	return want, drop
}

// leaves are the paths of what is no mapping.
func leaves(o edit.Object) [][]string {
	var all [][]string
	for _, m := range o {
		below, ok := m.Value.(edit.Object)
		if !ok {
			all = append(all, []string{m.Name})
			continue
		}
		for _, path := range leaves(below) {
			all = append(all, append([]string{m.Name}, path...))
		}
	}
	return all
}

// Input is the input of VS Code that has the key; nil: the client has none, or needs none.
func (c *Client) Input(v Server) edit.Object {
	if c.Format != edit.JSON || !c.Prompt || v.Way != ByKey {
		return nil
	}
	return edit.Object{
		{Name: "type", Value: "promptString"}, {Name: "id", Value: v.Name + "-key"},
		{Name: "description", Value: "API key of the MCP server " + v.Name}, {Name: "password", Value: true},
	}
}

// text fills in a text.
func (v Server) text(s string) string {
	s = strings.ReplaceAll(s, "{name}", v.Name)
	s = strings.ReplaceAll(s, "{var}", v.Var)
	if len(v.Line) > 0 {
		s = strings.ReplaceAll(s, "{command}", v.Line[0])
	}
	return strings.ReplaceAll(s, "{url}", v.URL) // last: it is not ours, and nothing in it is filled in
}

func (v Server) fill(shape any) any {
	switch x := shape.(type) {
	case string:
		switch {
		case x == "{args}" && len(v.Line) > 0:
			return v.Line[1:]
		case x == "{line}":
			return v.Line
		}
		return v.text(x)
	case []string:
		out := make([]string, len(x))
		for i := range x {
			out[i] = v.text(x[i])
		}
		return out
	case edit.Object:
		out := make(edit.Object, len(x))
		for i, m := range x {
			out[i] = edit.Member{Name: v.text(m.Name), Value: v.fill(m.Value)}
		}
		return out
	}
	return shape
}

// Texts fills in lines for people.
func (v Server) Texts(lines []string) []string {
	out := make([]string, len(lines))
	for i := range lines {
		out[i] = v.text(lines[i])
	}
	return out
}

// Command returns the words of the client's own command for this; nil: it has
// none that does.
func (c *Client) Command(v Server) []string {
	words := c.CLI.Remote
	switch {
	case v.Way == ByBridge:
		words = c.CLI.Bridge
	case v.Way == ByOAuth && c.CLI.NoAuth:
		return nil
	}
	return c.words(v, words)
}

func (c *Client) words(v Server, words []string) []string {
	var out []string
	for _, w := range words {
		switch {
		case w == "{args}":
			out = append(out, v.Line[1:]...)
		case w == "{options}" && v.Way == ByKey:
			out = append(out, v.Texts(c.CLI.Key)...)
		case w == "{options}":
		default:
			out = append(out, v.text(w))
		}
	}
	return out
}

// DeepLink returns a link that adds the server in the client; "": there is none
// for this way in. It never has a key in it.
func (c *Client) DeepLink(v Server) string {
	want, _ := c.Entry(v)
	if len(want) == 0 || c.Input(v) != nil {
		return ""
	}
	switch c.Link {
	case "cursor":
		return "cursor://anysphere.cursor-deeplink/mcp/install?name=" + url.QueryEscape(v.Name) + "&config=" + url.QueryEscape(base64.StdEncoding.EncodeToString(compact(want)))
	case "vscode":
		named := append(edit.Object{{Name: "name", Value: v.Name}}, want...)
		return "vscode:mcp/install?" + url.PathEscape(string(compact(named)))
	case "lm-studio":
		return "lmstudio://add_mcp?name=" + url.QueryEscape(v.Name) + "&config=" + url.QueryEscape(base64.StdEncoding.EncodeToString(compact(want)))
	}
	return ""
}

// compact writes an object as JSON of one line, in its order.
func compact(o edit.Object) []byte {
	out, _, err := edit.Merge(edit.JSON, []byte(`{"in":{}}`), []string{"in", "it"}, o)
	if err != nil {
		return nil
	}
	var all map[string]map[string]json.RawMessage
	if json.Unmarshal(out, &all) != nil {
		return nil
	}
	var b bytes.Buffer
	_ = json.Compact(&b, all["in"]["it"]) // it was just read
	return b.Bytes()
}

// Snippet is a whole file with nothing but the entry in it.
func (c *Client) Snippet(v Server) (string, error) {
	text, _, err := c.Put(nil, v)
	return strings.TrimRight(string(text), "\n"), err
}

// Put puts the entry into the text of the client's file. No change: it is there.
// One of the same name that leads elsewhere goes as a whole: its headers and its
// variables are for another server.
func (c *Client) Put(text []byte, v Server) ([]byte, []edit.Splice, error) {
	at, found := c.URLOf(text, v.Name)
	if !found || at == v.URL {
		return c.merge(text, v)
	}
	text, taken, err := c.Take(text, v.Name)
	if err != nil {
		return nil, nil, err
	}
	out, all, err := c.merge(text, v)
	return out, append(taken, all...), err
}

// merge puts the entry in, or changes in one that leads to the same server what
// has to be: the rest is its owner's.
func (c *Client) merge(text []byte, v Server) ([]byte, []edit.Splice, error) {
	want, drop := c.Entry(v)
	path := append(c.root(text), v.Name)
	if was, _, err := edit.Lookup(c.Format, text, append(slices.Clone(path), "transport")...); err == nil {
		if _, nested := was.(map[string]any); nested {
			drop = append(drop, []string{"transport"}) // it would go before what we write
		}
	}
	merge := func() ([]byte, []edit.Splice, error) { return edit.Merge(c.Format, text, path, want, drop...) }
	if c.Format != edit.TOML && c.ours(text, path, want, drop) {
		merge = func() ([]byte, []edit.Splice, error) { return edit.Set(c.Format, text, path, want) }
	}
	out, all, err := merge()
	if err != nil || c.Input(v) == nil {
		return out, all, err
	}
	out, more, err := edit.List(out, "inputs", c.Input(v), "id")
	return out, append(all, more...), err
}

// ours says whether everything in an entry that exists is what we write: then
// nothing of anybody else is lost when it is replaced as a whole.
func (c *Client) ours(text []byte, path []string, want edit.Object, drop [][]string) bool {
	v, found, err := edit.Lookup(c.Format, text, path...)
	m, ok := v.(map[string]any)
	if err != nil || !found || !ok || len(m) == 0 {
		return false
	}
	known := append(leaves(want), drop...)
	return within(m, nil, known)
}

func within(m map[string]any, path []string, known [][]string) bool {
	for name, v := range m {
		at := append(slices.Clone(path), name)
		if below, ok := v.(map[string]any); ok {
			if !within(below, at, known) {
				return false
			}
		} else if !slices.ContainsFunc(known, func(k []string) bool { return slices.Equal(k, at) }) {
			return false
		}
	}
	return true
}

// root is the path of the mapping of servers in a file.
func (c *Client) root(text []byte) []string {
	if c.RootToo != nil {
		if v, ok, err := edit.Lookup(c.Format, text, c.RootToo...); err == nil && ok {
			if m, ok := v.(map[string]any); ok && m["type"] == nil { // no server of that name
				return slices.Clone(c.RootToo)
			}
		}
	}
	return slices.Clone(c.Root)
}

// Take takes an entry, and what belongs to it, out of the text.
func (c *Client) Take(text []byte, name string) ([]byte, []edit.Splice, error) {
	out, all, err := edit.Remove(c.Format, text, append(c.root(text), name)...)
	if err != nil || c.Input(Server{Name: name, Way: ByKey}) == nil || len(all) == 0 {
		return out, all, err
	}
	out, more, err := edit.Unlist(out, "inputs", "id", name+"-key")
	return out, append(all, more...), err
}

// Entries returns the names of the entries that lead to a URL, directly or over
// our bridge, and of all. The error says what is wrong with the file.
func (c *Client) Entries(text []byte, url string) (to, all []string, err error) {
	v, _, err := edit.Lookup(c.Format, text, c.root(text)...)
	if err != nil {
		return nil, nil, err
	}
	servers, _ := v.(map[string]any)
	for name, entry := range servers {
		m, ok := entry.(map[string]any)
		if !ok {
			continue
		}
		all = append(all, name)
		if leads(m, url) {
			to = append(to, name)
		}
	}
	slices.Sort(all)
	slices.Sort(to)
	return to, all, nil
}

// URLOf says where an entry leads: its URL, or that of our bridge; "": elsewhere.
func (c *Client) URLOf(text []byte, name string) (string, bool) {
	v, found, err := edit.Lookup(c.Format, text, append(c.root(text), name)...)
	m, ok := v.(map[string]any)
	if err != nil || !found || !ok {
		return "", found
	}
	m = transport(m)
	for _, field := range []string{"url", "serverUrl", "httpUrl", "uri"} {
		if s, ok := m[field].(string); ok {
			return s, true
		}
	}
	for _, field := range []string{"args", "command"} {
		words, _ := m[field].([]any)
		for i, w := range words {
			if w == "bridge" && i+1 < len(words) {
				return fmt.Sprint(words[i+1]), true
			}
		}
	}
	return "", true
}

// transport is the part of an entry that says how the server is reached: Cline's
// own command puts it one level down.
func transport(m map[string]any) map[string]any {
	if below, ok := m["transport"].(map[string]any); ok {
		return below
	}
	return m
}

func leads(m map[string]any, url string) bool {
	m = transport(m)
	for _, field := range []string{"url", "serverUrl", "httpUrl", "uri"} {
		if m[field] == url {
			return true
		}
	}
	for _, field := range []string{"args", "command"} {
		words, _ := m[field].([]any)
		if slices.Contains(words, any("bridge")) && slices.Contains(words, any(url)) {
			return true
		}
	}
	return false
}

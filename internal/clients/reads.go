package clients

import (
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/clients/edit"
)

// Server reads an entry back: the server that Put would have been given for it.
// It is not said that Put was.
func (c *Client) Server(text []byte, name string) (Server, bool) {
	url, found := c.URLOf(text, name)
	if !found || url == "" {
		return Server{}, false
	}
	v, _, err := edit.Lookup(c.Format, text, append(c.root(text), name)...)
	m, ok := v.(map[string]any)
	if err != nil || !ok {
		return Server{}, false
	}
	s := Server{Name: name, URL: url, Way: ByOAuth}
	if line := lineOf(m); line != nil {
		s.Way, s.Line = ByBridge, line
		return s, true
	}
	for _, way := range []Way{ByKey, ByOAuth, Open} {
		if !c.Can(way) {
			continue
		}
		try := s
		try.Way, try.Var = way, variableOf(c, m)
		if way == ByKey && len(c.Key) > 0 && !c.Prompt && try.Var == "" {
			continue
		}
		if c.has(text, try) {
			return try, true
		}
	}
	return Server{}, false
}

// has says whether an entry has nothing more to be given.
func (c *Client) has(text []byte, v Server) bool {
	_, changes, err := c.Put(text, v)
	return err == nil && len(changes) == 0
}

// lineOf returns the command line of an entry that starts a bridge.
func lineOf(m map[string]any) []string {
	var line []string
	for _, field := range []string{"command", "cmd", "args"} {
		switch x := m[field].(type) {
		case string:
			line = append(line, x)
		case []any:
			for _, w := range x {
				s, _ := w.(string)
				line = append(line, s)
			}
		}
	}
	if !slices.Contains(line, "bridge") {
		return nil
	}
	return line
}

// variableOf finds the variable that an entry refers to, by the shape that it has.
func variableOf(c *Client, m map[string]any) string {
	for _, path := range leaves(c.Key) {
		var have any = m
		var shape any = c.Key
		for _, name := range path {
			o, _ := shape.(edit.Object)
			i := slices.IndexFunc(o, func(x edit.Member) bool { return x.Name == name })
			below, _ := have.(map[string]any)
			if i < 0 || below == nil {
				have = nil
				break
			}
			have, shape = below[name], o[i].Value
		}
		text, _ := have.(string)
		form, _ := shape.(string)
		before, after, ok := strings.Cut(form, "{var}")
		if ok && len(text) > len(before)+len(after) && strings.HasPrefix(text, before) && strings.HasSuffix(text, after) {
			return text[len(before) : len(text)-len(after)]
		}
	}
	return ""
}

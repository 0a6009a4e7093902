package gatehouse

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/jws"
)

// readRights reads scopes, permissions and roles. What no path leads to stays
// nil: the issuer does not speak of it.
func (m *ClaimMap) readRights(claims *jws.Object, id *Identity) error {
	var err error
	if id.Scopes, err = m.readScopes(claims); err != nil {
		return fmt.Errorf("scopes: %w", err)
	}
	if id.Permissions, err = several(claims, m.Permissions); err != nil {
		return fmt.Errorf("permissions: %w", err)
	}
	roles, err := several(claims, m.roles())
	if err != nil {
		return fmt.Errorf("roles: %w", err)
	}
	id.Roles = m.drop(roles)
	return nil
}

// readScopes reads the first path that is there: a text with blanks between, or
// a list. RFC 9068 §2.2.3, RFC 6749 §3.3
func (m *ClaimMap) readScopes(claims *jws.Object) ([]string, error) {
	for _, path := range m.scopes() {
		found := find(claims, path)
		if len(found) == 0 {
			continue
		}
		var list []string
		if text, ok := jws.Text(found[0].Value); ok && len(found) == 1 {
			list = strings.FieldsFunc(text, func(r rune) bool { return r == ' ' })
		} else {
			var err error
			if list, err = several(claims, []string{path}); err != nil {
				return nil, err
			}
		}
		scopes := make([]string, 0, len(list))
		for _, s := range list {
			if strings.Contains(s, " ") || len(s) > maxRight || !printable(s) {
				return nil, errors.New("one of them is empty, too long, or has blanks or control characters")
			}
			if s = m.shorten(s); !slices.Contains(scopes, s) || len(list) > 64 {
				scopes = append(scopes, s)
			}
		}
		if len(scopes) > maxRights {
			return nil, errors.New("there are too many")
		}
		return scopes, nil
	}
	return nil, nil
}

// speaksOfScopes reports whether a scope claim is there at all.
func (m *ClaimMap) speaksOfScopes(claims *jws.Object) bool {
	return slices.ContainsFunc(m.scopes(), func(path string) bool { return len(find(claims, path)) > 0 })
}

// shorten takes the first prefix that fits off a scope.
func (m *ClaimMap) shorten(scope string) string {
	for _, p := range m.ScopePrefix {
		if short, ok := strings.CutPrefix(scope, p); ok && short != "" {
			return short
		}
	}
	return scope
}

// readGroups reads groups, or that they are left out.
func (m *ClaimMap) readGroups(claims *jws.Object, id *Identity) error {
	for _, path := range m.GroupsOmitted {
		for _, f := range find(claims, path) {
			if string(f.Value) != "false" {
				id.GroupsOmitted = true
				return nil // what is there beside the mark is a part, and a part is not to be decided by
			}
		}
	}
	groups, err := several(claims, m.groups())
	if err != nil {
		return fmt.Errorf("groups: %w", err)
	}
	id.Groups = m.drop(groups)
	return nil
}

// several adds up all values of all paths; nil if none is there.
func several(claims *jws.Object, paths []string) ([]string, error) {
	var list []string
	for _, path := range paths {
		for _, f := range find(claims, path) {
			values := []string{f.Name}
			if f.Value != nil {
				var err error
				if values, err = texts(f.Value); err != nil {
					return nil, fmt.Errorf("%q %w", path, err)
				}
			}
			if list == nil {
				list = []string{}
			}
			for _, s := range values {
				if len(f.Under) > 0 {
					s = strings.Join(f.Under, ":") + ":" + s
				}
				if s == "" || len(s) > maxRight || !printable(s) {
					return nil, fmt.Errorf("%q has a value that is empty, too long, or has control characters", path)
				}
				list = append(list, s)
			}
			if len(list) > maxRights {
				return nil, errors.New("there are too many")
			}
		}
	}
	return list, nil
}

// texts reads a text, or a list of texts, or of objects with a value as SCIM has
// them. RFC 9068 §2.2.3.1, RFC 7643 §2.4
func texts(v []byte) ([]string, error) {
	if one, ok := jws.Text(v); ok {
		return []string{one}, nil
	}
	elements, ok := jws.Elements(v)
	if !ok {
		return nil, errors.New("is neither a text nor a list")
	}
	list := make([]string, len(elements))
	for i, e := range elements {
		if list[i], ok = jws.Text(e); ok {
			continue
		}
		members, _ := jws.Members(e)
		at := slices.IndexFunc(members, func(m jws.Member) bool { return m.Name == "value" })
		if at >= 0 {
			list[i], ok = jws.Text(members[at].Value)
		}
		if !ok {
			return nil, errors.New("has an element that is no text")
		}
	}
	return list, nil
}

// drop leaves out what says nothing. An empty list stays one.
func (m *ClaimMap) drop(list []string) []string {
	return slices.DeleteFunc(list, func(s string) bool {
		return slices.ContainsFunc(m.Drop, func(pattern string) bool { return like(pattern, s) })
	})
}

// like reports whether a text fits a pattern, in which each "*" stands for any text.
func like(pattern, s string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == s
	}
	first, last := parts[0], parts[len(parts)-1]
	if len(s) < len(first)+len(last) || !strings.HasPrefix(s, first) || !strings.HasSuffix(s, last) {
		return false
	}
	s = s[len(first) : len(s)-len(last)]
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(s, p)
		if i < 0 {
			return false
		}
		s = s[i+len(p):]
	}
	return true
}

package jws

import "strings"

// Found is a value that a path leads to.
type Found struct {
	Under []string // what stood for each "*", but for one at the end
	Value []byte   // JSON; nil if the path ends with "*", whose names are the values
	Name  string   // of a member, or a text of a list, if the path ends with "*"
}

// Find returns what a path leads to, in the order of the object. A path is names
// joined by dots. Names may have dots themselves: of the names that begin the path
// the longest that is there is taken, and no other is tried. "*" is every member.
// At the end of a path it also is every text of a list. A path that leads to null
// leads to nothing.
func (o *Object) Find(path string) []Found { return o.FindSteps(strings.Split(path, ".")) }

// FindSteps is Find for a path that is cut into steps.
func (o *Object) FindSteps(steps []string) []Found { return find(o.members, steps, nil, nil) }

func find(members []Member, steps, under []string, found []Found) []Found {
	if steps[0] == "*" {
		for _, m := range members {
			if len(steps) == 1 {
				found = append(found, Found{Under: under, Name: m.Name})
				continue
			}
			if inner, err := Members(m.Value); err == nil {
				found = find(inner, steps[1:], append(under[:len(under):len(under)], m.Name), found)
			}
		}
		return found
	}
	for n := named(steps); n > 0; n-- {
		name := strings.Join(steps[:n], ".")
		for _, m := range members {
			if m.Name != name {
				continue
			}
			if n == len(steps) {
				if !IsNull(m.Value) {
					found = append(found, Found{Under: under, Value: m.Value})
				}
				return found
			}
			if inner, err := Members(m.Value); err == nil {
				found = find(inner, steps[n:], under, found)
			} else if list, ok := Texts(m.Value); ok && n == len(steps)-1 && steps[n] == "*" {
				for _, text := range list {
					found = append(found, Found{Under: under, Name: text})
				}
			}
			return found
		}
	}
	return found
}

// named returns how many steps come before the first "*".
func named(steps []string) int {
	for i, s := range steps {
		if s == "*" {
			return i
		}
	}
	return len(steps)
}

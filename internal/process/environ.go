package process

import (
	"maps"
	"runtime"
	"slices"
	"strings"
)

// inherited are the variables that a child gets of ours; everything else, our
// secrets among it, stays here.
var inherited = [...]string{"PATH", "HOME", "LANG", "TZ"}

// SameVariable says whether two names are of one variable of the environment.
func SameVariable(a, b string) bool {
	return a == b || runtime.GOOS == "windows" && strings.EqualFold(a, b)
}

// environ returns a child's whole environment, sorted by name.
func (s *Spec) environ(a *account) []string {
	env := make(map[string]string, len(inherited)+len(s.Env)+2)
	for _, kv := range s.Environ {
		name, value, _ := strings.Cut(kv, "=")
		if slices.Contains(inherited[:], name) || slices.Contains(alsoInherited, strings.ToUpper(name)) {
			env[name] = value
		}
	}
	if a != nil {
		env["HOME"], env["USER"], env["LOGNAME"] = a.home, a.name, a.name
	}
	maps.Copy(env, s.Env)
	list := make([]string, 0, len(env)) // never nil: that would mean all of ours
	for _, name := range slices.Sorted(maps.Keys(env)) {
		list = append(list, name+"="+env[name])
	}
	return list
}

package config

import "testing"

// TestOnlyWhatWasMeantMayDiffer tells elements of a list apart, and a default that
// follows from a setting that somebody had written.
func TestOnlyWhatWasMeantMayDiffer(t *testing.T) {
	t.Parallel()
	set := func(at, value, origin string) *Setting {
		return &Setting{Path: at, Value: value, Origin: origin, at: at}
	}
	meant := Change{Sign: "~", Old: set("servers[0].forward.identity", "none", "default"), New: set("servers[0].forward.identity", "jwt", "f:9")}
	for name, tt := range map[string]struct {
		differs []Change
		ok      bool
	}{
		"what was meant":                 {[]Change{meant}, true},
		"nothing":                        {nil, false},
		"another server":                 {[]Change{{Sign: "~", Old: set("servers[1].forward.identity", "none", "default"), New: set("servers[1].forward.identity", "jwt", "f:9")}}, false},
		"another server too":             {[]Change{meant, {Sign: "-", Old: set("servers[1].forward.identity", "jwt", "f:9")}}, false},
		"a default beside it":            {[]Change{meant, {Sign: "~", Old: set("servers[0].forward.x", "a", "default"), New: set("servers[0].forward.x", "b", "default")}}, true},
		"a new default beside it":        {[]Change{meant, {Sign: "+", New: set("servers[0].forward.x", "b", "default")}}, true},
		"a default of another server":    {[]Change{meant, {Sign: "+", New: set("servers[1].forward.x", "b", "default")}}, false},
		"a default for what was written": {[]Change{meant, {Sign: "~", Old: set("servers[0].forward.x", "a", "f:3"), New: set("servers[0].forward.x", "b", "default")}}, false},
	} {
		for i := range tt.differs {
			if d := &tt.differs[i]; d.New != nil {
				d.Path = d.New.Path
			}
		}
		if err := judgeAmended(tt.differs, []Amendment{{Path: "servers[0].forward.identity", Value: "jwt"}}); (err == nil) != tt.ok {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

package policy_test

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/policy"
)

func TestAllows(t *testing.T) {
	tests := []struct {
		name     string
		patterns string
		yes, no  string // tool names
	}{
		{"no patterns", "", "", "a *"},
		{"everything", "*", "a get_x ü", ""},
		{"everything, said twice", "**", "a", ""},
		{"one name", "get_note", "get_note", "get_note2 xget_note get_not GET_NOTE Get_note"},
		{"a prefix", "get_*", "get_ get_note get_get_", "get xget_ Get_note"},
		{"a suffix", "*_get", "_get a_get _get_get", "_get_ get"},
		{"a part", "*note*", "note a_note_b notenote", "not e"},
		{"both ends that may not overlap", "aba*aba", "abaaba abaXaba", "aba abaxab ababa"},
		{"several stars", "a*b*c", "abc aXbYc abbcc abcbc", "acb abcd xabc"},
		{"stars side by side", "a**b", "ab axb", "ba"},
		{"a middle that is found leftmost", "*ab*ab*", "abab xabyabz", "ab aab"},
		{"the first of several", "get_*,list_*", "get_a list_a", "delete_a"},
		{"characters that other languages take for special", "a.b[c]?(d)|e\\", "a.b[c]?(d)|e\\", "aXb[c]?(d)|e\\ a"},
		{"another case", "read", "read", "READ"},
		{"a look-alike", "read", "read", "reаd"}, // Cyrillic а
		{"characters of two bytes", "ü*é", "üé üxé", "u"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tools, err := policy.Compile(split(tt.patterns))
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range strings.Fields(tt.yes) {
				if !tools.Allows(name) {
					t.Errorf("%q: got refused, want allowed", name)
				}
			}
			for _, name := range append(strings.Fields(tt.no), "\x00") {
				if tools.Allows(name) && !tools.All() {
					t.Errorf("%q: got allowed, want refused", name)
				}
			}
			if !slices.Equal(tools.Patterns(), split(tt.patterns)) {
				t.Errorf("got patterns %q", tools.Patterns())
			}
		})
	}
	if (policy.Tools{}).Allows("a") || (policy.Tools{}).Allows("") {
		t.Error("the zero value allows something")
	}
}

func split(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

func TestCompileRefuses(t *testing.T) {
	tests := []struct {
		name     string
		patterns []string
	}{
		{"an empty pattern", []string{"a", ""}},
		{"a space", []string{"get note"}},
		{"a comma", []string{"a,b"}},
		{"a tab", []string{"a\tb"}},
		{"NUL", []string{"a\x00"}},
		{"a character that turns the line around", []string{"a\u202eb"}},
		{"a no-break space", []string{"a\u00a0b"}},
		{"invalid UTF-8", []string{"a\xff"}},
		{"129 characters", []string{strings.Repeat("a", 129)}},
		{"101 patterns", slices.Repeat([]string{"a"}, 101)},
	}
	for _, tt := range tests {
		t.Run("it refuses "+tt.name, func(t *testing.T) {
			tools, err := policy.Compile(tt.patterns)
			if !errors.Is(err, policy.ErrPattern) {
				t.Errorf("got %v, want ErrPattern", err)
			}
			if tools.Allows("a") {
				t.Error("something is allowed beside the error")
			}
		})
	}
	if _, err := policy.Compile(slices.Repeat([]string{strings.Repeat("ü", 128)}, 100)); err != nil {
		t.Errorf("at the bounds: %v", err)
	}
}

func TestPatternsAreTheSets(t *testing.T) {
	given := []string{"get_*"}
	a, _ := policy.Compile(given)
	given[0] = "*"
	a.Patterns()[0] = "*"
	if got := a.Patterns(); !slices.Equal(got, []string{"get_*"}) {
		t.Errorf("got %q: somebody else's slice changes the set", got)
	}
	b, _ := policy.Compile([]string{"get_*"})
	c, _ := policy.Compile([]string{"get_*", "x"})
	if !a.Equal(b) || a.Equal(c) {
		t.Error("Equal does not compare the patterns")
	}
}

// FuzzAllows compares the matcher with regexp, which says the same in another way.
func FuzzAllows(f *testing.F) {
	for _, s := range [][2]string{{"a*b*c", "abc"}, {"*ab*ab", "abab"}, {"a**", "a"}, {"aba*aba", "ababa"}, {"ü*", "üx"}, {"*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaa"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, pattern, name string) {
		tools, err := policy.Compile([]string{pattern})
		if err != nil {
			return
		}
		expr := "(?s)^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + "$"
		want := regexp.MustCompile(expr).MatchString(name)
		if got := tools.Allows(name); got != want {
			t.Errorf("%q in %q: got %v, want %v", name, pattern, got, want)
		}
	})
}

func BenchmarkAllows(b *testing.B) {
	patterns := make([]string, 0, policy.MaxPatterns)
	for i := range policy.MaxPatterns {
		patterns = append(patterns, "tool_"+string(rune('a'+i%26))+"*_"+strings.Repeat("x", i%7))
	}
	tools, err := policy.Compile(patterns)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		tools.Allows("tool_zz_not_there")
	}
}

package gatehouse

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/gatehouse-mcp/gatehouse/internal/jws"
)

// find returns what a path leads to. A step in braces is the text of the claim
// that it names, as in "tenants.{dct}.roles"; without that claim the path leads
// nowhere. What begins with "=" is no path but the text behind it.
func find(claims *jws.Object, path string) []jws.Found {
	if text, ok := strings.CutPrefix(path, "="); ok {
		return []jws.Found{{Name: text}}
	}
	if !strings.Contains(path, "{") {
		return claims.Find(path)
	}
	steps := strings.Split(path, ".")
	for i, s := range steps {
		name, opens := strings.CutPrefix(s, "{")
		name, closes := strings.CutSuffix(name, "}")
		if !opens || !closes || name == "" {
			continue
		}
		text, ok := textClaim(claims, name)
		if !ok || text == "" || text == "*" {
			return nil
		}
		steps[i] = text
	}
	return claims.FindSteps(steps)
}

// matches reports whether a rule is true of claims. A claim that is null is not there.
func (r ClaimRule) matches(claims *jws.Object) bool {
	for _, f := range find(claims, r.Claim) {
		switch {
		case r.Equals == "", f.Value == nil && f.Name == r.Equals, f.Value != nil && says(f.Value, r.Equals):
			return true
		}
	}
	return false
}

// says reports whether a value, or one of a list, is the text, or the number or
// truth value that it writes.
func says(v []byte, want string) bool {
	if s, ok := jws.Text(v); ok {
		return s == want
	}
	if list, ok := jws.Elements(v); ok {
		for _, e := range list {
			if s, ok := jws.Text(e); ok && s == want || !ok && string(e) == want {
				return true
			}
		}
		return false
	}
	return string(v) == want
}

// String writes a rule for people.
func (r ClaimRule) String() string {
	if r.Equals == "" {
		return r.Claim
	}
	return fmt.Sprintf("%s=%s", r.Claim, r.Equals)
}

// printable reports whether a text has no control characters, which could forge
// a line or a header, and none that turn the direction of what follows.
func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || r == unicode.ReplacementChar || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
	})
}

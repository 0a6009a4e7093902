package oauth

import (
	"slices"
	"strings"
)

// Bounds of a scope parameter.
const (
	maxScopes    = 100
	maxScopeText = 8 << 10 // bytes
)

// ParseScope returns the scopes of a scope parameter, each once, in their order;
// nil: none. More than one space between two is tolerated. RFC 6749 §3.3
func ParseScope(text string) ([]string, *Error) {
	refused := func(description string) *Error {
		return &Error{Code: InvalidScope, Description: description, Ref: "GH-1400"}
	}
	if len(text) > maxScopeText {
		return nil, refused("scope is longer than 8 KiB")
	}
	var scopes []string
	for part := range strings.SplitSeq(text, " ") {
		switch {
		case part == "" || slices.Contains(scopes, part):
			continue
		case !ValidScope(part):
			return nil, refused("scope has a character that no scope may have")
		case len(scopes) == maxScopes:
			return nil, refused("scope has more than 100 scopes")
		}
		scopes = append(scopes, part)
	}
	return scopes, nil
}

// ValidScope says whether a text is one scope. RFC 6749 §3.3
func ValidScope(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x21 || c > 0x7e || c == '"' || c == '\\' {
			return false
		}
	}
	return s != ""
}

// Package pattern has regular expressions that cost nothing until they are used.
// Most commands, a bridge among them, use few of those that judge configurations,
// and compiling them all took a fifth of a start.
package pattern

import (
	"regexp"
	"sync"
)

// Lazy returns what compiles an expression when it is first called, and has it
// from then on. An expression that is wrong panics there, not at the start.
func Lazy(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}

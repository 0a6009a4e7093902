package policy

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// spoken are the functions that may stand between two operands, as in
// `args.path under tenant.root`.
var spoken = map[string]bool{"startsWith": true, "endsWith": true, "contains": true, "matches": true, "under": true}

// infix rewrites `A word B` to `A.word(B)`. B is a name with its members, or a
// literal. In CEL two operands never stand side by side, so nothing that means
// something there is touched, and what this does not understand is left to CEL
// to refuse.
func infix(expr string) string {
	all := lex(expr)
	var b strings.Builder
	last := -1 // token behind which the call ends
	for i, t := range all {
		end := -1
		if t.kind == word && spoken[t.text] && last < 0 && i > 0 {
			end = operand(all, i)
		}
		if end < 0 {
			b.WriteString(t.text)
		} else {
			b.WriteString("." + t.text + "(")
			last = end
		}
		if i == last {
			b.WriteString(")")
			last = -1
		}
	}
	return b.String()
}

// operand returns the last token of what follows the word at i, if the word
// stands between two operands; else -1.
func operand(all []lexeme, i int) int {
	left, right := i-1, i+1
	for left >= 0 && all[left].kind == space {
		left--
	}
	for right < len(all) && all[right].kind == space {
		right++
	}
	switch {
	case left < 0 || left == i-1 || right >= len(all) || right == i+1: // nothing parts it from its neighbours
		return -1
	case all[left].kind == mark && all[left].text != ")" && all[left].text != "]", all[left].text == "in":
		return -1
	case all[right].kind == mark:
		return -1
	case all[right].kind != word:
		return right
	}
	for right+1 < len(all) {
		switch next := all[right+1]; {
		case next.text == "." && right+2 < len(all) && all[right+2].kind == word:
			right += 2
		case next.text == "[" || next.text == "(":
			if right = closing(all, right+1); right < 0 {
				return -1
			}
		default:
			return right
		}
	}
	return right
}

// closing returns the bracket that closes the one at i, or -1.
func closing(all []lexeme, i int) int {
	depth := 0
	for ; i < len(all); i++ {
		switch all[i].text {
		case "(", "[", "{":
			depth++
		case ")", "]", "}":
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// lexeme is a piece of an expression. Joined, they are the expression.
type lexeme struct {
	kind int
	text string
}

const (
	space = iota
	word  // names and numbers
	quote // a text
	mark  // anything else, one character
)

func lex(s string) []lexeme {
	var all []lexeme
	for s != "" {
		t := first(s)
		all = append(all, t)
		s = s[len(t.text):]
	}
	return all
}

func first(s string) lexeme {
	run := func(in func(rune) bool) int {
		if n := strings.IndexFunc(s, func(r rune) bool { return !in(r) }); n >= 0 {
			return n
		}
		return len(s)
	}
	if strings.HasPrefix(s, "//") {
		line, _, _ := strings.Cut(s, "\n")
		return lexeme{space, line}
	}
	if n := run(unicode.IsSpace); n > 0 {
		return lexeme{space, s[:n]}
	}
	n := run(func(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) })
	prefix := strings.ToLower(s[:n])
	if rest := s[n:]; rest != "" && (rest[0] == '"' || rest[0] == '\'') && strings.Trim(prefix, "rb") == "" && n <= 2 {
		return lexeme{quote, s[:n+quoted(rest, strings.Contains(prefix, "r"))]}
	}
	if n > 0 {
		return lexeme{word, s[:n]}
	}
	_, size := utf8.DecodeRuneInString(s)
	return lexeme{mark, s[:size]}
}

// quoted returns the length of the text literal that s begins with.
func quoted(s string, raw bool) int {
	end := s[:1]
	if strings.HasPrefix(s, end+end+end) {
		end = s[:3]
	}
	for i := len(end); i < len(s); i++ {
		switch {
		case strings.HasPrefix(s[i:], end):
			return i + len(end)
		case s[i] == '\\' && !raw:
			i++
		}
	}
	return len(s)
}

package gatehouse

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// refuse returns a refusal with a story for those who run the server. What is in
// a token may be in it: the log writes it so that it cannot forge a line.
func refuse(code, description, story string, args ...any) *Error {
	return Refuse(code, description, fmt.Errorf(story, args...))
}

// cut shortens a stranger's text for a story.
func cut(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	end := most
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

func quoted(list []string) string {
	const most = 10
	words := make([]string, 0, len(list))
	for i, s := range list {
		if i == most {
			words = append(words, "…")
			break
		}
		words = append(words, strconv.Quote(cut(s)))
	}
	return strings.Join(words, ", ")
}

// differs says how a value differs from the nearest of those that are expected,
// which are what the label says.
func differs(got, label string, want []string) string {
	near := want[0]
	for _, w := range want {
		if common(got, w) > common(got, near) {
			near = w
		}
	}
	story := fmt.Sprintf("%q ≠ %s %q", cut(got), label, near)
	switch {
	case got+"/" == near:
		return story + `: only the final "/" is missing. It is compared exactly`
	case got == near+"/":
		return story + `: only the final "/" differs. It is compared exactly`
	case strings.EqualFold(got, near):
		return story + ": only the case differs. It is compared exactly"
	}
	if n := common(got, near); n > 0 && n < len(near) {
		story += fmt.Sprintf(" (alike as far as %q)", cut(near[:n]))
	}
	return story
}

// common returns how many bytes two texts begin with in common, whole characters only.
func common(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	for n > 0 && n < len(b) && !utf8.RuneStart(b[n]) {
		n--
	}
	return n
}

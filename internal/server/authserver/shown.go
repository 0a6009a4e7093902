package authserver

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxShown = 64 // characters of a text that a stranger chose
	maxMarks = 2  // on one letter: writing has no more, and a pile covers what is around it
)

// shown makes a text of a stranger fit to be shown: without what turns the
// direction of writing, what is invisible, and control characters; one line, and
// not longer than a name is. It is all that pages show of strangers.
func shown(text string) string {
	var b strings.Builder
	n, marks, gap := 0, maxMarks, false // there is no letter yet that a mark could stand on
	for _, c := range text {
		mark := unicode.Is(unicode.M, c)
		switch {
		case unicode.IsSpace(c):
			gap, marks = n > 0, maxMarks
			continue
		case c == utf8.RuneError, !unicode.IsPrint(c), invisible(c), mark && marks >= maxMarks:
			continue
		case mark:
			marks++
		default:
			marks = 0
		}
		if n >= maxShown || gap && n+1 >= maxShown {
			b.WriteRune('…')
			break
		}
		if gap {
			b.WriteByte(' ')
			n, gap = n+1, false
		}
		b.WriteRune(c)
		n++
	}
	return b.String()
}

// invisible says whether a character that counts as printable shows nothing, or
// encloses others.
func invisible(c rune) bool {
	return unicode.In(c, unicode.Me, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) ||
		c == '\u2800' // a Braille pattern without dots
}

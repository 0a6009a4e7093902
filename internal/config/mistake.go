package config

import (
	"errors"
	"fmt"
	"strings"
)

// Mistake is one thing that is wrong with a configuration.
type Mistake struct {
	Code string // "GH-2001", or "GH-2004" for plain HTTP off loopback
	File string // empty when it does not come from a file
	Line int    // from 1; 0: nowhere in particular
	Col  int    // from 1
	Text string // what, with the field's name first
}

// Error reads "gatehouse.yaml:14:7: unknown key …".
func (m Mistake) Error() string {
	switch {
	case m.File == "":
		return m.Text
	case m.Line == 0:
		return m.File + ": " + m.Text
	}
	return fmt.Sprintf("%s:%d:%d: %s", m.File, m.Line, m.Col, m.Text)
}

// Mistakes are all that is wrong, in the order of the file.
type Mistakes []Mistake

// Error is one mistake on a line.
func (m Mistakes) Error() string {
	lines := make([]string, len(m))
	for i := range m {
		lines[i] = m[i].Error()
	}
	return strings.Join(lines, "\n")
}

// plainHTTP is the mistake that has a code of its own.
type plainHTTP struct{ text string }

func (e plainHTTP) Error() string { return e.text }

func mistakeOf(field string, err error) Mistake {
	m := Mistake{Code: "GH-2001", Text: strings.TrimSpace(field + " " + err.Error())}
	if errors.As(err, &plainHTTP{}) {
		m.Code = "GH-2004"
	}
	return m
}

// closest returns the candidate that a misspelt key most likely means, or "".
func closest(key string, candidates []string) string {
	best, at := "", 3 // more than two slips is another word
	for _, c := range candidates {
		if d := distance(key, c); d < at && d < len(c) {
			best, at = c, d
		}
	}
	return best
}

// distance counts the insertions, deletions and replacements between two words.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

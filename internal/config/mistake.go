package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Codes of mistakes and warnings.
const (
	codeFile    = "GH-2001"
	codeOpen    = "GH-2003"
	codePlain   = "GH-2004"
	codeWarning = "GH-2010"
)

// Mistake is one thing that is wrong with a configuration, or a warning.
type Mistake struct {
	Code    string // "GH-2001"; "GH-2003" where anybody could sign in; "GH-2004" for plain HTTP off loopback; "GH-2010" for a warning
	File    string // empty when it does not come from a file
	Line    int    // from 1; 0: nowhere in particular
	Col     int    // from 1
	Path    string // of the setting, such as servers[0].url; empty: of none
	Text    string // what, with the setting's path first
	Warning bool   // it can be served
	Weakens bool   // a warning: a check is weaker for it

	planned bool    // a setting of another version
	source  *source // of the first of all that are wrong with a file
}

// Error reads "gatehouse.yaml:14:7: unknown key …".
func (m Mistake) Error() string {
	if m.File == "" {
		return m.Text
	}
	return m.Place() + ": " + m.Text
}

// Place reads "gatehouse.yaml:14:7".
func (m Mistake) Place() string {
	if m.File == "" || m.Line == 0 {
		return m.File
	}
	return fmt.Sprintf("%s:%d:%d", m.File, m.Line, m.Col)
}

// Mistakes are all that is wrong, in the order of the file.
type Mistakes []Mistake

// Files are those that were read before the mistakes were found: when one of
// them changes, it is worth trying again. None when there is no saying.
func (m Mistakes) Files() []string {
	if len(m) == 0 || m[0].source == nil {
		return nil
	}
	return slices.Clone(m[0].source.files)
}

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

func mistakeOf(path string, err error) Mistake {
	m := Mistake{Code: codeFile, Path: path, Text: strings.TrimSpace(path + " " + err.Error())}
	if errors.As(err, &plainHTTP{}) {
		m.Code = codePlain
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

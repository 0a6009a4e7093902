// Package reference is this directory as the program has it: what a page says of
// an error code is what the program says of it.
package reference

import (
	_ "embed"
	"path"
	"strings"
	"sync"
)

//go:embed errors.md
var errorsPage string

// Error is a row of errors.md, as Markdown.
type Error struct {
	Code    string // GH-nnnn
	Where   string // HTTP status, or where else it is told
	Meaning string
	Do      string // empty: there is nothing to do
}

var errorsByCode = sync.OnceValue(func() map[string]Error {
	all := map[string]Error{}
	for line := range strings.SplitSeq(errorsPage, "\n") {
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		if !strings.HasPrefix(line, "| GH-") || len(cells) != 4 {
			continue
		}
		e := Error{Code: cells[0], Where: cells[1], Meaning: cells[2], Do: cells[3]}
		if e.Do == "–" {
			e.Do = ""
		}
		all[e.Code] = e
	}
	return all
})

// ErrorOf returns the row of a code; the zero Error: there is none.
func ErrorOf(code string) Error { return errorsByCode()[code] }

// Text returns Markdown as a terminal shows it: without marks, and of a link its
// text, and where the page is in the documentation.
func Text(markdown string) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(markdown, "[")
		text, after, link := strings.Cut(rest, "](")
		_, tail, closed := strings.Cut(after, ")")
		if !ok || !link || !closed {
			b.WriteString(markdown)
			break
		}
		b.WriteString(before + text + page(strings.TrimSuffix(after, ")"+tail)))
		markdown = tail
	}
	return strings.NewReplacer("`", "").Replace(b.String())
}

// page is where a link of this directory leads, in brackets; empty: to no page.
func page(link string) string {
	file, _, _ := strings.Cut(link, "#")
	if !strings.HasSuffix(file, ".md") || strings.Contains(file, ":") {
		return ""
	}
	return " (" + path.Join("docs/reference", file) + ")"
}

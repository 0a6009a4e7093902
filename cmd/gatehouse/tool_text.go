package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// definition writes a tool's definition for people: a description as the lines
// that it has, everything else as JSON, all of it printable. None for null.
func definition(raw json.RawMessage) ([]string, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil, fmt.Errorf("read a tool's definition: %w", err)
	}
	var out []string
	for _, name := range []string{"name", "title", "description", "annotations", "inputSchema", "outputSchema"} { // as people read them
		if value, ok := members[name]; ok {
			out = append(out, described(name, value)...)
			delete(members, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(members)) { // those that only look like one, such as "Description"
		out = append(out, described(name, members[name])...)
	}
	return out, nil
}

// described writes one member of a definition.
func described(name string, value json.RawMessage) []string {
	name = visible(name)
	var text string
	if json.Unmarshal(value, &text) == nil && name != "name" {
		out := []string{name + ":"}
		for line := range strings.SplitSeq(text, "\n") {
			out = append(out, "  "+visible(line))
		}
		return out
	}
	var indented bytes.Buffer
	if json.Indent(&indented, value, "", "  ") != nil {
		return []string{name + ": " + visible(string(value))}
	}
	lines := strings.Split(indented.String(), "\n")
	for i := range lines {
		lines[i] = visible(lines[i])
	}
	lines[0] = name + ": " + lines[0]
	return lines
}

// visible writes what does not print, or turns the line around, as what it is:
// an instruction to a model may be hidden in it.
func visible(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteString(`\u{` + strconv.FormatInt(int64(r), 16) + `}`)
		}
	}
	return b.String()
}

// maxDiffed is how many lines are compared; of more, all are shown as changed.
const maxDiffed = 3000

// difference returns the lines of both texts with "-" before those that are only
// in the first, "+" before those only in the second, and of the others those near.
func difference(a, b []string) []string {
	if len(a) > maxDiffed || len(b) > maxDiffed {
		return append(marked("-", a), marked("+", b)...)
	}
	longest := make([][]int16, len(a)+1) // common lines from there on
	for i := range longest {
		longest[i] = make([]int16, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if longest[i][j] = max(longest[i+1][j], longest[i][j+1]); a[i] == b[j] {
				longest[i][j] = longest[i+1][j+1] + 1
			}
		}
	}
	var out []string
	for i, j := 0, 0; i < len(a) || j < len(b); {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			out = append(out, "  "+a[i])
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && longest[i+1][j] >= longest[i][j+1]:
			out = append(out, "- "+a[i])
			i++
		default:
			out = append(out, "+ "+b[j])
			j++
		}
	}
	return near(out)
}

func marked(sign string, lines []string) []string {
	out := make([]string, len(lines))
	for i, line := range lines {
		out[i] = sign + " " + line
	}
	return out
}

// near leaves out what is far from any change.
func near(lines []string) []string {
	const context = 3
	keep := make([]bool, len(lines))
	for i, line := range lines {
		if line[0] == ' ' {
			continue
		}
		for j := max(0, i-context); j <= min(len(lines)-1, i+context); j++ {
			keep[j] = true
		}
	}
	var out []string
	for i, line := range lines {
		switch {
		case keep[i]:
			out = append(out, line)
		case i == 0 || keep[i-1]:
			out = append(out, "  …")
		}
	}
	return out
}

package main

import (
	"fmt"
	"regexp"
	"strings"
)

// unified is the difference of two texts of YAML as patch reads it; "": there is
// none. Lines that stay as they are are not in it: they may hold secrets. Nor is
// what may be one in those that change.
func unified(name string, before, after []byte) string {
	if string(before) == string(after) {
		return ""
	}
	ops := lineDiff(strings.SplitAfter(string(before), "\n"), strings.SplitAfter(string(after), "\n"))
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, "--- %s\n+++ %s\n", name, name)
	for i := 0; i < len(ops); {
		if ops[i].kind == ' ' {
			i++
			continue
		}
		to := i
		for to < len(ops) && ops[to].kind != ' ' {
			to++
		}
		writeHunk(&b, ops[i:to])
		i = to
	}
	return b.String()
}

func writeHunk(b *strings.Builder, ops []lineOp) {
	old, put := 0, 0
	for _, o := range ops {
		if o.kind != '+' {
			old++
		}
		if o.kind != '-' {
			put++
		}
	}
	at := func(line, n int) int { // of no lines: the one in front
		if n == 0 {
			line--
		}
		return line
	}
	_, _ = fmt.Fprintf(b, "@@ -%d,%d +%d,%d @@\n", at(ops[0].old, old), old, at(ops[0].put, put), put)
	for _, o := range ops {
		text, ended := strings.CutSuffix(o.text, "\n")
		b.WriteString(string(o.kind) + hiddenYAML(text) + "\n")
		if !ended {
			b.WriteString("\\ No newline at end of file\n")
		}
	}
}

// What may be secret in a line of our configuration, where values need no quotes.
// Secrets themselves have to be references there; a program's arguments and
// variables, and URLs, may be anything.
var (
	secretYAML = regexp.MustCompile(`(?i)([\w-]*(?:secret|token|passw|pwd|pepper|credential|authorization|dsn|(?:api|access|private|signing|encryption)[_-]?key)[\w-]*["']?\s*:\s*)` +
		`("(?:[^"\\]|\\.)*"?|'[^']*'?|(?:\$\{[^}]*\}|[^\s"'{\[])(?:\$\{[^}]*\}|[^,}#])*)`)
	reference = regexp.MustCompile(`^["']?(?i:bearer |basic )?\$\{[^}]*\}["']?\s*$`)
	programs  = regexp.MustCompile(`\b((?:env|command|args|cwd)["']?\s*:\s*)\S.*`)
	inURL     = regexp.MustCompile(`(://)[^\s/"']*@|([?&][\w.~-]+=)[^&\s"'#}]+`)
)

func hiddenYAML(line string) string {
	line = programs.ReplaceAllString(line, "${1}••••••")
	line = inURL.ReplaceAllStringFunc(line, func(found string) string {
		if m := inURL.FindStringSubmatch(found); m[2] != "" {
			return m[2] + "••••••"
		}
		return "://••••••@"
	})
	line = secretYAML.ReplaceAllStringFunc(line, func(found string) string {
		m := secretYAML.FindStringSubmatch(found)
		if reference.MatchString(m[2]) {
			return found
		}
		return m[1] + "••••••"
	})
	return hidden(line)
}

// lineOp is a line that stays, goes or comes, and the numbers that it has.
type lineOp struct {
	kind     byte
	text     string
	old, put int
}

// mostCompared bounds the memory of a comparison: 2000 lines with as many. Beyond, all of a text is said to be new.
const mostCompared = 4_000_000

// lineDiff is the shortest way from one list of lines to another.
func lineDiff(before, after []string) (ops []lineOp) {
	trim := func(all []string) []string {
		if n := len(all); n > 0 && all[n-1] == "" {
			return all[:n-1]
		}
		return all
	}
	before, after = trim(before), trim(after)
	if len(before)*len(after) > mostCompared {
		for i, text := range before {
			ops = append(ops, lineOp{'-', text, i + 1, 1})
		}
		for j, text := range after {
			ops = append(ops, lineOp{'+', text, len(before) + 1, j + 1})
		}
		return ops
	}
	common := make([][]int, len(before)+1) // by where both begin: lines in common from there on
	for i := range common {
		common[i] = make([]int, len(after)+1)
	}
	for i := len(before) - 1; i >= 0; i-- {
		for j := len(after) - 1; j >= 0; j-- {
			if before[i] == after[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	i, j := 0, 0
	for i < len(before) || j < len(after) {
		switch {
		case i < len(before) && j < len(after) && before[i] == after[j]:
			ops = append(ops, lineOp{' ', before[i], i + 1, j + 1})
			i, j = i+1, j+1
		case i < len(before) && (j == len(after) || common[i+1][j] >= common[i][j+1]):
			ops = append(ops, lineOp{'-', before[i], i + 1, j + 1})
			i++
		default:
			ops = append(ops, lineOp{'+', after[j], i + 1, j + 1})
			j++
		}
	}
	return ops
}

package main

import (
	"fmt"
	"strings"
)

// unified is the difference of two texts as patch reads it, with two lines around
// each change; "": there is none. What may be a secret is masked.
func unified(name string, before, after []byte) string {
	if string(before) == string(after) {
		return ""
	}
	const around = 2
	ops := lineDiff(strings.SplitAfter(string(before), "\n"), strings.SplitAfter(string(after), "\n"))
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, "--- %s\n+++ %s\n", name, name)
	for i := 0; i < len(ops); {
		if ops[i].kind == ' ' {
			i++
			continue
		}
		from, last := max(i-around, 0), i
		for j := i; j < len(ops) && j-last <= 2*around; j++ {
			if ops[j].kind != ' ' {
				last = j
			}
		}
		to := min(last+around+1, len(ops))
		writeHunk(&b, ops, from, to)
		i = to
	}
	return b.String()
}

func writeHunk(b *strings.Builder, ops []lineOp, from, to int) {
	old, put := 0, 0
	for _, o := range ops[from:to] {
		if o.kind != '+' {
			old++
		}
		if o.kind != '-' {
			put++
		}
	}
	_, _ = fmt.Fprintf(b, "@@ -%d,%d +%d,%d @@\n", ops[from].old, old, ops[from].put, put)
	for _, o := range ops[from:to] {
		text, ended := strings.CutSuffix(o.text, "\n")
		b.WriteString(string(o.kind) + hidden(text) + "\n")
		if !ended {
			b.WriteString("\\ No newline at end of file\n")
		}
	}
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

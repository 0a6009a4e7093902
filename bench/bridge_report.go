package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

func (r *report) sample(name, row string, v float64) {
	r.Samples[name][row] = append(r.Samples[name][row], v)
}

// printBridges writes tables that can be put into a page as they are.
func (r *report) printBridges(w io.Writer) {
	if len(r.bridgers) == 0 {
		return
	}
	fmt.Fprintf(w, "Bridges: medians [extremes] of %v interleaved rounds. CPU is that of all processes of the bridge, which have one core.\n\n", r.Facts["rounds"])
	table := func(title string, rows func(b *bridger) []string, columns ...string) {
		fmt.Fprintf(w, "| %s | %s |\n|%s\n", title, strings.Join(columns, " | "), strings.Repeat("---|", len(columns)+1))
		for _, b := range r.bridgers {
			cells := rows(b)
			if slices.ContainsFunc(cells, func(s string) bool { return s != "–" }) {
				fmt.Fprintf(w, "| %s | %s |\n", b.name, strings.Join(cells, " | "))
			}
		}
		fmt.Fprintln(w)
	}
	table("ms until tools/list is answered", func(b *bridger) (cells []string) {
		for _, way := range []string{wayOpen, wayKey, wayTokens} {
			cells = append(cells, r.spread(b.name, "start ms, "+way), r.spread(b.name, "start CPU ms, "+way))
		}
		return cells
	}, "no credential", "CPU ms", "key", "CPU ms", "tokens kept", "CPU ms")
	table("memory, MiB (PSS of all its processes)", func(b *bridger) []string {
		var cells []string // each was measured once
		for _, row := range []string{"MiB, idle", "MiB, after calls"} {
			cells = append(cells, short(median(r.Samples[b.name][row])), short(median(r.Samples[b.name][row+", own"])))
		}
		return cells
	}, "idle", "of it no file's", fmt.Sprintf("after %d calls", fillCalls), "of it no file's")
	table("a call", func(b *bridger) (cells []string) {
		for _, n := range inFlight {
			cells = append(cells, r.spread(b.name, rowCalls(toolEcho, n)+", /s"))
		}
		one := rowCalls(toolEcho, 1) + ", p50 µs"
		cells = append(cells, r.spread(b.name, one), "–")
		if d := r.differences(b.name, nameNoBridge, one); b.args != nil && len(d) > 0 {
			cells[len(cells)-1] = fmt.Sprintf("%s [%s–%s]", short(median(d)), short(slices.Min(d)), short(slices.Max(d)))
		}
		for _, n := range inFlight {
			cells = append(cells, r.spread(b.name, rowCalls(toolEcho, n)+", CPU µs"))
		}
		return cells
	}, "/s, 1 in flight", "16", "64", "µs there and back, 1 in flight", "more than without", "CPU µs, 1 in flight", "16", "64")
	table("an answer of 1 MiB", func(b *bridger) []string {
		row := rowCalls(toolBig, 1)
		return []string{r.spread(b.name, row+", /s"), r.spread(b.name, row+", CPU µs")}
	}, "/s, 1 in flight", "CPU µs")
	for _, b := range r.bridgers {
		fmt.Fprintf(w, "- %s: %s\n", b.name, b.is)
	}
}

package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// printGrants writes a table for each kind of grant.
func (r *report) printGrants(w io.Writer) {
	if len(r.granters) == 0 {
		return
	}
	fmt.Fprintf(w, "Grants: medians [extremes] of %v interleaved rounds of %v ms. CPU is all that the server's process took, divided by grants;\n", r.Facts["rounds"], r.Facts["window_ms"])
	fmt.Fprintf(w, "× is the median of the rounds' ratios to ours. A code is an authorization by somebody who is signed in and has allowed it before, and its redemption.\n")
	for _, kind := range kinds {
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintf(t, "\n%s\t/s, 1 at once\t/s, %d at once\tCPU µs, 1 at once\tCPU µs, %[2]d at once\t×\terrors\t\n", kind, callers)
		for _, g := range r.granters {
			if !g.measures(kind) {
				continue
			}
			cells := []string{g.name}
			for _, unit := range []string{"/s", "µs"} {
				for _, atOnce := range []int{1, callers} {
					cells = append(cells, r.spread(g.name, rowGrants(kind, atOnce, unit)))
				}
			}
			fmt.Fprintln(t, strings.Join(append(cells, short(r.ratio(g.name, nameOurs, rowGrants(kind, atMost(g), "µs"))), fmt.Sprint(r.Errors[g.name])), "\t")+"\t")
		}
		t.Flush()
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "\nthe process\tms until it listens\tMiB, idle\tMiB after %v tokens more\t\n", r.Facts["tokens"])
	for _, g := range r.granters {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t\n", g.name, short(g.took), short(g.idle), short(median(r.Samples[g.name][rowFull])))
	}
	t.Flush()
	fmt.Fprintln(w, "\nwhat they do not do")
	for _, g := range slices.Clip(r.granters) {
		fmt.Fprintf(w, "  %s: %s\n", g.name, g.lacks)
	}
}

// atMost is how many at once a granter was measured with.
func atMost(g *granter) int {
	if g.alone {
		return 1
	}
	return callers
}

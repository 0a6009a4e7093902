package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// What is measured, and its unit.
const (
	rowRate   = "calls/s on one core"
	rowCPU    = "CPU µs/call"
	rowP50    = "latency p50 µs"
	rowP99    = "latency p99 µs"
	rowEvent  = "CPU µs/event"
	rowEvents = "events/s"
	rowIdle   = "idle MiB"
	rowStream = "KiB/idle stream"
	rowStart  = "start ms"
	rowFull   = "MiB after tokens"
)

// report gathers samples, in the order of rounds.
type report struct {
	Peers   []string
	Samples map[string]map[string][]float64 // by peer, by row
	Errors  map[string]int64
	Facts   map[string]any

	peers    []*peer
	granters []*granter
	bridgers []*bridger
}

func newReport(peers []*peer) *report {
	r := &report{Samples: map[string]map[string][]float64{}, Errors: map[string]int64{}, Facts: map[string]any{}, peers: peers}
	for _, p := range peers {
		r.Peers = append(r.Peers, p.name)
		r.Samples[p.name] = map[string][]float64{}
	}
	return r
}

func (r *report) add(p *peer, row string, v float64) {
	r.Samples[p.name][row] = append(r.Samples[p.name][row], v)
}

func (r *report) errors(p *peer, n int64) { r.Errors[p.name] += n }

// facts notes what was measured, and on what.
func (r *report) facts(y *yard, took time.Duration) {
	r.Facts["rounds"], r.Facts["window_ms"] = y.rounds, y.window.Milliseconds()
	r.Facts["proxy_core"], r.Facts["driver_core"] = y.proxies, y.driver
	r.Facts["streams"], r.Facts["took_s"] = y.streams, int(took.Seconds())
	r.Facts["tokens"] = y.tokens
	r.Facts["go"] = runtime.Version()
	r.Facts["disturbed_percent"] = int(100 * quotient(y.foreign.Seconds(), y.measured.Seconds()))
	if info, err := os.Stat(y.binary); err == nil {
		r.Facts["binary_mb"] = float64(info.Size()) / 1e6
	}
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Sorted(slices.Values(v))
	return (v[len(v)/2] + v[(len(v)-1)/2]) / 2
}

// ratio is the median of a peer's samples, each divided by the other peer's of the same round.
func (r *report) ratio(peer, other, row string) float64 {
	a, b := r.Samples[peer][row], r.Samples[other][row]
	var v []float64
	for i := range min(len(a), len(b)) {
		v = append(v, a[i]/b[i])
	}
	return median(v)
}

// added is the median of what a peer adds to the server's own latency.
func (r *report) added(peer, row string) float64 {
	var v []float64
	for i, without := range r.Samples[nameDirect][row] {
		if i < len(r.Samples[peer][row]) {
			v = append(v, r.Samples[peer][row][i]-without)
		}
	}
	return median(v)
}

// spread shows a median with its extremes.
func (r *report) spread(peer, row string) string {
	v := r.Samples[peer][row]
	if len(v) == 0 {
		return "–"
	}
	return fmt.Sprintf("%s [%s–%s]", short(median(v)), short(slices.Min(v)), short(slices.Max(v)))
}

func short(v float64) string {
	switch {
	case v == 0:
		return "–"
	case v >= 99.5 || v <= -99.5:
		return fmt.Sprintf("%.0f", v)
	case v >= 9.95:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// print writes the tables.
func (r *report) print(w io.Writer) {
	if len(r.peers) > 0 {
		r.printPeers(w)
	}
	r.printGrants(w)
	r.printBridges(w)
	fmt.Fprintf(w, "\n%v, proxies on core %v, driver and server on core %v; took %v s, in which others took %v %% of the proxies' core\n",
		r.Facts["go"], r.Facts["proxy_core"], r.Facts["driver_core"], r.Facts["took_s"], r.Facts["disturbed_percent"])
}

func (r *report) printPeers(w io.Writer) {
	fmt.Fprintf(w, "%d callers; medians [extremes] of %v interleaved rounds of %v ms; ratios and differences are medians of the rounds'.\n", callers, r.Facts["rounds"], r.Facts["window_ms"])
	fmt.Fprintf(w, "With TLS, × G and × N are against G and N with TLS, in the same version of HTTP.\n\n")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(cells ...string) { fmt.Fprintln(t, strings.Join(cells, "\t")) }
	row("", rowRate, rowCPU, "× G", "× N", "added p50 µs", "added p99 µs", rowEvent, "× G", "× N", rowStream, rowIdle, rowStart, "errors")
	for _, peer := range r.peers {
		p, g, n := peer.name, cmp.Or(peer.g, nameG), cmp.Or(peer.n, nameN)
		cell := func(row string) string { return short(median(r.Samples[p][row])) }
		if p == nameDirect {
			row(p, r.spread(p, rowRate), "–", "–", "–", "("+cell(rowP50)+")", "("+cell(rowP99)+")", "–", "–", "–", "–", "–", "–", fmt.Sprint(r.Errors[p]))
			continue
		}
		row(p, r.spread(p, rowRate), r.spread(p, rowCPU), short(r.ratio(p, g, rowCPU)), short(r.ratio(p, n, rowCPU)),
			short(r.added(p, rowP50)), short(r.added(p, rowP99)),
			r.spread(p, rowEvent), short(r.ratio(p, g, rowEvent)), short(r.ratio(p, n, rowEvent)),
			cell(rowStream), cell(rowIdle), cell(rowStart), fmt.Sprint(r.Errors[p]))
	}
	t.Flush()
	r.steps(w)
	r.goals(w, nameAudit, nameOwn, nameG, nameN)
	r.goals(w, nameProd, "", nameGTLS, nameNTLS)
}

// steps shows what each of Gatehouse's features adds.
func (r *report) steps(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nwhat each feature adds\tCPU µs/call\tto\tcalls/s, ×\t")
	for _, p := range r.peers {
		if d := r.differences(p.name, p.over, rowCPU); p.over != "" && len(d) > 0 {
			fmt.Fprintf(t, "%s\t%s [%s–%s]\t%s\t%s\t\n", p.adds, signed(median(d)), signed(slices.Min(d)), signed(slices.Max(d)), p.over, short(r.ratio(p.name, p.over, rowRate)))
		}
	}
	t.Flush()
}

func signed(v float64) string { return fmt.Sprintf("%+.1f", v) }

// differences are those of two peers' samples of the same round.
func (r *report) differences(peer, other, row string) []float64 {
	a, b := r.Samples[peer][row], r.Samples[other][row]
	var v []float64
	for i := range min(len(a), len(b)) {
		v = append(v, a[i]-b[i])
	}
	return v
}

// goals compares Gatehouse with what it is meant to be. What checks cost is the
// difference to own, the forwarding alone.
func (r *report) goals(w io.Writer, name, own, g, n string) {
	if len(r.Samples[name]) == 0 {
		return
	}
	size, _ := r.Facts["binary_mb"].(float64)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\n"+name+"\tgot\tgoal\tstretch\t")
	for _, row := range []struct {
		what          string
		got           float64
		goal, stretch float64 // at most; at least when negative
	}{
		{"CPU per call, × " + g, r.ratio(name, g, rowCPU), 0.6, 0.4},
		{"all checks, CPU µs", median(r.differences(name, own, rowCPU)), 8, 3},
		{"calls/s per core, × G", r.ratio(name, g, rowRate), -1.8, -2.5},
		{"added p50 at 400/s, × G's", quotient(r.added(name, rowP50), r.added(g, rowP50)), 1.1, 0},
		{"added p99 at 400/s, × G's", quotient(r.added(name, rowP99), r.added(g, rowP99)), 1.2, 0},
		{"CPU per event, × G", r.ratio(name, g, rowEvent), 1.05, 0},
		{"CPU per event, × N", r.ratio(name, n, rowEvent), 0, 1.15},
		{rowStream, median(r.Samples[name][rowStream]), 43, 24},
		{rowIdle, median(r.Samples[name][rowIdle]), 30, 20},
		{"start to first answer, ms", median(r.Samples[name][rowStart]), 60, 25},
		{"static binary, MB", size, 40, 30},
	} {
		if row.got != 0 {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t\n", row.what, short(row.got), against(row.got, row.goal), against(row.got, row.stretch))
		}
	}
	t.Flush()
}

// sound says whether every answer was right: figures of wrong ones say nothing.
func (r *report) sound() error {
	var wrong []string
	for _, p := range r.Peers {
		if n := r.Errors[p]; n > 0 {
			wrong = append(wrong, fmt.Sprintf("%s (%d)", p, n))
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return fmt.Errorf("wrong answers or none, so these figures are void: %s", strings.Join(wrong, ", "))
}

// against shows a goal and whether it is met.
func against(got, goal float64) string {
	switch {
	case goal == 0 || got == 0:
		return "–"
	case goal < 0 && got >= -goal:
		return "≥ " + short(-goal) + " ✓"
	case goal < 0:
		return "≥ " + short(-goal) + " ✗"
	case got <= goal:
		return "≤ " + short(goal) + " ✓"
	}
	return "≤ " + short(goal) + " ✗"
}

func quotient(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// save writes every sample as JSON.
func (r *report) save(path string) error {
	b, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}

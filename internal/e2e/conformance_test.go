package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// verdicts maps each check of a run, "scenario/number/id", to its status.
type verdicts map[string]string

// stamp is the time at the end of a scenario's folder of results.
var stamp = regexp.MustCompile(`-\d{4}-\d{2}-\d{2}T[0-9-]+Z$`)

// suite runs the official conformance suite against a URL.
func suite(t *testing.T, url string, what ...string) (verdicts, string) {
	t.Helper()
	dir := t.TempDir()
	args := append([]string{
		npm(t, "node_modules", "@modelcontextprotocol", "conformance", "dist", "index.js"),
		"server", "--url", url, "-o", dir,
	}, what...)
	out, errs, _ := run(t, 5*time.Minute, node(t), args...)
	got := verdicts{}
	files, err := filepath.Glob(filepath.Join(dir, "*", "checks.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("the suite left no results: %v\n%s%s", err, out, errs)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var checks []struct{ ID, Status string }
		if err := json.Unmarshal(text, &checks); err != nil {
			t.Fatal(err)
		}
		scenario := stamp.ReplaceAllString(filepath.Base(filepath.Dir(file)), "")
		for i, c := range checks {
			got[fmt.Sprintf("%s/%02d/%s", strings.TrimPrefix(scenario, "server-"), i, c.ID)] = c.Status
		}
	}
	return got, out
}

// summary is the last part of what the suite prints.
func summary(out string) string {
	_, end, _ := strings.Cut(out, "=== SUMMARY ===")
	return end
}

// count returns how many checks have a status.
func (v verdicts) count(status string) int {
	n := 0
	for _, s := range v {
		if s == status {
			n++
		}
	}
	return n
}

// differences lists the checks where two runs differ, in order.
func differences(direct, through verdicts) []string {
	all := maps.Clone(direct)
	maps.Copy(all, through)
	var diff []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if direct[name] != through[name] {
			diff = append(diff, fmt.Sprintf("%s: direct %q, through Gatehouse %q", name, direct[name], through[name]))
		}
	}
	return diff
}

// rounds is how often conformance is repeated: CONFORMANCE_RUNS, else once.
func rounds() int {
	n, err := strconv.Atoi(os.Getenv("CONFORMANCE_RUNS"))
	if err != nil || n < 1 {
		return 1
	}
	return n
}

// refusedBefore are checks that a server fails which knows no tasks, and passes
// through Gatehouse: the handle of a task that nobody was given is refused there.
var refusedBefore = []string{"tasks-dispatch-and-envelope/07/sep-2663-tasks-get-invalid-task-id-32602"}

// TestConformance holds Gatehouse to being invisible: each check of the
// official suite ends as it does against the server itself.
func TestConformance(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name           string
		stateless      bool
		what           []string
		passed, failed int // what the server itself scores
	}{
		{"2026-07-28", true, []string{"--requirements", "2026-07-28"}, 165, 30},
		{"2025-11-25", false, []string{"--requirements", "2025-11-25"}, 82, 0},
		{"http-header-validation", true, []string{"--scenario", "http-header-validation"}, 14, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := goServer(t, tt.stateless)
			g := up(t, server)
			protected := shim(t, g.URL, g.Key)
			for range rounds() {
				direct, out := suite(t, server, tt.what...)
				if p, f := direct.count("SUCCESS"), direct.count("FAILURE"); p != tt.passed || f != tt.failed {
					t.Fatalf("direct: got %d passed and %d failed, want %d and %d\n%s", p, f, tt.passed, tt.failed, out)
				}
				through, out := suite(t, protected, tt.what...)
				for _, name := range refusedBefore { // the server need not know how
					if direct[name] == "FAILURE" && through[name] == "SUCCESS" {
						direct[name] = through[name]
					}
				}
				if diff := differences(direct, through); len(diff) > 0 {
					t.Errorf("%d checks differ:\n%s\n%s", len(diff), strings.Join(diff, "\n"), summary(out))
				}
				t.Logf("direct %d passed, %d failed; through Gatehouse %d passed, %d failed", direct.count("SUCCESS"),
					direct.count("FAILURE"), through.count("SUCCESS"), through.count("FAILURE"))
			}
		})
	}
}

// notOverStdio are checks that a server passes over HTTP and cannot over
// stdio, as docs/divergences.md says: it has no history to resume a stream from.
var notOverStdio = []string{"server-sse-polling/server-sse-priming-event"}

// tally counts the checks of some statuses by "scenario/id", wherever they stand.
func (v verdicts) tally(statuses ...string) map[string]int {
	n := map[string]int{}
	for name, status := range v {
		if part := strings.Split(name, "/"); slices.Contains(statuses, status) {
			n[part[0]+"/"+part[2]]++
		}
	}
	return n
}

// TestConformanceStdio puts Gatehouse before a stdio server and compares it
// with that server's own HTTP mode: what passes there passes here. Two
// scenarios get better: Gatehouse checks Host, and ends sessions itself.
func TestConformanceStdio(t *testing.T) {
	t.Parallel()
	what := []string{"--requirements", "2025-11-25"}
	server := nodeServerHTTP(t)
	g := up(t, append([]string{"--"}, nodeServer(t)...)...)
	protected := shim(t, g.URL, g.Key)
	for range rounds() {
		direct, out := suite(t, server, what...)
		if p := direct.count("SUCCESS"); p != 47 {
			t.Fatalf("direct: got %d passed, want 47\n%s", p, out)
		}
		through, out := suite(t, protected, what...)
		// INFO is what the suite says of a feature that was not used: an answer
		// that comes before any notification is sent as JSON, not as a stream.
		got := through.tally("SUCCESS", "INFO")
		for name, n := range direct.tally("SUCCESS") {
			if got[name] < n && !slices.Contains(notOverStdio, name) {
				t.Errorf("%s: passes %d times direct, %d times through Gatehouse", name, n, got[name])
			}
		}
		t.Logf("direct %d passed, through Gatehouse %d passed\n%s\n%s", direct.count("SUCCESS"), through.count("SUCCESS"),
			strings.Join(differences(direct, through), "\n"), summary(out))
	}
}

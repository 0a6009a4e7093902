package probe

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/reference/checks.md and the checker's rows of errors.md anew")

const checksHead = `# What the checker looks at

The rules of ` + "`gatehouse check`" + `, in the order in which they are asked. Written by ` + "`go test ./internal/probe -run TestReference -update`" + `;
a test compares it with the rules. How to use them is in [check a server](../how-to/check.md).

A rule passes, fails, warns, does not apply, or does not know: what was not seen is never a pass. *Point* is the point of
the security checklist that a rule belongs to; *MCP* says that MCP 2026-07-28 demands it. ` + "`--profile checklist`" + ` asks the
rules with a point, ` + "`--profile spec-2026-07-28`" + ` those of MCP, and ` + "`--profile strict`" + ` all of them, and a warning fails.
`

// TestReference holds docs/reference/checks.md, and the rows of errors.md, to the rules.
func TestReference(t *testing.T) {
	var b strings.Builder
	b.WriteString(checksHead)
	rows := []string{"| GH-2100 | `gatehouse check` | nobody answered at the URL | is it right, and is it reached from this machine? |\n"}
	for _, r := range append(Rules(), ConfigRules()...) {
		point, mcp := "–", "–"
		if r.Point > 0 {
			point = fmt.Sprint(r.Point)
		}
		if r.Spec {
			mcp = "yes"
		}
		fmt.Fprintf(&b, "\n## %s %s\n\n**%s.** %s. Severity %s, point %s, MCP: %s.\n\n%s\n\n*What to do.* %s\n", r.Code, r.Name, r.Title, r.Group, r.Severity, point, mcp, r.Why, r.Fix)
		if len(r.Links) > 0 {
			b.WriteString("\nSee")
			for i, l := range r.Links {
				fmt.Fprintf(&b, "%s [%s](%s)", map[bool]string{true: ",", false: ""}[i > 0], l.Title, l.URL)
			}
			b.WriteString(".\n")
		}
		rows = append(rows, fmt.Sprintf("| %s | `gatehouse check` | this does not hold: “%s” | [%s](checks.md#%s-%[3]s) |\n", r.Code, r.Title, r.Name, strings.ToLower(r.Code)))
	}
	fmt.Fprintf(&b, "\n## %s %s\n\n**%s.** %s\n", clientRule.Code, clientRule.Name, clientRule.Title, clientRule.Why)
	rows = append(rows, fmt.Sprintf("| %s | `gatehouse check` | one of the real clients cannot log in | as its line says |\n", clientRule.Code))
	slices.Sort(rows)

	errors := read(t, "docs/reference/errors.md")
	const head = "## The checker (21xx)\n\n| code | where | meaning | what to do |\n|---|---|---|---|\n"
	before, rest, ok := strings.Cut(errors, head)
	if !ok {
		t.Fatalf("errors.md has no part %q", head)
	}
	_, after, _ := strings.Cut(rest, "\n\n")
	compare(t, "docs/reference/errors.md", errors, before+head+strings.Join(rows, "")+"\n"+after)
	compare(t, "docs/reference/checks.md", read(t, "docs/reference/checks.md"), b.String())
}

func compare(t *testing.T, name, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	if !*update {
		t.Errorf("%s is not what the rules say; write it anew with -update", name)
		return
	}
	if err := os.WriteFile(filepath.Join("..", "..", name), []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", name))
	if err != nil && !(*update && os.IsNotExist(err)) {
		t.Fatal(err)
	}
	return string(text)
}

// TestRules holds the rules to their form: one in each file, and all in the list.
func TestRules(t *testing.T) {
	files, err := filepath.Glob("rule_*.go")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(string(text), "= &Rule{"); got != 1 {
			t.Errorf("%s has %d rules, want 1", f, got)
		}
		n++
	}
	if all := len(Rules()) + len(ConfigRules()); n != all {
		t.Errorf("got %d files of rules and %d rules in the list", n, all)
	}
	codes, names := map[string]bool{}, map[string]bool{}
	for _, r := range append(Rules(), ConfigRules()...) {
		if codes[r.Code] || names[r.Name] || !strings.HasPrefix(r.Code, "GH-21") {
			t.Errorf("%s %s: there are two, or it is not of the checker", r.Code, r.Name)
		}
		codes[r.Code], names[r.Name] = true, true
		if r.Title == "" || r.Why == "" || r.Fix == "" || r.Severity == "" || r.Group == "" || len(r.Links) == 0 {
			t.Errorf("%s says too little: %+v", r.Code, r)
		}
	}
}

package e2e

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/reference/cli.md anew")

const cliHead = `# Commands

What each command says of itself (` + "`--help`" + `). Written by ` + "`go test ./internal/e2e -run CommandReference -update`" + `;
a test compares it with the program.

Exit codes: 0 done · 1 it failed, or the answer is no · 2 wrong usage or configuration · 3 not authorized · 4 not found ·
5 nobody answered · 6 conflict: it is so already, or somebody else was first · 7 some of it was done · 130 interrupted.
`

// TestCommandReference holds docs/reference/cli.md to the program's own help.
func TestCommandReference(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(cliHead)
	describe(t, &b, nil)
	const name = "docs/reference/cli.md"
	if *update {
		if err := os.WriteFile(filepath.Join(root(t), name), []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if read(t, name) != b.String() {
		t.Errorf("%s is not what the program says; write it anew with -update", name)
	}
}

var subcommand = regexp.MustCompile(`(?m)^  ([a-z-]+) +\S`)

// describe writes the help of a command and of all below it.
func describe(t *testing.T, b *strings.Builder, path []string) {
	t.Helper()
	out, errs, code := run(t, patience, gatehouseBinary(t), append(path[:len(path):len(path)], "--help")...)
	if code != 0 {
		t.Fatalf("gatehouse %s --help: exit %d\n%s", strings.Join(path, " "), code, errs)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	title := strings.Join(append([]string{"gatehouse"}, path...), " ")
	b.WriteString("\n" + strings.Repeat("#", len(path)+2) + " " + title + "\n\n```text\n" + strings.Join(lines, "\n") + "\n```\n")
	_, list, ok := strings.Cut(out, "\nCommands:\n")
	if !ok {
		return
	}
	list, _, _ = strings.Cut(list, "\n\n")
	for _, m := range subcommand.FindAllStringSubmatch(list, -1) {
		if m[1] != "completion" && m[1] != "help" {
			describe(t, b, append(path[:len(path):len(path)], m[1]))
		}
	}
}

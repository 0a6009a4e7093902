package e2e

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var errorCode = regexp.MustCompile(`GH-\d{4}`)

// TestErrorReference holds docs/reference/errors.md to the codes that exist.
func TestErrorReference(t *testing.T) {
	used := codesInCode(t)
	told := map[string]bool{}
	for _, line := range strings.Split(read(t, "docs/reference/errors.md"), "\n") {
		if row, ok := strings.CutPrefix(line, "| GH-"); ok {
			code := "GH-" + row[:4]
			if told[code] {
				t.Errorf("%s has two rows", code)
			}
			told[code] = true
			if used[code] == "" {
				t.Errorf("%s has a row, but no code says it", code)
			}
		}
	}
	for code, where := range used {
		if !told[code] {
			t.Errorf("%s (%s) has no row", code, where)
		}
	}
}

// codesInCode returns every error code that the code can say, and a file that does.
func codesInCode(t *testing.T) map[string]string {
	t.Helper()
	codes := map[string]string{}
	fset := token.NewFileSet()
	for _, p := range sources(t, ".go") {
		if strings.HasSuffix(p, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, filepath.Join(root(t), p), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				for _, code := range errorCode.FindAllString(lit.Value, -1) {
					codes[code] = p
				}
			}
			return true
		})
	}
	return codes
}

// TestDocumentLinks follows the relative links of every document.
func TestDocumentLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#]+)(#[^)]*)?\)`)
	for _, p := range sources(t, ".md") {
		for _, m := range link.FindAllStringSubmatch(read(t, p), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(root(t), filepath.Dir(p), m[1])); err != nil {
				t.Errorf("%s links to %s, which is not there", p, m[1])
			}
		}
	}
}

// TestMakeTargets holds the documents to targets that the Makefile has.
func TestMakeTargets(t *testing.T) {
	makefile := read(t, "Makefile")
	target := regexp.MustCompile("(?:\\$ |`)make ([a-z]+)")
	for _, p := range sources(t, ".md") {
		for _, m := range target.FindAllStringSubmatch(read(t, p), -1) {
			if !strings.Contains(makefile, "\n"+m[1]+":") {
				t.Errorf("%s: the Makefile has no target %q", p, m[1])
			}
		}
	}
	if ci := read(t, ".ci/run"); !strings.Contains(ci, "exec make test\n") {
		t.Errorf("got %q, want .ci/run to call make test", ci)
	}
}

// sources returns the project's files with a suffix, in order.
func sources(t *testing.T, suffix string) []string {
	t.Helper()
	var all []string
	dir := root(t)
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && p != dir && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return filepath.SkipDir
		case d.Type().IsRegular() && strings.HasSuffix(p, suffix):
			p, err = filepath.Rel(dir, p)
			all = append(all, filepath.ToSlash(p))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(t), filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

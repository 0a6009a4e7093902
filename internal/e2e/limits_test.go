package e2e

import (
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestLimitReference holds docs/reference/limits.md to the constants it names.
func TestLimitReference(t *testing.T) {
	row := regexp.MustCompile("(?m)^\\| ([^|]+) \\| ([0-9]+) ?([^|]*) \\|[^|]*\\| `([a-z]+)\\.([A-Za-z0-9]+)` \\|$")
	text := read(t, "docs/reference/limits.md")
	rows := row.FindAllStringSubmatch(text, -1)
	if want := strings.Count(text, "` |\n"); len(rows) != want || want == 0 {
		t.Fatalf("got %d rows that name a value and a constant, want %d", len(rows), want)
	}
	for _, m := range rows {
		unit, ok := units()[m[3]]
		if !ok {
			t.Errorf("%s: unknown unit %q", m[1], m[3])
			continue
		}
		n, err := strconv.ParseInt(m[2], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if got := constantOf(t, m[4], m[5]); got != n*unit {
			t.Errorf("%s: the page says %s %s, %s.%s is %d", m[1], m[2], m[3], m[4], m[5], got)
		}
	}
}

func units() map[string]int64 {
	return map[string]int64{
		"": 1, "characters": 1, "bits at least": 1, "KiB": 1 << 10, "MiB": 1 << 20,
		"s": int64(time.Second), "min": int64(time.Minute), "h": int64(time.Hour), "days": int64(24 * time.Hour),
	}
}

// constantOf evaluates a constant of one of our packages, whole numbers and times of them.
func constantOf(t *testing.T, pkg, name string) int64 {
	t.Helper()
	fset := token.NewFileSet()
	for _, p := range sources(t, ".go") {
		if filepath.Base(filepath.Dir(p)) != pkg || strings.HasSuffix(p, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, filepath.Join(root(t), p), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		var value ast.Expr
		ast.Inspect(f, func(n ast.Node) bool {
			if spec, ok := n.(*ast.ValueSpec); ok {
				for i, id := range spec.Names {
					if id.Name == name && i < len(spec.Values) {
						value = spec.Values[i]
					}
				}
			}
			return true
		})
		if value != nil {
			return evaluate(t, types.ExprString(value))
		}
	}
	t.Errorf("there is no constant %s.%s", pkg, name)
	return 0
}

func evaluate(t *testing.T, expr string) int64 {
	t.Helper()
	expr = strings.NewReplacer(
		"time.Millisecond", "1000000", "time.Second", "1000000000", "time.Minute", "60000000000", "time.Hour", "3600000000000",
	).Replace(expr)
	v, err := types.Eval(token.NewFileSet(), nil, token.NoPos, expr)
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	n, _ := constant.Int64Val(constant.ToInt(v.Value))
	return n
}

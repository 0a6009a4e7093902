package gatehouse_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// sound is a tree without a violation; each test plants one in it.
func sound() map[string]string {
	return map[string]string{
		"Makefile":                        "run:\n",
		"doc.go":                          "// Package gatehouse is the library.\npackage gatehouse\n",
		"internal/mcp/doc.go":             "// Package mcp reads.\npackage mcp\n",
		"internal/mcp/mcp_test.go":        "package mcp_test\n\nimport _ \"" + module + "/internal/store\"\n",
		"internal/policy/doc.go":          "// Package policy decides.\npackage policy\n",
		"internal/tenant/doc.go":          "// Package tenant separates.\npackage tenant\n",
		"internal/access/doc.go":          "// Package access guards.\npackage access\n\nimport _ \"" + module + "/internal/policy\"\n",
		"internal/store/doc.go":           "// Package store keeps.\npackage store\n\nimport _ \"" + module + "/internal/tenant\"\n",
		"internal/store/migrations/1.sql": "select 1;\n",
		"internal/server/server.go":       "// Package server assembles.\npackage server\n\nimport _ \"" + module + "/internal/store\"\n",
		"internal/server/admin/doc.go":    "// Package admin is a door.\npackage admin\n\nimport _ \"" + module + "/internal/access\"\n",
		"internal/server/gateway/doc.go":  "// Package gateway is a door.\npackage gateway\n",
		"internal/demo/doc.go":            "// Package demo shows.\npackage demo\n",
		"internal/e2e/e2e_test.go":        "// Package e2e proves.\npackage e2e\n",
	}
}

func importing(pkg, imp string) string {
	return "package " + pkg + "\n\nimport _ \"" + imp + "\"\n"
}

func TestLayoutCatches(t *testing.T) {
	ours := func(p string) string { return module + "/" + p }
	function := func(n int) string { return "func f() {" + strings.Repeat("\n", n-1) + "}\n" }
	tests := []struct {
		name, file, text string
		want             string // part of the one violation; empty: none
	}{
		{"nothing planted", "internal/mcp/more.go", "package mcp\n", ""},
		{"word using a word", "internal/mcp/x.go", importing("mcp", ours("internal/config")), "words may not import internal/config (words)"},
		{"word using the library", "internal/mcp/x.go", importing("mcp", module), "words may not import . (library)"},
		{"library using a noun", "x.go", importing("gatehouse", ours("internal/policy")), "library may not import internal/policy (nouns)"},
		{"library using a dependency", "x.go", importing("gatehouse", "golang.org/x/text"), "the standard library alone"},
		{"noun using the store", "internal/tenant/x.go", importing("tenant", ours("internal/store")), "nouns may not import internal/store (store)"},
		{"noun using the guard", "internal/tenant/x.go", importing("tenant", ours("internal/access")), "nouns may not import internal/access (guard)"},
		{"noun using a door", "internal/tenant/x.go", importing("tenant", ours("internal/server/admin")), "nouns may not import internal/server/admin (doors)"},
		{"guard using the store", "internal/access/x.go", importing("access", ours("internal/store")), "guard may not import internal/store (store)"},
		{"door using the store", "internal/server/admin/x.go", importing("admin", ours("internal/store")), "doors may not import internal/store (store)"},
		{"door using another door", "internal/server/admin/x.go", importing("admin", ours("internal/server/gateway")), "doors may not import internal/server/gateway (doors)"},
		{"door using the assembly", "internal/server/admin/x.go", importing("admin", ours("internal/server")), "doors may not import internal/server (assembly)"},
		{"store using a door", "internal/store/x.go", importing("store", ours("internal/server/admin")), "store may not import internal/server/admin (doors)"},
		{"store using the wire", "internal/store/x.go", importing("store", ours("internal/adminapi")), "store may not import internal/adminapi (words)"},
		{"tool using a noun", "internal/demo/x.go", importing("demo", ours("internal/policy")), "tools may not import internal/policy (nouns)"},
		{"test using any floor", "internal/demo/x_test.go", importing("demo_test", ours("internal/store")), ""},
		{"assembly using any floor", "internal/server/x.go", importing("server", ours("internal/server/admin")), ""},
		{"banned package in a test", "internal/mcp/x_test.go", importing("mcp_test", "github.com/stretchr/testify/require"), "tests speak the standard library"},
		{"banned package in code", "internal/mcp/x.go", importing("mcp", "math/rand/v2"), "randomness is crypto/rand"},
		{"package banned in code only", "internal/mcp/x_test.go", importing("mcp_test", "math/rand/v2"), ""},
		{"child started outside process", "internal/server/gateway/x.go", importing("gateway", "os/exec"), "children are started by process only"},
		{"database outside the store", "internal/tenant/x.go", importing("tenant", "database/sql"), "only the store knows a database"},
		{"database in the store", "internal/store/x.go", importing("store", "database/sql"), ""},
		{"clock in the policy", "internal/policy/x.go", importing("policy", "time"), "internal/policy is pure"},
		{"second package comment", "internal/mcp/x.go", "// Package mcp again.\npackage mcp\n", "package mcp has 2 package comments"},
		{"no package comment", "internal/mcp/doc.go", "package mcp\n", "package mcp has 0 package comments"},
		{"no package comment where only tests are", "internal/e2e/e2e_test.go", "package e2e\n", "package e2e has 0 package comments"},
		{"package without a floor", "internal/extra/doc.go", "// Package extra is new.\npackage extra\n", "internal/extra: no floor"},
		{"folder without code", "internal/later/", "", "internal/later: a folder without Go files"},
		{"file of 400 lines", "internal/mcp/x.go", "package mcp" + strings.Repeat("\n", 400), ""},
		{"file of 401 lines", "internal/mcp/x.go", "package mcp" + strings.Repeat("\n", 401), "401 lines, at most 400"},
		{"test file of 401 lines", "internal/mcp/x_test.go", "package mcp" + strings.Repeat("\n", 401), "401 lines, at most 400"},
		{"function of 60 lines", "internal/mcp/x.go", "package mcp\n" + function(60), ""},
		{"function of 61 lines", "internal/mcp/x.go", "package mcp\n" + function(61), "f has 61 lines, at most 60"},
		{"function literal of 61 lines", "internal/mcp/x.go", "package mcp\nvar x = func() {" + strings.Repeat("\n", 60) + "}\n", "a function literal has 61 lines"},
		{"Makefile of 60 lines", "Makefile", strings.Repeat("#\n", 60), "Makefile: 60 lines"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files := sound()
			files[tt.file] = tt.text
			got, err := inspect(plant(t, files))
			if err != nil {
				t.Fatal(err)
			}
			judge(t, got, tt.want)
		})
	}
}

func judge(t *testing.T, got []string, want string) {
	t.Helper()
	if want == "" {
		if len(got) != 0 {
			t.Errorf("got %q, want no violation", got)
		}
		return
	}
	if len(got) != 1 || !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, want) }) {
		t.Errorf("got %q, want one violation with %q", got, want)
	}
}

// plant writes files below a new directory and returns it as a tree.
func plant(t *testing.T, files map[string]string) fs.FS {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		p := filepath.Join(root, filepath.FromSlash(name))
		if strings.HasSuffix(name, "/") { // a folder with nothing in it
			p = filepath.Join(p, ".keep")
		}
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return os.DirFS(root)
}

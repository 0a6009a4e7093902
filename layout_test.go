package gatehouse_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/gatehouse-mcp/gatehouse"

// Sizes. Something longer is two things.
const (
	maxFile = 400 // lines of a Go file
	maxFunc = 60  // lines of a function, braces included
	maxMake = 59  // lines of the Makefile
)

// A floor is a set of packages and the floors they may import from.
type floor struct {
	name     string
	packages []string // directories; "dir/..." stands for dir and all below it
	uses     []string // names of floors; "*" is every floor
}

// floors is the house: doors use nouns, nouns use words. A new package gets its row here first.
func floors() []floor {
	return []floor{
		{"patterns", []string{"internal/pattern"}, nil},
		{"units", []string{"docs/reference", "internal/idp", "internal/keytext", "internal/ownfile", "internal/proxy", "internal/recent", "internal/unit"}, []string{"patterns"}}, // what words are made of
		{"words", []string{
			"internal/adminapi", "internal/config", "internal/credential", "internal/discovery", "internal/jwks", "internal/jws",
			"internal/mcp", "internal/oauth",
			"internal/safehttp", "internal/seal",
		}, []string{"patterns", "units"}},
		{"sign-in", []string{"internal/keychain", "internal/signin"}, []string{"units", "words", "sign-in"}}, // what tools reach protected servers with
		{"library", []string{".", "mcpsdk", "tenantfs", "tenantsql"}, []string{"units", "words", "library"}},
		{"nouns", []string{
			"internal/apikey", "internal/audit", "internal/client", "internal/federation", "internal/fresh", "internal/grant", "internal/login", "internal/pin", "internal/policy", "internal/process",
			"internal/ratelimit", "internal/right", "internal/signing", "internal/tenant", "internal/token", "internal/upstream", "internal/why",
		}, []string{"patterns", "units", "words", "library", "nouns"}},
		{"guard", []string{"internal/access"}, []string{"units", "words", "library", "nouns"}}, // the topmost noun
		{"doors", []string{"internal/server/..."}, []string{"units", "words", "library", "nouns", "guard"}},
		{"store", []string{"internal/store/..."}, []string{"units", "library", "nouns", "store"}},
		{"tools", []string{"internal/bridge", "internal/clients/...", "internal/demo", "internal/doctor", "internal/probe"}, []string{"patterns", "units", "words", "sign-in", "library", "tools"}},
		{"assembly", []string{"internal/server", "cmd/gatehouse"}, []string{"*"}},
		{"proof", []string{"internal/e2e/...", "bench/...", "soak"}, []string{"*"}},
		{"examples", []string{"examples/..."}, nil}, // what others write: they have nothing of ours
		{"examples of the library", []string{
			"examples/go-middleware", "examples/mcp-go", "examples/tenant-files", "examples/tenant-sql",
		}, []string{"library"}},
	}
}

// A ban says who alone may import something, and why.
type ban struct {
	imports string   // an import path, or all below it when it ends with "/"
	only    []string // directories that may, as in floor.packages; none: nobody
	tests   bool     // whether tests are held to it too
	because string
}

func bans() []ban {
	proof := []string{"internal/e2e/...", "bench/...", "soak"}
	may := func(dirs ...string) []string { return append(dirs, proof...) }
	return []ban{
		{"github.com/stretchr/testify/", nil, true, "tests speak the standard library"},
		{"github.com/onsi/", nil, true, "tests speak the standard library"},
		{"go.uber.org/mock/", nil, true, "a fake is ten lines in the test that needs it"},
		{"github.com/pkg/errors", nil, true, "errors are wrapped with %w"},
		{"math/rand", nil, false, "randomness is crypto/rand"},
		{"math/rand/v2", []string{"bench/...", "soak"}, false, "randomness is crypto/rand"},
		{"log", proof, false, "logging is log/slog"},
		{"expvar", nil, true, "it publishes on the global mux"},
		{"net/http/pprof", nil, true, "it publishes on the global mux"},
		{"os/exec", may("internal/process"), false, "children are started by process only, which cleans their environment"},
		{"database/sql", may("internal/store/...", "tenantsql", "examples/tenant-sql"), false, "only the store knows a database"},
		{"modernc.org/", may("internal/store/..."), false, "only the store knows a database"},
		{"github.com/jackc/", may("internal/store/...", "examples/tenant-sql"), false, "only the store knows a database"},
		{"github.com/pressly/", may("internal/store/..."), false, "only the store knows a database"},
		{"github.com/caddyserver/", []string{"internal/server/edge"}, false, "only the edge gets certificates"},
		{"github.com/pires/", []string{"internal/server/edge"}, false, "only the edge learns who a proxy speaks for"},
		{"github.com/coreos/go-systemd/", []string{"internal/server/edge", "internal/server/notify"}, false, "only they know the service manager"},
		{"github.com/coreos/go-oidc/", []string{"internal/federation"}, false, "only federation is a client of OpenID providers"},
		{"golang.org/x/oauth2", []string{"internal/federation"}, false, "only federation is a client of OAuth servers"},
		{"github.com/zalando/go-keyring", []string{"internal/keychain"}, false, "only the keychain knows the system's keyring"},
		{"github.com/godbus/", may("internal/keychain"), false, "only the keychain knows the system's keyring"},
		{"github.com/cli/browser", []string{"cmd/gatehouse"}, false, "only the command line opens a browser, at addresses that signin has judged"},
		{"github.com/spf13/", []string{"cmd/gatehouse"}, false, "only the command line knows the command line"},
		{"github.com/modelcontextprotocol/", may("internal/demo", "internal/signin", "mcpsdk", "examples/..."), false, "the SDK re-encodes messages; the data path forwards bytes"},
	}
}

// pure lists what may not be imported from where, whatever the floors say.
func pure() map[string][]string {
	return map[string][]string{
		"internal/policy": {"context", "time", "net/http", "os"},
	}
}

func TestLayout(t *testing.T) {
	found, err := inspect(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range found {
		t.Error(v)
	}
	for _, f := range floors() {
		for _, p := range f.packages {
			if _, err := os.Stat(strings.TrimSuffix(p, "/...")); err != nil {
				t.Errorf("floor %s: %s has a row, but does not exist", f.name, p)
			}
		}
	}
}

// house is what inspect gathers while it walks a tree.
type house struct {
	fset     *token.FileSet
	found    []string
	packages map[string]*packageFacts // by directory
	folders  map[string]bool          // under internal: whether a Go file is in it or below
}

type packageFacts struct {
	comments map[string][]string // files with a package comment, by package name
	code     bool                // has a file that is not a test
	name     string
}

// inspect returns every violation in the tree of one module, in a stable order.
func inspect(tree fs.FS) ([]string, error) {
	h := &house{fset: token.NewFileSet(), packages: map[string]*packageFacts{}, folders: map[string]bool{}}
	if err := fs.WalkDir(tree, ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return h.folder(p, d.Name())
		case p == "Makefile":
			return h.makefile(tree)
		case path.Ext(p) == ".go":
			return h.file(tree, p)
		}
		return nil
	}); err != nil {
		return nil, err
	}
	h.finish()
	slices.Sort(h.found)
	return h.found, nil
}

func (h *house) report(format string, args ...any) {
	h.found = append(h.found, fmt.Sprintf(format, args...))
}

// folder notes a directory under internal, and skips what holds no code of ours.
func (h *house) folder(p, name string) error {
	if p != "." && (strings.HasPrefix(name, ".") || slices.Contains([]string{"testdata", "migrations", "templates", "assets", "npm", "node_modules", "bin", "dist"}, name)) {
		return fs.SkipDir
	}
	if strings.HasPrefix(p, "internal/") {
		h.folders[p] = false // until a file of it is met
	}
	return nil
}

func (h *house) makefile(tree fs.FS) error {
	text, err := fs.ReadFile(tree, "Makefile")
	if n := lines(text); n > maxMake {
		h.report("Makefile: %d lines, at most %d", n, maxMake)
	}
	return err
}

// file judges one Go file by itself.
func (h *house) file(tree fs.FS, p string) error {
	text, err := fs.ReadFile(tree, p)
	if err != nil {
		return err
	}
	f, err := parser.ParseFile(h.fset, p, text, parser.ParseComments)
	if err != nil {
		return err
	}
	dir, test := path.Dir(p), strings.HasSuffix(p, "_test.go")
	for up := dir; up != "."; up = path.Dir(up) {
		h.folders[up] = true
	}
	h.note(dir, p, test, f)
	h.sizes(p, text, f)
	for _, spec := range f.Imports {
		imp, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return err
		}
		h.imports(dir, p, test, imp)
	}
	return nil
}

func (h *house) note(dir, p string, test bool, f *ast.File) {
	facts := h.packages[dir]
	if facts == nil {
		facts = &packageFacts{comments: map[string][]string{}}
		h.packages[dir] = facts
	}
	if !test {
		facts.code, facts.name = true, f.Name.Name
	} else if !facts.code {
		facts.name = f.Name.Name
	}
	if f.Doc != nil {
		facts.comments[f.Name.Name] = append(facts.comments[f.Name.Name], p)
	}
}

func (h *house) sizes(p string, text []byte, f *ast.File) {
	if n := lines(text); n > maxFile {
		h.report("%s: %d lines, at most %d", p, n, maxFile)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		name := "a function literal"
		switch fn := n.(type) {
		case *ast.FuncDecl:
			name = fn.Name.Name
		case *ast.FuncLit:
		default:
			return true
		}
		first, last := h.fset.Position(n.Pos()).Line, h.fset.Position(n.End()).Line
		if size := last - first + 1; size > maxFunc {
			h.report("%s:%d: %s has %d lines, at most %d", p, first, name, size, maxFunc)
		}
		return true
	})
}

// imports judges one import. A test may use any floor: it stands outside the house.
func (h *house) imports(dir, p string, test bool, imp string) {
	for _, b := range bans() {
		if (imp == b.imports || strings.HasSuffix(b.imports, "/") && strings.HasPrefix(imp, b.imports)) &&
			(b.tests || !test) && !within(dir, b.only) {
			h.report("%s: imports %s, but %s", p, imp, b.because)
		}
	}
	if test {
		return
	}
	if slices.Contains(pure()[dir], imp) {
		h.report("%s: imports %s, but %s is pure", p, imp, dir)
	}
	target, ours := strings.CutPrefix(imp+"/", module+"/")
	if !ours {
		if dir == "." && strings.Contains(strings.SplitN(imp, "/", 2)[0], ".") {
			h.report("%s: imports %s, but the library stands on the standard library alone", p, imp)
		}
		return
	}
	target = path.Clean(target)
	from, to := floorOf(dir), floorOf(target)
	if !slices.Contains(from.uses, "*") && !slices.Contains(from.uses, to.name) {
		h.report("%s: %s may not import %s (%s)", p, from.name, target, to.name)
	}
}

// finish judges what only the whole tree shows.
func (h *house) finish() {
	for dir, facts := range h.packages {
		if n := len(facts.comments[facts.name]); n != 1 {
			h.report("%s: package %s has %d package comments, want 1 %v", dir, facts.name, n, facts.comments[facts.name])
		}
		if floorOf(dir).name == "" {
			h.report("%s: no floor; give it a row in layout_test.go", dir)
		}
	}
	for dir, code := range h.folders {
		if !code {
			h.report("%s: a folder without Go files; only what exists gets a folder", dir)
		}
	}
}

// floorOf returns the floor of a directory: of all that match the most exact row.
func floorOf(dir string) floor {
	var best floor
	longest := -1
	for _, f := range floors() {
		for _, p := range f.packages {
			base, _ := strings.CutSuffix(p, "/...")
			score := 2 * len(base)
			if p == base {
				score++ // exact wins over a pattern
			}
			if within(dir, []string{p}) && score > longest {
				best, longest = f, score
			}
		}
	}
	return best
}

// within reports whether a directory is named by one of the patterns.
func within(dir string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		base, below := strings.CutSuffix(p, "/...")
		return dir == base || below && strings.HasPrefix(dir, base+"/")
	})
}

func lines(text []byte) int {
	n := strings.Count(string(text), "\n")
	if len(text) > 0 && text[len(text)-1] != '\n' {
		n++
	}
	return n
}

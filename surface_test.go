package gatehouse_test

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse"
)

const maxExported = 40 // names of the package

// TestSurface holds the package to what a reader can keep in mind, and to types
// that every Go program has: a library underneath can be changed for another.
func TestSurface(t *testing.T) {
	fset := token.NewFileSet()
	out, err := exec.Command("go", "list", "-f", "{{range .GoFiles}}{{.}} {{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for name := range strings.FieldsSeq(string(out)) {
		f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	pkg, err := (&types.Config{Importer: importer.ForCompiler(fset, "gc", exports(t))}).Check("gatehouse", fset, files, nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	s := &surface{t: t, self: pkg, seen: map[types.Type]bool{}}
	for _, name := range pkg.Scope().Names() {
		if token.IsExported(name) {
			names = append(names, name)
			s.object(name, pkg.Scope().Lookup(name))
		}
	}
	if len(names) > maxExported {
		t.Errorf("got %d exported names, want %d at most: %s", len(names), maxExported, names)
	}
	t.Logf("%d exported names: %s", len(names), names)
}

// exports finds what the compiler has written of each package that ours imports.
func exports(t *testing.T) importer.Lookup {
	out, err := exec.Command("go", "list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		files[path] = file
	}
	return func(path string) (io.ReadCloser, error) { return os.Open(files[path]) }
}

// surface walks what users see.
type surface struct {
	t    *testing.T
	self *types.Package
	seen map[types.Type]bool
}

func (s *surface) object(where string, o types.Object) {
	s.typ(where, o.Type())
	if _, ok := o.(*types.TypeName); !ok {
		return
	}
	for method := range types.NewMethodSet(types.NewPointer(o.Type())).Methods() {
		if method.Obj().Exported() {
			s.typ(where+"."+method.Obj().Name(), method.Type())
		}
	}
}

func (s *surface) typ(where string, typ types.Type) {
	if s.seen[typ] {
		return
	}
	s.seen[typ] = true
	switch typ := types.Unalias(typ).(type) {
	case *types.Named:
		pkg := typ.Obj().Pkg()
		switch {
		case pkg == nil: // error
		case pkg != s.self && strings.Contains(strings.SplitN(pkg.Path(), "/", 2)[0], "."):
			s.t.Errorf("%s: %s is not of the standard library", where, typ)
		case pkg == s.self && typ.Obj().Exported():
			s.typ(where, typ.Underlying())
		}
	case *types.Pointer:
		s.typ(where, typ.Elem())
	case interface{ Elem() types.Type }: // slice, array, channel, map
		if m, ok := typ.(*types.Map); ok {
			s.typ(where, m.Key())
		}
		s.typ(where, typ.Elem())
	case *types.Signature:
		for v := range typ.Params().Variables() {
			s.typ(where, v.Type())
		}
		for v := range typ.Results().Variables() {
			s.typ(where, v.Type())
		}
	case *types.Struct:
		for f := range typ.Fields() {
			if f.Exported() {
				s.typ(where+"."+f.Name(), f.Type())
			}
		}
	case *types.Interface:
		for m := range typ.Methods() {
			s.typ(where+"."+m.Name(), m.Type())
		}
	}
}

// Whoever imports the library gets neither databases nor the SDK, nor anything
// else of the program.
func TestWhatTheLibraryPullsIn(t *testing.T) {
	allowed := []string{"github.com/go-jose/go-jose/v4", "github.com/go-json-experiment/json", "golang.org/x/"}
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for imp := range strings.FieldsSeq(string(out)) {
		ours := imp == module || strings.HasPrefix(imp, module+"/internal/")
		if ours || !strings.Contains(strings.SplitN(imp, "/", 2)[0], ".") {
			if imp == "database/sql" || imp == "net/http/pprof" || imp == "expvar" {
				t.Errorf("it imports %s", imp)
			}
			continue
		}
		ok := false
		for _, a := range allowed {
			ok = ok || strings.HasPrefix(imp, a)
		}
		if !ok {
			t.Errorf("it imports %s", imp)
		}
	}
}

var _ gatehouse.Verifier = (*gatehouse.APIKeyVerifier)(nil)

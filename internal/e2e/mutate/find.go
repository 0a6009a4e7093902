package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// variable names the check that is gone; 0 is none.
const variable = "GATEHOUSE_MUTANT"

// check is one condition that can be taken away.
type check struct {
	id      int
	file    string
	line    int
	fn      string
	text    string // the condition
	nth     int    // of those that read the same in this function, from 1
	accepts bool   // what follows accepts: without the check it always does
	done    bool
	noticed bool
}

func (c *check) String() string {
	return fmt.Sprintf("%s:%d %s: %s", c.file, c.line, c.fn, c.text)
}

// key names a check however the lines move. Of several that read the same in one
// function, the later ones have a number.
func (c *check) key() string {
	key := c.file + " " + c.fn + ": " + c.text
	if c.nth > 1 {
		key += fmt.Sprintf(" #%d", c.nth)
	}
	return key
}

// file is a source with its checks marked.
type file struct {
	path    string
	pkg     string
	source  []byte
	inserts []insert
}

type insert struct {
	at   int
	text string
}

func findAll(patterns []string) ([]*check, []*file, error) {
	var (
		checks []*check
		files  []*file
	)
	for _, p := range patterns {
		paths, err := filepath.Glob(p)
		if err != nil {
			return nil, nil, err
		}
		for _, path := range paths {
			if strings.HasSuffix(path, "_test.go") || slices.ContainsFunc(files, func(f *file) bool { return f.path == path }) {
				continue
			}
			f := &file{path: path}
			if checks, err = f.find(checks); err != nil {
				return nil, nil, err
			}
			files = append(files, f)
		}
	}
	return checks, files, nil
}

// find marks the checks of one file.
func (f *file) find(checks []*check) ([]*check, error) {
	var err error
	if f.source, err = os.ReadFile(f.path); err != nil {
		return nil, err
	}
	set := token.NewFileSet()
	tree, err := parser.ParseFile(set, f.path, f.source, 0)
	if err != nil {
		return nil, err
	}
	f.pkg = tree.Name.Name
	for _, d := range tree.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Body == nil || !judges(fn.Type) {
			continue
		}
		mark := func(cond ast.Expr, accepts bool) {
			for _, part := range parts(cond, token.LOR) {
				from, to := set.Position(part.Pos()), set.Position(part.End())
				c := &check{
					id: len(checks) + 1, file: f.path, line: from.Line, fn: fn.Name.Name, accepts: accepts,
					text: strings.Join(strings.Fields(string(f.source[from.Offset:to.Offset])), " "),
				}
				c.nth = 1
				for _, other := range checks {
					if other.file == c.file && other.fn == c.fn && other.text == c.text {
						c.nth++
					}
				}
				checks = append(checks, c)
				before := fmt.Sprintf("(!mutated(%d) && (", c.id)
				if accepts {
					before = fmt.Sprintf("(mutated(%d) || (", c.id)
				}
				f.inserts = append(f.inserts, insert{from.Offset, before}, insert{to.Offset, "))"})
			}
		}
		ast.Inspect(fn.Body, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncLit:
				return false
			case *ast.IfStmt:
				if verdict, ok := ends(n.Body.List); ok {
					mark(n.Cond, verdict)
				}
			case *ast.SwitchStmt:
				if n.Tag == nil {
					cases(n, mark)
				}
			case *ast.ReturnStmt:
				returned(n, mark)
			}
			return true
		})
	}
	return checks, nil
}

// cases marks the conditions of a switch without a tag.
func cases(n *ast.SwitchStmt, mark func(ast.Expr, bool)) {
	for _, s := range n.Body.List {
		clause, ok := s.(*ast.CaseClause)
		if !ok {
			continue
		}
		if verdict, ok := ends(clause.Body); ok {
			for _, cond := range clause.List {
				mark(cond, verdict)
			}
		}
	}
}

// returned marks each side of an && that is returned.
func returned(n *ast.ReturnStmt, mark func(ast.Expr, bool)) {
	if len(n.Results) == 0 {
		return
	}
	last := n.Results[len(n.Results)-1]
	if both := parts(last, token.LAND); len(both) > 1 {
		for _, side := range both {
			mark(side, true)
		}
	}
}

// judges reports whether the last result of a function is a verdict.
func judges(t *ast.FuncType) bool {
	if t.Results == nil || len(t.Results.List) == 0 {
		return false
	}
	switch last := t.Results.List[len(t.Results.List)-1].Type.(type) {
	case *ast.Ident:
		return last.Name == "error" || last.Name == "bool"
	case *ast.StarExpr:
		id, ok := last.X.(*ast.Ident)
		return ok && id.Name == "Error"
	}
	return false
}

// ends reports what a block that ends with a return says: true for nil and true.
func ends(list []ast.Stmt) (accepts, ok bool) {
	if len(list) == 0 {
		return false, false
	}
	r, ok := list[len(list)-1].(*ast.ReturnStmt)
	if !ok || len(r.Results) == 0 {
		return false, false
	}
	id, ok := r.Results[len(r.Results)-1].(*ast.Ident)
	return ok && (id.Name == "nil" || id.Name == "true"), true
}

// parts takes an expression apart at one operator.
func parts(e ast.Expr, op token.Token) []ast.Expr {
	switch x := e.(type) {
	case *ast.ParenExpr:
		return parts(x.X, op)
	case *ast.BinaryExpr:
		if x.Op == op {
			return append(parts(x.X, op), parts(x.Y, op)...)
		}
		if op == token.LOR && x.Op == token.LAND { // an || inside of an &&
			if inner := parts(x.Y, op); len(inner) > 1 {
				return inner
			}
		}
	}
	return []ast.Expr{e}
}

// write puts marked copies of the files into dir, and what has the compiler take
// them instead.
func write(dir string, files []*file) (string, error) {
	replace := map[string]string{}
	put := func(path, name string, text []byte) error {
		abs, err := filepath.Abs(path)
		if err != nil {
			return err
		}
		replace[abs] = filepath.Join(dir, name)
		return os.WriteFile(replace[abs], text, 0o600)
	}
	for i, f := range files {
		slices.SortStableFunc(f.inserts, func(a, b insert) int { return b.at - a.at })
		text := string(f.source)
		for _, in := range f.inserts {
			text = text[:in.at] + in.text + text[in.at:]
		}
		if err := put(f.path, fmt.Sprintf("%d.go", i), []byte(text)); err != nil {
			return "", err
		}
		helper := fmt.Sprintf("package %s\n\nimport \"os\"\nimport \"strconv\"\n\nvar mutant, _ = strconv.Atoi(os.Getenv(%q))\n\n"+
			"func mutated(id int) bool { return mutant == id }\n", f.pkg, variable)
		if err := put(filepath.Join(filepath.Dir(f.path), "mutated_helper.go"), f.pkg+"_helper.go", []byte(helper)); err != nil {
			return "", err
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "overlay.json")
	return path, os.WriteFile(path, overlay, 0o600)
}

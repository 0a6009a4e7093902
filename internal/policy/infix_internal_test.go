package policy

import "testing"

func TestInfix(t *testing.T) {
	for given, want := range map[string]string{
		`args.path startsWith tenant.root`:               `args.path .startsWith( tenant.root)`,
		`args.path startsWith "/srv/" && args.n < 1`:     `args.path .startsWith( "/srv/") && args.n < 1`,
		`!(args.path under tenant.root)`:                 `!(args.path .under( tenant.root))`,
		`args["a b"] contains args.x[0].y || true`:       `args["a b"] .contains( args.x[0].y) || true`,
		`name matches r'^a startsWith b$'`:               `name .matches( r'^a startsWith b$')`,
		`"a" endsWith "it's" ? true : false`:             `"a" .endsWith( "it's") ? true : false`,
		`args.path.startsWith(tenant.root)`:              `args.path.startsWith(tenant.root)`,
		`args.path startsWith (tenant.root)`:             `args.path startsWith (tenant.root)`,
		`"a startsWith b"`:                               `"a startsWith b"`,
		`'''a' startsWith b''' == x`:                     `'''a' startsWith b''' == x`,
		`args.contains == 1 && args.x.contains("y")`:     `args.contains == 1 && args.x.contains("y")`,
		`args.x == contains`:                             `args.x == contains`,
		`startsWith`:                                     `startsWith`,
		`args.x startsWith`:                              `args.x startsWith`,
		`startsWith x`:                                   `startsWith x`,
		"args.a contains // b startsWith c\n 'x'":        "args.a .contains( // b startsWith c\n 'x')",
		`args.a startsWith "b" && args.c startsWith "d"`: `args.a .startsWith( "b") && args.c .startsWith( "d")`,
		`args.a startsWith args.f("x", [1, (2)]).y == 1`: `args.a .startsWith( args.f("x", [1, (2)]).y) == 1`,
		`x in contains y`:                                `x in contains y`,
		`args.a startsWith args.b[`:                      `args.a startsWith args.b[`,
	} {
		if got := infix(given); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", given, got, want)
		}
	}
}

func FuzzInfix(f *testing.F) {
	for _, s := range []string{`a startsWith b`, `"a\" under 'b'`, `'''x`, "a // b\nunder c", `r"\" contains x`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > maxWhen {
			return
		}
		var joined string
		for _, l := range lex(s) {
			joined += l.text
		}
		if joined != s {
			t.Errorf("%q is cut into %q", s, joined)
		}
		infix(s)
	})
}

package edit

import (
	"bytes"
	"errors"
	"testing"
)

// Whatever a file holds: if it parses, it parses afterwards, nothing but the
// entry has changed, every other byte is there in its order, and the entry goes
// out again.
func fuzzEdit(f *testing.F, format Format) {
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 4<<10 {
			return // readers of others nest as deep as a text is long
		}
		got, changes, err := Merge(format, text, []string{"s", "acme"}, entry)
		if err != nil {
			var syntax *SyntaxError
			var form *FormError
			if got != nil || !errors.As(err, &syntax) && !errors.As(err, &form) {
				t.Fatalf("got %q, %T %v", got, err, err)
			}
			return
		}
		if v, ok, err := Lookup(format, got, "s", "acme", "url"); err != nil || !ok || v != "https://mcp.acme.com/mcp" {
			t.Fatalf("%q\n%q\nthe entry is %v, %v", text, got, v, err)
		}
		untouched(t, text, got, changes)
		if again, more, err := Merge(format, got, []string{"s", "acme"}, entry); err != nil || len(more) > 0 || !bytes.Equal(again, got) {
			t.Fatalf("%q\na second time: %q %v", got, again, err)
		}
		out, changes, err := Remove(format, got, "s", "acme")
		var form *FormError
		if errors.As(err, &form) {
			return // it was there already, in a form of its own
		}
		if err != nil {
			t.Fatalf("%q\nout again: %v", got, err)
		}
		untouched(t, got, out, changes)
		if _, found, err := Lookup(format, out, "s", "acme"); err != nil || found {
			t.Fatalf("%q\n%q\nit is still there: %v", got, out, err)
		}
	})
}

// untouched takes the changes back, one by one, and compares: what is outside of
// them is as it was.
func untouched(t *testing.T, before, after []byte, changes []Splice) {
	t.Helper()
	inserted, cut := 0, 0
	for _, c := range changes {
		inserted += len(c.Text)
		cut += c.Cut
	}
	if len(after)-len(before) != inserted-cut {
		t.Fatalf("%q\n%q\n%d bytes inserted, %d cut", before, after, inserted, cut)
	}
	if len(changes) != 1 {
		return
	}
	c := changes[0]
	if !bytes.Equal(before[:c.At], after[:c.At]) || !bytes.Equal(before[c.At+c.Cut:], after[c.At+len(c.Text):]) {
		t.Fatalf("%q\n%q\nmore than %+v has changed", before, after, c)
	}
}

func FuzzJSON(f *testing.F) {
	for _, s := range []string{
		"", "{}", "{ }", "{\n}", "// c\n{\"s\": {}}", `{"s":{"b":1},}`, "{ // x\n \"s\": { /* y */ \"b\": [1,2,], }, }", "\xef\xbb\xbf{\r\n\t\"s\": {\r\n\t}\r\n}",
		`{"s":{"acme":{"url":"x"}}}`, `{"$schema":"x","y":1}`, "{\"s\":{\"a\":1 // x\n,\"acme\":{}}}", `{"s":{"\u0061cme":{}}}`, `{"s":{"acme":{"headers":{}}}}`,
	} {
		f.Add([]byte(s))
	}
	fuzzEdit(f, JSON)
}

func FuzzTOML(f *testing.F) {
	for _, s := range []string{
		"", "a = 1", "[s]\nb = 1\n", "[s.b]\nx = \"\"\"\n[s.acme]\n\"\"\"\n", "[s.acme]\nurl = 'x'\n[s.acme.env]\nA = 'b'\n", "s.b.url = 1\n", "s = {}\n", "[[s]]\n", "x = nan\n# end", "[ s . \"acme\" ] # x\r\n",
	} {
		f.Add([]byte(s))
	}
	fuzzEdit(f, TOML)
}

func FuzzYAML(f *testing.F) {
	for _, s := range []string{
		"", "# c", "a: 1", "s:", "s: {}", "s:\n  b: 1\n", "s:\n    # c\n    b: |+\n      x\n\n\nz: 1\n", "s: &x\n  b: 1\n", "? a\n: b\n", "s:\n- a\n", "---\ns:\n  b: 1\n...\n", "s: !t\n  acme:\n    url: \"a\n      b\"\n", "1: x\ns: {b: 1}", "s:\n  'acme': # x\n    url: x\n",
	} {
		f.Add([]byte(s))
	}
	fuzzEdit(f, YAML)
}

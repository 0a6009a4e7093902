package jws

import (
	"encoding/json"
	"strings"
	"testing"
)

// FuzzReadObject looks for objects that a lenient reader sees differently.
func FuzzReadObject(f *testing.F) {
	for _, s := range []string{`{}`, `{"sub":"ada","n":[1,{"a":null}],"x":-1.5e3}`, `{"a":{"b":{"c":1}},"a.b":2}`, `{"s\u0075b":"\ud83d\ude00"}`, `{"sub":1,"Sub":2}`} {
		f.Add(s, "a.b.c")
	}
	f.Add(`{"access":{"x":{"roles":["a"]}}}`, "access.*.roles.*")
	f.Fuzz(func(t *testing.T, text, path string) {
		o, err := ReadObject([]byte(text), []string{"sub", "iss"})
		if err != nil {
			if o != nil || len(err.Error()) > 100 {
				t.Fatalf("got %v, %v", o, err)
			}
			return
		}
		var lenient map[string]json.RawMessage
		if err := json.Unmarshal([]byte(text), &lenient); err != nil || len(lenient) != len(o.members) {
			t.Fatalf("%q: others see %d members (%v), we see %d", text, len(lenient), err, len(o.members))
		}
		for _, m := range o.members {
			if string(lenient[m.Name]) != strings.TrimSpace(string(m.Value)) {
				t.Fatalf("%q: %q is %s to others, %s to us", text, m.Name, lenient[m.Name], m.Value)
			}
			var s string
			if got, ok := Text(m.Value); ok && (json.Unmarshal(m.Value, &s) != nil || s != got) {
				t.Fatalf("%s is %q to others, %q to us", m.Value, s, got)
			}
		}
		if len(path) > 100 { // they are the operator's
			return
		}
		for _, found := range o.Find(path) {
			if found.Value != nil && !json.Valid(found.Value) {
				t.Fatalf("%q leads to %q, which is no JSON", path, found.Value)
			}
		}
	})
}

// FuzzSameTarget looks for targets that are the same in one direction only, or not to themselves.
func FuzzSameTarget(f *testing.F) {
	f.Add("https://a.example/x/../%2f?y#z", "HTTPS://A.example:443/%2F")
	f.Add("http://[::1]:80/.", "http://[::1]")
	f.Fuzz(func(t *testing.T, a, b string) {
		if SameTarget(a, b) != SameTarget(b, a) {
			t.Fatalf("%q and %q", a, b)
		}
		if SameTarget(a, b) && (!SameTarget(a, a) || !SameTarget(b, b)) {
			t.Fatalf("%q and %q are the same, but not the same as themselves", a, b)
		}
		if x := target(a); x != "" && target(x) != x {
			t.Fatalf("%q becomes %q, and that %q", a, x, target(x))
		}
	})
}

package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFormat(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"what is in order", base, base},
		{"another order", "# title\n\nauth: {api_keys: {}}   # on\n# of the version\nversion: 1\n", "# title\n\n# of the version\nversion: 1\nauth: {api_keys: {}}   # on\n"},
		{"wide indentation", "version: 1\nserver:\n      # where\n      listen: 8080   \n\n\n\n      tls:\n              hsts: 1d\n", "version: 1\nserver:\n  # where\n  listen: 8080\n\n  tls:\n    hsts: 1d\n"},
		{"lists at the margin", "version: 1\nservers:\n- url: 'http://h/'\n  # what it is called\n  name: a\n- name: b\n", "version: 1\nservers:\n  # what it is called\n  - name: a\n    url: 'http://h/'\n  - name: b\n"},
		{"a list of words", "version: 1\nserver:\n  trusted_proxies:\n  - 10.0.0.0/8 # ours\n  - 192.0.2.1\n", "version: 1\nserver:\n  trusted_proxies:\n    - 10.0.0.0/8 # ours\n    - 192.0.2.1\n"},
		{"braces over several lines", "policy:\n    default: deny\n    rules:\n      - {tools: [a,\n           b]}\nversion: 1\n", "version: 1\npolicy:\n  default: deny\n  rules:\n    - {tools: [a,\n         b]}\n"},
		{"text over several lines", "version: 1\nstore:\n   sqlite: >-\n      a\n      b\n", "version: 1\nstore:\n  sqlite: >-\n     a\n     b\n"},
		{"a comment at the end", "version: 1\nauth: {}\n# the end\n", "version: 1\nauth: {}\n# the end\n"},
		{"comments below a section", "policy:\n  default: allow\n  # no rules\nversion: 1\n", "version: 1\npolicy:\n  default: allow\n  # no rules\n"},
		{"line ends of Windows", "version: 1\r\nauth: {}\r\n", "version: 1\nauth: {}\n"},
		{"unknown keys", "zebra: 1\nversion: 1\n", "version: 1\nzebra: 1\n"},
		{"a dash on a line of its own", "version: 1\nservers:\n  -\n    url: x\n    name: a\n", "version: 1\nservers:\n  -\n    name: a\n    url: x\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Format("f", []byte(tt.text))
			if err != nil || string(got) != tt.want {
				t.Fatalf("got %v\n%s\nwant\n%s", err, got, tt.want)
			}
			if again, err := Format("f", got); err != nil || string(again) != tt.want {
				t.Errorf("again: got %v\n%s", err, again)
			}
		})
	}
	for _, text := range []string{"", "a: [", "auth: &a {}\nversion: *a\n", "---\nversion: 1\n", "version: 1\n---\nversion: 1\n"} {
		if got, err := Format("f", []byte(text)); err == nil {
			t.Errorf("%q: got %q, want an error", text, got)
		}
	}
}

func TestFormatLeavesDeploymentsAlone(t *testing.T) {
	files, err := filepath.Glob("testdata/deployments/*.yaml")
	if err != nil || len(files) != 6 {
		t.Fatalf("got %v and %v", files, err)
	}
	for _, name := range append(files, "testdata/dev.yaml", "testdata/everything.yaml") {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Format(name, text)
		if err != nil {
			t.Error(err)
			continue
		}
		if again, err := Format(name, got); err != nil || string(again) != string(got) {
			t.Errorf("%s: formatted again it is %v\n%s", name, err, again)
		}
		if strings.Count(string(got), "#") != strings.Count(string(text), "#") {
			t.Errorf("%s: comments were lost", name)
		}
	}
}

// FuzzFormat: whatever the text, formatting changes no meaning, and once is enough.
func FuzzFormat(f *testing.F) {
	for _, s := range []string{base, "# a\nb:\n- c: 1 # d\n  # e\n  f: 2\nversion: 1\n", "a: |\n  # x\n  y\nversion: 1\n", "a: 'x\n  y'\n", "? a\n: b\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		once, err := Format("f", data)
		if err != nil {
			return
		}
		twice, err := Format("f", once)
		if err != nil {
			t.Fatalf("formatted again: %v\n%s", err, once)
		}
		if string(twice) != string(once) {
			t.Errorf("formatted again it differs:\n%s\n%s", once, twice)
		}
	})
}

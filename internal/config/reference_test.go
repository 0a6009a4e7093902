package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestReferences(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte("of-a-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := Outside{Lookup: outside.Lookup, Run: func(command []string) ([]byte, error) {
		if command[0] == "fail" {
			return nil, errors.New("it exited with 1")
		}
		return []byte(strings.Join(command, "|") + "\n"), nil
	}}
	tests := []struct{ raw, want, err string }{
		{"${TOKEN}", "from-outside", ""},
		{"a-${TOKEN}-${PLACE}", "a-from-outside-127.0.0.1", ""},
		{"${TOKEN:?why}", "from-outside", ""},
		{"$TOKEN costs $$5 and $", "$TOKEN costs $5 and $", ""},
		{"$${TOKEN}", "${TOKEN}", ""},
		{"${file:" + secret + "}", "of-a-file", ""},
		{"${file:secret}", "of-a-file", ""},
		{`${cmd:pass show "a b" 'c "d' ""}`, `pass|show|a b|c "d|`, ""},
		{"${NOPE}", "", "names the variable NOPE, which is not set"},
		{"${NOPE:?create one at example.com}", "", "names the variable NOPE, which is not set: create one at example.com"},
		{"${EMPTY:?it matters}", "", "it matters"},
		{"${EMPTY}", "", "is empty"},
		{"${TOKEN", "", "without its }"},
		{"${}", "", "is none of"},
		{"${A-B}", "", "is none of"},
		{"${TOKEN:-x}", "", "has a default"},
		{"${TOKEN:-a-secret-that-is-written-down}", "", "${TOKEN:…} has a default"}, // which is not repeated
		{"${keychain:x}", "", "keychain:…} is not available in this version"},
		{"${file:nowhere}", "", "cannot be read: no such file"},
		{"${file:.}", "", "is not a plain file"},
		{"${cmd:fail}", "", `asks the program "fail": it exited with 1`},
		{"${cmd:'x}", "", "does not end"},
		{"${cmd:}", "", "without a program"},
	}
	for _, tt := range tests {
		t.Run(tt.raw, func(t *testing.T) {
			text := "version: 1\nservers: [{name: a, stdio: {command: [x, '" + strings.ReplaceAll(tt.raw, "'", "''") + "']}}]\n"
			c, err := parse("f", dir, []byte(text), o)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("got %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := c.Servers[0].Stdio.Command[1]; got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestReferenceTellsWhereAValueCameFrom(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "g.yaml")
	secret := filepath.Join(dir, "pepper")
	for name, text := range map[string]string{
		secret: strings.Repeat("canary-", 8),
		path: "version: 1\nservers:\n  - {name: a, url: 'http://${PLACE}:1/', forward: {authorization: 'Bearer ${TOKEN}'}}\n" +
			"auth: {api_keys: {pepper: '${file:pepper}'}}\npolicy: {default: allow}\nstore: {sqlite: state/x.db}\nadmin: {listen: 'unix:a.sock'}\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := Load(path, outside)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][2]string{}
	for _, s := range c.Settings() {
		got[s.Path] = [2]string{s.Text(), strings.ReplaceAll(s.Origin, dir, "")}
	}
	for name, want := range map[string][2]string{
		"servers[a].url":                   {"http://127.0.0.1:1/", "/g.yaml:3, variable PLACE"},
		"servers[a].forward.authorization": {masked, "/g.yaml:3, variable TOKEN"},
		"auth.api_keys.pepper":             {masked, "/g.yaml:4, /pepper"},
		"store.sqlite":                     {filepath.Join(dir, "state/x.db"), "/g.yaml:6"},
		"admin.listen":                     {"unix:" + filepath.Join(dir, "a.sock"), "/g.yaml:7"},
		"server.listen":                    {DefaultListen, "default"},
	} {
		if got[name] != want {
			t.Errorf("%s: got %q, want %q", name, got[name], want)
		}
	}
	if files := c.Files(); !reflect.DeepEqual(files, []string{path, secret}) {
		t.Errorf("files: got %q", files)
	}
	if c.Auth.APIKeys.Pepper.Reveal() != strings.Repeat("canary-", 8) {
		t.Error("the pepper is not what the file says")
	}
}

func TestMistakesRepeatNoSecret(t *testing.T) {
	o := Outside{Lookup: func(name string) (string, bool) {
		if name == "PLAIN_SECRET" { // passes for an address, and is judged with the rest
			return "http://canary.example", true
		}
		return "http://ada:canary@h/?canary-" + strings.Repeat("long", 20), true
	}}
	for _, text := range []string{
		"server: {public_url: '${MY_SECRET}'}", "server: {listen: '${MY_TOKEN}'}", "limits: {per_key: '${MY_SECRET}'}",
		"servers: [{name: '${X_KEY}', url: '${MY_SECRET}'}]", "servers: [{name: a, url: 'http://h/', forward: {authorization: \"${A}\", tenant_header: '${MY_PASSWORD}'}}]",
		"policy: {default: '${MY_SECRET}'}", "server: {public_url: '${PLAIN_SECRET}'}", "server: {public_url: '${VALUE}'}", "servers: [{name: a, url: '${VALUE}'}]", "policy: {default: allow, rules: [{tools: [x], servers: ['${A_TOKEN}']}]}",
	} {
		all := verdictOf("version: 1\n"+text+"\n", o)
		if all == "" || strings.Contains(all, "canary") {
			t.Errorf("%s: got %q", text, all)
		}
	}
	key := "gthk_7Qm2Vx9KtB4c_" + strings.Repeat("a", 49)
	for _, text := range []string{key + ": 1", "server: {" + key + ": 1}", "policy: {default: " + key + "}", "[" + key, "version: " + key} {
		if all := verdictOf(text, o); all == "" || strings.Contains(all, key) {
			t.Errorf("got %q", all)
		}
	}
}

func verdictOf(text string, o Outside) string {
	c, err := Parse("f", []byte(text), o)
	if err == nil {
		err = c.Check()
	}
	if err == nil {
		return ""
	}
	return err.Error()
}

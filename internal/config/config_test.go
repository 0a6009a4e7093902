package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/unit"
)

// base is a file that can be served, of four lines.
const base = "version: 1\nservers: [{name: a, url: 'http://127.0.0.1:1/mcp'}]\nauth: {api_keys: {}}\npolicy: {default: allow}\n"

var outside = Outside{Lookup: func(name string) (string, bool) {
	v, ok := map[string]string{"TOKEN": "from-outside", "EMPTY": "", "PLACE": "127.0.0.1", "LONG": strings.Repeat("canary-", 8)}[name]
	return v, ok
}}

func TestLoadReadsTheDevelopmentFile(t *testing.T) {
	got, err := Load("testdata/dev.yaml", Outside{})
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		Server:  Server{Listen: "127.0.0.1:8080"},
		Servers: []Upstream{{Name: "files", Stdio: &Stdio{Command: []string{"npx", "-y", "@modelcontextprotocol/server-filesystem", "./docs"}}}},
		Auth:    Auth{APIKeys: &APIKeys{}},
		Policy:  Policy{Default: Allow},
		Limits:  Limits{PerKey: unit.Rate{Count: 600, Per: time.Minute}, FailedAuth: FailedAuth{PerAddress: unit.Rate{Count: 20, Per: time.Minute}, Ban: 10 * time.Minute}},
		source:  got.source,
	}
	want.Complete()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if err := got.Check(); err != nil {
		t.Errorf("Check: got %v, want nil", err)
	}
}

func TestLoadTakesPathsFromTheFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "g.yaml")
	text := "version: 1\nservers: [{name: a, stdio: {command: [x, 5], cwd: sub, env: {A: '${TOKEN}', B: plain}}}]\nstore: {sqlite: state/g.db}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(path, outside)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.Store.SQLite, filepath.Join(dir, "state/g.db"); got != want {
		t.Errorf("sqlite: got %q, want %q", got, want)
	}
	if got, want := c.StateDir(), filepath.Join(dir, "state"); got != want {
		t.Errorf("state: got %q, want %q", got, want)
	}
	s := c.Servers[0].Stdio
	if s.Cwd != filepath.Join(dir, "sub") || s.Env["A"] != "from-outside" || s.Env["B"] != "plain" || s.Command[1] != "5" {
		t.Errorf("stdio: got %+v", s)
	}
}

func TestParseRefuses(t *testing.T) {
	key := "gthk_7Qm2Vx9KtB4c_" + strings.Repeat("a", 49)
	tests := []struct{ name, text, want string }{
		{"an empty file", "", "f: is empty"},
		{"comments alone", "# nothing\n", "f: is empty"},
		{"a second document", "version: 1\n---\nversion: 1\n", "f:3:1: a second document begins here"},
		{"a file without version", "server: {}\n", "version is missing"},
		{"another version", "version: 2\n", `f:1:10: version "2" is not 1`},
		{"an unknown key with its neighbour", "version: 1\nserver:\n  lisen: 127.0.0.1:1\n", `f:3:3: unknown key "lisen" under server. Did you mean "listen"?`},
		{"an unknown key unlike any", "version: 1\nwatermelon: 1\n", `unknown key "watermelon"`},
		{"another default", "version: 1\npolicy: {default: maybe}\n", `policy.default "maybe" is not allow or deny`},
		{"a key twice", "version: 1\nversion: 1\n", "f:2:1: "},
		{"a null section", "version: 1\nauth:\n", "auth has no value"},
		{"a list for a mapping", "version: 1\nserver: []\n", "server needs to be a mapping"},
		{"a mapping for a list", "version: 1\nservers: {}\n", "servers needs to be a list"},
		{"an anchor", "version: &v 1\n", "version needs to be plain text"},
		{"a tag", "version: !!str 1\n", "version needs to be plain text"},
		{"a merge key", "version: 1\nserver:\n  <<: {listen: x}\n", "f:3:"},
		{"a listener beyond loopback", "version: 1\nserver: {listen: '0.0.0.0:80'}\nx: 1\n", "0.0.0.0:80 is not loopback"},
		{"a listener without port", "version: 1\nserver: {listen: localhost}\n", `"localhost" is not HOST:PORT`},
		{"a server that is two things", "version: 1\nservers: [{name: a, url: 'http://h/', stdio: {command: [x]}}]\nx: 1\n", "has both url and stdio"},
		{"a server that is nothing", "version: 1\nservers: [{name: a}]\nx: 1\n", "servers[0] needs a url or stdio"},
		{"an empty command", "version: 1\nservers: [{name: a, stdio: {command: []}}]\n", "stdio.command is an empty list"},
		{"a server without name", "version: 1\nservers: [{url: 'http://h/'}]\n", "servers[0].name is missing"},
		{"a path with dots", "version: 1\nservers: [{name: a, path: /../x, url: 'http://h/'}]\n", "is not a path like /mcp"},
		{"an unset variable", "version: 1\nservers: [{name: a, stdio: {command: [x], env: {A: '${NOPE}'}}}]\n", "names the variable NOPE, which is not set"},
		{"an odd variable name", "version: 1\nservers: [{name: a, stdio: {command: [x], env: {'A=B': y}}}]\n", "is not the name of a variable"},
		{"a key in the file", "version: 1\nservers: [{name: a, stdio: {command: [x], env: {A: " + key + "}}}]\n", "holds a gatehouse key"},
		{"broken YAML", "version: [1\n", "f:"},
		{"tabs", "version: 1\nserver:\n\tlisten: x\n", "f:3:"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := Parse("f", []byte(tt.text), outside)
			if err == nil {
				t.Fatalf("got %+v, want an error", c)
			}
			if c != nil {
				t.Error("a configuration came back beside the error")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %q, want it to contain %q", err, tt.want)
			}
			if strings.Contains(err.Error(), key) {
				t.Error("the error repeats a secret")
			}
		})
	}
}

func TestParseReportsAllMistakesInOrder(t *testing.T) {
	_, err := Parse("f", []byte("version: 3\nwhat: 1\nserver: {listen: nowhere}\nservers: [{name: a, url: 'http://h/'}]\nauth: {}\npolicy: {default: allow}\n"), Outside{})
	var all Mistakes
	if !errors.As(err, &all) || len(all) != 4 {
		t.Fatalf("got %v, want four mistakes", err)
	}
	for i, m := range all {
		if i == 3 {
			i = 4 // nobody could sign in: what only Check sees is said too
		}
		if m.Line != i+1 || m.Code != "GH-2001" {
			t.Errorf("mistake %d: got line %d code %s, want line %d code GH-2001", i, m.Line, m.Code, i+1)
		}
	}
}

func TestPlainHTTPHasItsOwnCode(t *testing.T) {
	c, err := Parse("f", []byte(base+"server: {listen: '0.0.0.0:80'}\n"), Outside{})
	if err != nil {
		t.Fatal(err)
	}
	var all Mistakes
	if err := c.Check(); !errors.As(err, &all) || len(all) != 1 || all[0].Code != "GH-2004" || all[0].Place() != "f:5:18" {
		t.Errorf("got %v, want one GH-2004 at f:5:18", err)
	}
}

func TestCheckRefusesAnEmptyConfiguration(t *testing.T) {
	var all Mistakes
	if err := (&Config{}).Check(); !errors.As(err, &all) || len(all) != 3 {
		t.Errorf("got %v, want mistakes about servers, auth and policy", err)
	}
}

func TestCheckUpstreamURL(t *testing.T) {
	tests := []struct {
		name, url string
		want      bool
	}{
		{"a local server", "http://127.0.0.1:3000/mcp", true},
		{"a remote one", "https://mcp.example.com/mcp", true},
		{"no path", "http://localhost:3000", true},
		{"a password", "http://ada:canary@h/mcp", false},
		{"a broken one with a password", "http://ada:canary@h:x/mcp", false},
		{"a query", "https://h/mcp?api_key=canary", false},
		{"an empty query", "https://h/mcp?", false},
		{"a fragment", "https://h/mcp#x", false},
		{"another scheme", "ftp://h/mcp", false},
		{"no scheme", "h/mcp", false},
		{"no host", "http:///mcp", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := CheckUpstreamURL(tt.url)
			if got := err == nil; got != tt.want {
				t.Errorf("got %v, want accepted=%v", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "canary") {
				t.Errorf("the error repeats the secret: %v", err)
			}
		})
	}
}

func TestCheckAddress(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:0": true, "[::1]:8080": true, "localhost:8080": true, "0.0.0.0:8080": true, "9090": true, "unix:/run/g.sock": true, "systemd:gatehouse": true,
		":8080": false, "127.0.0.1:99999": false, "127.0.0.1:": false, "127.0.0.1": false, "99999": false, "unix:": false, "systemd:": false, "*:80": false, "": false,
		"127.0.0.1:http": false, "unix:/" + strings.Repeat("x", 100): false,
	} {
		if err := CheckAddress(address); (err == nil) != want {
			t.Errorf("CheckAddress(%q): got %v, want accepted=%v", address, err, want)
		}
	}
	for address, want := range map[string]bool{"127.0.0.1:1": true, "[::1]:1": true, "unix:/x": true, "0.0.0.0:1": false, "systemd:x": false, "localhost.evil.test:80": false} {
		if got := Local(address); got != want {
			t.Errorf("Local(%q): got %v", address, got)
		}
	}
}

func TestCheckPublicURLAndOrigin(t *testing.T) {
	for url, want := range map[string]bool{
		"": true, "https://mcp.example.com": true, "https://mcp.example.com/": true, "https://h:8443": true, "http://localhost:8080": true, "https://*": false, "https://*.example.com": false,
		"http://mcp.example.com": false, "https://h/mcp": false, "https://u@h": false, "mcp.example.com": false, "https://h?x": false,
	} {
		if err := CheckPublicURL(url); (err == nil) != want {
			t.Errorf("CheckPublicURL(%q): got %v, want accepted=%v", url, err, want)
		}
	}
	for origin, want := range map[string]bool{
		"https://app.example.com": true, "http://localhost:6274": true,
		"https://app.example.com/": false, "*": false, "null": false, "https://App.example.com": false, "app.example.com": false, "https://u@h": false,
	} {
		if err := CheckOrigin(origin); (err == nil) != want {
			t.Errorf("CheckOrigin(%q): got %v, want accepted=%v", origin, err, want)
		}
	}
}

// A file that is meant to hurt costs no more than any other. Without the bound
// the first takes minutes and gigabytes.
func TestParseBoundsNesting(t *testing.T) {
	const size = 64 << 10
	for _, text := range []string{
		strings.Repeat("[", size), strings.Repeat("{a: ", size/4), strings.Repeat("- ", size/2), strings.Repeat("? ", size/2),
		"a: " + strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1),
	} {
		if _, err := Parse("f", []byte(text), Outside{}); err == nil || !strings.Contains(err.Error(), "is nested more than 50 deep") {
			t.Errorf("%.10q: got %.200v", text, err)
		}
		if _, err := Format("f", []byte(text)); err == nil {
			t.Errorf("%.10q is formatted", text)
		}
	}
	deep := "a: " + strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth)
	if _, err := Parse("f", []byte(deep), Outside{}); err == nil || strings.Contains(err.Error(), "nested") {
		t.Errorf("at the bound: got %v", err)
	}
}

// FuzzParse: whatever the bytes, reading ends, without a panic, and a
// configuration comes back exactly when there is no error.
func FuzzParse(f *testing.F) {
	dev, err := os.ReadFile("testdata/dev.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(dev)
	f.Add([]byte("version: 1\nservers: [{name: a, url: http://h/mcp}]\nstore: {sqlite: x}\n"))
	f.Add([]byte("a: &a [*a, *a]\n<<: *a\n? !!x\n: |\n  y\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("f", data, outside)
		if (c == nil) == (err == nil) {
			t.Errorf("got %v and %v, want one of them", c, err)
		}
		if c != nil {
			_ = c.Check()
		}
	})
}

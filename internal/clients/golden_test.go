package clients

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/clients/edit"
)

var update = flag.Bool("update", false, "write the golden files and docs/how-to/connect.md anew")

// existing is what the file of a client may hold before: by format, and "SERVERS"
// in it stands for the mapping that has the servers.
func existing(c *Client) []struct{ name, text string } {
	switch c.Format {
	case edit.TOML:
		return []struct{ name, text string }{
			{"empty", ""},
			{"comments", "# mine\nmodel = \"o4\" # the fast one\n\n[projects.\"/src\"]\ntrust_level = \"trusted\"\n"},
			{"others", "[SERVERS.other]\ncommand = \"npx\" # old\nargs = [\n  \"-y\",\n  \"x\",\n]\n\n[SERVERS.other.env]\nTOKEN = \"t\"\n\n# history\n[history]\npersistence = \"none\"\n"},
			{"ours", "[SERVERS.acme]\nurl = \"https://mcp.acme.com/mcp\"\nstartup_timeout_sec = 20 # mine\n"},
			{"crlf", "[SERVERS.other]\r\nurl = \"https://o.example\"\r\n"},
			{"bom", "\xef\xbb\xbf[SERVERS.other]\nurl = \"https://o.example\""},
			{"broken", "[SERVERS.other\nurl = 1\n"},
		}
	case edit.YAML:
		return []struct{ name, text string }{
			{"empty", ""},
			{"braces", "SERVERS: {}\n"},
			{"comments", "# mine\nGOOSE_PROVIDER: anthropic # the good one\n\n# end\n"},
			{"others", "a: 1\nSERVERS:\n    # the first\n    other:\n        enabled: true\n        text: |\n            # no comment\n\n            more\n    last: {enabled: false}\n# behind\nz:\n- 1\n"},
			{"ours", "SERVERS:\n  acme:\n    type: stdio\n    cmd: npx\n    mine: true # mine\n"},
			{"crlf", "SERVERS:\r\n  other:\r\n    enabled: true\r\n"},
			{"bom", "\xef\xbb\xbfSERVERS:\n  other:\n    enabled: true"},
			{"broken", "SERVERS:\n  other: [\n"},
		}
	}
	return []struct{ name, text string }{
		{"empty", ""},
		{"braces", "{}"},
		{"comments", "// mine\n{\n\t// of the editor\n\t\"theme\": \"dark\", /* nice */\n\t\"SERVERS\": {\n\t\t// none yet\n\t},\n}\n"},
		{"others", "{\n    \"SERVERS\": {\n        \"other\": {\n            \"command\": \"npx\",\n            \"args\": [\"-y\", \"x\"]\n        }\n    },\n    \"z\": {\"b\": 1, \"a\": 2}\n}"},
		{"line", `{"SERVERS":{"other":{"url":"https://o.example"}},"z":1}`},
		{"ours", "{\n  \"SERVERS\": {\n    \"acme\": {\n      \"url\": \"https://mcp.acme.com/mcp\",\n      \"headers\": {\"X-Mine\": \"1\"}, // mine\n      \"timeout\": 5\n    }\n  }\n}\n"},
		{"crlf", "{\r\n  \"SERVERS\": {\r\n    \"other\": {\"url\": \"https://o.example\"}\r\n  }\r\n}\r\n"},
		{"bom", "\xef\xbb\xbf{\n  \"SERVERS\": {\n    \"other\": {\"url\": \"https://o.example\"}\n  }\n}"},
		{"broken", "{\n  \"SERVERS\": {\n    \"other\": {\"url\": \"https://o.example\",,}\n  }\n}\n"},
	}
}

func acme(w Way) Server {
	v := Server{Name: "acme", URL: "https://mcp.acme.com/mcp", Way: w}
	switch w {
	case ByKey:
		v.Var = "ACME_MCP_KEY"
	case ByBridge:
		v.Line = Bridge("/usr/local/bin/gatehouse", v.URL, "keychain:acme")
	}
	return v
}

// TestGoldenFiles puts an entry into every kind of file of every client in every
// way, and holds the result to testdata. A second time changes nothing, and the
// entry goes out again without a trace in the rest.
func TestGoldenFiles(t *testing.T) {
	for _, c := range All() {
		if !c.Writes() {
			continue
		}
		t.Run(c.ID, func(t *testing.T) {
			var b bytes.Buffer
			for _, w := range []Way{ByOAuth, ByKey, ByBridge} {
				if !c.Can(w) {
					continue
				}
				for _, file := range existing(c) {
					before := strings.ReplaceAll(file.text, "SERVERS", c.Root[0])
					b.WriteString("=== " + string(w) + ", " + file.name + "\n")
					b.WriteString(visible(golden(t, c, acme(w), []byte(before))))
				}
			}
			name := filepath.Join("testdata", c.ID+".golden")
			if *update {
				if err := os.WriteFile(name, b.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(name)
			if err != nil || !bytes.Equal(want, b.Bytes()) {
				t.Errorf("%s is not what comes of it; look at it with -update: %v", name, err)
			}
		})
	}
}

// golden returns the text after, or the refusal.
func golden(t *testing.T, c *Client, v Server, before []byte) string {
	t.Helper()
	after, changes, err := c.Put(before, v)
	var syntax *edit.SyntaxError
	if errors.As(err, &syntax) {
		return "refused: " + err.Error() + "\n"
	}
	if err != nil {
		t.Fatalf("%q: %v", before, err)
	}
	again, more, err := c.Put(after, v)
	if err != nil || len(more) > 0 || !bytes.Equal(after, again) {
		t.Errorf("%s %s: a second time changes %v, %v", v.Way, before, more, err)
	}
	if to, _, err := c.Entries(after, v.URL); err != nil || len(to) != 1 || to[0] != v.Name {
		t.Errorf("%s %q: entries to the server: %q, %v", v.Way, after, to, err)
	}
	out, _, err := c.Take(after, v.Name)
	if err != nil {
		t.Errorf("%s %q: out again: %v", v.Way, after, err)
	}
	if to, all, err := c.Entries(out, v.URL); err != nil || len(to) != 0 || bytes.Contains(out, []byte("acme")) {
		t.Errorf("%s %q: %q %q is still there, %v", v.Way, out, to, all, err)
	}
	for _, one := range changes {
		if strings.Contains(one.Text, "gthk_") {
			t.Errorf("a key in %q", one.Text)
		}
	}
	return string(after)
}

// visible shows what one does not see.
func visible(text string) string {
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r", "␍"), "\xef\xbb\xbf", "␀")
	if !strings.HasSuffix(text, "\n") {
		text += "␄\n"
	}
	return text
}

// TestFilesOfSystems holds where each client keeps its files to testdata.
func TestFilesOfSystems(t *testing.T) {
	systems := []System{
		{OS: "linux", Home: "/home/ada", Dir: "/src/app"},
		{OS: "darwin", Home: "/Users/ada", Dir: "/src/app"},
		{OS: "windows", Home: `C:\Users\ada`, Dir: `D:\src\app`},
	}
	var b strings.Builder
	for _, c := range All() {
		for i := range systems {
			s := &systems[i]
			s.Getenv = func(name string) string {
				return map[string]string{"APPDATA": `C:\Users\ada\AppData\Roaming`}[name]
			}
			s.Exists = func(string) bool { return false }
			if c.Writes() {
				b.WriteString(c.ID + "\t" + s.OS + "\t" + c.File(s, false) + "\t" + c.File(s, true) + "\n")
			}
		}
	}
	const name = "testdata/files.golden"
	if *update {
		if err := os.WriteFile(name, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want, err := os.ReadFile(name); err != nil || string(want) != b.String() {
		t.Errorf("%s is not what comes of it; look at it with -update: %v\n%s", name, err, b.String())
	}
}

package config

import (
	"bytes"
	"strings"
	"testing"
)

const amended = `# a house
version: 1
server:
  # who calls
  listen: 127.0.0.1:8080   # this machine
servers:
  - name: notes   # the only one
    url: "http://10.0.3.7:3000/mcp"
  - {name: files, path: /files, url: 'http://10.0.3.8:3000/mcp'} # the other
  - # a comment
    stdio: {command: [cat]}
    name: plain
    path: /plain
auth:
  api_keys: {}
policy: {default: allow, rules: [{name: all, tools: ["*"]}]} # for now
limits:
  per_key: "60/min" # each
  failed_auth: {per_ip: 'off'}
store: {sqlite: state/gatehouse.db}
`

// TestAmend changes settings in every way in which they are written, and not a byte more.
func TestAmend(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ path, value, old, with string }{
		"a value in braces":           {"policy.default", "deny", "default: allow", "default: deny"},
		"a value in quotes":           {"limits.per_key", "30/min", `"60/min"`, "30/min"},
		"a value in other quotes":     {"limits.failed_auth.per_ip", "20/min", "'off'", "20/min"},
		"a plain value with a remark": {"server.listen", "127.0.0.1:9090", "127.0.0.1:8080", "127.0.0.1:9090"},
		"a member of lines":           {"limits.per_principal", "120/min", "# each\n", "# each\n  per_principal: 120/min\n"},
		"a member in braces":          {"limits.failed_auth.ban", "5m", "{per_ip", "{ban: 5m, per_ip"},
		"a member in empty braces":    {"auth.api_keys.default_ttl", "30d", "api_keys: {}", "api_keys: {default_ttl: 30d}"},
		"a section of lines":          {"server.public_url", "http://localhost:8080", "# this machine\n", "# this machine\n  public_url: http://localhost:8080\n"},
		"a section in a list":         {"servers[0].forward.identity", "jwt", "# the only one\n", "# the only one\n    forward:\n      identity: jwt\n"},
		"a section in braces":         {"servers[1].forward.identity", "jwt", "{name: files", "{forward: {identity: jwt}, name: files"},
		"above a first one in braces": {"servers[2].sse", "/sse", "    stdio", "    sse: /sse\n    stdio"},
		"a section of the file":       {"audit.file", "trail.jsonl", "gatehouse.db}\n", "gatehouse.db}\naudit:\n  file: trail.jsonl\n"},
	}
	for name, tt := range tests {
		for end, text := range map[string]string{"lines": amended, "lines of Windows": strings.ReplaceAll(amended, "\n", "\r\n"), "no end": strings.TrimSuffix(amended, "\n")} {
			old, with := tt.old, tt.with
			if end == "lines of Windows" {
				old, with = strings.ReplaceAll(old, "\n", "\r\n"), strings.ReplaceAll(with, "\n", "\r\n")
			}
			want := strings.Replace(text, old, with, 1)
			if end == "no end" && !strings.Contains(text, old) {
				want = amended + strings.TrimPrefix(with, old)
			}
			got, err := Amend("gatehouse.yaml", []byte(text), []Amendment{{tt.path, tt.value}}, Outside{})
			if err != nil || string(got) != want {
				t.Errorf("%s, %s: got %v\n%s\nwant\n%s", name, end, err, got, want)
			}
		}
	}
}

// TestAmendLeavesAlone returns an error rather than a file that means something else.
func TestAmendLeavesAlone(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ old, with, path, value string }{
		"an anchor":                 {"default: allow", "default: &x allow", "policy.default", "deny"},
		"a folded value":            {"127.0.0.1:8080   # this machine", ">-\n    127.0.0.1:8080", "server.listen", "127.0.0.1:9090"},
		"a list for a value":        {"", "", "policy.rules", "deny"},
		"a member of a value":       {"", "", "server.listen.port", "1"},
		"a server that is not":      {"", "", "servers[7].url", "http://127.0.0.1:1/mcp"},
		"a setting that is not":     {"", "", "server.lisen", "127.0.0.1:1"},
		"a value that is none":      {"", "", "limits.per_key", "often"},
		"a value with a way out":    {"", "", "policy.default", "deny, files: [x]"},
		"a value that is there":     {"", "", "policy.default", "allow"},
		"a value that opens more":   {"", "", "limits.per_key", "30/min\n  per_tenant: 1/min"},
		"a value of another server": {"", "", "servers[0].url", "http://10.0.3.7:3000/mcp\", forward: {identity: jwt}}"},
		"a file that is not right":  {"version: 1", "version: 2", "policy.default", "deny"},
	}
	for name, tt := range tests {
		text := strings.Replace(amended, tt.old, tt.with, 1)
		if got, err := Amend("gatehouse.yaml", []byte(text), []Amendment{{tt.path, tt.value}}, Outside{}); err == nil {
			t.Errorf("%s: got no error\n%s", name, got)
		}
	}
}

// FuzzAmend has an edit change what it should or fail, and never touch another line.
func FuzzAmend(f *testing.F) {
	f.Add(amended, "limits.per_principal", "120/min")
	f.Add(amended, "servers[1].forward.identity", "jwt")
	f.Fuzz(func(t *testing.T, text, path, value string) {
		got, err := Amend("gatehouse.yaml", []byte(text), []Amendment{{path, value}}, Outside{Lookup: func(string) (string, bool) { return "", false }})
		if err != nil {
			return
		}
		if bytes.Equal(got, []byte(text)) {
			t.Errorf("%q: %s changed nothing, and no error", text, path)
		}
	})
}

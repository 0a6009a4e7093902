package edit

import (
	"errors"
	"strings"
	"testing"
)

var entry = Object{{"type", "http"}, {"url", "https://mcp.acme.com/mcp"}, {"headers", Object{{"Authorization", "Bearer ${ACME_MCP_KEY}"}}}}

func TestEntriesGoInAndOut(t *testing.T) {
	tests := []struct {
		name   string
		format Format
		before string
		after  string
		left   string // of before, when the entry is out again; empty: before itself
	}{
		{"an empty file", JSON, "", "{\n  \"s\": {\n    \"acme\": {\n      \"type\": \"http\"\n    }\n  }\n}\n", "{\n  \"s\": {}\n}\n"},
		{"an empty object", JSON, "{}", "{\n  \"s\": {\n    \"acme\": {\n      \"type\": \"http\"\n    }\n  }\n}", "{\n  \"s\": {}\n}"},
		{"an empty list of servers", JSON, "{\n\t\"s\": {}\n}\n", "{\n\t\"s\": {\n\t\t\"acme\": {\n\t\t\t\"type\": \"http\"\n\t\t}\n\t}\n}\n", ""},
		{"other servers", JSON, "{\n    \"s\": {\n        \"b\": {\"x\": 1}\n    }\n}", "{\n    \"s\": {\n        \"acme\": {\n            \"type\": \"http\"\n        },\n        \"b\": {\"x\": 1}\n    }\n}", ""},
		{"one line", JSON, `{"s":{"b":{"x":1}},"z":2}`, `{"s":{"acme": {"type": "http"}, "b":{"x":1}},"z":2}`, ""},
		{"comments and a trailing comma", JSON, "// top\n{ // root\n  \"s\": { // servers\n    // b is old\n    \"b\": 1, // x\n  },\n}\n", "// top\n{ // root\n  \"s\": { // servers\n    \"acme\": {\n      \"type\": \"http\"\n    },\n    // b is old\n    \"b\": 1, // x\n  },\n}\n", ""},
		{"CRLF", JSON, "{\r\n  \"s\": {\r\n    \"b\": 1\r\n  }\r\n}\r\n", "{\r\n  \"s\": {\r\n    \"acme\": {\r\n      \"type\": \"http\"\r\n    },\r\n    \"b\": 1\r\n  }\r\n}\r\n", ""},
		{"a byte order mark", JSON, "\xef\xbb\xbf{\n  \"s\": {\n    \"b\": 1\n  }\n}", "\xef\xbb\xbf{\n  \"s\": {\n    \"acme\": {\n      \"type\": \"http\"\n    },\n    \"b\": 1\n  }\n}", ""},
		{"a schema on top", JSON, "{\n  \"$schema\": \"x\",\n  \"z\": 1\n}\n", "{\n  \"$schema\": \"x\",\n  \"s\": {\n    \"acme\": {\n      \"type\": \"http\"\n    }\n  },\n  \"z\": 1\n}\n", "{\n  \"$schema\": \"x\",\n  \"s\": {},\n  \"z\": 1\n}\n"},
		{"an empty file", TOML, "", "[s.acme]\ntype = \"http\"\n", ""},
		{"other tables", TOML, "model = 'o4' # why\n\n[s.b]\nurl = \"x\"\n\n# last\n[z]\na = 1\n", "model = 'o4' # why\n\n[s.b]\nurl = \"x\"\n\n[s.acme]\ntype = \"http\"\n\n# last\n[z]\na = 1\n", ""},
		{"no line end at the end", TOML, "a = 1", "a = 1\n\n[s.acme]\ntype = \"http\"", ""},
		{"CRLF", TOML, "a = 1\r\n", "a = 1\r\n\r\n[s.acme]\r\ntype = \"http\"\r\n", ""},
		{"a byte order mark", TOML, "\xef\xbb\xbfa = 1\n", "\xef\xbb\xbfa = 1\n\n[s.acme]\ntype = \"http\"\n", ""},
		{"an empty file", YAML, "", "s:\n  acme:\n    type: http\n", "s: {}\n"},
		{"only a comment", YAML, "# goose\n", "# goose\ns:\n  acme:\n    type: http\n", "# goose\ns: {}\n"},
		{"other servers", YAML, "P: x # why\ns:\n    # b is old\n    b:\n        d: |\n            # text\n\n            more\n    c: {}\n# end\nz: 1\n", "P: x # why\ns:\n    acme:\n        type: http\n    # b is old\n    b:\n        d: |\n            # text\n\n            more\n    c: {}\n# end\nz: 1\n", ""},
		{"braces", YAML, "s: {} # none\nz: 1\n", "s: # none\n  acme:\n    type: http\nz: 1\n", "s: {} # none\nz: 1\n"},
		{"nothing behind the name", YAML, "s:\nz: 1", "s:\n  acme:\n    type: http\nz: 1", "s: {}\nz: 1"},
		{"no line end at the end", YAML, "z: 1", "z: 1\ns:\n  acme:\n    type: http", "z: 1\ns: {}"},
		{"CRLF", YAML, "z: 1\r\ns:\r\n  b: 1\r\n", "z: 1\r\ns:\r\n  acme:\r\n    type: http\r\n  b: 1\r\n", ""},
	}
	for _, tt := range tests {
		t.Run(string(tt.format)+" "+tt.name, func(t *testing.T) {
			got, _, err := Merge(tt.format, []byte(tt.before), []string{"s", "acme"}, Object{{"type", "http"}})
			if err != nil || string(got) != tt.after {
				t.Fatalf("got %v\n%q\nwant\n%q", err, got, tt.after)
			}
			again, changes, err := Merge(tt.format, got, []string{"s", "acme"}, Object{{"type", "http"}})
			if err != nil || len(changes) > 0 || string(again) != tt.after {
				t.Errorf("a second time: %v, %v", changes, err)
			}
			left := tt.left
			if left == "" {
				left = tt.before
			}
			if out, _, err := Remove(tt.format, got, "s", "acme"); err != nil || string(out) != left {
				t.Errorf("out again: got %v\n%q\nwant\n%q", err, out, left)
			}
		})
	}
}

func TestAnEntryIsChangedMemberByMember(t *testing.T) {
	tests := []struct {
		name          string
		format        Format
		before, after string
	}{
		{"JSON", JSON, `{
  "s": {
    "acme": {
      "command": "npx", // was a bridge
      "env": {"KEY": "x"},
      "timeout": 5, // mine
      "headers": {"X-Mine": "1", "Authorization": "Bearer old"},
      "url": "https://mcp.acme.com/mcp"
    }
  }
}`, `{
  "s": {
    "acme": {
      "type": "http",
      // was a bridge
      "timeout": 5, // mine
      "headers": {"X-Mine": "1", "Authorization": "Bearer ${ACME_MCP_KEY}"},
      "url": "https://mcp.acme.com/mcp"
    }
  }
}`},
		{"TOML", TOML, "[s.acme]\ncommand = 'npx'\nurl = 'old' # why\ntimeout = 5\n", "[s.acme]\ntype = \"http\"\nurl = \"https://mcp.acme.com/mcp\" # why\ntimeout = 5\n\n[s.acme.headers]\nAuthorization = \"Bearer ${ACME_MCP_KEY}\"\n"},
		{"YAML", YAML, "s:\n  acme:\n    command: npx\n    timeout: 5 # mine\n    url: old\n", "s:\n  acme:\n    type: http\n    headers:\n      Authorization: \"Bearer ${ACME_MCP_KEY}\"\n    timeout: 5 # mine\n    url: \"https://mcp.acme.com/mcp\"\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, changes, err := Merge(tt.format, []byte(tt.before), []string{"s", "acme"}, entry, []string{"command"}, []string{"args"}, []string{"env", "KEY"})
			if err != nil || string(got) != tt.after || len(changes) == 0 {
				t.Errorf("got %v\n%s\nwant\n%s", err, got, tt.after)
			}
		})
	}
}

func TestFilesThatAreNotTouched(t *testing.T) {
	tests := []struct {
		name   string
		format Format
		text   string
		want   string
	}{
		{"broken JSON", JSON, "{\n  \"s\": {,}\n}", "2:9: invalid character ','"},
		{"JSON that ends early", JSON, "{\"s\": ", "unexpected EOF"},
		{"a list", JSON, "[]", "the file is no JSON object"},
		{"a name that is there twice", JSON, `{"s": {}, "s": {"acme": {}}}`, "twice"},
		{"servers that are a list", JSON, `{"s": []}`, "s is no object"},
		{"an entry that is a text", JSON, `{"s": {"acme": "x"}}`, "no mapping"},
		{"UTF-16", JSON, "\xff\xfe{\x00}\x00", "invalid"},
		{"broken TOML", TOML, "a = 1\nb = \n", "2:"},
		{"a TOML key that is there twice", TOML, "a = 1\na = 2\n", "already defined"},
		{"a closed TOML table", TOML, "s = { b = { url = 'x' } }\n", "edited safely"},
		{"broken YAML", YAML, "a: 1\nb: [\n", "line 2"},
		{"YAML of two documents", YAML, "a: 1\n---\nb: 1\n", "more than one document"},
		{"YAML that is a list", YAML, "- a\n", "no block mapping"},
		{"YAML in braces", YAML, "{a: 1}\n", "no block mapping"},
		{"servers in braces", YAML, "s: {b: 1}\n", "no block mapping"},
		{"servers that are an alias", YAML, "x: &x {b: 1}\ns: *x\n", "no block mapping"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, _, err := Merge(tt.format, []byte(tt.text), []string{"s", "acme"}, entry)
			var syntax *SyntaxError
			var form *FormError
			if got != nil || err == nil || !strings.Contains(err.Error(), tt.want) || !errors.As(err, &syntax) && !errors.As(err, &form) {
				t.Errorf("got %q, %T %v", got, err, err)
			}
		})
	}
}

func TestLists(t *testing.T) {
	key := Object{{"type", "promptString"}, {"id", "acme-key"}}
	tests := []struct{ name, before, after string }{
		{"none", "{\n  \"servers\": {}\n}", "{\n  \"inputs\": [\n    {\n      \"type\": \"promptString\",\n      \"id\": \"acme-key\"\n    }\n  ],\n  \"servers\": {}\n}"},
		{"others", "{\n  \"inputs\": [\n    {\"id\": \"x\"} // mine\n  ]\n}", "{\n  \"inputs\": [\n    {\n      \"type\": \"promptString\",\n      \"id\": \"acme-key\"\n    },\n    {\"id\": \"x\"} // mine\n  ]\n}"},
		{"one line", `{"inputs": [{"id": "x"}]}`, `{"inputs": [{"type": "promptString", "id": "acme-key"}, {"id": "x"}]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, _, err := List([]byte(tt.before), "inputs", key, "id")
			if err != nil || string(got) != tt.after {
				t.Fatalf("got %v\n%s", err, got)
			}
			if again, changes, err := List(got, "inputs", key, "id"); err != nil || string(again) != tt.after || changes != nil {
				t.Errorf("a second time: %s %v", again, err)
			}
			if out, _, err := Unlist(got, "inputs", "id", "acme-key"); err != nil || string(out) != tt.before {
				t.Errorf("out again: %v\n%s", err, out)
			}
		})
	}
}

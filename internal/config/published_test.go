package config

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/goccy/go-yaml"
)

var update = flag.Bool("update", false, "write docs/schema and docs/reference/config.md anew")

// TestPublishedSchemaAndReference holds what is published to the table of settings.
func TestPublishedSchemaAndReference(t *testing.T) {
	schema, err := json.MarshalIndent(Schema(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"schema/v1.json": string(schema) + "\n", "reference/config.md": Reference()} {
		path := filepath.Join("../../docs", name)
		if *update {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s is not what the table says; write it anew with -update", path)
		}
	}
}

// valid says what the schema says of a file.
func valid(t *testing.T, text string) error {
	t.Helper()
	resolved, err := Schema().Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return resolved.Validate(v)
}

func TestSchemaAcceptsWhatTheReaderAccepts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) < 2 {
		t.Fatalf("got %v and %v", files, err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := valid(t, string(text)); err != nil {
			t.Errorf("%s: %v", f, err)
		}
	}
	for _, text := range []string{
		"version: 2", "version: 1\nserver: {lisen: x}", "version: 1\nlimits: {per_key: often}", "version: 1\nauth: {api_keys: {pepper: literal}}",
		"version: 1\nservers: []", "version: 1\npolicy: {default: maybe}", "version: 1\nserver: {tls: {files: {cert: x}}}", "{}",
	} {
		if err := valid(t, text); err == nil {
			t.Errorf("the schema accepts %q", text)
		}
	}
}

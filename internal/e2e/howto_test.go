package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// block is a piece of YAML in a document that says what it is in a comment above.
var block = regexp.MustCompile("(?s)<!-- ([a-z.]+) -->\n```yaml\n(.*?)```")

// TestGuidesCanBeServed validates every configuration that a guide shows. Its
// absolute paths are in a directory of ours, which has what they name.
func TestGuidesCanBeServed(t *testing.T) {
	t.Parallel()
	n := 0
	for _, page := range sources(t, ".md") {
		for _, m := range block.FindAllStringSubmatch(read(t, page), -1) {
			if m[1] != "gatehouse.yaml" {
				continue
			}
			n++
			dir := stateDir(t)
			text := regexp.MustCompile(`([ :])/(etc|var|run)/`).ReplaceAllString(m[2], "${1}"+dir+"/${2}/")
			certificate(t, dir, "mcp.example.com")
			for _, file := range regexp.MustCompile(`(cert|key|client_ca): (/[^,}\s]+)`).FindAllStringSubmatch(text, -1) {
				from := map[string]string{"cert": "cert.pem", "key": "key.pem", "client_ca": "cert.pem"}[file[1]]
				pem, err := os.ReadFile(filepath.Join(dir, from))
				if err != nil {
					t.Fatal(err)
				}
				if err := os.MkdirAll(filepath.Dir(file[2]), 0o700); err != nil {
					t.Fatal(err)
				}
				write(t, file[2], string(pem))
			}
			for _, name := range regexp.MustCompile(`\$\{file:([^}/]+)\}`).FindAllStringSubmatch(text, -1) {
				write(t, filepath.Join(dir, name[1]), strings.Repeat("not-a-secret-", 4))
			}
			write(t, filepath.Join(dir, "gatehouse.yaml"), text)
			cmd := exec.Command(gatehouseBinary(t), "config", "validate", "--strict", "-c", filepath.Join(dir, "gatehouse.yaml"))
			cmd.Env = append(os.Environ(), "UPSTREAM_TOKEN=not-a-secret")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s%s", page, err, text, out)
			}
			look := exec.Command(gatehouseBinary(t), "check", "--profile", "checklist", "-c", filepath.Join(dir, "gatehouse.yaml"))
			look.Env = cmd.Env
			if out, err := look.CombinedOutput(); err != nil {
				t.Errorf("%s: the checker objects to\n%s%s", page, text, out)
			}
		}
	}
	if n < 8 {
		t.Errorf("got %d configurations in the guides, want 8 or more: is the mark gone?", n)
	}
}

// TestAlertsNameMetrics holds the alerts of the guide to metrics that exist.
func TestAlertsNameMetrics(t *testing.T) {
	known := read(t, "docs/reference/metrics.md")
	var rules struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	for _, m := range block.FindAllStringSubmatch(read(t, "docs/how-to/production.md"), -1) {
		if m[1] != "alerts" {
			continue
		}
		if err := yaml.Unmarshal([]byte(m[2]), &rules); err != nil {
			t.Fatal(err)
		}
	}
	if len(rules.Groups) != 1 || len(rules.Groups[0].Rules) < 5 {
		t.Fatalf("got %+v, want the alerts", rules)
	}
	for _, r := range rules.Groups[0].Rules {
		names := regexp.MustCompile(`gatehouse_\w+`).FindAllString(r.Expr, -1)
		if len(names) == 0 || r.Alert == "" {
			t.Errorf("%+v names no metric", r)
		}
		for _, name := range names {
			if !strings.Contains(known, "`"+name+"`") {
				t.Errorf("%s: there is no metric %s", r.Alert, name)
			}
		}
	}
}

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestADiffOfAConfigurationShowsNoSecret has secrets in every form of YAML, on lines that change and on those beside them.
func TestADiffOfAConfigurationShowsNoSecret(t *testing.T) {
	t.Parallel()
	before := "# it was MARK\nlimits: {per_key: off}\npepper: MARK\n"
	after := strings.Replace(before, "off", "60/min", 1)
	if got := unified("f", []byte(before), []byte(after)); got != "--- f\n+++ f\n@@ -2,1 +2,1 @@\n-limits: {per_key: off}\n+limits: {per_key: 60/min}\n" {
		t.Errorf("got\n%s", got)
	}
	for _, line := range []string{
		`a: {pepper: MARK}`, `a: {pepper: 'MARK'}`, `a: {pepper: "MARK"}`, `a: {"client_secret": MA RK MARK, b: c}`, `a: {authorization: "Bearer MARK"}`, `a: {authorization: 'x ${MARK}'}`, `pepper: MARK`,
		`a: {stdio: {command: [gh, MARK], env: {PLAIN: MARK}}}`, `a: {env: {PLAIN: 'MARK'}}`, `env: {A: MARK}`, `a: {url: "http://me:MARK@host/mcp"}`, `a: {url: 'http://host/mcp?x=MARK&y=MARK'}`, `dsn: postgres://me:MARK@host/db`,
		`encryption_key: MARK`, `a: b # token: MARK`, `a: {api_key: "a\"MARK"}`, `pepper: "MARK`,
	} {
		if got := unified("f", []byte(line+"\n"), []byte("x: y\n")); strings.Contains(got, "MARK") || !strings.Contains(got, "••••••") || !strings.Contains(got, "+x: y") {
			t.Errorf("%s: got\n%s", line, got)
		}
	}
	for _, line := range []string{`auth: {api_keys: {pepper: "${PEPPER}"}, issuers: []}`, `a: {authorization: "Bearer ${UPSTREAM}"}`, `pepper: ${file:/run/pepper}`, `limits: {per_key: off, failed_auth: {per_ip: off}} # none yet`, `url: "http://127.0.0.1:3000/mcp"`} {
		if got := hiddenYAML(line); got != line {
			t.Errorf("got %s, want %s", got, line)
		}
	}
}

// TestADiffIsWhatPatchReads applies one.
func TestADiffIsWhatPatchReads(t *testing.T) {
	t.Parallel()
	patch, err := exec.LookPath("patch")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("a diff is not applied: ", err)
	}
	before := "a: 1\nb: 2\nc: 3\nd: 4\n"
	for _, after := range []string{"z: 0\na: 1\nb: 2\nc: 3\nd: 4\n", "a: 1\nb: 2\nx: 9\nc: 3\nd: 5\n", "a: 1\nd: 4\n", "a: 1\nb: 2\nc: 3\nd: 4\ne: 5\n"} {
		file := filepath.Join(t.TempDir(), "f.yaml")
		if err := os.WriteFile(file, []byte(before), 0o600); err != nil {
			t.Fatal(err)
		}
		c := exec.Command(patch, "-s", file)
		c.Stdin = strings.NewReader(unified("f.yaml", []byte(before), []byte(after)))
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if got, _ := os.ReadFile(file); string(got) != after {
			t.Errorf("got\n%s\nwant\n%s", got, after)
		}
	}
}

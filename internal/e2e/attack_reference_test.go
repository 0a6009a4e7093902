package e2e

import (
	"crypto/sha256"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestAttackReference holds docs/reference/attacks.md to the tests that exist.
func TestAttackReference(t *testing.T) {
	tests := map[string]bool{} // that carry an id
	name := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)A\d{3}\w*)\(`)
	for _, p := range sources(t, "_test.go") {
		for _, m := range name.FindAllStringSubmatch(read(t, p), -1) {
			tests[m[1]] = true
		}
	}
	told, id := map[string]bool{}, regexp.MustCompile(`A\d{3}`)
	for line := range strings.Lines(read(t, "docs/reference/attacks.md")) {
		col := strings.Split(strings.Trim(line, "|\n"), "|")
		if len(col) != 3 || !id.MatchString(col[0]) {
			continue
		}
		entry := strings.TrimSpace(col[0])
		for _, test := range regexp.MustCompile("`(\\w+)`").FindAllStringSubmatch(col[2], -1) {
			told[test[1]+" "+entry] = true
			if !tests[test[1]] {
				t.Errorf("%s: there is no %s", entry, test[1])
			}
			if !strings.Contains(test[1], entry) {
				t.Errorf("%s: %s is of another entry", entry, test[1])
			}
		}
	}
	for test := range tests {
		for _, entry := range id.FindAllString(test, -1) {
			if !told[test+" "+entry] {
				t.Errorf("%s is not in the row of %s", test, entry)
			}
		}
	}
}

// TestA222BuildIsWhole builds the program twice, as it is released: with a
// toolchain that is not known to be broken, and with the same result.
func TestA222BuildIsWhole(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var sums [2][sha256.Size]byte
	for i := range sums {
		out := filepath.Join(dir, fmt.Sprint(i), "gatehouse")
		cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", out, "./cmd/gatehouse")
		cmd.Dir, cmd.Env = root(t), append(os.Environ(), "CGO_ENABLED=0")
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		text, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		sums[i] = sha256.Sum256(text)
		info, err := buildinfo.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		var minor, patch int
		if _, err := fmt.Sscanf(info.GoVersion, "go1.%d.%d", &minor, &patch); err != nil || minor < 26 || minor == 26 && patch < 9 || minor == 27 && patch < 2 {
			t.Errorf("built with %s, want at least 1.26.9 or 1.27.2", info.GoVersion)
		}
		if strings.Contains(string(text), root(t)+"/") {
			t.Error("the program tells where it was built")
		}
	}
	if sums[0] != sums[1] {
		t.Error("two builds differ")
	}
}

package process

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestAScriptWithoutAnExtensionIsNoProgram: npm leaves one beside its batch file, and
// Windows starts neither.
func TestAScriptWithoutAnExtensionIsNoProgram(t *testing.T) {
	scripts, programs := t.TempDir(), t.TempDir()
	for _, name := range []string{filepath.Join(scripts, "tool"), filepath.Join(scripts, "tool.cmd"), filepath.Join(programs, "tool.exe")} {
		if err := os.WriteFile(name, []byte("x"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := Resolve("tool", scripts, ""); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %q, %v, want ErrNotFound", got, err)
	}
	both := scripts + string(os.PathListSeparator) + programs
	for _, name := range []string{"tool", "tool.exe"} {
		if got, err := Resolve(name, both, ""); got != filepath.Join(programs, "tool.exe") {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/doctor"
)

// TestBoundsAreSeenOrUnknown has a group that cannot be seen be no group without bounds.
func TestBoundsAreSeenOrUnknown(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "system.slice", "gatehouse.service"), 0o700); err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{"system.slice/memory.max": "4096\n", "system.slice/gatehouse.service/memory.max": "max\n", "system.slice/gatehouse.service/pids.max": "64\n"} {
		if err := os.WriteFile(filepath.Join(root, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if b, err := boundsIn(root, "/system.slice/gatehouse.service"); err != nil || b != (doctor.Bounds{Memory: 4096, Processes: 64}) {
		t.Errorf("got %+v, %v", b, err)
	}
	for _, group := range []string{"/system.slice/other.service", "/../../system.slice/gatehouse.service/x"} {
		if b, err := boundsIn(root, group); err == nil {
			t.Errorf("%s: got %+v of a group that is not there", group, b)
		}
	}
}

package server

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// TestA184MemoryIsHiddenFromChildren: a child of our own account could else
// read our environment from /proc.
func TestA184MemoryIsHiddenFromChildren(t *testing.T) {
	s := over(t, "")
	s.Config.Servers[0] = config.Upstream{Name: "cat", Stdio: &config.Stdio{Command: []string{"cat"}}}
	s.Environ = []string{"PATH=/usr/bin:/bin"}
	started(t, s)
	if dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err != nil || dumpable != 0 {
		t.Errorf("got dumpable %d, %v, want 0", dumpable, err)
	}
}

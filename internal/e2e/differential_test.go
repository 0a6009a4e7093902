package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestDifferentialOfJWTs runs the comparison with other libraries, which is a
// module of its own: whoever uses ours is not to get them too.
func TestDifferentialOfJWTs(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("go", "test", "-C", filepath.Join(root(t), "internal", "e2e", "differential"), "-count=1", "-v", ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

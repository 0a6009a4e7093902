package edge

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// TestLookingForACertificateMakesNothing looks where there is none.
func TestLookingForACertificateMakesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "acme")
	if c, err := Issued(t.Context(), dir, &config.ACME{}, "mcp.example.com"); c != nil || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, %v", c, err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s was made", dir)
	}
}

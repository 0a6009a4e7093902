package disk

import (
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gatehouse-mcp/gatehouse/internal/ownfile"
)

// lock waits for a file in the directory, for a directory has no lock here. It
// goes with whoever has it.
func lock(dir string) (unlock func(), err error) {
	return ownfile.Alone(filepath.Join(dir, ".gatehouse-lock"))
}

// own lets those use a file who may use another.
func own(f *os.File, like string, _ fs.FileInfo) error { return ownfile.CopyAccess(f.Name(), like) }

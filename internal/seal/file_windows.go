package seal

import (
	"fmt"
	"io/fs"
	"os"

	"github.com/gatehouse-mcp/gatehouse/internal/ownfile"
)

// ours leaves it to the access list, which an open file has.
func ours(string, fs.FileInfo) error { return nil }

// closed refuses a file that others may use, or that is of another account.
func closed(f *os.File) error {
	who, err := ownfile.Readable(f)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrFile, err)
	case who != "":
		return fmt.Errorf("%w: %s can be used by %s; they may have the key. Take that from its access list", ErrFile, f.Name(), who)
	}
	return nil
}

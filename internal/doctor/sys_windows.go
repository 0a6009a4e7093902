package doctor

import (
	"io/fs"
	"os"

	"github.com/gatehouse-mcp/gatehouse/internal/ownfile"
)

// ours is judged with the access list.
func ours(fs.FileInfo) bool { return true }

// others says who else may use a file; empty: nobody.
func others(path string, _ fs.FileInfo) string {
	f, err := os.Open(path)
	if err != nil {
		return "somebody (" + err.Error() + ")"
	}
	defer func() { _ = f.Close() }()
	who, err := ownfile.Readable(f)
	if err != nil {
		return "somebody (" + err.Error() + ")"
	}
	return who
}

// closing is what takes a file from others.
func closing(string, string) string { return "take that from its access list" }

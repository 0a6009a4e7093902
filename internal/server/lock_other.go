//go:build !unix

package server

import (
	"io/fs"
	"net/http"
	"runtime"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
)

const noFollow = 0

// supported refuses to have an installation here: the walls between its files,
// its socket, its children and everybody else are those of Unix.
func supported() error {
	return &adminapi.Error{
		Status: http.StatusBadRequest, Code: "GH-2305",
		Message: "Gatehouse does not serve on " + runtime.GOOS + ", and keeps no keys there: what keeps its files, its socket and the servers it starts from others is of Unix. " +
			"Run it on Linux or macOS, in WSL or a container. The client's side works here: bridge, connect, check.",
	}
}

func alone(string) (done func(), err error) { return nil, supported() }

// owner and inode are not known.
func owner(fs.FileInfo) int    { return -1 }
func inode(fs.FileInfo) uint64 { return 0 }

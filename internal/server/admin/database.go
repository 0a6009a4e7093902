package admin

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
)

// database are the endpoints about the store.
type database struct{ *Admin }

func (d *database) status(r *http.Request) (reply, error) {
	s, err := d.Database.Status(r.Context())
	return reply{body: s}, err
}

// backup runs here, not in the command: the server has the store open and can
// copy a state in which no change is half done.
func (d *database) backup(r *http.Request) (reply, error) {
	var in adminapi.Backup
	if err := read(r, &in); err != nil {
		return reply{}, err
	}
	if !filepath.IsAbs(in.Path) {
		return reply{}, bad("The path of a backup has to be absolute.") // ours and the command's directory differ
	}
	if dryRun(r) {
		s, err := d.Database.Status(r.Context())
		if err != nil {
			return reply{}, err
		}
		s.Path, s.DryRun = in.Path, true
		return reply{body: s}, nil
	}
	s, err := d.Database.Backup(r.Context(), in.Path)
	if errors.Is(err, fs.ErrExist) {
		return reply{}, &adminapi.Error{Status: http.StatusConflict, Code: codeExists, Message: fmt.Sprintf("%s exists; a backup overwrites nothing. Choose another name.", in.Path)}
	}
	var place *fs.PathError
	if errors.As(err, &place) { // the server writes it, as its own account and with what its service manager allows
		return reply{}, bad(fmt.Sprintf("%s cannot be written: %v. It is written as user %d: name a place where that may write, such as the state directory.", in.Path, place.Err, os.Getuid()))
	}
	if err != nil {
		return reply{}, err
	}
	d.Log.Info("database backed up", "path", s.Path, "by", d.By)
	return reply{status: http.StatusCreated, body: s}, nil
}

package server

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/ownfile"
	"github.com/gatehouse-mcp/gatehouse/internal/seal"
)

// State is where an installation keeps what must outlive it.
type State struct {
	Dir      string // required: a directory of its owner alone
	Database string // path of the SQLite file; empty: config.Database in Dir
}

const lockFile = "lock"

// DatabasePath returns where the SQLite file is.
func (s State) DatabasePath() string {
	if s.Database != "" {
		return s.Database
	}
	return filepath.Join(s.Dir, config.Database)
}

// ACMEPath is where certificates are kept that were got by ourselves.
func (s State) ACMEPath() string { return filepath.Join(s.Dir, "acme") }

// keyPath returns where the key is that the database's secrets are sealed under,
// unless the operator has one.
func (s State) keyPath() string { return filepath.Join(filepath.Dir(s.DatabasePath()), seal.File) }

// Exists says whether there is anything in the state.
func (s State) Exists() bool {
	_, err := os.Stat(s.DatabasePath())
	return err == nil
}

// Prepare makes the directory, or refuses one that others own or may enter:
// whoever can write there can put another database, or another socket, in its
// place. An empty one of ours is closed to others instead.
func (s State) Prepare() error {
	if err := supported(); err != nil {
		return err
	}
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return stateError("%s cannot be made (%v). Choose another place with --state DIR.", s.Dir, err)
	}
	info, err := os.Stat(s.Dir)
	switch {
	case err != nil:
		return stateError("%s cannot be looked at (%v). Choose another place with --state DIR.", s.Dir, err)
	case !info.IsDir():
		return stateError("%s is not a directory. Choose another place with --state DIR.", s.Dir)
	case owner(info) != os.Geteuid():
		return stateError("%s belongs to user %d, this program runs as %d. Choose another place with --state DIR.", s.Dir, owner(info), os.Geteuid())
	case info.Mode().Perm()&0o077 == 0:
		return nil
	case info.Mode().Perm()&0o022 == 0 && empty(s.Dir):
		// Ours alone to write, and nothing in it: made for us a moment ago.
		if err := os.Chmod(s.Dir, 0o700); err != nil {
			return stateError("%s cannot be closed to others (%v). Choose another place with --state DIR.", s.Dir, err)
		}
		return nil
	}
	return stateError("%s can be entered by others (mode %04o). Close it: chmod 700 %s", s.Dir, info.Mode().Perm(), s.Dir)
}

// empty says whether a directory is known to have nothing in it.
func empty(dir string) bool {
	entries, err := os.ReadDir(dir)
	return err == nil && len(entries) == 0
}

func stateError(format string, args ...any) error {
	return &adminapi.Error{Status: http.StatusBadRequest, Code: "GH-2002", Message: fmt.Sprintf(format, args...)}
}

// Lock takes the state for this process alone until release is called. The
// kernel gives it back if we are killed.
func (s State) Lock() (release func(), err error) {
	f, err := os.OpenFile(filepath.Join(s.Dir, lockFile), os.O_RDWR|os.O_CREATE|noFollow, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock: %w", err)
	}
	if err := ownfile.TryLock(f); err != nil {
		holder, _ := os.ReadFile(f.Name())
		_ = f.Close()
		if !errors.Is(err, ownfile.ErrLocked) {
			return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
		}
		return nil, running(s.Dir, strings.TrimSpace(string(holder)))
	}
	if err := errors.Join(f.Truncate(0), write(f, strconv.Itoa(os.Getpid())+"\n")); err != nil {
		return nil, errors.Join(fmt.Errorf("write the lock: %w", err), f.Close())
	}
	return func() { _ = f.Truncate(0); _ = f.Close() }, nil
}

func write(f *os.File, text string) error {
	_, err := f.WriteAt([]byte(text), 0)
	return err
}

func running(dir, pid string) error {
	who := "A gatehouse"
	if pid != "" {
		who = "The gatehouse with pid " + pid
	}
	return &adminapi.Error{
		Status: http.StatusConflict, Code: "GH-2303",
		Message: fmt.Sprintf("%s runs on %s. Stop it, or use another place with --state DIR.", who, dir),
	}
}

// Forget removes what a server made in the state, and the directory if that
// leaves it empty. Nothing else is touched, wherever --state points. It returns
// the names of what was removed.
func (s State) Forget() ([]string, error) {
	release, err := s.Lock()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer release()
	var removed []string
	db := s.DatabasePath()
	trail, err := audit.Files(s.AuditPath(config.Audit{}))
	if err != nil {
		return nil, fmt.Errorf("remove the state: %w", err)
	}
	// The key goes after what it opens: without it the rest would be of no use, and refused.
	half, _ := filepath.Glob(filepath.Join(filepath.Dir(db), seal.Unfinished)) // the pattern is ours
	paths := append(trail, db, db+"-wal", db+"-shm", s.keyPath())
	paths = append(append(paths, half...), filepath.Join(s.Dir, adminapi.Socket), filepath.Join(s.Dir, lockFile))
	for _, path := range paths {
		switch err := os.Remove(path); {
		case err == nil:
			removed = append(removed, path)
		case !errors.Is(err, fs.ErrNotExist):
			return removed, fmt.Errorf("remove the state: %w", err)
		}
	}
	_ = os.Remove(s.Dir) // not empty: somebody else's files are in it
	return removed, nil
}

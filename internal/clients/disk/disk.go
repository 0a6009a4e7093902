// Package disk changes a configuration file of somebody else's program: one at a
// time, as a whole or not at all, with a copy of what was there, and never one
// that a symbolic link has put where it does not belong.
package disk

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/ownfile"
)

const (
	maxSize  = 16 << 20 // bytes of a file that a person configures
	stampFmt = "20060102T150405"
	infix    = ".gatehouse-" // of the name of a copy
	suffix   = ".bak"
)

// UnsafeError says why a file is left alone.
type UnsafeError struct{ Path, Reason string }

// Error implements error.
func (e *UnsafeError) Error() string { return e.Path + " " + e.Reason }

// File is a file to be changed.
type File struct {
	Path string           // absolute
	Home string           // a symbolic link in here may not lead out of here
	Mode fs.FileMode      // of a new file
	Now  func() time.Time // required: for the names of copies
}

// Outcome says what became of it.
type Outcome struct {
	Path   string // where the file really is
	Backup string // the copy of what was there; "": none was needed
}

// Read returns what is in the file; nil: there is none.
func (f File) Read() ([]byte, error) {
	real, err := f.real()
	if err != nil {
		return nil, err
	}
	return read(real)
}

func read(path string) ([]byte, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, &UnsafeError{path, "is no regular file"}
	case info.Size() > maxSize:
		return nil, &UnsafeError{path, "is larger than any configuration"}
	}
	text, err := os.ReadFile(path)
	if text == nil && err == nil {
		text = []byte{}
	}
	return text, err
}

// Writable refuses a file that somebody has made read-only, which Change does too.
func (f File) Writable() error {
	real, err := f.real()
	if err != nil {
		return err
	}
	return writable(real)
}

// real follows symbolic links, of those parts of the path that exist.
func (f File) real() (string, error) {
	path, rest := filepath.Clean(f.Path), ""
	for made := 0; ; {
		real, err := filepath.EvalSymlinks(path)
		if err == nil {
			real = filepath.Join(real, rest)
			return real, f.judge(real)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		if info, err := os.Lstat(path); err == nil {
			if made++; info.Mode().Type() != fs.ModeSymlink && made < patience {
				continue // somebody has made it in between
			}
			return "", &UnsafeError{f.Path, "is a symbolic link to nothing"}
		}
		up := filepath.Dir(path)
		if up == path {
			return "", err
		}
		path, rest = up, filepath.Join(filepath.Base(path), rest)
	}
}

// judge refuses a file that a link in its home has put elsewhere. A file that was
// named outside of it, by a variable of the client's own, stays in its directory.
func (f File) judge(real string) error {
	home := f.Home
	if !inside(filepath.Clean(f.Path), filepath.Clean(home)) {
		home = filepath.Dir(f.Path)
	}
	at, err := filepath.EvalSymlinks(home)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // nothing is there that could be a link
	}
	if err != nil {
		return err
	}
	if !inside(real, at) {
		return &UnsafeError{f.Path, "is a symbolic link that leads out of " + home + ", to " + real}
	}
	return nil
}

func inside(path, dir string) bool {
	return dir != "" && (path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, string(filepath.Separator))+string(filepath.Separator)))
}

// Change replaces what is in the file by what edit makes of it, while nobody else
// who asks us may. What was there is copied first, if keep says so. The text that
// edit returns is nil: the file goes. A text that is as before changes nothing.
func (f File) Change(keep bool, edit func(text []byte) ([]byte, error)) (Outcome, error) {
	real, err := f.real()
	if err != nil {
		return Outcome{}, err
	}
	dir := filepath.Dir(real)
	if err := ownfile.MkdirAll(dir); err != nil {
		return Outcome{}, err
	}
	unlock, err := lock(dir)
	if err != nil {
		return Outcome{}, fmt.Errorf("wait for others who change %s: %w", real, err)
	}
	defer unlock()
	for range patience {
		out, err := f.change(real, keep, edit)
		if !errors.Is(err, errChanged) {
			return out, err
		}
	}
	return Outcome{}, &UnsafeError{real, "is being written by another program; end it and try again"}
}

// A program that owns the file writes it without asking us. What it wrote between
// our reading and our writing is looked at again, so many times.
const patience = 5

var errChanged = errors.New("changed in the meantime")

func (f File) change(real string, keep bool, edit func([]byte) ([]byte, error)) (Outcome, error) {
	before, err := read(real)
	if err != nil {
		return Outcome{}, err
	}
	if err := writable(real); err != nil {
		return Outcome{}, err
	}
	after, err := edit(before)
	out := Outcome{Path: real}
	if err != nil || same(before, after) {
		return out, err
	}
	if now, err := read(real); err != nil || !same(before, now) {
		return out, errors.Join(errChanged, err)
	}
	if keep && before != nil {
		if out.Backup, err = f.copy(real, before); err != nil {
			return Outcome{}, err
		}
	}
	if after == nil {
		err = os.Remove(real)
	} else {
		err = f.replace(real, after)
	}
	return out, err
}

// writable refuses a file that somebody has made read-only: a new one under its
// name would undo that, and another program may be managing it.
func writable(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Perm()&0o200 == 0:
		return &UnsafeError{path, "is read-only: make it writable first, or change it where it is managed"}
	}
	return nil
}

// same tells an empty file from none.
func same(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }

// Copy copies the file as it is; "": there is none.
func (f File) Copy() (string, error) {
	real, err := f.real()
	if err != nil {
		return "", err
	}
	text, err := read(real)
	if err != nil || text == nil {
		return "", err
	}
	return f.copy(real, text)
}

func (f File) copy(real string, text []byte) (string, error) {
	base := real + infix + f.Now().UTC().Format(stampFmt)
	for i := 1; ; i++ {
		name := base + suffix
		if i > 1 {
			name = fmt.Sprintf("%s-%d%s", base, i, suffix)
		}
		w, err := ownfile.Create(name)
		if errors.Is(err, fs.ErrExist) && i < 100 {
			continue
		}
		if err != nil {
			return "", err
		}
		if err := fill(w, real, 0o600, text); err != nil {
			return "", errors.Join(err, os.Remove(name))
		}
		return name, nil
	}
}

// Backups returns the copies of the file, the newest first.
func (f File) Backups() ([]string, error) {
	real, err := f.real()
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(filepath.Dir(real))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var all []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), filepath.Base(real)+infix) && strings.HasSuffix(e.Name(), suffix) && e.Type().IsRegular() {
			all = append(all, filepath.Join(filepath.Dir(real), e.Name()))
		}
	}
	slices.SortFunc(all, func(a, b string) int { return strings.Compare(order(b), order(a)) })
	return all, err
}

// order makes …-10.bak come after …-2.bak, and both after the one without a number.
func order(name string) string {
	name = strings.TrimSuffix(name, suffix)
	at := strings.LastIndex(name, infix) + len(infix) + len(stampFmt)
	return name[:at] + fmt.Sprintf("%8s", name[at:])
}

// replace writes a file beside the one it is to be, and gives it its name.
func (f File) replace(real string, text []byte) error {
	w, err := ownfile.CreateTemp(filepath.Dir(real), "."+filepath.Base(real)+infix+"*")
	if err != nil {
		return err
	}
	if err := fill(w, real, f.Mode, text); err != nil {
		return errors.Join(err, os.Remove(w.Name()))
	}
	if err := ownfile.Replace(w.Name(), real); err != nil {
		return errors.Join(err, os.Remove(w.Name()))
	}
	return ownfile.SyncDir(filepath.Dir(real))
}

// fill writes a file that has the mode and the owner of another, or a mode if
// that does not exist, and closes it once it is on disk.
func fill(w *os.File, like string, mode fs.FileMode, text []byte) (err error) {
	defer func() { err = errors.Join(err, w.Close()) }()
	if info, err := os.Stat(like); err == nil {
		mode = info.Mode().Perm()
		if err := own(w, like, info); err != nil {
			return err
		}
	}
	if err := w.Chmod(mode); err != nil {
		return err
	}
	if _, err := w.Write(text); err != nil {
		return err
	}
	return w.Sync()
}

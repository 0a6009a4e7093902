package tenantfs

import (
	"io/fs"
	"os"
	"strings"
)

// FS is the files of one tenant. Names are those of [fs.ValidPath]: with
// slashes, without "." and ".." in them, never absolute; "." is the tenant's
// directory. Every error is a *[fs.PathError]. It may be used by several
// goroutines at once.
type FS struct{ root *os.Root }

// It can be handed to whatever reads from a file system.
var (
	_ fs.ReadFileFS = (*FS)(nil)
	_ fs.ReadDirFS  = (*FS)(nil)
	_ fs.StatFS     = (*FS)(nil)
	_ fs.ReadLinkFS = (*FS)(nil)
)

// Close closes the directory; files that are open stay so.
func (f *FS) Close() error { return f.root.Close() }

// valid refuses names that could mean something else somewhere.
func valid(op, name string) error {
	if !fs.ValidPath(name) || strings.ContainsAny(name, "\x00\\") {
		return &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	return nil
}

// Open opens a file or a directory for reading. It implements [fs.FS].
func (f *FS) Open(name string) (fs.File, error) {
	file, err := f.OpenFile(name, os.O_RDONLY)
	if err != nil {
		return nil, err // not a nil *os.File in an interface
	}
	return file, nil
}

// OpenFile opens a file with flags as os.OpenFile has them. A file that it makes
// can be read by nobody but the account that the server runs as.
func (f *FS) OpenFile(name string, flag int) (*os.File, error) {
	if err := valid("open", name); err != nil {
		return nil, err
	}
	return f.root.OpenFile(name, flag, fileMode)
}

// Create makes a file, or empties the one that is there.
func (f *FS) Create(name string) (*os.File, error) {
	return f.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
}

// ReadFile returns what is in a file.
func (f *FS) ReadFile(name string) ([]byte, error) {
	if err := valid("open", name); err != nil {
		return nil, err
	}
	return f.root.ReadFile(name)
}

// WriteFile makes a file, or puts data in place of what was in it.
func (f *FS) WriteFile(name string, data []byte) error {
	if err := valid("open", name); err != nil {
		return err
	}
	return f.root.WriteFile(name, data, fileMode)
}

// ReadDir lists a directory, in the order of names.
func (f *FS) ReadDir(name string) ([]fs.DirEntry, error) {
	if err := valid("open", name); err != nil {
		return nil, err
	}
	return fs.ReadDir(f.root.FS(), name)
}

// Stat describes a file, or what a link leads to within the tenant's files.
func (f *FS) Stat(name string) (fs.FileInfo, error) {
	if err := valid("stat", name); err != nil {
		return nil, err
	}
	return f.root.Stat(name)
}

// Lstat describes a file, or a link itself.
func (f *FS) Lstat(name string) (fs.FileInfo, error) {
	if err := valid("lstat", name); err != nil {
		return nil, err
	}
	return f.root.Lstat(name)
}

// ReadLink returns where a link points to, which may be out of reach.
func (f *FS) ReadLink(name string) (string, error) {
	if err := valid("readlink", name); err != nil {
		return "", err
	}
	return f.root.Readlink(name)
}

// MkdirAll makes a directory and those above it.
func (f *FS) MkdirAll(name string) error {
	if err := valid("mkdir", name); err != nil {
		return err
	}
	return f.root.MkdirAll(name, dirMode)
}

// Rename moves a file or a directory, also onto a file that is there.
func (f *FS) Rename(from, to string) error {
	if err := valid("rename", from); err != nil {
		return err
	}
	if err := valid("rename", to); err != nil {
		return err
	}
	return f.root.Rename(from, to)
}

// Remove removes a file, a link itself, or an empty directory.
func (f *FS) Remove(name string) error {
	if err := valid("remove", name); err != nil {
		return err
	}
	return f.root.Remove(name)
}

// RemoveAll removes a directory with all that is in it, but nothing that links
// in it lead to.
func (f *FS) RemoveAll(name string) error {
	if err := valid("remove", name); err != nil {
		return err
	}
	return f.root.RemoveAll(name)
}

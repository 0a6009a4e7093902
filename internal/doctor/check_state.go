package doctor

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// state looks at who can reach the installation's files.
var state = Check{"state", "the directory of the installation, and who can reach what is in it", func(_ context.Context, m *Machine, r *report) {
	dir, err := os.Stat(m.State)
	for _, at := range []string{existing(m.State), m.Database} {
		if wrong := m.Writable(at); wrong != nil && !errors.Is(wrong, fs.ErrNotExist) {
			r.fail("GH-2002", "mount it for writing, or give it to the account that gatehouse runs as: nothing starts over it, and no key can be made or revoked", "%s cannot be written: %v", at, wrong)
		}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist) && len(r.lines) > 0:
		return
	case errors.Is(err, fs.ErrNotExist):
		r.ok("%s is not there yet: the first start makes it, with mode 0700", m.State)
		return
	case err != nil:
		r.fail("GH-2002", "run this as the account that gatehouse runs as", "%s cannot be looked at: %v", m.State, err)
		return
	case !dir.IsDir():
		r.fail("GH-2002", "choose another place with --state DIR, or store.sqlite", "%s is not a directory", m.State)
		return
	case !ours(dir):
		r.fail("GH-2002", "run this and gatehouse as its owner, or choose another place", "%s belongs to another account", m.State)
	}
	if who := others(m.State, dir); who != "" && ours(dir) {
		r.fail("GH-2002", closing("chmod 700 ", m.State), "%s can be entered by %s", m.State, who)
	}
	seen := 0
	err = filepath.WalkDir(m.State, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			r.fail("GH-2002", "run this as the account that gatehouse runs as", "%s cannot be looked at: %v", path, err)
			return fs.SkipDir
		}
		info, err := d.Info()
		if err != nil || path == m.State || d.Type()&fs.ModeSymlink != 0 {
			return nil // gone meanwhile; a link has no mode of its own
		}
		seen++
		switch who := others(path, info); {
		case who != "" && (d.IsDir() || secretFile(m, path)):
			r.fail("GH-2002", closing("chmod go= ", path), "%s can be reached by %s", path, who)
		case !ours(info) && secretFile(m, path):
			r.fail("GH-2002", "give it to the account that gatehouse runs as: chown", "%s belongs to another account", path)
		}
		if seen > 10_000 {
			return fs.SkipAll
		}
		return nil
	})
	if err == nil && len(r.lines) == 0 {
		r.ok("%s is its owner's alone, and so are the files in it", m.State)
	}
}}

// secretFile says whether a file in the state is ours: others may keep theirs there.
func secretFile(m *Machine, path string) bool {
	for _, own := range []string{m.Database, m.Database + "-wal", m.Database + "-shm", m.Trail} {
		if path == own {
			return true
		}
	}
	name := filepath.Base(path)
	if rel, err := filepath.Rel(m.State, path); err == nil && filepath.Dir(rel) != "." {
		return true // of the keychain, or of ACME
	}
	return name == "seal.key" || name == "lock" || name == "admin.sock" || filepath.Ext(name) == ".jsonl"
}

package doctor

import (
	"context"
	"os"
	"path/filepath"
)

// Free space below which it is worth a word, and below which nothing is safe: a
// full disk refuses every change, and every call whose record has to be durable.
const (
	diskNoted  = 1 << 30
	diskBroken = 100 << 20
)

// disk looks at the free space where things grow.
var disk = Check{"disk", "free space where the database and the audit trail are", func(_ context.Context, m *Machine, r *report) {
	seen := map[string]bool{}
	for _, at := range []string{m.Database, m.Trail} {
		dir := existing(filepath.Dir(at))
		if at == "" || seen[dir] {
			continue
		}
		seen[dir] = true
		free, err := m.Free(dir)
		const fix = "make room, or give audit.max_size and audit.keep smaller values"
		switch {
		case err != nil:
			r.unknown("look yourself: df "+dir, "the free space at %s is not known: %v", dir, err)
		case free < diskBroken:
			r.fail("GH-2416", fix, "%d MiB are free at %s: soon nothing can be written, and callers are refused", free>>20, dir)
		case free < diskNoted:
			r.warn("GH-2416", fix, "%d MiB are free at %s", free>>20, dir)
		default:
			r.ok("%d GiB are free at %s", free>>30, dir)
		}
	}
}}

// existing is a directory, or the nearest above it that is there.
func existing(dir string) string {
	for {
		if _, err := os.Stat(dir); err == nil || filepath.Dir(dir) == dir {
			return dir
		}
		dir = filepath.Dir(dir)
	}
}

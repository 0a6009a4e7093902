package store_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/store"
)

// changed is when a file was last made or removed beside a database.
func changed(t *testing.T, path string) time.Time {
	t.Helper()
	info, err := os.Stat(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	return info.ModTime()
}

func TestInspectChangesNothing(t *testing.T) {
	ctx, path := t.Context(), newPath(t)
	if _, err := store.Inspect(ctx, path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a database: got %v, want fs.ErrNotExist", err)
	}
	d, err := store.Open(ctx, store.Config{SQLite: path})
	if err != nil {
		t.Fatal(err)
	}
	create(t, d)
	open, err := store.Inspect(ctx, path) // a server has it open, and what was written is still in its log
	if err != nil || open.Schema == 0 || open.Schema != open.Known || open.Keys != 1 || open.Tenants != 1 {
		t.Errorf("beside a server: got %+v, %v", open, err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	before, text := changed(t, path), read(t, path)
	closed, err := store.Inspect(ctx, path)
	if err != nil || closed.Keys != 1 {
		t.Errorf("got %+v, %v", closed, err)
	}
	if after := changed(t, path); !after.Equal(before) || string(read(t, path)) != string(text) {
		t.Errorf("something was made beside it (%v, then %v), or it was changed", before, after)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Inspect(ctx, path); !errors.Is(err, store.ErrPermissions) {
		t.Errorf("open to others: got %v, want ErrPermissions", err)
	}
}

func TestInspectTellsWhatIsNoDatabaseOfOurs(t *testing.T) {
	path := newPath(t)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]error{"": store.ErrForeign, "this is no database at all, but long enough to have a header of its own": store.ErrCorrupt} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Inspect(t.Context(), path); !errors.Is(err, want) {
			t.Errorf("%.10q: got %v, want %v", text, err, want)
		}
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

package store_test

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
	"github.com/gatehouse-mcp/gatehouse/internal/store"
)

// free is the lock of an installation that nobody runs.
func free() (func(), error) { return func() {}, nil }

func TestBackupAndRestore(t *testing.T) {
	ctx, path := t.Context(), newPath(t)
	d, err := store.Open(ctx, store.Config{SQLite: path})
	if err != nil {
		t.Fatal(err)
	}
	kept, _ := create(t, d)
	copied := filepath.Join(t.TempDir(), "backup's.db")
	if err := d.Backup(ctx, copied); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(copied); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v, want mode 0600", info, err)
	}
	if err := d.Backup(ctx, copied); !errors.Is(err, store.ErrExists) {
		t.Errorf("over a file: got %v, want ErrExists", err)
	}
	later, _ := create(t, d)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}

	released := 0
	now := func() time.Time { return time.Date(2026, 11, 23, 19, 0, 0, 0, time.UTC) }
	bak, err := store.Restore{From: copied, SQLite: path, Now: now, Lock: func() (func(), error) {
		return func() { released++ }, nil
	}}.Run(ctx)
	if err != nil || released != 1 || bak != path+".bak-20261123T190000.000000Z" {
		t.Fatalf("got %q, %v, lock released %d times", bak, err, released)
	}
	for _, c := range []struct {
		path        string
		kept, later error
	}{{path, nil, apikey.ErrNotFound}, {bak, nil, nil}} {
		d := openSQLite(t, c.path)
		_, err1 := d.Keys().Get(ctx, "", kept.ID)
		_, err2 := d.Keys().Get(ctx, "", later.ID)
		if !errors.Is(err1, c.kept) || !errors.Is(err2, c.later) {
			t.Errorf("%s: got %v and %v, want %v and %v", c.path, err1, err2, c.kept, c.later)
		}
	}
	wantNothingStaged(t, path)
}

func TestRestoreWhereNothingWas(t *testing.T) {
	from, path := newPath(t), filepath.Join(t.TempDir(), "new", "gatehouse.db")
	d := openSQLite(t, from)
	k, _ := create(t, d)
	copied := filepath.Join(t.TempDir(), "copy.db")
	if err := d.Backup(t.Context(), copied); err != nil {
		t.Fatal(err)
	}
	bak, err := store.Restore{From: copied, SQLite: path, Lock: free}.Run(t.Context())
	if err != nil || bak != "" {
		t.Fatalf("got %q, %v", bak, err)
	}
	if _, err := openSQLite(t, path).Keys().Get(t.Context(), "", k.ID); err != nil {
		t.Error(err)
	}
}

// The log of a server that was killed belongs to the old database; played into
// the restored one it would damage it.
func TestRestoreOverACrash(t *testing.T) {
	ctx, path := t.Context(), newPath(t)
	d := openSQLite(t, path)
	create(t, d)
	copied := filepath.Join(t.TempDir(), "copy.db")
	if err := d.Backup(ctx, copied); err != nil {
		t.Fatal(err)
	}
	lost, _ := create(t, d) // in the log only
	crashed := newPath(t)
	for _, suffix := range []string{"", "-wal"} {
		data, err := os.ReadFile(path + suffix)
		if err != nil || os.WriteFile(crashed+suffix, data, 0o600) != nil {
			t.Fatal(err)
		}
	}
	bak, err := store.Restore{From: copied, SQLite: crashed, Lock: free}.Run(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openSQLite(t, crashed).Keys().Get(ctx, "", lost.ID); !errors.Is(err, apikey.ErrNotFound) {
		t.Errorf("restored: got %v, want ErrNotFound", err)
	}
	if _, err := openSQLite(t, bak).Keys().Get(ctx, "", lost.ID); err != nil {
		t.Errorf("kept: %v", err)
	}
}

func TestRestoreRefuses(t *testing.T) {
	ctx, path := t.Context(), newPath(t)
	d := openSQLite(t, path)
	k, _ := create(t, d)
	held := errors.New("a server is running (pid 4711)")
	backup := func(t *testing.T) string {
		copied := filepath.Join(t.TempDir(), "copy.db")
		if err := d.Backup(ctx, copied); err != nil {
			t.Fatal(err)
		}
		return copied
	}
	for _, c := range []struct {
		name string
		from func(t *testing.T) string
		lock func() (func(), error)
		want error
	}{
		{"while a server runs", backup, func() (func(), error) { return nil, held }, held},
		{"what is missing", func(*testing.T) string { return "/nowhere/at/all" }, free, os.ErrNotExist},
		{"what is no database", func(t *testing.T) string {
			p := filepath.Join(t.TempDir(), "x")
			if err := os.WriteFile(p, []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
				t.Fatal(err)
			}
			return p
		}, free, store.ErrCorrupt},
		{"an empty file", func(t *testing.T) string {
			p := filepath.Join(t.TempDir(), "x")
			if err := os.WriteFile(p, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			return p
		}, free, store.ErrForeign},
		{"half a backup", func(t *testing.T) string {
			p := backup(t)
			info, err := os.Stat(p)
			if err != nil || os.Truncate(p, info.Size()/2) != nil {
				t.Fatal(err)
			}
			return p
		}, free, store.ErrCorrupt},
		{"another program's database", func(t *testing.T) string { return altered(t, backup(t), `DROP TABLE key_use`) }, free, store.ErrForeign},
		{"a newer Gatehouse's", func(t *testing.T) string {
			return altered(t, backup(t), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)`)
		}, free, store.ErrNewer},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := store.Restore{From: c.from(t), SQLite: path, Lock: c.lock}.Run(ctx)
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if _, err := d.Keys().Get(ctx, "", k.ID); err != nil {
				t.Errorf("the database in place: %v", err)
			}
			wantNothingStaged(t, path)
		})
	}
}

func TestOpenRefusesANewerSchema(t *testing.T) {
	for version, want := range map[string]error{"2": nil, "9999": store.ErrNewer} { // one ahead is a rolling upgrade
		path := newPath(t)
		d, err := store.Open(t.Context(), store.Config{SQLite: path})
		if err != nil || d.Close() != nil {
			t.Fatal(err)
		}
		altered(t, path, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (`+version+`, 1)`)
		d, err = store.Open(t.Context(), store.Config{SQLite: path})
		if !errors.Is(err, want) {
			t.Errorf("schema %s: got %v, want %v", version, err, want)
		}
		if err == nil {
			_ = d.Close()
		}
	}
}

// altered runs a statement on a database file and returns its name.
func altered(t *testing.T, path, statement string) string {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(path))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// wantNothingStaged checks that no half-done restore lies about.
func wantNothingStaged(t *testing.T, path string) {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".restore-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

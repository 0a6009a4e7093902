package store_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
	"github.com/gatehouse-mcp/gatehouse/internal/store"
	"github.com/gatehouse-mcp/gatehouse/internal/store/storetest"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

func TestSQLite(t *testing.T) {
	storetest.Run(t, func(t *testing.T) *store.DB { return openSQLite(t, newPath(t)) })
}

// newPath returns a path for a database in a private directory of its own.
func newPath(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "odd %41 dir ?#&ü")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "gatehouse.db")
}

// openSQLite opens a database that the test's end closes.
func openSQLite(t testing.TB, path string) *store.DB {
	t.Helper()
	d, err := store.Open(context.Background(), store.Config{SQLite: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// service returns what changes keys, and the default tenant.
func service(t testing.TB, d *store.DB) (*apikey.Service, tenant.ID) {
	t.Helper()
	def, err := d.Tenants().ByName(context.Background(), tenant.Default)
	if err != nil {
		t.Fatal(err)
	}
	return &apikey.Service{Store: d.Keys()}, def.ID
}

// create makes a key for every tool.
func create(t testing.TB, d *store.DB) (*apikey.Key, apikey.Secret) {
	t.Helper()
	s, def := service(t, d)
	k, text, err := s.Create(context.Background(), def, apikey.Spec{Name: "dev", Tools: []string{"*"}})
	if err != nil {
		t.Fatal(err)
	}
	return k, text
}

func TestOpenKeepsStrangersOut(t *testing.T) {
	for _, c := range []struct {
		name    string
		prepare func(t *testing.T, path string) error
		want    error // nil: it opens
	}{
		{"a new database", func(*testing.T, string) error { return nil }, nil},
		{"a directory that others may enter", func(_ *testing.T, p string) error { return os.Chmod(filepath.Dir(p), 0o755) }, store.ErrPermissions},
		{"a file that others may read", func(_ *testing.T, p string) error { return os.WriteFile(p, nil, 0o644) }, store.ErrPermissions},
		{"an empty file of ours", func(_ *testing.T, p string) error { return os.WriteFile(p, nil, 0o600) }, nil},
		{"a link", func(t *testing.T, p string) error {
			return os.Symlink(filepath.Join(t.TempDir(), "elsewhere"), p)
		}, store.ErrPermissions},
		{"a directory in its place", func(_ *testing.T, p string) error { return os.Mkdir(p, 0o700) }, store.ErrPermissions},
		{"another account's file", func(t *testing.T, p string) error {
			if os.Geteuid() != 0 {
				if os.Getenv("CI") == "true" {
					t.Fatal("only root can give a file away")
				}
				t.Skip("only root can give a file away")
			}
			return errors.Join(os.WriteFile(p, nil, 0o600), os.Chown(p, 65534, 65534))
		}, store.ErrPermissions},
		{"no database at all", func(_ *testing.T, p string) error {
			return os.WriteFile(p, []byte("this is not a database, whatever its name says"), 0o600)
		}, store.ErrCorrupt},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := newPath(t)
			if err := c.prepare(t, path); err != nil {
				t.Fatal(err)
			}
			d, err := store.Open(t.Context(), store.Config{SQLite: path})
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if err != nil {
				return
			}
			defer d.Close()
			create(t, d)
			for _, suffix := range []string{"", "-wal", "-shm"} {
				info, err := os.Stat(path + suffix)
				if err != nil || info.Mode().Perm() != 0o600 {
					t.Errorf("%s: got %v, %v, want mode 0600", suffix, info, err)
				}
			}
		})
	}
	for _, c := range []store.Config{{}, {SQLite: "x", Postgres: "y"}} {
		if _, err := store.Open(t.Context(), c); err == nil {
			t.Errorf("%+v: got no error", c)
		}
	}
}

// A state that was written is there after the next start; opening twice makes one default tenant.
func TestOpenAgain(t *testing.T) {
	path := newPath(t)
	first, err := store.Open(t.Context(), store.Config{SQLite: path})
	if err != nil {
		t.Fatal(err)
	}
	k, _ := create(t, first)
	use := apikey.Use{KeyID: k.ID, At: k.Created, Address: netip.MustParseAddr("10.2.0.9"), Client: "node", Tool: "echo"}
	if err := errors.Join(first.Source().Use(t.Context(), []apikey.Use{use}), first.Close()); err != nil {
		t.Fatal(err)
	}
	second := openSQLite(t, path)
	s, def := service(t, second)
	again, err := s.Get(t.Context(), def, k.ID)
	if err != nil || again.LastUsed != use {
		t.Errorf("got %+v, %v, want the key as it was, last used %+v", again, err, use)
	}
	all, err := second.Tenants().List(t.Context())
	if err != nil || len(all) != 1 {
		t.Errorf("got tenants %v, %v, want the default one only", all, err)
	}
	st, err := second.Status(t.Context())
	if err != nil || st.Engine != "sqlite" || st.Path != path || st.Schema < 1 || st.Pending != 0 ||
		st.Tenants != 1 || st.Keys != 1 || st.Size == 0 || st.Revision < 2 {
		t.Errorf("got status %+v, %v", st, err)
	}
}

func TestA210ManyWritersAndALongReader(t *testing.T) {
	path := newPath(t)
	d, other := openSQLite(t, path), openSQLite(t, path) // other stands for a second process
	_, def := service(t, d)
	ctx := t.Context()
	stop, reading := make(chan struct{}), make(chan struct{})
	go func() { // a listing that never seems to end holds old pages in the log
		defer close(reading)
		for {
			if _, err := d.Keys().List(ctx, ""); err != nil {
				t.Error(err)
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	const writers, each = 64, 4
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			s := &apikey.Service{Store: d.Keys()}
			if w%2 == 1 {
				s.Store = other.Keys()
			}
			for i := range each {
				if _, _, err := s.Create(ctx, def, apikey.Spec{Name: fmt.Sprint(w, " ", i)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	if err := d.Backup(ctx, filepath.Join(t.TempDir(), "copy.db")); err != nil {
		t.Error(err)
	}
	wg.Wait()
	close(stop)
	<-reading
	all, err := other.Keys().List(ctx, def)
	if err != nil || len(all) != writers*each {
		t.Errorf("got %d keys, %v, want %d", len(all), err, writers*each)
	}
}

// A writer that waits for a lock gives up when its caller does, and has changed nothing.
func TestA210LockedGivesUpInTime(t *testing.T) {
	path := newPath(t)
	d := openSQLite(t, path)
	k, _ := create(t, d)
	release := holdWriteLock(t, path)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	s, def := service(t, d)
	if _, err := s.Revoke(ctx, def, k.ID, "ada", "test"); err == nil {
		t.Fatal("got no error from a locked database")
	} else if e := refusal(err); e == nil || e.Code != "GH-1902" || e.Status != 503 {
		t.Errorf("got %v, want GH-1902", err)
	}
	if now, err := s.Get(t.Context(), def, k.ID); err != nil || !now.RevokedAt.IsZero() {
		t.Errorf("got %+v, %v, want the key unchanged and readable", now, err)
	}
	release()
	if _, err := s.Revoke(t.Context(), def, k.ID, "ada", "test"); err != nil {
		t.Errorf("after the lock: %v", err)
	}
}

func TestA210CorruptPageIsRefused(t *testing.T) {
	path := newPath(t)
	d, err := store.Open(t.Context(), store.Config{SQLite: path})
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		create(t, d)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const page = 4096
	for n := 1; n < len(data)/page; n++ { // each page but the first, whose damage is no database at all
		damaged := append([]byte(nil), data...)
		copy(damaged[n*page:n*page+64], "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if d, err := store.Open(t.Context(), store.Config{SQLite: path}); !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("page %d: got %v, want ErrCorrupt", n+1, err)
			if err == nil {
				_ = d.Close()
			}
		}
	}
}

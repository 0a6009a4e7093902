package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestTurningOverLosesAndDoublesNothing(t *testing.T) {
	l, path := start(t, func(c *Config) { c.MaxSize, c.Keep = 4<<10, 1000 })
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			for i := range 500 {
				write := l.Write
				if i%10 == 0 {
					write = l.Durable
				}
				if err := write(t.Context(), call(fmt.Sprint(w, ".", i))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	got := events(t, path)
	if len(got) != 2000 || len(named(got)) != 2000 {
		t.Errorf("got %d events, %d different ones, want 2000", len(got), len(named(got)))
	}
	old, _ := fullFiles(path)
	if len(old) < 10 || l.Stats().Turned != uint64(len(old)) {
		t.Errorf("%d full files, %d counted", len(old), l.Stats().Turned)
	}
	for _, f := range old {
		if info, err := os.Stat(f.path); err != nil || info.Size() > 4<<10 || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", f.path, info, err)
		}
	}
}

func TestOldFilesAreRemovedInOrderWhateverTheClockDoes(t *testing.T) {
	now := time.Date(2026, 11, 27, 3, 0, 0, 0, time.UTC)
	l, path := start(t, func(c *Config) {
		c.MaxSize, c.Keep = 1, 3 // a file for each event
		c.Now = func() time.Time { return now }
	})
	for i := range 10 {
		if i == 5 {
			now = now.Add(-time.Hour)
		}
		if err := l.Durable(t.Context(), call(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, e := range events(t, path) {
		got = append(got, e.Name)
	}
	if want := "6 7 8 9"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestMovedFileIsNoticed(t *testing.T) {
	l, path := start(t, nil)
	if err := l.Durable(t.Context(), call("before")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { _, err := os.Stat(path); return err == nil })
	if err := l.Durable(t.Context(), call("after")); err != nil {
		t.Fatal(err)
	}
	text, _ := os.ReadFile(path)
	if !strings.Contains(string(text), "after") || named(events(t, path))["before"] != 1 {
		t.Errorf("got %s", text)
	}
}

func TestFileMovedUnderLoadLosesNothing(t *testing.T) {
	l, path := start(t, nil)
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	var wrote [2]int
	for w := range wrote {
		all.Go(func() {
			for ; ctx.Err() == nil; wrote[w]++ {
				if err := l.Write(t.Context(), call(fmt.Sprint(w, ".", wrote[w]))); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range 3 {
		if err := os.Rename(path, fmt.Sprint(path, ".", 3-i)); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() bool { _, err := os.Stat(path); return err == nil })
	}
	stop()
	all.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got := events(t, path); len(got) != wrote[0]+wrote[1] || len(named(got)) != len(got) {
		t.Errorf("got %d events, %d different ones, want %d", len(got), len(named(got)), wrote[0]+wrote[1])
	}
}

func TestTornLineIsEndedAndRecorded(t *testing.T) {
	l, path := start(t, nil)
	if err := errors.Join(l.Durable(t.Context(), call("whole")), l.Close()); err != nil {
		t.Fatal(err)
	}
	f, _ := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	_, _ = f.WriteString(`{"time":"2026-11-`)
	_ = f.Close()
	l, err := Open(Config{Path: path, Patience: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(l.Durable(t.Context(), call("next")), l.Close()); err != nil {
		t.Fatal(err)
	}
	got := events(t, path)
	if len(got) != 3 || got[1].Action != "audit.torn" || got[1].Detail["bytes"] != "17" || got[2].Name != "next" {
		t.Errorf("got %+v", got)
	}
	text, _ := os.ReadFile(path)
	if n := bytes.Count(text, []byte("\n")); n != 4 {
		t.Errorf("got %d lines, want 4:\n%s", n, text)
	}
}

func TestOnlyOneProcessWrites(t *testing.T) {
	_, path := start(t, nil)
	began := time.Now()
	if _, err := Open(Config{Path: path}); !errors.Is(err, ErrLocked) {
		t.Fatalf("got %v, want ErrLocked", err)
	}
	if d := time.Since(began); d < lockWait {
		t.Errorf("gave up after %v", d)
	}
}

func TestUnsafePlacesAreRefused(t *testing.T) {
	for name, make := range map[string]func(dir, path string) error{
		"a link": func(dir, path string) error { return os.Symlink(filepath.Join(dir, "other"), path) },
		"a link to a log": func(dir, path string) error {
			return errors.Join(os.WriteFile(path+"x", nil, 0o600), os.Symlink(path+"x", path))
		},
		"readable":          func(_, path string) error { return errors.Join(os.WriteFile(path, nil, 0o600), os.Chmod(path, 0o640)) },
		"a directory":       func(_, path string) error { return os.Mkdir(path, 0o700) },
		"an open directory": func(dir, _ string) error { return os.Chmod(dir, 0o777) },
		"a link for a lock": func(dir, path string) error { return os.Symlink(filepath.Join(dir, "other"), path+".lock") },
	} {
		path := filepath.Join(t.TempDir(), "d", "audit.jsonl")
		if err := errors.Join(os.Mkdir(filepath.Dir(path), 0o700), make(filepath.Dir(path), path)); err != nil {
			t.Fatal(err)
		}
		l, err := Open(Config{Path: path})
		if err == nil {
			_ = l.Close()
			t.Errorf("%s: opened", name)
		} else if name != "a directory" && !errors.Is(err, ErrUnsafe) {
			t.Errorf("%s: got %v, want ErrUnsafe", name, err)
		}
		if _, err := os.Stat(filepath.Join(filepath.Dir(path), "other")); err == nil {
			t.Errorf("%s: the link was followed", name)
		}
	}
}

func TestAnothersFileIsRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chown(path, 12345, -1)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{Path: path}); !errors.Is(err, ErrUnsafe) {
		t.Errorf("got %v, want ErrUnsafe", err)
	}
}

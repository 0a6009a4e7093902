package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func at(t *testing.T, home, name string) File {
	t.Helper()
	return File{Path: filepath.Join(home, name), Home: home, Mode: 0o600, Now: func() time.Time {
		return time.Date(2026, 11, 23, 19, 0, 0, 0, time.UTC)
	}}
}

func put(t *testing.T, name, text string, mode fs.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(name, mode); err != nil {
		t.Fatal(err)
	}
}

func text(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// to has the file hold a text.
func to(s string) func([]byte) ([]byte, error) {
	return func([]byte) ([]byte, error) { return []byte(s), nil }
}

// TestAReadOnlyFileIsLeftAlone: whoever made it so did not want it changed, even
// where the system would let us.
func TestAReadOnlyFileIsLeftAlone(t *testing.T) {
	f := at(t, t.TempDir(), "settings.json")
	put(t, f.Path, "before", 0o444)
	var unsafe *UnsafeError
	if _, err := f.Change(true, to("after")); !errors.As(err, &unsafe) || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("got %v", err)
	}
	if copies, err := f.Backups(); text(t, f.Path) != "before" || len(copies) > 0 || err != nil {
		t.Errorf("got %q, %q, %v", text(t, f.Path), copies, err)
	}
}

func TestAFileIsCopiedAndReplaced(t *testing.T) {
	home := t.TempDir()
	f := at(t, home, ".cursor/mcp.json")
	put(t, f.Path, "before", 0o640)
	out, err := f.Change(true, to("after"))
	if err != nil || out.Backup != f.Path+".gatehouse-20261123T190000.bak" {
		t.Fatalf("got %+v, %v", out, err)
	}
	if got := text(t, f.Path); got != "after" {
		t.Errorf("got %q", got)
	}
	if got := text(t, out.Backup); got != "before" {
		t.Errorf("the copy: %q", got)
	}
	for _, name := range []string{f.Path, out.Backup} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o640 {
			t.Errorf("%s: mode %v, %v", name, info.Mode(), err)
		}
	}
	second, err := f.Change(true, to("third"))
	if err != nil || second.Backup != f.Path+".gatehouse-20261123T190000-2.bak" || text(t, second.Backup) != "after" {
		t.Errorf("a second time: %+v, %v", second, err)
	}
	if all, err := f.Backups(); err != nil || len(all) != 2 || all[0] != second.Backup {
		t.Errorf("copies: %q, %v", all, err)
	}
}

func TestAFileIsMadeForItsOwnerAlone(t *testing.T) {
	home := t.TempDir()
	f := at(t, home, ".codex/config.toml")
	if out, err := f.Change(true, to("new")); err != nil || out.Backup != "" {
		t.Fatalf("got %+v, %v", out, err)
	}
	for name, want := range map[string]fs.FileMode{f.Path: 0o600, filepath.Dir(f.Path): 0o700} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: mode %v, want %v, %v", name, info.Mode(), want, err)
		}
	}
	if _, err := f.Change(false, func([]byte) ([]byte, error) { return nil, nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(f.Path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}

func TestNothingIsWrittenForNothing(t *testing.T) {
	f := at(t, t.TempDir(), "mcp.json")
	put(t, f.Path, "same", 0o600)
	if out, err := f.Change(true, to("same")); err != nil || out.Backup != "" {
		t.Errorf("got %+v, %v", out, err)
	}
	refusal := errors.New("no")
	if _, err := f.Change(true, func([]byte) ([]byte, error) { return []byte("x"), refusal }); !errors.Is(err, refusal) || text(t, f.Path) != "same" {
		t.Errorf("got %v, %q", err, text(t, f.Path))
	}
	if all, err := os.ReadDir(filepath.Dir(f.Path)); err != nil || len(all) != 1 {
		t.Errorf("left behind: %v, %v", all, err)
	}
}

func TestLinks(t *testing.T) {
	home, elsewhere := t.TempDir(), t.TempDir()
	link := func(from, to string) {
		if err := os.MkdirAll(filepath.Dir(from), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, from); err != nil {
			t.Fatal(err)
		}
	}
	put(t, filepath.Join(home, "dotfiles/mcp.json"), "mine", 0o600)
	put(t, filepath.Join(elsewhere, "mcp.json"), "theirs", 0o600)
	link(filepath.Join(home, "good/mcp.json"), filepath.Join(home, "dotfiles/mcp.json"))
	link(filepath.Join(home, "file/mcp.json"), filepath.Join(elsewhere, "mcp.json"))
	link(filepath.Join(home, "dir"), elsewhere)
	link(filepath.Join(home, "nothing/mcp.json"), filepath.Join(elsewhere, "gone.json"))
	if _, err := at(t, home, "good/mcp.json").Change(true, to("after")); err != nil || text(t, filepath.Join(home, "dotfiles/mcp.json")) != "after" {
		t.Errorf("a link within the home: %v", err)
	}
	if info, err := os.Lstat(filepath.Join(home, "good/mcp.json")); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link was replaced: %v", err)
	}
	for _, name := range []string{"file/mcp.json", "dir/mcp.json", "dir/new/mcp.json", "nothing/mcp.json"} {
		var unsafe *UnsafeError
		if _, err := at(t, home, name).Change(true, to("after")); !errors.As(err, &unsafe) {
			t.Errorf("%s: got %v", name, err)
		}
		if _, err := at(t, home, name).Read(); !errors.As(err, &unsafe) {
			t.Errorf("%s is read: %v", name, err)
		}
	}
	if all, err := os.ReadDir(elsewhere); err != nil || len(all) != 1 || text(t, filepath.Join(elsewhere, "mcp.json")) != "theirs" {
		t.Errorf("elsewhere: %v, %v", all, err)
	}
	named := File{Path: filepath.Join(elsewhere, "mcp.json"), Home: home, Now: time.Now} // as by CODEX_HOME
	if _, err := named.Change(false, to("after")); err != nil {
		t.Errorf("a file that was named elsewhere: %v", err)
	}
}

func TestWhatIsNoFileIsLeftAlone(t *testing.T) {
	f := at(t, t.TempDir(), "mcp.json")
	if err := os.Mkdir(f.Path, 0o700); err != nil {
		t.Fatal(err)
	}
	var unsafe *UnsafeError
	if _, err := f.Change(true, to("x")); !errors.As(err, &unsafe) {
		t.Errorf("got %v", err)
	}
}

// TestManyAtOnce has many add a line each; none is lost, and somebody who reads
// meanwhile sees whole files only.
func TestManyAtOnce(t *testing.T) {
	f := at(t, t.TempDir(), ".cursor/mcp.json")
	const n = 16
	var stop atomic.Bool
	reader := make(chan error, 1)
	go func() {
		for !stop.Load() {
			b, err := os.ReadFile(f.Path)
			if err == nil && len(b) > 0 && b[len(b)-1] != '\n' {
				reader <- fmt.Errorf("half a file: %q", b)
				return
			}
		}
		reader <- nil
	}()
	errs := make(chan error, n)
	for i := range n {
		go func() {
			_, err := f.Change(true, func(text []byte) ([]byte, error) { return append(text, fmt.Sprintf("%d\n", i)...), nil })
			errs <- err
		}()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	stop.Store(true)
	if err := <-reader; err != nil {
		t.Error(err)
	}
	if lines := strings.Count(text(t, f.Path), "\n"); lines != n {
		t.Errorf("%d lines, want %d: %q", lines, n, text(t, f.Path))
	}
	if all, err := f.Backups(); err != nil || len(all) != n-1 {
		t.Errorf("%d copies, %v", len(all), err)
	}
}

// TestAProgramThatWritesMeanwhile is not written over.
func TestAProgramThatWritesMeanwhile(t *testing.T) {
	f := at(t, t.TempDir(), "mcp.json")
	put(t, f.Path, "a\n", 0o600)
	once := false
	_, err := f.Change(true, func(now []byte) ([]byte, error) {
		if !once {
			once = true
			put(t, f.Path, "a\ntheirs\n", 0o600)
		}
		return append(now, "ours\n"...), nil
	})
	if got := text(t, f.Path); err != nil || got != "a\ntheirs\nours\n" {
		t.Errorf("got %q, %v", got, err)
	}
}

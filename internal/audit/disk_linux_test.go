package audit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// smallDisk mounts a file system of a few pages.
func smallDisk(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("CI has to run this as root")
		}
		t.Skip("only root can mount a small disk")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k,mode=0700"); err != nil {
		t.Fatalf("mount: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

func TestA171A211FullDiskIsSaidAndMends(t *testing.T) {
	dir := smallDisk(t)
	path := filepath.Join(dir, "audit.jsonl")
	l, err := Open(Config{Path: path, Patience: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	acked := 0
	for ; ; acked++ {
		e := call(fmt.Sprint(acked))
		e.Reason = strings.Repeat("x", 700)
		if err = l.Durable(t.Context(), e); err != nil {
			break
		}
	}
	if !errors.Is(err, ErrUnwritable) || !errors.Is(err, syscall.ENOSPC) || acked < 20 {
		t.Fatalf("after %d events: got %v, want no space left", acked, err)
	}
	if err := l.Write(t.Context(), call("kept")); err != nil { // what was done already has to be told
		t.Errorf("Write: got %v", err)
	}
	if err := l.Healthy(); !errors.Is(err, ErrUnwritable) {
		t.Errorf("Healthy: got %v", err)
	}
	for range 40 {
		_ = l.Durable(t.Context(), call("refused"))
	}
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT, "size=1m"); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return l.Healthy() == nil })
	if err := l.Durable(t.Context(), call("again")); err != nil {
		t.Fatal(err)
	}
	got := events(t, path)
	n := named(got)
	for i := range acked {
		if n[fmt.Sprint(i)] != 1 {
			t.Errorf("%d was acknowledged and is there %d times", i, n[fmt.Sprint(i)])
		}
	}
	gap := Event{}
	for _, e := range got {
		if e.Action == "audit.gap" {
			gap = *e
		}
	}
	if gap.Detail["events"] != "40" || !strings.Contains(gap.Reason, "no space left") || gap.Since.IsZero() || n["again"] != 1 || n["kept"] != 1 || n["refused"] != 0 {
		t.Errorf("got gap %+v, names %v", gap, n)
	}
	if text, _ := os.ReadFile(path); strings.Count(string(text), "\n") != len(got) {
		t.Errorf("there are damaged lines:\n%s", text)
	}
}

package store_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
	"github.com/gatehouse-mcp/gatehouse/internal/store"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// TestMain lets the test binary be the process that is killed.
func TestMain(m *testing.M) {
	if path := os.Getenv("GATEHOUSE_STORE_VICTIM"); path != "" {
		fmt.Fprintln(os.Stderr, victim(path))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// victim changes keys and tenants for as long as it lives, and says each change
// that was reported as done.
func victim(path string) error {
	ctx := context.Background()
	d, err := store.Open(ctx, store.Config{SQLite: path})
	if err != nil {
		return err
	}
	keys, tenants := &apikey.Service{Store: d.Keys()}, &tenant.Service{Store: d.Tenants()}
	for n := 0; ; n++ {
		tn, err := tenants.Create(ctx, fmt.Sprintf("t%d-%d", os.Getpid(), n))
		if err != nil {
			return err
		}
		a, _, err1 := keys.Create(ctx, tn.ID, apikey.Spec{Name: "revoked"})
		b, _, err2 := keys.Create(ctx, tn.ID, apikey.Spec{Name: "rotated"})
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		_, err1 = keys.Revoke(ctx, tn.ID, a.ID, "", "")
		fmt.Println("revoked", a.ID)
		_, next, _, err2 := keys.Rotate(ctx, tn.ID, b.ID, 0)
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		fmt.Println("rotated", b.ID, next.ID)
		if _, err := tenants.Delete(ctx, tn.ID, ""); err != nil {
			return err
		}
		fmt.Println("deleted", tn.ID)
	}
}

func TestA206AcknowledgedChangesSurviveKill(t *testing.T) {
	cycles := 40
	if testing.Short() {
		cycles = 8
	}
	path := newPath(t)
	for cycle := range cycles {
		var acked []string
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "GATEHOUSE_STORE_VICTIM="+path)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil || cmd.Start() != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for range 1 + cycle%7 { // then at once, in the midst of the next change
			if !lines.Scan() {
				t.Fatal("the victim ended by itself")
			}
			acked = append(acked, lines.Text())
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() { // said before it died
			acked = append(acked, lines.Text())
		}
		_ = cmd.Wait() // killed, as it says
		wantDone(t, path, acked)
	}
}

// wantDone checks that every acknowledged change is in the database.
func wantDone(t *testing.T, path string, acked []string) {
	t.Helper()
	d, err := store.Open(t.Context(), store.Config{SQLite: path})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	state := func(id string) apikey.State {
		k, err := d.Keys().Get(t.Context(), "", id)
		if err != nil {
			t.Fatal(err)
		}
		return k.State(time.Now())
	}
	for _, line := range acked {
		word := strings.Fields(line)
		switch word[0] {
		case "revoked":
			if s := state(word[1]); s != apikey.StateRevoked {
				t.Errorf("%s: got %s", line, s)
			}
		case "rotated": // the new key lives, unless the tenant was deleted after
			old, next := state(word[1]), state(word[2])
			if old == apikey.StateActive || old == apikey.StateRetiring || next == apikey.StateReplaced {
				t.Errorf("%s: got %s and %s", line, old, next)
			}
		case "deleted":
			tn, err := d.Tenants().Get(t.Context(), tenant.ID(word[1]))
			if err != nil || tn.State != tenant.Deleted {
				t.Errorf("%s: got %+v, %v", line, tn, err)
			}
		}
	}
}

// A kill cannot show what a power failure loses: the page cache outlives the
// process. What counts then is that SQLite was told to wait for the disk.
func TestA207CommitsWaitForTheDisk(t *testing.T) {
	d := openSQLite(t, newPath(t))
	for pragma, want := range map[string]string{"synchronous": "2", "journal_mode": "wal", "foreign_keys": "1"} {
		var got string
		if err := d.QueryForTest(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", pragma, got, err, want)
		}
	}
}

func TestA211FullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("only root can mount a small disk")
		}
		t.Skip("only root can mount a small disk")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m,mode=0700"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("mount a small disk: %v", err)
		}
		t.Skipf("no small disk can be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	ctx, d := t.Context(), openSQLite(t, filepath.Join(dir, "gatehouse.db"))
	s, def := service(t, d)
	live, text := create(t, d)
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 2<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("got %v, want a full disk", err)
	}
	v := &apikey.Verifier{Source: d.Source()}
	var made []string
	var full error
	for range 1000 { // the log may have room for a few
		k, _, err := s.Create(ctx, def, apikey.Spec{Name: "one more"})
		if full = err; err != nil {
			break
		}
		made = append(made, k.ID)
	}
	if e := refusal(full); e == nil || e.Code != "GH-1902" || e.Status != 503 {
		t.Errorf("got %v, want GH-1902", full)
	}
	if _, err := s.Revoke(ctx, def, live.ID, "", ""); refusal(err) == nil {
		t.Errorf("revoke: got %v, want GH-1902", err)
	}
	if _, err := v.Verify(ctx, &gatehouse.Credential{Text: text.Reveal(), From: live.LastUsed.Address}); err != nil {
		t.Errorf("verify while the disk is full: %v", err)
	}
	all, err := d.Keys().List(ctx, def)
	if err != nil || len(all) != len(made)+1 {
		t.Errorf("got %d keys, %v, want %d: what was acknowledged and no more", len(all), err, len(made)+1)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Revoke(ctx, def, live.ID, "", ""); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

// syncError is SQLite's error for an fsync that failed: SQLITE_IOERR_FSYNC.
type syncError struct{}

func (syncError) Error() string { return "disk I/O error" }
func (syncError) Code() int     { return 10 | 4<<8 }

// After a failed fsync the kernel may forget the pages it could not write, so
// no later success counts until the file was opened again.
func TestA211FailedSyncEndsWriting(t *testing.T) {
	d := openSQLite(t, newPath(t))
	k, _ := create(t, d)
	s, def := service(t, d)
	d.BreakForTest(fmt.Errorf("commit: %w", errors.New("database is full")))
	create(t, d)
	d.BreakForTest(fmt.Errorf("commit: %w", syncError{}))
	if _, err := s.Revoke(t.Context(), def, k.ID, "", ""); !errors.Is(err, store.ErrBroken) {
		t.Errorf("got %v, want ErrBroken", err)
	}
	if _, err := s.Get(t.Context(), def, k.ID); err != nil {
		t.Errorf("reading: %v", err)
	}
}

package server

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
)

// TestLockFollowsNoLink has a file of somebody's where the lock's name leads.
func TestLockFollowsNoLink(t *testing.T) {
	s := State{Dir: filepath.Join(t.TempDir(), "state")}
	if err := s.Prepare(); err != nil {
		t.Fatal(err)
	}
	theirs := filepath.Join(t.TempDir(), "theirs")
	if err := os.WriteFile(theirs, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(theirs, filepath.Join(s.Dir, lockFile)); err != nil {
		t.Fatal(err)
	}
	if release, err := s.Lock(); err == nil {
		release()
		t.Error("got the lock, want an error")
	}
	if text, err := os.ReadFile(theirs); err != nil || string(text) != "kept" {
		t.Errorf("got %q, %v in the file, want it as it was", text, err)
	}
}

// TestPrepareRefusesAForeignDirectory is about root on somebody's state, as
// under sudo with HOME kept: its owner puts there what root would write to.
func TestPrepareRefusesAForeignDirectory(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("only root can give a directory away")
		}
		t.Skip("only root can give a directory away")
	}
	dir := t.TempDir()
	if err := errors.Join(os.Chmod(dir, 0o700), os.Chown(dir, 12345, -1)); err != nil {
		t.Fatal(err)
	}
	var e *adminapi.Error
	if err := (State{Dir: dir}).Prepare(); !errors.As(err, &e) || e.Code != "GH-2002" || !strings.Contains(e.Message, "user 12345") {
		t.Errorf("got %v, want GH-2002 that names the owner", err)
	}
}

// TestPrepareClosesAnEmptyDirectory is about "mkdir state": the usual mode lets
// others in, and nothing is lost by closing it.
func TestPrepareClosesAnEmptyDirectory(t *testing.T) {
	for _, tt := range []struct {
		name   string
		mode   os.FileMode
		file   bool
		closed bool
	}{
		{"empty, others may look in", 0o755, false, true},
		{"empty, others may write", 0o775, false, false},
		{"not empty", 0o755, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "state")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if tt.file {
				if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Chmod(dir, tt.mode); err != nil {
				t.Fatal(err)
			}
			err := (State{Dir: dir}).Prepare()
			info, statErr := os.Stat(dir)
			if statErr != nil {
				t.Fatal(statErr)
			}
			var e *adminapi.Error
			switch {
			case tt.closed && (err != nil || info.Mode().Perm() != 0o700):
				t.Errorf("got %v and mode %o, want it closed", err, info.Mode().Perm())
			case !tt.closed && (!errors.As(err, &e) || e.Code != "GH-2002" || info.Mode().Perm() != tt.mode):
				t.Errorf("got %v and mode %o, want GH-2002 and nothing changed", err, info.Mode().Perm())
			}
		})
	}
}

// TestStoreTroubleIsInTheLog cuts the store off: the one place that says so has
// to be the log that the operator reads.
func TestStoreTroubleIsInTheLog(t *testing.T) {
	var log strings.Builder
	s := State{Dir: filepath.Join(t.TempDir(), "state")}
	i, err := s.Open(t.Context(), Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if err := i.Close(); err != nil {
		t.Fatal(err)
	}
	i.Verifier.Changed()
	if !strings.Contains(log.String(), "the key store does not answer") {
		t.Errorf("got %q in the log, want that the store does not answer", log.String())
	}
}

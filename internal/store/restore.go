package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Restore says what to put in place of an installation's database.
type Restore struct {
	From   string                           // required: a file that Backup wrote
	SQLite string                           // required: the database file to replace; it may be missing
	Lock   func() (release func(), _ error) // required: takes the installation for us alone, or says who has it
	Now    func() time.Time                 // nil: time.Now
}

// Run checks the backup, puts it in place in one step, and returns the name
// under which the database that was there is kept; empty: there was none.
//
// Everything since the backup is undone, revocations included: keys revoked
// since then are valid again. It returns ErrCorrupt, ErrForeign or ErrNewer and
// has changed nothing when the backup will not do.
func (r Restore) Run(ctx context.Context) (kept string, err error) {
	release, err := r.Lock()
	if err != nil {
		return "", fmt.Errorf("restore: %w", err)
	}
	defer release()
	dir := filepath.Dir(r.SQLite)
	if err := errors.Join(os.MkdirAll(dir, 0o700), private(dir, fs.ModeDir)); err != nil {
		return "", fmt.Errorf("restore: %w", err)
	}
	fresh, err := r.stage(ctx, dir)
	if err != nil {
		return "", fmt.Errorf("restore from %s: %w", r.From, err)
	}
	kept, err = r.swap(ctx, fresh)
	if err != nil {
		return "", errors.Join(fmt.Errorf("restore: %w", err), ignoreMissing(os.Remove(fresh)))
	}
	return kept, nil
}

// stage copies the backup beside the database and checks the copy: the original
// may lie where others can change it after the check.
func (r Restore) stage(ctx context.Context, dir string) (name string, err error) {
	in, err := os.Open(r.From)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := os.CreateTemp(dir, ".restore-*.db") // mode 0600
	if err != nil {
		return "", err
	}
	_, err = io.Copy(out, in)
	err = errors.Join(err, out.Sync(), out.Close())
	if err == nil {
		err = fit(ctx, out.Name())
	}
	if err != nil {
		return "", errors.Join(err, os.Remove(out.Name()))
	}
	return out.Name(), nil
}

// swap puts the staged file in place. There is a whole database under the name
// at every moment: the old one gets a second name first.
func (r Restore) swap(ctx context.Context, fresh string) (kept string, err error) {
	now := r.Now
	if now == nil {
		now = time.Now
	}
	dir := filepath.Dir(r.SQLite)
	if _, err := os.Lstat(r.SQLite); err == nil {
		kept = r.SQLite + ".bak-" + now().UTC().Format("20060102T150405.000000Z")
		if err := settle(ctx, r.SQLite, kept); err != nil {
			return "", err
		}
		if err := os.Link(r.SQLite, kept); err != nil {
			return "", fmt.Errorf("keep the old database: %w", err)
		}
	}
	if err := errors.Join(syncDir(dir), os.Rename(fresh, r.SQLite), syncDir(dir)); err != nil {
		return "", err
	}
	return kept, nil
}

// settle leaves no write-ahead log beside the old database: SQLite would play
// it into the new one. A sound database takes its log in; one that cannot be
// opened has its log kept beside the copy.
func settle(ctx context.Context, path, kept string) error {
	if db, err := sql.Open("sqlite", dsn(path)); err == nil {
		_, _ = db.ExecContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`) // whether it worked shows below
		_ = db.Close()
	}
	if info, err := os.Stat(path + "-wal"); err == nil && info.Size() > 0 {
		if err := os.Rename(path+"-wal", kept+"-wal"); err != nil {
			return fmt.Errorf("keep the old log: %w", err)
		}
	}
	return errors.Join(ignoreMissing(os.Remove(path+"-wal")), ignoreMissing(os.Remove(path+"-shm")))
}

// ignoreMissing drops the error of removing what is not there.
func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

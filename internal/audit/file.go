package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/ownfile"
)

// file is a sink on disk. The lock beside it says whose it is; it is a file of
// its own, so that it holds while the trail is turned over.
type file struct {
	path  string
	rules *atomic.Pointer[rules]
	now   func() time.Time

	f    *os.File // nil: it could not be opened again
	size int64
	from int64 // where the last write began; 0: not in this file
	torn bool  // the last line has no end
	turn uint64
	lock *os.File
}

// openFile takes the trail at path, and returns how many bytes its last line
// has when nobody ended it.
func openFile(path string, by *atomic.Pointer[rules], now func() time.Time) (_ *file, torn int, err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, 0, fmt.Errorf("make the directory of the audit trail: %w", err)
	}
	if err := closedToOthers(dir); err != nil {
		return nil, 0, err
	}
	s := &file{path: path, rules: by, now: now}
	if s.lock, err = takeLock(path + lockSuffix); err != nil {
		return nil, 0, err
	}
	_ = os.Remove(path + newSuffix) // of somebody who was killed while turning over
	if torn, err = s.open(); err != nil {
		return nil, 0, errors.Join(err, s.lock.Close())
	}
	return s, torn, nil
}

// Names beside the trail's.
const (
	lockSuffix = ".lock"
	newSuffix  = ".new"
)

// takeLock waits a little for another process to finish: two commands at a time
// are no mistake.
func takeLock(path string) (*os.File, error) {
	f, err := private(path, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, fmt.Errorf("lock the audit trail: %w", err)
	}
	for end := time.Now().Add(lockWait); ; time.Sleep(20 * time.Millisecond) {
		err = ownfile.TryLock(f)
		switch {
		case err == nil:
			return f, nil
		case errors.Is(err, syscall.EINTR):
		case !errors.Is(err, ownfile.ErrLocked):
			return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
		case time.Now().After(end):
			return nil, errors.Join(fmt.Errorf("%w: %s", ErrLocked, path), f.Close())
		}
	}
}

// open opens the trail's file, or makes it, and returns the length of its last
// line when that has no end.
func (s *file) open() (torn int, err error) {
	f, err := private(s.path, os.O_RDWR|os.O_APPEND|os.O_CREATE)
	if err != nil {
		return 0, fmt.Errorf("open the audit trail: %w", err)
	}
	info, err := f.Stat()
	if err == nil {
		err = syncDir(filepath.Dir(s.path))
	}
	if err == nil {
		torn, err = tail(f, info.Size())
	}
	if err != nil {
		return 0, errors.Join(fmt.Errorf("open the audit trail: %w", err), f.Close())
	}
	s.f, s.size, s.torn = f, info.Size(), torn > 0
	return torn, nil
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// tail returns the length of a last line without an end.
func tail(f *os.File, size int64) (int, error) {
	b := make([]byte, min(size, maxLine))
	if _, err := f.ReadAt(b, size-int64(len(b))); err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	return len(b) - 1 - bytes.LastIndexByte(b, '\n'), nil
}

// write implements sink. What a full disk took of a line is taken back.
func (s *file) write(lines []byte) (int, error) {
	done := 0
	s.from = s.size
	for done < len(lines) {
		if s.f == nil {
			if _, err := s.open(); err != nil {
				return done, err
			}
		}
		if s.torn {
			if _, err := s.f.Write([]byte{'\n'}); err != nil {
				return done, err
			}
			s.size, s.torn = s.size+1, false
		}
		part, err := s.part(lines[done:])
		if err != nil {
			return done, err
		}
		n, err := s.f.Write(part)
		whole := bytes.LastIndexByte(part[:n], '\n') + 1
		done += whole
		if n > whole && s.f.Truncate(s.size+int64(whole)) != nil {
			s.torn, whole = true, n // the piece stays, as a damaged line
		}
		s.size += int64(whole)
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// part returns the lines that this file still has room for, having begun the
// next one if it has none.
func (s *file) part(lines []byte) ([]byte, error) {
	most, first := s.rules.Load().max, int64(bytes.IndexByte(lines, '\n')+1)
	if s.size > 0 && s.size+first > most {
		if err := s.turnOver(); errors.Is(err, errDoubtful) {
			return nil, err
		} else if err != nil {
			return lines, nil //nolint:nilerr // a trail that is too long is better than none
		}
	}
	room := max(most-s.size, first)
	if int64(len(lines)) <= room {
		return lines, nil
	}
	return lines[:bytes.LastIndexByte(lines[:room], '\n')+1], nil
}

// errDoubtful says that what was written since the last sync may be gone: after
// an error the kernel may have dropped what it could not write, and call the
// next sync a success. wiki.postgresql.org/wiki/Fsync_Errors
var errDoubtful = errors.New("the last events may not be on disk")

// sync implements sink.
func (s *file) sync(again bool) error {
	if s.f == nil {
		return nil
	}
	err := s.f.Sync()
	if err != nil {
		err = fmt.Errorf("%w: %w", errDoubtful, err)
		if again && s.from > 0 {
			_ = s.f.Truncate(s.from)
		}
		_ = s.f.Close()
		s.f = nil // opened again, it is read to its end: there may be a hole now
	}
	return err
}

// look implements sink: somebody may have moved the file, or cut it.
func (s *file) look() error {
	if s.f == nil {
		_, err := s.open()
		return err
	}
	ours, err := s.f.Stat()
	if err != nil {
		return fmt.Errorf("look at the audit trail: %w", err)
	}
	theirs, err := os.Lstat(s.path)
	if err == nil && os.SameFile(ours, theirs) {
		s.size = ours.Size()
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look at the audit trail: %w", err)
	}
	if err := s.sync(false); err != nil {
		return err
	}
	_ = s.f.Close() // it is on disk
	_, err = s.open()
	return err
}

func (s *file) turned() uint64 { return s.turn }

func (s *file) close() error {
	var err error
	if s.f != nil {
		err = s.f.Close()
	}
	return errors.Join(err, s.lock.Close())
}

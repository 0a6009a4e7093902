package audit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// stamp is the time in the name of a full file: audit.jsonl.20261127T031209.000
const stamp = "20060102T150405"

// full is a file of the trail that is not written any more.
type full struct {
	path string
	at   string // stamp; empty: named by somebody else
	n    int    // of those with one stamp; of somebody else's: the higher the older
}

// fullFiles returns the full files of a trail, the oldest first. Those that
// logrotate numbers (audit.jsonl.1) are taken for older than all of ours.
func fullFiles(path string) ([]full, error) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	var out []full
	for _, e := range entries {
		rest, ok := strings.CutPrefix(e.Name(), filepath.Base(path)+".")
		if !ok || !e.Type().IsRegular() {
			continue
		}
		f := full{path: filepath.Join(filepath.Dir(path), e.Name())}
		number := rest
		if at, n, ours := strings.Cut(rest, "."); ours {
			if _, err := time.Parse(stamp, at); err != nil {
				continue
			}
			f.at, number = at, n
		}
		if f.n, err = strconv.Atoi(number); err != nil || f.n < 0 {
			continue
		}
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b full) int {
		if a.at == "" && b.at == "" {
			return b.n - a.n
		}
		if c := strings.Compare(a.at, b.at); c != 0 {
			return c
		}
		return a.n - b.n
	})
	return out, nil
}

// nextFull returns the name under which a file is put aside: after all others,
// though the clock may have been set back.
func (s *file) nextFull() (string, error) {
	others, err := fullFiles(s.path)
	if err != nil {
		return "", err
	}
	f := full{at: s.now().UTC().Format(stamp)}
	if n := len(others); n > 0 && others[n-1].at >= f.at {
		f.at, f.n = others[n-1].at, others[n-1].n+1
	}
	return fmt.Sprintf("%s.%s.%03d", s.path, f.at, f.n), nil
}

// setAside gives the file that is being written the name of a full one.
func (s *file) setAside() error {
	name, err := s.nextFull()
	if err != nil {
		return err
	}
	return os.Rename(s.path, name)
}

// turnOver begins the next file. The new one is there before the old one is
// moved: when anything fails, the old one simply grows.
func (s *file) turnOver() error {
	if err := s.sync(false); err != nil {
		return err
	}
	_ = os.Remove(s.path + newSuffix)
	next, err := private(s.path+newSuffix, os.O_RDWR|os.O_APPEND|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return err
	}
	if err := s.setAside(); err != nil {
		return errors.Join(err, next.Close(), os.Remove(s.path+newSuffix))
	}
	// From here on the old file has its new name; the next one needs its own.
	if err := os.Rename(s.path+newSuffix, s.path); err != nil {
		return errors.Join(err, next.Close()) // look finds the file moved, and makes another
	}
	old := s.f
	s.f, s.size, s.from = next, 0, 0
	s.turn++
	err = errors.Join(syncDir(filepath.Dir(s.path)), old.Close())
	s.prune()
	return err
}

// prune removes the oldest full files beyond those that are kept. Those that
// somebody else made are theirs to remove.
func (s *file) prune() {
	all, err := fullFiles(s.path)
	if err != nil {
		return
	}
	ours := slices.DeleteFunc(all, func(f full) bool { return f.at == "" })
	for keep := s.rules.Load().keep; len(ours) > keep; {
		_ = os.Remove(ours[0].path)
		ours = ours[1:]
	}
}

// Files returns everything that belongs to a trail and exists, full files that
// somebody else numbered excepted.
func Files(path string) ([]string, error) {
	all, err := fullFiles(path)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, f := range all {
		if f.at != "" {
			out = append(out, f.path)
		}
	}
	for _, p := range [...]string{path, path + lockSuffix, path + newSuffix} {
		if _, err := os.Lstat(p); err == nil {
			out = append(out, p)
		}
	}
	return out, nil
}

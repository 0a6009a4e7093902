package config

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gatehouse-mcp/gatehouse/internal/ownfile"
)

const nonBlocking = 0

// private says why somebody else could read or replace an open file, or nil.
func private(path string, f *os.File, _ fs.FileInfo) error {
	who, err := ownfile.Readable(f)
	if err != nil {
		return fmt.Errorf("cannot be judged: %w", err)
	}
	if who != "" {
		return fmt.Errorf("%s may use: take that from its access list", who)
	}
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return fmt.Errorf("cannot be read: %w", err)
	}
	for _, dir := range []string{filepath.Dir(path), filepath.Dir(target)} {
		if err := fixed(dir); err != nil {
			return err
		}
	}
	return nil
}

// fixed says who else may exchange what is in a directory.
func fixed(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("cannot be read: %w", err)
	}
	defer func() { _ = d.Close() }()
	who, err := ownfile.Writable(d)
	if err != nil {
		return fmt.Errorf("cannot be judged: %w", err)
	}
	if who != "" {
		return fmt.Errorf("%s may replace: take that from the access list of %s", who, dir)
	}
	return nil
}

// writable says who else may change an open configuration, and what to do about
// it; empty: nobody.
func writable(f *os.File, _ fs.FileInfo) (string, error) {
	who, err := ownfile.Writable(f)
	if who != "" {
		who += ", who could let themselves in: take that from its access list"
	}
	return who, err
}

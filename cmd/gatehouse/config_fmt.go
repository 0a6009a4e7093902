package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

func (a *app) configFmt() *cobra.Command {
	write, differ := false, false
	c := &cobra.Command{
		Use:   "fmt [-c FILE] [--write | --diff]",
		Short: "Bring a file into its usual order",
		Long: "Put the keys of a file (default ./gatehouse.yaml) into the order of the reference and indent it by two. Comments\n" +
			"stay with what they are about, and what stands in braces stays as it is. The result is read again and has to\n" +
			"mean the same, or nothing is written.",
		Example:               "  gatehouse config fmt                 print it\n  gatehouse config fmt --diff          what would change; ends with 1 if anything\n  gatehouse config fmt --write",
		Args:                  exactly(),
		DisableFlagsInUseLine: true,
		RunE: func(*cobra.Command, []string) error {
			a.configFile()
			if write && differ {
				return usage("--write and --diff are two different wishes; give one of them")
			}
			return a.format(write, differ)
		},
	}
	c.Flags().BoolVar(&write, "write", false, "write it to the file")
	c.Flags().BoolVar(&differ, "diff", false, "show what would change, and end with 1 if anything would")
	return c
}

func (a *app) format(write, differ bool) error {
	before, err := a.readWhole(a.file)
	if err != nil {
		return err
	}
	after, err := config.Format(a.file, before)
	var all config.Mistakes
	if errors.As(err, &all) {
		return err
	}
	if err != nil {
		return usage("%v", err)
	}
	changed := !bytes.Equal(before, after)
	switch {
	case differ && changed:
		a.print("%s", diff.Diff(a.file, before, a.file+" (in order)", after))
		return &fault{exit: exitFailure} // all was said
	case !write && !differ:
		a.print("%s", after)
		return nil
	case !changed:
		a.done("%s is in order", a.file)
	case write:
		if !a.dry {
			if err := replaceFile(a.file, after); err != nil {
				return err
			}
		}
		a.done("%s was brought into order", a.file)
	}
	if a.json {
		return a.object(map[string]any{"file": a.file, "changed": changed, "dry_run": a.dry})
	}
	return nil
}

// readWhole reads a file of no more than a configuration may have.
func (a *app) readWhole(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, a.unreadable(err)
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, maxInput))
	if err != nil {
		return nil, a.unreadable(err)
	}
	return text, nil
}

// replaceFile puts a text in the place of a file at once, so that a server that
// watches it never reads a half. It keeps the mode and follows links.
func replaceFile(name string, text []byte) (err error) {
	target, err := filepath.EvalSymlinks(name)
	if errors.Is(err, fs.ErrNotExist) {
		target, err = name, nil
	}
	if err != nil {
		return fmt.Errorf("find %s: %w", name, err)
	}
	mode := fs.FileMode(0o644)
	if info, err := os.Stat(target); err == nil {
		mode = info.Mode().Perm()
	}
	f, err := os.CreateTemp(filepath.Dir(target), ".gatehouse-*.yaml")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(text)
	if err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := os.Rename(f.Name(), target); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

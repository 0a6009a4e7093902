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
			"mean the same, or nothing is written. With --json the result is in text, or in diff.",
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
	one := a.formatted(a.file, before, after, write, differ)
	if one.Changed && write && !a.dry {
		if err := replaceFile(a.file, after); err != nil {
			return err
		}
	}
	a.showFormatted(&one, write, differ)
	if a.json {
		if err := a.object(one); err != nil {
			return err
		}
	}
	if differ && one.Changed {
		return &fault{exit: exitFailure} // all was said
	}
	return nil
}

// formatted is what became of a file, for scripts.
type formatted struct {
	File    string `json:"file"`
	Changed bool   `json:"changed"`        // it is not in order, or was not
	Text    string `json:"text,omitempty"` // in order; only if that is what was asked for
	Diff    string `json:"diff,omitempty"` // what would change; as well
	DryRun  bool   `json:"dry_run"`
}

func (a *app) formatted(name string, before, after []byte, write, differ bool) formatted {
	one := formatted{File: name, Changed: !bytes.Equal(before, after), DryRun: a.dry}
	switch {
	case differ && one.Changed:
		one.Diff = string(diff.Diff(name, before, filepath.Base(name)+" (in order)", after))
	case !differ && !write:
		one.Text = string(after)
	}
	return one
}

// showFormatted says it to people.
func (a *app) showFormatted(one *formatted, write, differ bool) {
	if a.json {
		return
	}
	a.print("%s%s", one.Diff, one.Text)
	switch {
	case !one.Changed && (write || differ):
		a.done("%s is in order", one.File)
	case write:
		a.done("%s was brought into order", one.File)
	}
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

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gatehouse-mcp/gatehouse/internal/clients/disk"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/probe"
)

// ours is the configuration of what is looked at.
type ours struct {
	file string
	c    *config.Config
}

// fixing is what would be changed in a file, and what it is then.
type fixing struct {
	probe.Fix
	before, after []byte
}

// workOut finds what to change, and writes it if that is wanted; nil: no file is
// known. With an error there may be what would have been written.
func (a *app) workOut(q *checking, all []*probe.Report) (*fixing, error) {
	if q.ours == nil {
		if q.write {
			return nil, usage("--write needs a configuration without mistakes in it")
		}
		return nil, nil //nolint:nilnil // what to do is said with each finding
	}
	text, err := os.ReadFile(q.ours.file)
	if err != nil {
		return nil, usage("%v", err)
	}
	f := &fixing{Fix: probe.Fix{File: q.ours.file, Settings: []probe.FixEntry{}}, before: text, after: text}
	seen := map[string]bool{}
	for _, r := range all {
		for _, m := range r.Mends(q.ours.c) {
			if seen[m.Path] {
				continue
			}
			seen[m.Path] = true
			f.Settings = append(f.Settings, a.mend(f, &m))
		}
	}
	f.Diff = unified(q.ours.file, f.before, f.after)
	if q.write && !a.dry && f.Diff != "" {
		return f, a.writeFix(f)
	}
	return f, nil
}

// mend makes one change. Each is judged by itself, and one that cannot be made does not stop the others.
func (a *app) mend(f *fixing, m *probe.Mend) probe.FixEntry {
	e := probe.FixEntry{Code: m.Rule.Code, Setting: m.Path, Value: m.Value, Note: m.Note, ByHand: m.Value == ""}
	if e.ByHand {
		return e
	}
	after, err := config.Amend(f.File, f.after, []config.Amendment{{Path: m.Path, Value: m.Value}}, a.outside())
	if err != nil {
		e.ByHand = true
		return e
	}
	f.after = after
	return e
}

// writeFix writes the file, if it is still what was judged.
func (a *app) writeFix(f *fixing) error {
	path, err := filepath.Abs(f.File)
	if err != nil {
		return fmt.Errorf("resolve %s: %w", f.File, err)
	}
	errChanged := errors.New("it was changed meanwhile")
	out, err := disk.File{Path: path, Home: filepath.Dir(path), Mode: 0o600, Now: a.now}.Change(true, func(text []byte) ([]byte, error) {
		if string(text) != string(f.before) {
			return nil, errChanged
		}
		return f.after, nil
	})
	if errors.Is(err, errChanged) {
		return &fault{exitConflict, "GH-2402", f.File + " was changed by somebody else meanwhile, so nothing was written. Say it again."}
	}
	if err != nil {
		return usage("%s: %v", f.File, err)
	}
	f.Written, f.Backup = true, out.Backup
	return nil
}

// showFixes shows what to change, or what was.
func (a *app) showFixes(q *checking, f *fixing) {
	switch {
	case !q.fix:
		return
	case f == nil:
		a.say("\nNo configuration of this server is known (-c FILE), so what to do stands with each finding.\n")
		return
	case len(f.Settings) == 0:
		a.say("\nNo setting of %s would change what was found.\n", f.File)
		return
	}
	a.print("\nSettings\n")
	for _, e := range f.Settings {
		text := e.Setting + ": " + e.Value
		if e.ByHand {
			text = e.Setting + ", by hand"
			if e.Value != "" {
				text += ": " + e.Value
			}
		}
		a.print("  %s %s\n            %s\n", e.Code, text, e.Note)
	}
	if f.Diff != "" {
		a.print("\n%s", f.Diff)
	}
	switch {
	case f.Written:
		a.say("%s %s is written; as it was: %s\n  Next  gatehouse config diff -c %s    what a reload changes\n", a.mark(a.err, "✓"), f.File, f.Backup, f.File)
	case f.Diff != "":
		a.say("Nothing was written.\n  Write  the same with --fix --write\n")
	}
}

package main

import (
	"context"
	"errors"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/doctor"
)

const maxLog = 1 << 20 // bytes of the end of a log

// bundled is the result of doctor --bundle, for scripts.
type bundled struct {
	File    string           `json:"file"`
	Written bool             `json:"written"`
	Members []doctor.Member  `json:"members"`
	Removed []doctor.Removal `json:"removed"`
	Fails   int              `json:"fails"`
}

// bundle shows what an archive would have in it, asks, and writes it.
func (a *app) bundle(ctx context.Context, q *examining, m *doctor.Machine, r *doctor.Report) error {
	if _, err := os.Lstat(q.bundle); err == nil {
		return taken(q.bundle)
	}
	if a.json && !a.yes && !a.dry {
		return usage("--bundle with --json asks nobody: say --yes, or --dry-run to see what would be in it")
	}
	b, err := a.pack(ctx, q, m, r)
	if err != nil {
		return err
	}
	out := bundled{File: q.bundle, Members: b.Members, Removed: b.Removed, Fails: r.Fails}
	if !a.json {
		a.showBundle(&out)
		question := "Write it to " + q.bundle + "?"
		if !a.yes && !a.dry {
			if !terminal(a.in) {
				return &fault{exitUsage, "GH-2404", question + " Nobody is here to confirm it. Say --yes."}
			}
			if agreed, err := a.agree(ctx, question); err != nil || !agreed {
				return err
			}
		}
	}
	if !a.dry {
		if err := a.writeOut(q.bundle, b.Write); err != nil {
			return err
		}
		out.Written = true
	}
	if a.json {
		return a.object(out)
	}
	a.done("%s: %s", q.bundle, count(len(b.Members), "file", "files"))
	a.say("  Look  tar -xzOf %s | less      before you send it\n", quoted(q.bundle))
	return nil
}

func (a *app) showBundle(out *bundled) {
	rows := [][]string{{"FILE", "SIZE"}}
	for _, m := range out.Members {
		rows = append(rows, []string{m.Name, count(m.Size, "byte", "bytes")})
	}
	_ = a.table(rows)
	a.print("\n")
	rows = [][]string{{"REMOVED FROM", "PLACE", "WHAT", "HOW OFTEN"}}
	for _, r := range out.Removed {
		rows = append(rows, []string{r.File, orElse(printableText(r.Place), "–"), r.What, count(r.Count, "time", "times")})
	}
	_ = a.table(rows)
	a.print("\n")
}

// pack gathers the material, and has it packed.
func (a *app) pack(ctx context.Context, q *examining, m *doctor.Machine, r *doctor.Report) (*doctor.Bundle, error) {
	host, _ := os.Hostname()
	of := &doctor.Material{
		Report: r, Text: a.diagnosis(r, false), Status: m.Status, Environ: a.environ, At: a.now(),
		Versions: map[string]string{"gatehouse": version(), "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH},
		Secrets:  nil,
	}
	for _, name := range []string{host, m.System.Home} { // they name people, often
		if len(name) > len("/root") && name != "localhost" {
			of.Names = append(of.Names, name)
		}
	}
	if m.Config != nil {
		of.Settings, of.Secrets = m.Config.Settings(), m.Config.Hidden()
	}
	var err error
	if of.Events, err = a.lastEvents(ctx, m.Trail, q.events); err != nil {
		return nil, err
	}
	if q.log != "" {
		if of.Log, err = tail(q.log); err != nil {
			return nil, usage("--log: %v", err)
		}
	}
	return doctor.Pack(of)
}

// lastEvents are the newest lines of a trail, the oldest first; nil: there is none.
func (a *app) lastEvents(ctx context.Context, trail string, n int) ([][]byte, error) {
	if trail == "" || n == 0 {
		return nil, nil
	}
	ctx, stop := a.within(ctx, doctorWait)
	defer stop()
	var lines [][]byte
	_, err := audit.Search(ctx, trail, audit.Query{Limit: n}, func(m audit.Match) error {
		lines = append(lines, slices.Clone(m.Line))
		return nil
	})
	if err != nil && !errors.Is(err, audit.ErrNoTrail) {
		return nil, err
	}
	slices.Reverse(lines)
	return lines, nil
}

// tail is the end of a file, from the beginning of a line.
func tail(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New(name + " is no plain file")
	}
	cut := info.Size() > maxLog
	if cut {
		if _, err := f.Seek(-maxLog, io.SeekEnd); err != nil {
			return nil, err
		}
	}
	text, err := io.ReadAll(io.LimitReader(f, maxLog))
	if _, whole, ok := strings.Cut(string(text), "\n"); cut && ok { // half a secret is not recognized
		text = []byte(whole)
	}
	return text, err
}

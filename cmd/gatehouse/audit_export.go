package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
)

func (a *app) auditExport() *cobra.Command {
	var f auditFilter
	var format, out string
	c := &cobra.Command{
		Use: "export", Short: "Write events for another program, the oldest first",
		Long: "Write events for another program, the oldest first: as the lines of the trail (jsonl), for a spreadsheet (csv), or in\n" +
			"the Open Cybersecurity Schema Framework (ocsf). The file must not exist yet; it is made with mode 0600.",
		Example: "  gatehouse audit export --since 7d --out audit.jsonl\n  gatehouse audit export --format csv --tenant acme --out acme.csv\n  gatehouse audit export --format ocsf --since 24h > events.json\n",
		Args:    exactly(), DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, _ []string) error {
			q, err := f.query(a.now())
			if err != nil {
				return err
			}
			if !slices.Contains(audit.Formats(), format) {
				return usage("--format %.40q is none of %s", format, strings.Join(audit.Formats(), ", "))
			}
			path, err := a.trailPath()
			if err != nil {
				return err
			}
			q.Oldest = true
			n := 0
			var report audit.Report
			err = a.writeOut(out, func(to io.Writer) error {
				x := &audit.Exporter{To: to, Format: format, Source: version()}
				report, err = audit.Search(c.Context(), path, q, func(m audit.Match) error {
					n++
					return x.Write(m)
				})
				return err
			})
			if err != nil {
				return trailFault(path, err)
			}
			a.damaged(report)
			if out == "" {
				return nil
			}
			if a.json {
				return a.object(map[string]any{"events": n, "damaged": report.Damaged, "format": format, "file": out, "dry_run": a.dry})
			}
			a.done("%d events written to %s", n, out)
			return nil
		},
	}
	a.auditFlags(c, &f)
	c.Flags().StringVar(&format, "format", audit.FormatJSONL, "`FORMAT`: "+strings.Join(audit.Formats(), ", "))
	c.Flags().StringVar(&out, "out", "", "new `FILE` to write to (default: standard output)")
	c.Flags().IntVar(&f.q.Limit, "limit", 0, "how many at most; 0: all")
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(audit.Formats(), cobra.ShellCompDirectiveNoFileComp))
	return c
}

// writeOut has do write to a new file for its owner alone, or to standard
// output. What could not be finished is removed again.
func (a *app) writeOut(path string, do func(io.Writer) error) error {
	to := a.out
	var file *os.File
	switch {
	case path != "" && a.dry:
		to = io.Discard
		if _, err := os.Lstat(path); err == nil {
			return taken(path)
		}
	case path != "":
		var err error
		file, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) // O_EXCL follows no link either
		if errors.Is(err, fs.ErrExist) {
			return taken(path)
		}
		if err != nil {
			return usage("--out: %v", err)
		}
		to = file
	}
	b := bufio.NewWriterSize(to, 256<<10)
	err := errors.Join(do(b), b.Flush())
	if file != nil {
		err = errors.Join(err, file.Sync(), file.Close())
		if err != nil {
			_ = os.Remove(path)
		}
	}
	if err != nil && !errors.Is(err, audit.ErrNoTrail) {
		return fmt.Errorf("write the export: %w", err)
	}
	return err
}

func taken(path string) error {
	return &fault{exitConflict, "GH-2402", path + " exists, and an export overwrites nothing. Choose another name."}
}

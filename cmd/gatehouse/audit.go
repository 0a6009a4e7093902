package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/unit"
)

func (a *app) audit() *cobra.Command {
	return group("audit", "See who did what, and why it was allowed or refused",
		"  gatehouse audit tail -f\n  gatehouse audit search --key 7Qm2Vx9KtB4c --since 24h\n  gatehouse audit export --format csv --since 7d --out audit.csv\n",
		a.auditTail(), a.auditSearch(), a.auditExport())
}

// trailPath says where the audit trail is.
func (a *app) trailPath() (string, error) {
	state, err := a.stateDir()
	if a.elsewhere(state); err != nil || a.file == "" {
		return state.AuditPath(config.Audit{}), err
	}
	file, err := config.Locate(a.file, config.SettingAuditFile, a.outside())
	if err != nil {
		return "", a.unreadable(err)
	}
	return state.AuditPath(config.Audit{File: file}), nil
}

// auditFilter are the flags that say which events are wanted.
type auditFilter struct {
	q                     audit.Query
	since, until, address string
}

func (a *app) auditFlags(c *cobra.Command, f *auditFilter) {
	l := c.Flags()
	l.StringVar(&f.since, "since", "", "not before this `TIME`: 24h or 7d ago, 2026-11-23, or 2026-11-23T12:00:00Z")
	l.StringVar(&f.until, "until", "", "before this `TIME`")
	l.StringSliceVar(&f.q.Kinds, "kind", nil, "`KINDS`: "+strings.Join(config.AuditKinds(), ", "))
	l.StringVar(&f.q.Tenant, "tenant", "", "name or id of the tenant")
	l.StringVar(&f.q.Key, "key", "", "`ID` of the key")
	l.StringVar(&f.q.Subject, "subject", "", "who it was")
	l.StringVar(&f.address, "address", "", "address or network, such as 203.0.113.0/24")
	l.StringVar(&f.q.Code, "code", "", "`GH-nnnn`")
	l.StringVar(&f.q.Tool, "tool", "", "name of the tool")
	l.StringVar(&f.q.Method, "method", "", "method of MCP, such as resources/read")
	l.StringVar(&f.q.Server, "server", "", "name of the MCP server")
	l.StringVar(&f.q.Request, "request", "", "`ID` of the request, as callers see it")
	l.StringVar(&f.q.Outcome, "outcome", "", "ok, error, refused or cut")
	fixed := func(words ...string) cobra.CompletionFunc {
		return cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)
	}
	_ = c.RegisterFlagCompletionFunc("kind", fixed(config.AuditKinds()...))
	_ = c.RegisterFlagCompletionFunc("outcome", fixed(audit.OK, audit.Failed, audit.Refused, audit.Cut))
	_ = c.RegisterFlagCompletionFunc("tenant", func(c *cobra.Command, _ []string, s string) ([]string, cobra.ShellCompDirective) {
		return a.completeTenants(c, nil, s)
	})
	_ = c.RegisterFlagCompletionFunc("key", func(c *cobra.Command, _ []string, s string) ([]string, cobra.ShellCompDirective) {
		return a.completeKeys(c, nil, s)
	})
}

// query is what the flags ask, and of which trail.
func (a *app) query(f *auditFilter) (q audit.Query, path string, err error) {
	if q, err = f.query(a.now()); err != nil {
		return q, "", err
	}
	path, err = a.trailPath()
	return q, path, err
}

// query reads the flags.
func (f *auditFilter) query(now time.Time) (q audit.Query, err error) {
	q = f.q
	if apikey.Is(q.Key) {
		return q, exposed(q.Key)
	}
	for _, k := range q.Kinds {
		if !slices.Contains(config.AuditKinds(), k) {
			return q, usage("--kind %.40q is none of %s", k, strings.Join(config.AuditKinds(), ", "))
		}
	}
	if q.Since, err = moments("--since", f.since, now); err != nil {
		return q, err
	}
	if q.Until, err = moments("--until", f.until, now); err != nil {
		return q, err
	}
	if f.address == "" {
		return q, nil
	}
	if a, err := netip.ParseAddr(f.address); err == nil {
		a = a.Unmap().WithZone("")
		q.Address = netip.PrefixFrom(a, a.BitLen())
		return q, nil
	}
	if q.Address, err = netip.ParsePrefix(f.address); err != nil {
		return q, usage("--address %.60q is not an address or a network like 203.0.113.0/24", f.address)
	}
	return q, nil
}

// moments reads a time that is said as people do: so long ago, a day, or exactly.
func moments(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := unit.ParseDuration(text); err == nil {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usage("%s %.40q is no time like 24h, 7d, 2026-11-23 or 2026-11-23T12:00:00Z", flag, text)
}

func (a *app) auditSearch() *cobra.Command {
	var f auditFilter
	c := &cobra.Command{
		Use: "search", Short: "Find events, the newest first",
		Example: "  gatehouse audit search --key 7Qm2Vx9KtB4c --since 24h\n  gatehouse audit search --kind auth_failed --address 203.0.113.0/24\n  gatehouse audit search --request 5f0c… --json\n",
		Args:    exactly(), DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, _ []string) error {
			q, path, err := a.query(&f)
			if err != nil {
				return err
			}
			show := a.events()
			r, err := audit.Search(c.Context(), path, q, show)
			if err != nil {
				return trailFault(path, err)
			}
			if r.Cut {
				a.say("The newest %d are shown. See more with --limit 0, or ask for less.\n", q.Limit)
			}
			a.damaged(r)
			return nil
		},
	}
	a.auditFlags(c, &f)
	c.Flags().IntVar(&f.q.Limit, "limit", 100, "how many at most; 0: all")
	return c
}

func (a *app) auditTail() *cobra.Command {
	var f auditFilter
	var follow bool
	c := &cobra.Command{
		Use: "tail", Short: "Show the latest events, and wait for more",
		Example: "  gatehouse audit tail\n  gatehouse audit tail -f --kind auth_failed,denied\n", Args: exactly(), DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, _ []string) error {
			q, path, err := a.query(&f)
			if err != nil {
				return err
			}
			var latest []audit.Match
			var r audit.Report
			if q.Limit > 0 {
				r, err = audit.Search(c.Context(), path, q, func(m audit.Match) error {
					latest = append(latest, m)
					return nil
				})
			} else {
				r, err = audit.Search(c.Context(), path, audit.Query{Limit: 1}, func(audit.Match) error { return nil })
			}
			if err != nil && !(follow && errors.Is(err, audit.ErrNoTrail)) {
				return trailFault(path, err)
			}
			show := a.events()
			for _, m := range slices.Backward(latest) {
				if err := show(m); err != nil {
					return err
				}
			}
			a.damaged(r)
			if !follow {
				return nil
			}
			ctx := c.Context()
			if a.timeout > 0 {
				var stop context.CancelFunc
				ctx, stop = context.WithTimeout(ctx, a.timeout)
				defer stop()
			}
			return audit.Follow(ctx, path, r.End, q, show)
		},
	}
	a.auditFlags(c, &f)
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on until Ctrl+C, or --timeout")
	c.Flags().IntVarP(&f.q.Limit, "lines", "n", 20, "how many of those that are there")
	return c
}

// trailFault says what is wrong with a trail that cannot be read.
func trailFault(path string, err error) error {
	if errors.Is(err, audit.ErrNoTrail) {
		return &fault{exitNotFound, "GH-2401", "There is no audit trail at " + path + ". Name another installation with --state DIR or -c FILE."}
	}
	return err
}

// damaged warns of lines that could not be read.
func (a *app) damaged(r audit.Report) {
	if r.Damaged == 0 {
		return
	}
	d := r.Damage[0]
	a.warn("%d damaged lines were left out; the first is at byte %d of %s", r.Damaged, d.At, audit.Plain(d.File, 128))
}

// events shows events one by one: as their lines for scripts, as a table for people.
func (a *app) events() func(audit.Match) error {
	begun := false
	return func(m audit.Match) error {
		if a.json {
			_, err := a.out.Write(append(m.Line, '\n'))
			return err
		}
		if !begun {
			begun = true
			if err := a.eventRow("TIME", "KIND", "TENANT", "KEY OR WHO", "WHAT", "ADDRESS", "CODE", "OUTCOME", "REQUEST"); err != nil {
				return err
			}
		}
		e := m.Event
		outcome := orElse(e.Outcome, e.Phase)
		if e.Count > 1 {
			outcome += " ×" + strconv.Itoa(e.Count)
		}
		address := ""
		if e.Address.IsValid() {
			address = e.Address.String()
		}
		return a.eventRow(e.Time.UTC().Format("2006-01-02 15:04:05"), e.Kind, e.Tenant, orElse(e.KeyID, e.Subject), what(e), address, e.Code, outcome, e.Request)
	}
}

// what says in a word what an event is about.
func what(e *audit.Event) string {
	switch {
	case e.Action != "" && e.Detail["name"] != "":
		return e.Action + " " + e.Detail["name"]
	case e.Action != "":
		return e.Action
	case e.Method == "tools/call" && e.Name != "":
		return e.Name
	case e.Name != "":
		return e.Method + " " + e.Name
	}
	return e.Method
}

// eventRow has columns that stay where they are while events come in.
func (a *app) eventRow(cells ...string) error {
	for i, c := range cells {
		if cells[i] = audit.Plain(c, 256); c == "" {
			cells[i] = "-"
		}
	}
	_, err := fmt.Fprintf(a.out, "%-19s  %-11s  %-10s  %-12s  %-28s  %-15s  %-7s  %-7s  %s\n",
		cells[0], cells[1], cells[2], cells[3], cells[4], cells[5], cells[6], cells[7], cells[8])
	return err
}

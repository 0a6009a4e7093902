package main

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

func (a *app) status() *cobra.Command {
	ready := false
	c := &cobra.Command{
		Use:   "status",
		Short: "Show what a running server serves, and what is wrong with it",
		Long: "Show the servers, the issuers of tokens and their keys, the configuration in force and every problem. It ends\n" +
			"with 1 when there is a problem, and with 4 when nothing runs.",
		Example:               "  gatehouse status\n  gatehouse status -c gatehouse.yaml --json",
		Args:                  exactly(),
		DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, stop := a.within(c.Context(), commandWait)
			defer stop()
			return a.runStatus(ctx, ready)
		},
	}
	c.Flags().BoolVar(&ready, "ready", false, "end with 1 only when callers are not served, for health checks")
	return c
}

// runStatus asks the server that runs. When none does the store is not opened:
// that would need the secrets of the configuration.
func (a *app) runStatus(ctx context.Context, ready bool) error {
	state, err := a.stateDir()
	if err != nil {
		return err
	}
	a.elsewhere(state)
	to, err := adminapi.Dial(ctx, state.Dir)
	switch {
	case errors.Is(err, adminapi.ErrNotRunning) && !state.Exists():
		return noInstallation(state)
	case errors.Is(err, adminapi.ErrNotRunning):
		if a.json {
			if err := a.object(adminapi.Status{PID: os.Getpid(), Version: version()}); err != nil {
				return err
			}
		}
		return &fault{exitNotFound, "GH-2401", "No server runs over the installation in " + state.Dir + ". Start it: gatehouse serve" + a.place() + ", or gatehouse up."}
	case err != nil:
		return err
	}
	s, err := (&adminapi.Client{Transport: to}).Status(ctx)
	if err != nil {
		return err
	}
	return a.showStatus(s, ready)
}

func (a *app) showStatus(s *adminapi.Status, ready bool) error {
	if a.json {
		if err := a.object(s); err != nil {
			return err
		}
	} else {
		sign := "✓"
		if len(s.Problems) > 0 {
			sign = "✗"
		}
		a.print("%s running since %s, pid %d, %s, on %s\n", a.mark(a.out, sign), a.ago(s.Since), s.PID, s.Version, strings.Join(s.Listen, ", "))
		if s.Config != "" {
			a.print("  configuration %s, loaded %s\n", s.Config, a.ago(s.Loaded))
		}
		rows := [][]string{{"SERVER", "URL", "UNDER WAY"}}
		for _, v := range s.Servers {
			rows = append(rows, []string{v.Name, v.URL, strconv.Itoa(v.UnderWay)})
		}
		if err := a.table(rows); err != nil {
			return err
		}
		if err := a.showIssuers(s.Issuers); err != nil {
			return err
		}
		for _, w := range s.Weakened {
			a.warn("%s", w)
		}
		for _, p := range s.Problems {
			a.print("%s %s\n", a.mark(a.out, "✗"), p)
		}
	}
	if n := len(s.Problems); n > 0 && (!ready || !s.Ready) {
		return &fault{exitFailure, "GH-2410", strconv.Itoa(n) + " of its problems need an operator."}
	}
	return nil
}

// showIssuers says of identity providers where their keys come from, and how they are.
func (a *app) showIssuers(all []adminapi.IssuerStatus) error {
	if len(all) == 0 {
		return nil
	}
	rows := [][]string{{"ISSUER", "KEYS FROM", "KEYS"}}
	for i := range all {
		u := &all[i]
		from := u.Keys
		if from == config.KeysDiscovery || from == u.Issuer {
			from = u.Issuer + " (not discovered yet)"
		}
		rows = append(rows, []string{u.Name, from, a.keysOf(u)})
	}
	return a.table(rows)
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/server"
)

func (a *app) config() *cobra.Command {
	return group("config", "Check, show and compare configuration files",
		"  gatehouse config validate            what is wrong with ./gatehouse.yaml\n"+
			"  gatehouse config expand              every setting, and where it came from\n"+
			"  gatehouse config diff                what the file would change in the running server\n",
		a.configValidate(), a.configSchema(), a.configExpand(), a.configDiff(), a.configFmt(), a.configReload())
}

// configFile makes ./gatehouse.yaml the file that is meant when none is named.
func (a *app) configFile() { a.file = orElse(a.file, defaultFile) }

func (a *app) configValidate() *cobra.Command {
	strict := false
	c := &cobra.Command{
		Use:   "validate [-c FILE]",
		Short: "Say everything that is wrong with a file",
		Long: "Read a file (default ./gatehouse.yaml) as the server would and say every mistake with its place. References are\n" +
			"followed, so run it where the server runs. It ends with 2 when there is a mistake, and with --strict with 1\n" +
			"when there is a warning.",
		Example:               "  gatehouse config validate\n  gatehouse config validate -c gatehouse.yaml --strict --json",
		Args:                  exactly(),
		DisableFlagsInUseLine: true,
		RunE:                  func(c *cobra.Command, _ []string) error { return a.validate(c.Context(), strict) },
	}
	c.Flags().BoolVar(&strict, "strict", false, "a warning fails too (exit 1)")
	return c
}

// finding is a mistake or a warning, for scripts.
type finding struct {
	File     string `json:"file"`
	Line     int    `json:"line"` // 0: nowhere in particular
	Column   int    `json:"column"`
	Severity string `json:"severity"` // error or warn
	Code     string `json:"code"`
	Path     string `json:"path"`
	Message  string `json:"message"`
}

// validated is the result of config validate, for scripts.
type validated struct {
	File     string    `json:"file"`
	Hash     string    `json:"hash,omitempty"` // when it can be served
	Errors   int       `json:"errors"`
	Warnings int       `json:"warnings"`
	Findings []finding `json:"findings"`
	Running  string    `json:"running,omitempty"` // hash of what the running server has
}

func (a *app) validate(ctx context.Context, strict bool) error {
	a.configFile()
	out := validated{File: a.file, Findings: []finding{}}
	c, err := a.load()
	var all config.Mistakes
	if err != nil && !errors.As(err, &all) {
		return err
	}
	if c != nil {
		if wrong := server.Check(c); !errors.As(wrong, &all) {
			all = a.otherFiles(c)
		}
		if out.Warnings = len(c.Warnings()); len(all) == 0 {
			out.Hash = c.Hash()
		}
		all = append(all, c.Warnings()...)
	}
	for _, m := range all {
		f := finding{File: m.File, Line: m.Line, Column: m.Col, Severity: "error", Code: m.Code, Path: m.Path, Message: m.Text}
		if m.Warning {
			f.Severity = "warn"
		}
		out.Findings = append(out.Findings, f)
	}
	out.Errors = len(all) - out.Warnings
	now := a.inForce(ctx)
	if now != nil {
		out.Running = now.Config
	}
	if err := a.showFindings(&out, all, now); err != nil {
		return err
	}
	switch {
	case out.Errors > 0:
		return &fault{exit: exitUsage} // all was said
	case strict && out.Warnings > 0:
		return &fault{exit: exitFailure}
	}
	return nil
}

// otherFiles says what is wrong with the files that a configuration names.
func (a *app) otherFiles(c *config.Config) (all config.Mistakes) {
	err := server.CheckFiles(c, a.now())
	errors.As(err, &all)
	if wrong, ok := errors.AsType[*adminapi.Error](err); ok {
		all = append(all, config.Mistake{File: a.file, Path: "server.tls", Code: wrong.Code, Text: strings.TrimSuffix(wrong.Message, ".")})
	}
	return all
}

func (a *app) showFindings(out *validated, all config.Mistakes, now *adminapi.Status) error {
	if a.json {
		return a.object(out)
	}
	for _, m := range all {
		severity := "error"
		if m.Warning {
			severity = "warn "
		}
		a.print("%s  %s %s  %s\n", orElse(m.Place(), a.file), severity, m.Code, m.Text)
	}
	if out.Errors == 0 {
		warnings := ""
		if out.Warnings > 0 {
			warnings = ", with " + count(out.Warnings, "warning", "warnings")
		}
		a.print("%s %s can be served (%s)%s\n", a.mark(a.out, "✓"), a.file, out.Hash, warnings)
		switch {
		case now == nil:
			a.say("  Next  gatehouse serve -c %s\n", quoted(a.file))
		case now.Config != out.Hash:
			a.say("  The running server has %s. What would change: gatehouse config diff%s\n", now.Config, a.place())
		}
		return nil
	}
	a.print("%s", count(out.Errors, "error", "errors"))
	if out.Warnings > 0 {
		a.print(", %s", count(out.Warnings, "warning", "warnings"))
	}
	a.print(".")
	if now != nil {
		a.print(" The running server keeps configuration %s (loaded %s).", now.Config, a.ago(now.Loaded))
	}
	a.print("\n")
	return nil
}

// running returns a way to the server that runs over the file's installation,
// or an error that says that there is none.
func (a *app) running(ctx context.Context) (*adminapi.Client, error) {
	state, err := a.stateDir()
	if err != nil {
		return nil, err
	}
	to, err := adminapi.Dial(ctx, state.Dir)
	if errors.Is(err, adminapi.ErrNotRunning) {
		return nil, &fault{exitNotFound, "GH-2401", "No server runs over the installation in " + state.Dir + ". Start it: gatehouse serve" + a.place()}
	}
	if err != nil {
		return nil, err
	}
	return &adminapi.Client{Transport: to, DryRun: a.dry}, nil
}

// inForce describes the server that runs over the file's installation; nil: none
// does, or it cannot be asked, which is no reason not to judge a file.
func (a *app) inForce(ctx context.Context) *adminapi.Status {
	ctx, stop := a.within(ctx, commandWait)
	defer stop()
	c, err := a.running(ctx)
	if err != nil {
		return nil
	}
	s, err := c.Status(ctx)
	if err != nil || s.Config == "" {
		return nil
	}
	return s
}

func (a *app) configSchema() *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of the file, for editors", Args: exactly(), DisableFlagsInUseLine: true,
		Long:    "Print the JSON Schema (2020-12) of the file. Editors with a YAML language server find it by the first line of a\nfile: # yaml-language-server: $schema=" + config.SchemaID,
		Example: "  gatehouse config schema > gatehouse.schema.json",
		RunE: func(*cobra.Command, []string) error {
			text, err := json.MarshalIndent(config.Schema(), "", "  ")
			if err != nil {
				return fmt.Errorf("write the schema: %w", err)
			}
			a.print("%s\n", text)
			return nil
		},
	}
}

func (a *app) configExpand() *cobra.Command {
	return &cobra.Command{
		Use: "expand [-c FILE]", Short: "Show every setting in force, and where it came from", Args: exactly(), DisableFlagsInUseLine: true,
		Long:    "Show every setting of a file (default ./gatehouse.yaml) with its defaults filled in and its references followed,\nand where each value came from. Secrets are masked.",
		Example: "  gatehouse config expand\n  gatehouse config expand --json | jq '.[] | select(.origin != \"default\")'",
		RunE: func(*cobra.Command, []string) error {
			a.configFile()
			c, err := a.load()
			if err != nil {
				return err
			}
			all := c.Settings()
			for i := range all {
				all[i].Digest = "" // it is for comparing only
			}
			if a.json {
				return a.object(all)
			}
			rows := [][]string{{"SETTING", "VALUE", "FROM"}}
			for _, s := range all {
				rows = append(rows, []string{s.Path, s.Text(), s.Origin})
			}
			return a.table(rows)
		},
	}
}

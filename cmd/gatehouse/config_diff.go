package main

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/server"
)

func (a *app) configDiff() *cobra.Command {
	return &cobra.Command{
		Use:   "diff [-c FILE] [OTHER]",
		Short: "Say what a file changes, setting by setting",
		Long: "Compare a file (default ./gatehouse.yaml) with what the running server has in force, or with another file. What\n" +
			"is compared is what is in force, so comments, order and defaults that are written out do not count. It ends\n" +
			"with 1 when something differs.",
		Example:               "  gatehouse config diff                     what a reload would change\n  gatehouse config diff -c new.yaml old.yaml",
		DisableFlagsInUseLine: true,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usage("%s takes one other file. See: %[1]s --help", c.CommandPath())
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			a.configFile()
			after, err := a.load()
			if err != nil {
				return err
			}
			before, err := a.other(c.Context(), args)
			if err != nil {
				return err
			}
			return a.showChanges(config.Diff(before, after.Settings()))
		},
	}
}

// other are the settings that a file is compared with.
func (a *app) other(ctx context.Context, args []string) ([]config.Setting, error) {
	if len(args) > 0 {
		c, err := a.loadFile(args[0])
		if err != nil {
			return nil, err
		}
		return c.Settings(), nil
	}
	ctx, stop := a.within(ctx, commandWait)
	defer stop()
	server, err := a.running(ctx)
	if err != nil {
		return nil, err
	}
	now, err := server.Configuration(ctx)
	if err != nil {
		return nil, err
	}
	var all []config.Setting
	for _, s := range now.Settings {
		all = append(all, config.Setting{Path: s.Path, Value: s.Value, Origin: s.Origin, Digest: s.Digest})
	}
	return all, nil
}

// change is a difference, for scripts.
type change struct {
	Sign string `json:"sign"` // "+", "-" or "~"
	Path string `json:"path"`
	Old  any    `json:"old"`
	New  any    `json:"new"`
}

func (a *app) showChanges(all []config.Change) error {
	if a.json {
		list := []change{}
		for _, c := range all {
			one := change{Sign: c.Sign, Path: c.Path}
			if c.Old != nil {
				one.Old = c.Old.Value
			}
			if c.New != nil {
				one.New = c.New.Value
			}
			list = append(list, one)
		}
		if err := a.object(list); err != nil {
			return err
		}
	} else {
		for _, c := range all {
			a.print("%s\n", c)
		}
	}
	if len(all) == 0 {
		a.done("no setting differs")
		return nil
	}
	return &fault{exit: exitFailure} // all was said
}

func (a *app) configReload() *cobra.Command {
	return &cobra.Command{
		Use:   "reload [-c FILE]",
		Short: "Have the running server read its file again, now",
		Long: "Have the server that runs over the installation of a file (default ./gatehouse.yaml) read its configuration\n" +
			"again. It does so by itself when the file changes; this waits for the result and says it. A file with a mistake\n" +
			"changes nothing. With --dry-run the server only judges the file; when none runs, it is judged here.",
		Example:               "  gatehouse config reload\n  gatehouse config reload -c /etc/gatehouse.yaml --json",
		Args:                  exactly(),
		DisableFlagsInUseLine: true,
		RunE:                  func(c *cobra.Command, _ []string) error { return a.reload(c.Context()) },
	}
}

func (a *app) reload(ctx context.Context) error {
	if a.file == "" && a.state == "" {
		a.configFile()
	}
	ctx, stop := a.within(ctx, commandWait)
	defer stop()
	server, err := a.running(ctx)
	var none *fault
	if a.dry && errors.As(err, &none) && none.exit == exitNotFound {
		return a.rehearseReload()
	}
	if err != nil {
		return err
	}
	result, err := server.ReloadConfiguration(ctx)
	var refused *adminapi.Error
	if errors.As(err, &refused) && strings.Contains(refused.Message, "\n") {
		for _, line := range strings.Split(refused.Message, "\n") {
			a.complain(refused.Code, line)
		}
		a.errorObject(refused.Code, refused.Message)
		return &fault{exit: exitOf(refused.Status)}
	}
	if err != nil {
		return err
	}
	if a.json {
		return a.object(result)
	}
	switch {
	case a.dry:
		a.done("%s could be put in force as %s", orElse(a.file, "the file"), result.After)
		return nil
	case !result.Changed:
		a.done("read again; nothing changed (%s)", result.After)
		return nil
	}
	a.done("reloaded: %s → %s", result.Before, result.After)
	return nil
}

// rehearseReload judges the file here; what a server would make of it only that
// server knows.
func (a *app) rehearseReload() error {
	a.configFile()
	c, err := a.load()
	if err == nil {
		err = server.Check(c)
	}
	if err == nil {
		err = server.CheckFiles(c, a.now())
	}
	if err != nil {
		return err
	}
	if a.json {
		return a.object(map[string]any{"after": c.Hash(), "dry_run": true})
	}
	a.done("%s could be put in force as %s", a.file, c.Hash())
	return nil
}

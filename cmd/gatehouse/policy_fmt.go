package main

import (
	"bytes"
	"errors"
	"path/filepath"
	"slices"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

func (a *app) policyFmt() *cobra.Command {
	write, differ := false, false
	c := &cobra.Command{
		Use:   "fmt [FILES] [--write | --diff] [-c FILE]",
		Short: "Bring files of rules into their usual order",
		Long: "Put the keys of files of rules into the order of the reference and indent them by two, as config fmt does with\n" +
			"the configuration. Without FILES these are the files that policy.files names. Comments stay with what they are\n" +
			"about. The result is read again and has to mean the same, or nothing is written.",
		Example:               "  gatehouse policy fmt --diff                what would change; ends with 1 if anything\n  gatehouse policy fmt --write\n  gatehouse policy fmt policy.d/crm.yaml",
		DisableFlagsInUseLine: true,
		ValidArgsFunction:     rulesFiles,
		RunE: func(_ *cobra.Command, args []string) error {
			a.configFile()
			if write && differ {
				return usage("--write and --diff are two different wishes; give one of them")
			}
			files := args
			if len(files) == 0 {
				var err error
				if files, err = a.ruleFiles(); err != nil {
					return err
				}
			}
			return a.formatRules(files, write, differ)
		},
	}
	c.Flags().BoolVar(&write, "write", false, "write them to the files")
	c.Flags().BoolVar(&differ, "diff", false, "show what would change, and end with 1 if anything would")
	return c
}

// rulesFiles offers files of YAML.
func rulesFiles(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
}

// ruleFiles are the files that policies name.
func (a *app) ruleFiles() ([]string, error) {
	c, err := a.load()
	if err != nil {
		return nil, err
	}
	var files []string
	for i := range c.Servers {
		p, _ := c.PolicyOf(&c.Servers[i])
		for _, name := range p.RuleFiles() {
			files = append(files, a.short(name))
		}
	}
	slices.Sort(files)
	if files = slices.Compact(files); len(files) == 0 {
		return nil, &fault{exitNotFound, "GH-2401", "There is no policy.files in " + a.file + ": its rules are in the file itself. Format it: gatehouse config fmt -c " + quoted(a.file)}
	}
	return files, nil
}

func (a *app) formatRules(files []string, write, differ bool) error {
	changed := []string{}
	for _, name := range files {
		before, err := a.readWhole(name)
		if err != nil {
			return err
		}
		after, err := config.FormatRules(name, before)
		if errors.As(err, new(config.Mistakes)) {
			return err
		}
		if err != nil {
			return usage("%v", err)
		}
		same := bytes.Equal(before, after)
		if !same {
			changed = append(changed, name)
		}
		switch {
		case differ && !same:
			a.print("%s", diff.Diff(name, before, filepath.Base(name)+" (in order)", after))
		case !write && !differ:
			a.print("%s", after)
		case write && !same && !a.dry:
			if err := replaceFile(name, after); err != nil {
				return err
			}
		}
		switch {
		case same && (write || differ):
			a.done("%s is in order", name)
		case write:
			a.done("%s was brought into order", name)
		}
	}
	if a.json && (write || differ) {
		if err := a.object(map[string]any{"files": files, "changed": changed, "dry_run": a.dry}); err != nil {
			return err
		}
	}
	if differ && len(changed) > 0 {
		return &fault{exit: exitFailure} // all was said
	}
	return nil
}

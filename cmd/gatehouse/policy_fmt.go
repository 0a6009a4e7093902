package main

import (
	"errors"
	"slices"

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
			"about. The result is read again and has to mean the same, or nothing is written. With --json the results are in\n" +
			"text, or in diff.",
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
	all := formattedFiles{Files: files, Changed: []string{}, Results: []formatted{}, DryRun: a.dry}
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
		one := a.formatted(name, before, after, write, differ)
		if one.Changed && write && !a.dry {
			if err := replaceFile(name, after); err != nil {
				return err
			}
		}
		if one.Changed {
			all.Changed = append(all.Changed, name)
		}
		all.Results = append(all.Results, one)
		a.showFormatted(&one, write, differ)
	}
	if a.json {
		if err := a.object(all); err != nil {
			return err
		}
	}
	if differ && len(all.Changed) > 0 {
		return &fault{exit: exitFailure} // all was said
	}
	return nil
}

// formattedFiles is what became of files of rules, for scripts.
type formattedFiles struct {
	Files   []string    `json:"files"`
	Changed []string    `json:"changed"`
	Results []formatted `json:"results"`
	DryRun  bool        `json:"dry_run"`
}

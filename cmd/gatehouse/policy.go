package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/policy"
	"github.com/gatehouse-mcp/gatehouse/internal/server"
)

func (a *app) policy() *cobra.Command {
	return group("policy", "Check, test and explain who may do what",
		"  gatehouse policy explain --tool delete_customer --scopes crm:read    why was this denied\n"+
			"  gatehouse policy matrix --tools 'delete_*'                           who can call these\n"+
			"  gatehouse policy test                                                run the test files\n"+
			"  gatehouse policy test --against audit.jsonl                          which past calls would be decided differently\n"+
			"  gatehouse policy lint                                                rules without effect\n",
		a.policyExplain(), a.policyMatrix(), a.policyTest(), a.policyLint(), a.policyFmt())
}

// ruled is a server, and the rules about it.
type ruled struct {
	*config.Upstream
	spec  policy.Spec
	index []int  // of the rules of spec, in the policy of the configuration
	at    string // path of that policy
	rules *policy.Rules
}

// ruledServers compiles the rules of the servers of a configuration, or of one.
func (a *app) ruledServers(c *config.Config, only string) ([]ruled, error) {
	if err := server.Check(c); err != nil {
		return nil, err
	}
	var all []ruled
	var names []string
	for i := range c.Servers {
		u := &c.Servers[i]
		names = append(names, u.Name)
		if only != "" && only != u.Name {
			continue
		}
		p, at := c.PolicyOf(u)
		spec, index := server.RulesSpec(c, p, u.Name)
		rules, err := policy.Build(spec)
		if err != nil {
			return nil, err
		}
		all = append(all, ruled{Upstream: u, spec: spec, index: index, at: at, rules: rules})
	}
	if len(all) == 0 {
		return nil, &fault{exitNotFound, "GH-2401", fmt.Sprintf("There is no server %q in %s. There are: %s.", only, a.file, strings.Join(names, ", "))}
	}
	return all, nil
}

// oneServer is ruledServers for a question that is about one.
func (a *app) oneServer(c *config.Config, name string) (*ruled, error) {
	all, err := a.ruledServers(c, name)
	if err != nil {
		return nil, err
	}
	if len(all) > 1 {
		var names []string
		for i := range all {
			names = append(names, all[i].Name)
		}
		return nil, usage("%s has several servers; say which one with --server: %s", a.file, strings.Join(names, ", "))
	}
	return &all[0], nil
}

// completeServers completes the names of servers of the file.
func (a *app) completeServers(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	a.configFile()
	c, err := a.load()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for i := range c.Servers {
		names = append(names, c.Servers[i].Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) policyLint() *cobra.Command {
	strict := false
	c := &cobra.Command{
		Use:   "lint [-c FILE]",
		Short: "Say which rules have no effect, or another than it seems",
		Long: "Look at the rules of a file (default ./gatehouse.yaml): rules that can never match, or never decide anything;\n" +
			"two of one name; conditions that never or always hold; scopes and tenants that nobody declared; paths and URIs\n" +
			"that are compared letter by letter. While a server runs over the installation, conditions are held against the\n" +
			"input schemas of its approved tools too. It ends with 1 when a warning says that more is allowed than it seems,\n" +
			"with --strict at any.",
		Example:               "  gatehouse policy lint\n  gatehouse policy lint --strict --json",
		Args:                  exactly(),
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a.configFile()
			c, err := a.load()
			if err != nil {
				return err
			}
			return a.lint(cmd.Context(), c, strict)
		},
	}
	c.Flags().BoolVar(&strict, "strict", false, "every warning fails (exit 1)")
	return c
}

// linted is the result of policy lint, for scripts.
type linted struct {
	File     string    `json:"file"`
	Rules    int       `json:"rules"`
	Warnings int       `json:"warnings"`
	Findings []finding `json:"findings"`
}

func (a *app) lint(ctx context.Context, c *config.Config, strict bool) error {
	all, err := a.advice(ctx, c)
	if err != nil {
		return err
	}
	out := linted{File: a.file, Warnings: len(all), Findings: []finding{}, Rules: c.CountRules()}
	weaker := 0
	for _, m := range all {
		out.Findings = append(out.Findings, finding{File: m.File, Line: m.Line, Column: m.Col, Severity: "warn", Code: m.Code, Path: m.Path, Message: m.Text})
		if m.Weakens {
			weaker++
		}
	}
	if a.json {
		if err := a.object(out); err != nil {
			return err
		}
	} else {
		for _, m := range all {
			a.print("%s  warn  %s  %s\n", orElse(m.Place(), a.file), m.Code, m.Text)
		}
		a.print("%s, %s\n", count(out.Rules, "rule", "rules"), count(len(all), "warning", "warnings"))
	}
	if weaker > 0 || strict && len(all) > 0 {
		return &fault{exit: exitFailure} // all was said
	}
	return nil
}

// advice is everything that lint says.
func (a *app) advice(ctx context.Context, c *config.Config) (all config.Mistakes, err error) {
	servers, err := a.ruledServers(c, "")
	if err != nil {
		return nil, err
	}
	add := func(m config.Mistake) {
		if !slices.ContainsFunc(all, func(o config.Mistake) bool { return o.Error() == m.Error() }) {
			all = append(all, m)
		}
	}
	for _, m := range c.Warnings() {
		if strings.HasPrefix(m.Path, "policy") || strings.Contains(m.Path, ".policy") {
			add(m)
		}
	}
	for i := range servers {
		for _, advice := range servers[i].rules.Lint() {
			path := fmt.Sprintf("%s.rules[%d].%s", servers[i].at, servers[i].index[advice.Rule], advice.Field)
			m := c.MistakeAt(path, errors.New(advice.Text))
			m.Code, m.Warning, m.Weakens = "GH-2010", true, advice.Weakens
			add(m)
		}
	}
	more, err := a.unfit(ctx, c, servers)
	for _, m := range more {
		add(m)
	}
	return all, err
}

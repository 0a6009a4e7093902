package main

import (
	"encoding/csv"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/policy"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

func (a *app) policyMatrix() *cobra.Command {
	f := struct {
		server, tools, prompts, resources string
		csv                               bool
	}{}
	c := &cobra.Command{
		Use:   "matrix [--tools PATTERN] [--server NAME] [--csv] [-c FILE]",
		Short: "Say who may call which tools",
		Long: "Make a table of the tools that rules name against what callers can have: each column is what one rule asks for,\n" +
			"and nothing more. A row with a * is of every tool of the pattern that has no row of its own. In it, yes is allowed\n" +
			"whatever the arguments are, if is allowed under a condition, and - is refused.",
		Example: "  gatehouse policy matrix\n  gatehouse policy matrix --tools 'delete_*'        who can call these\n  gatehouse policy matrix --csv > rights.csv",
		Args:    exactly(), DisableFlagsInUseLine: true,
		RunE: func(*cobra.Command, []string) error {
			a.configFile()
			c, err := a.load()
			if err != nil {
				return err
			}
			servers, err := a.ruledServers(c, f.server)
			if err != nil {
				return err
			}
			kind, pattern := policy.Tool, f.tools
			switch {
			case f.prompts != "" && f.resources+f.tools == "":
				kind, pattern = policy.Prompt, f.prompts
			case f.resources != "" && f.tools == "":
				kind, pattern = policy.Resource, f.resources
			case f.prompts+f.resources != "":
				return usage("one table is of tools, prompts or resources; give one of them")
			}
			var all []matrix
			for i := range servers {
				m, err := newMatrix(&servers[i], kind, orElse(pattern, "*"))
				if err != nil {
					return usage("%v", err)
				}
				all = append(all, *m)
			}
			return a.showMatrix(all, f.csv)
		},
	}
	s := c.Flags()
	s.StringVar(&f.tools, "tools", "", "only tools of this `PATTERN`")
	s.StringVar(&f.prompts, "prompts", "", "prompts of this `PATTERN` instead")
	s.StringVar(&f.resources, "resources", "", "resources of this `PATTERN` instead")
	s.StringVar(&f.server, "server", "", "only this server, by its `NAME`")
	s.BoolVar(&f.csv, "csv", false, "write comma-separated values")
	_ = c.RegisterFlagCompletionFunc("server", a.completeServers)
	return c
}

// matrix is who may call what of one server.
type matrix struct {
	Server  string      `json:"server"`
	Kind    string      `json:"kind"`
	Callers []string    `json:"callers"` // what a caller has, and nothing more
	Rows    []matrixRow `json:"rows"`
}

type matrixRow struct {
	Name  string   `json:"name"`  // or pattern, for all that have no row of their own
	Cells []string `json:"cells"` // yes, if or no, by caller
	Rules []string `json:"rules"` // that are about it, with their places
}

// holder is a caller who has what one rule asks for.
type holder struct {
	name string
	who  *policy.Asker
}

// newMatrix asks the rules of a server about everything that they name.
func newMatrix(r *ruled, kind policy.Kind, pattern string) (*matrix, error) {
	wanted, err := policy.Compile([]string{pattern})
	if err != nil {
		return nil, err
	}
	m := &matrix{Server: r.Name, Kind: kind.String(), Rows: []matrixRow{}}
	names := []string{pattern}
	holders := []holder{holderOf(&policy.Rule{}, r)}
	for i := range r.spec.Rules {
		rule := &r.spec.Rules[i]
		h := holderOf(rule, r)
		if !slices.ContainsFunc(holders, func(o holder) bool { return o.name == h.name }) {
			holders = append(holders, h)
		}
		for _, p := range [...][]string{policy.Tool: rule.Tools, policy.Prompt: rule.Prompts, policy.Resource: rule.Resources}[kind] {
			if wanted.Allows(p) { // a star stands for itself too
				names = append(names, p)
			}
		}
	}
	slices.Sort(names)
	used := make([]bool, len(holders))
	for _, name := range slices.Compact(names) {
		row := matrixRow{Name: name, Rules: []string{}}
		for i, h := range holders {
			d, known := r.rules.Replay(h.who, &policy.Operation{Kind: kind, Name: name}, policy.UnknownConditions)
			cell := "no"
			switch {
			case !known:
				cell = "if"
			case d.Allowed:
				cell = "yes"
			}
			used[i] = used[i] || i == 0 || cell != row.Cells[0]
			row.Cells = append(row.Cells, cell)
		}
		_, steps := r.rules.Explain(holders[0].who, &policy.Operation{Kind: kind, Name: name})
		for _, s := range steps {
			row.Rules = append(row.Rules, strings.TrimSpace(s.Rule+" "+s.Source))
		}
		m.Rows = append(m.Rows, row)
	}
	m.keep(holders, used)
	return m, nil
}

// keep drops the columns that say what the first says.
func (m *matrix) keep(holders []holder, used []bool) {
	for i, h := range holders {
		if used[i] {
			m.Callers = append(m.Callers, h.name)
		}
	}
	for i := range m.Rows {
		var cells []string
		for j, cell := range m.Rows[i].Cells {
			if used[j] {
				cells = append(cells, cell)
			}
		}
		m.Rows[i].Cells = cells
	}
}

// holderOf is a caller who has just what a rule asks for.
func holderOf(rule *policy.Rule, r *ruled) holder {
	q := &rule.Require
	id := &gatehouse.Identity{Subject: "somebody", Scopes: q.Scopes, Permissions: q.Permissions, Roles: q.Roles, Groups: q.Groups}
	if id.Scopes == nil {
		id.Scopes = []string{}
	}
	who := &policy.Asker{Identity: id, Tenant: tenant.Default, SignedIn: -1}
	var has []string
	add := func(what string, list []string) {
		if len(list) > 0 {
			has = append(has, what+" "+strings.Join(list, "+"))
		}
	}
	if len(rule.Tenants) > 0 {
		who.Tenant = rule.Tenants[0]
		has = append(has, "tenant "+strings.Join(rule.Tenants, "|"))
	}
	if len(rule.Keys) > 0 {
		who.Key, id.KeyID, id.Scopes = rule.Keys[0], "key", nil
		has = append(has, "key "+strings.Join(rule.Keys, "|"))
	}
	if len(rule.Clients) > 0 {
		id.Client = rule.Clients[0]
		has = append(has, "client "+strings.Join(rule.Clients, "|"))
	}
	if len(rule.Issuers) > 0 {
		id.Issuer = r.spec.Issuers[rule.Issuers[0]][0]
		has = append(has, "issuer "+strings.Join(rule.Issuers, "|"))
	}
	add("scope", q.Scopes)
	add("permission", q.Permissions)
	add("role", q.Roles)
	add("group", q.Groups)
	if q.MaxAuthAge > 0 {
		who.SignedIn = 0
		has = append(has, "signed in anew")
	}
	return holder{orElse(strings.Join(has, ", "), "anybody"), who}
}

func (a *app) showMatrix(all []matrix, asCSV bool) error {
	if a.json {
		return a.object(all)
	}
	for i, m := range all {
		rows := [][]string{append([]string{strings.ToUpper(m.Kind)}, m.Callers...)}
		for _, r := range m.Rows {
			cells := []string{r.Name}
			for _, c := range r.Cells {
				if c == "no" && !asCSV {
					c = "-"
				}
				cells = append(cells, c)
			}
			rows = append(rows, cells)
		}
		if asCSV {
			for j := range rows {
				rows[j] = append([]string{map[bool]string{true: "SERVER", false: m.Server}[j == 0]}, rows[j]...)
			}
			w := csv.NewWriter(a.out)
			if err := w.WriteAll(rows); err != nil {
				return fmt.Errorf("write the table: %w", err)
			}
			continue
		}
		if len(all) > 1 {
			if i > 0 {
				a.print("\n")
			}
			a.print("%s\n", m.Server)
		}
		if err := a.table(rows); err != nil {
			return err
		}
	}
	return nil
}

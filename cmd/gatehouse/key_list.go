package main

import (
	"context"

	"github.com/spf13/cobra"
)

func (a *app) keyList() *cobra.Command {
	var tenant string
	var all bool
	c := &cobra.Command{
		Use: "list", Short: "Show the keys: whose, what for, and when they were used last",
		Example: "  gatehouse key list --tenant acme\n  gatehouse key list --json\n", Args: exactly(), DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.with(c.Context(), false, func(ctx context.Context, d *door) error {
				list, err := d.Keys(ctx, tenant)
				if err != nil {
					return err
				}
				if a.json {
					return a.object(list)
				}
				rows := [][]string{{"ID", "NAME", "TENANT", "TOOLS", "CREATED", "EXPIRES", "LAST USED", "STATE"}}
				ended := 0
				for i := range list {
					k := &list[i]
					if !all && (k.State == "revoked" || k.State == "replaced") {
						ended++
						continue
					}
					rows = append(rows, []string{k.ID, k.Name, k.Tenant, tools(k.Tools), a.ago(k.Created), a.until(k.Expires), a.lastUsed(k), state(a, k) + bounds(k)})
				}
				if err := a.table(rows); err != nil {
					return err
				}
				if ended > 0 {
					a.say("%d revoked or replaced not shown; see them with --all\n", ended)
				}
				return nil
			})
		},
	}
	c.Flags().StringVar(&tenant, "tenant", "", "only this tenant's")
	c.Flags().BoolVar(&all, "all", false, "those that were revoked or replaced too (--json always has them)")
	_ = c.RegisterFlagCompletionFunc("tenant", func(c *cobra.Command, _ []string, s string) ([]string, cobra.ShellCompDirective) {
		return a.completeTenants(c, nil, s)
	})
	return c
}

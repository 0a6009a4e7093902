package main

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
)

func (a *app) tenant() *cobra.Command {
	return group("tenant", "Keep customers apart",
		"  gatehouse tenant create acme\n  gatehouse key create --tenant acme --name ci\n  gatehouse tenant suspend acme\n",
		a.tenantCreate(), a.tenantList(), a.tenantShow(), a.tenantSuspend(), a.tenantResume(), a.tenantLink(), a.tenantUnlink(), a.tenantDelete())
}

func (a *app) tenantList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "Show the tenants", Example: "  gatehouse tenant list\n", Args: exactly(), DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.with(c.Context(), false, func(ctx context.Context, d *door) error {
				list, err := d.Tenants(ctx)
				if err != nil {
					return err
				}
				if a.json {
					return a.object(list)
				}
				rows := [][]string{{"NAME", "STATE", "KEYS", "CREATED", "ID"}}
				for _, t := range list {
					rows = append(rows, []string{t.Name, t.State, strconv.Itoa(t.Keys), a.ago(t.Created), t.ID})
				}
				return a.table(rows)
			})
		},
	}
}

func (a *app) tenantShow() *cobra.Command {
	return a.onTenant("show", "Show one tenant", func(ctx context.Context, d *door, name string) (*adminapi.Tenant, error) {
		return d.Tenant(ctx, name)
	}, func(t *adminapi.Tenant) error {
		rows := [][]string{
			{"name", t.Name},
			{"id", t.ID},
			{"state", t.State},
			{"keys", strconv.Itoa(t.Keys)},
			{"created", moment(t.Created)},
			{"changed", moment(t.Changed)},
		}
		for _, e := range t.ExternalIDs {
			rows = append(rows, []string{"external id", orElse(e.IssuerName, e.Issuer) + "=" + e.Value})
		}
		return a.table(rows)
	})
}

// onTenant is a command about one tenant.
func (a *app) onTenant(use, short string, do func(context.Context, *door, string) (*adminapi.Tenant, error), show func(*adminapi.Tenant) error) *cobra.Command {
	c := &cobra.Command{
		Use: use + " NAME", Short: short, Example: "  gatehouse tenant " + use + " acme\n",
		Args: exactly("the name of a tenant"), DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, args []string) error {
			return a.with(c.Context(), use == "create", func(ctx context.Context, d *door) error {
				t, err := do(ctx, d, args[0])
				if err != nil {
					return err
				}
				if a.json {
					return a.object(t)
				}
				return show(t)
			})
		},
	}
	if use != "create" {
		c.ValidArgsFunction = a.completeTenants
	}
	return c
}

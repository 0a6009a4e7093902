package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
)

func (a *app) tenantLink() *cobra.Command {
	return a.relink("link", "Say what an issuer of tokens calls a tenant, at once",
		"Say that callers whose token carries VALUE as their tenant, and is of ISSUER, are this tenant's. The value says nothing\n"+
			"of another issuer's callers: two issuers with equal values do not meet in a tenant by accident.",
		func(ctx context.Context, d *door, name string, e adminapi.ExternalID) (*adminapi.Tenant, error) {
			return d.LinkTenant(ctx, name, e)
		}, func(t *adminapi.Tenant, e adminapi.ExternalID) {
			a.done("callers of %s with %q are tenant %s from now on. Undo: gatehouse tenant unlink%s %[3]s --external-id %[1]s=%s", e.Issuer, e.Value, t.Name, a.place(), quoted(e.Value))
		})
}

func (a *app) tenantUnlink() *cobra.Command {
	return a.relink("unlink", "Take back what an issuer of tokens calls a tenant, at once",
		"Whoever came by it is let in no longer, and what they have open ends.",
		func(ctx context.Context, d *door, name string, e adminapi.ExternalID) (*adminapi.Tenant, error) {
			return d.UnlinkTenant(ctx, name, e)
		}, func(t *adminapi.Tenant, e adminapi.ExternalID) {
			a.done("callers of %s with %q are not tenant %s any more. Undo: gatehouse tenant link%s %[3]s --external-id %[1]s=%s", e.Issuer, e.Value, t.Name, a.place(), quoted(e.Value))
		})
}

// relink is a command about one external id.
func (a *app) relink(use, short, long string, do func(context.Context, *door, string, adminapi.ExternalID) (*adminapi.Tenant, error), show func(*adminapi.Tenant, adminapi.ExternalID)) *cobra.Command {
	var id string
	c := &cobra.Command{
		Use: use + " NAME", Short: short, Long: long,
		Example: "  gatehouse tenant " + use + " acme --external-id auth0=org_9ybsU1dN2dKfDkBi\n",
		Args:    exactly("the name of a tenant"), ValidArgsFunction: a.completeTenants, DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, args []string) error {
			if id == "" {
				return usage("%s needs --external-id ISSUER=VALUE. See: %[1]s --help", c.CommandPath())
			}
			e, err := externalID(id)
			if err != nil {
				return err
			}
			return a.with(c.Context(), false, func(ctx context.Context, d *door) error {
				t, err := do(ctx, d, args[0], e)
				if err != nil {
					return err
				}
				if a.json {
					return a.object(t)
				}
				show(t, e)
				return nil
			})
		},
	}
	c.Flags().StringVar(&id, "external-id", "", "`ISSUER=VALUE`: the issuer's name or iss, and what its claim says")
	_ = c.RegisterFlagCompletionFunc("external-id", a.completeExternal)
	return c
}

// externalID reads ISSUER=VALUE. No iss has a '=' in it; a value may.
func externalID(text string) (adminapi.ExternalID, error) {
	issuer, value, ok := strings.Cut(text, "=")
	if !ok || issuer == "" || value == "" {
		return adminapi.ExternalID{}, usage("--external-id %.80q is not ISSUER=VALUE, such as auth0=org_9ybsU1dN2dKfDkBi", text)
	}
	return adminapi.ExternalID{Issuer: issuer, Value: value}, nil
}

// completeExternal offers the names of issuers, to which the value is added.
func (a *app) completeExternal(c *cobra.Command, args []string, text string) ([]string, cobra.ShellCompDirective) {
	names, directive := a.completeIssuers(c, args, text)
	for i, n := range names {
		name, what, _ := strings.Cut(n, "\t")
		names[i] = name + "=\t" + what
	}
	return names, directive | cobra.ShellCompDirectiveNoSpace
}

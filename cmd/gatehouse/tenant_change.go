package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
)

func (a *app) tenantCreate() *cobra.Command {
	var external []string
	c := a.onTenant("create", "Add a tenant", func(ctx context.Context, d *door, name string) (*adminapi.Tenant, error) {
		ids := make([]adminapi.ExternalID, len(external))
		for i, text := range external {
			id, err := externalID(text)
			if err != nil {
				return nil, err
			}
			ids[i] = id
		}
		return d.CreateTenant(ctx, name, ids...)
	}, func(t *adminapi.Tenant) error {
		if len(t.ExternalIDs) > 0 {
			a.done("tenant %s created; callers with %s are its own. Look: gatehouse tenant show%s %[1]s", t.Name, count(len(t.ExternalIDs), "external id", "external ids"), a.place())
			return nil
		}
		a.done("tenant %s created. Next: gatehouse key create%s --tenant %s --name NAME", t.Name, a.place(), t.Name)
		return nil
	})
	c.Example += "  gatehouse tenant create acme --external-id auth0=org_9ybsU1dN2dKfDkBi\n"
	c.Flags().StringArrayVar(&external, "external-id", nil, "`ISSUER=VALUE`: what an issuer of tokens calls it, by the issuer's name or iss; may be repeated")
	_ = c.RegisterFlagCompletionFunc("external-id", a.completeExternal)
	return c
}

func (a *app) tenantSuspend() *cobra.Command {
	return a.onTenant("suspend", "Refuse all keys and tokens of a tenant, at once, until it is resumed", func(ctx context.Context, d *door, name string) (*adminapi.Tenant, error) {
		return d.SuspendTenant(ctx, name)
	}, func(t *adminapi.Tenant) error {
		a.done("tenant %s suspended; its %s and all its tokens are refused from now on. Undo: gatehouse tenant resume%s %s", t.Name, count(t.Keys, "key", "keys"), a.place(), t.Name)
		return nil
	})
}

func (a *app) tenantResume() *cobra.Command {
	return a.onTenant("resume", "Take back a suspension", func(ctx context.Context, d *door, name string) (*adminapi.Tenant, error) {
		return d.ResumeTenant(ctx, name)
	}, func(t *adminapi.Tenant) error {
		a.done("tenant %s resumed; its %s and all its tokens are accepted again", t.Name, count(t.Keys, "key", "keys"))
		return nil
	})
}

func (a *app) tenantDelete() *cobra.Command {
	c := a.onTenant("delete", "End a tenant, revoke its keys and refuse its tokens, for good", func(ctx context.Context, d *door, name string) (*adminapi.Tenant, error) {
		return d.DeleteTenant(ctx, name)
	}, func(t *adminapi.Tenant) error {
		a.done("tenant %s deleted, %s revoked", t.Name, count(t.Keys, "key", "keys"))
		return nil
	})
	remove := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error {
		var t *adminapi.Tenant
		err := a.with(c.Context(), false, func(ctx context.Context, d *door) (err error) {
			t, err = d.Tenant(ctx, args[0])
			return err
		})
		if err != nil {
			return err
		}
		if err := a.confirm(c.Context(), fmt.Sprintf("Delete tenant %s and revoke its %s, for good?", t.Name, count(t.Keys, "key", "keys")), t.Name); err != nil {
			return err
		}
		return remove(c, args)
	}
	return c
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

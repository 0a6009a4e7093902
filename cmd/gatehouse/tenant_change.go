package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
)

func (a *app) tenantCreate() *cobra.Command {
	return a.onTenant("create", "Add a tenant", func(ctx context.Context, d *door, name string) (*adminapi.Tenant, error) {
		return d.CreateTenant(ctx, name)
	}, func(t *adminapi.Tenant) error {
		a.done("tenant %s created. Next: gatehouse key create%s --tenant %s --name NAME", t.Name, a.place(), t.Name)
		return nil
	})
}

func (a *app) tenantSuspend() *cobra.Command {
	return a.onTenant("suspend", "Refuse all keys of a tenant, at once, until it is resumed", func(ctx context.Context, d *door, name string) (*adminapi.Tenant, error) {
		return d.SuspendTenant(ctx, name)
	}, func(t *adminapi.Tenant) error {
		a.done("tenant %s suspended; its %s refused from now on. Undo: gatehouse tenant resume%s %s", t.Name, count(t.Keys, "key is", "keys are"), a.place(), t.Name)
		return nil
	})
}

func (a *app) tenantResume() *cobra.Command {
	return a.onTenant("resume", "Take back a suspension", func(ctx context.Context, d *door, name string) (*adminapi.Tenant, error) {
		return d.ResumeTenant(ctx, name)
	}, func(t *adminapi.Tenant) error {
		a.done("tenant %s resumed; its %s accepted again", t.Name, count(t.Keys, "key is", "keys are"))
		return nil
	})
}

func (a *app) tenantDelete() *cobra.Command {
	c := a.onTenant("delete", "End a tenant and revoke its keys, for good", func(ctx context.Context, d *door, name string) (*adminapi.Tenant, error) {
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

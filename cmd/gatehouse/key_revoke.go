package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
)

func (a *app) keyRevoke() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: "revoke ID", Short: "End a key for good, at once",
		Example: "  gatehouse key revoke 7Qm2Vx9KtB4c --reason \"laptop lost\"\n  gatehouse key revoke 7Qm2Vx9KtB4c --yes\n",
		Args:    keyID, ValidArgsFunction: a.completeKeys, DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, args []string) error {
			var k *adminapi.Key
			err := a.with(c.Context(), false, func(ctx context.Context, d *door) (err error) {
				k, err = d.Key(ctx, args[0])
				return err
			})
			if err != nil {
				return err
			}
			if k.State != "revoked" { // else there is nothing to be sure of
				used := "Never used"
				if k.LastUsed != nil {
					used = "Last used " + a.ago(*k.LastUsed)
				}
				if err := a.confirm(c.Context(), fmt.Sprintf("Revoke %q (tenant %s)? %s.", k.Name, k.Tenant, used), k.Name); err != nil {
					return err
				}
			}
			return a.with(c.Context(), false, func(ctx context.Context, d *door) (err error) {
				began := a.now()
				if k, err = d.RevokeKey(ctx, k.ID, adminapi.Revoke{Reason: reason}); err != nil {
					return err
				}
				if a.json {
					return a.object(k)
				}
				a.done("key %s %q revoked in %d ms", k.ID, k.Name, a.now().Sub(began).Milliseconds())
				return nil
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why, for those who ask later")
	return c
}

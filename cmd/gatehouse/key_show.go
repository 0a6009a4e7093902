package main

import (
	"context"

	"github.com/spf13/cobra"
)

func (a *app) keyShow() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show one key", Example: "  gatehouse key show 7Qm2Vx9KtB4c\n",
		Args: keyID, ValidArgsFunction: a.completeKeys, DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, args []string) error {
			return a.with(c.Context(), false, func(ctx context.Context, d *door) error {
				k, err := d.Key(ctx, args[0])
				if err != nil {
					return err
				}
				if a.json {
					return a.object(k)
				}
				return a.printKey(k)
			})
		},
	}
}

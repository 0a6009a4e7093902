package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
)

func (a *app) keyRotate() *cobra.Command {
	var overlap, out string
	var cancel bool
	c := &cobra.Command{
		Use: "rotate ID", Short: "Make a key's successor; the old one works on for a while",
		Example: "  gatehouse key rotate 7Qm2Vx9KtB4c --overlap 24h\n  gatehouse key rotate 7Qm2Vx9KtB4c --cancel\n",
		Args:    keyID, ValidArgsFunction: a.completeKeys, DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, args []string) error {
			if cancel {
				if overlap != "" || out != "" {
					return usage("--cancel makes no key; give neither --overlap nor --out beside it")
				}
				return a.cancelRotation(c.Context(), args[0])
			}
			var next *adminapi.Key
			err := a.mint(c.Context(), out, false, func(ctx context.Context, d *door) (k *adminapi.Key, err error) {
				next, err = d.RotateKey(ctx, args[0], adminapi.Rotate{Overlap: overlap})
				return next, err
			})
			if err != nil || a.json || a.dry || next.RetireAt == nil {
				return err
			}
			if !next.RetireAt.After(a.now()) { // which cannot be undone
				a.say("  Old   key %s is refused from now on, with GH-1012\n", args[0])
				return nil
			}
			a.say("  Old   key %s keeps working until %s; then GH-1012. Undo: gatehouse key rotate --cancel %s%s\n", args[0], moment(*next.RetireAt), args[0], a.place())
			return nil
		},
	}
	c.Flags().StringVar(&overlap, "overlap", "", "how `LONG` the old key keeps working: 24h, 7d, 0s (default 24h, unless configured otherwise)")
	c.Flags().BoolVar(&cancel, "cancel", false, "undo a rotation: the new key is revoked, the old one stays")
	outFlag(c, &out)
	return c
}

func (a *app) cancelRotation(ctx context.Context, id string) error {
	return a.with(ctx, false, func(ctx context.Context, d *door) error {
		k, err := d.CancelRotation(ctx, id)
		if err != nil {
			return err
		}
		if a.json {
			return a.object(k)
		}
		a.done("key %s %q stays; its successor is revoked", k.ID, k.Name)
		return nil
	})
}

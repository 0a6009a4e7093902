package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
)

func (a *app) clientRotateSecret() *cobra.Command {
	var in adminapi.RotateSecret
	var cancel bool
	c := &cobra.Command{
		Use: "rotate-secret ID", Short: "Give a client a new secret; the old one works on for a while",
		Long: "Give a client of gatehouse client create a new secret, which is shown once. The old one works on for an overlap, so\n" +
			"that the client can be changed over without a gap. A secret that somebody has got hold of: --overlap 0s.",
		Example: "  gatehouse client rotate-secret ci --overlap 24h\n  gatehouse client rotate-secret ci --cancel\n",
		Args:    exactly("the id of a client"), ValidArgsFunction: a.completeClients, DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, args []string) error {
			in.ID = args[0]
			if cancel && in.Overlap != "" {
				return usage("--cancel makes no secret; give no --overlap beside it")
			}
			return a.with(c.Context(), false, func(ctx context.Context, d *door) error {
				if cancel {
					return a.cancelSecret(ctx, d, in.ID)
				}
				return a.rotateSecret(ctx, d, in)
			})
		},
	}
	c.Flags().StringVar(&in.Overlap, "overlap", "", "how `LONG` the old secret keeps working: 24h, 7d, 0s (default 24h)")
	c.Flags().BoolVar(&cancel, "cancel", false, "undo a rotation: the new secret is refused, the old one stays")
	return c
}

func (a *app) rotateSecret(ctx context.Context, d *door, in adminapi.RotateSecret) error {
	one, err := d.RotateOAuthSecret(ctx, in)
	if err != nil {
		return err
	}
	if a.json {
		return a.object(one)
	}
	if one.Secret != "" {
		a.print("client_id=%s\nclient_secret=%s\n", one.ID, one.Secret)
	}
	if one.FormerUntil == nil { // which cannot be undone
		a.done("client %s has a new secret, shown once; the old one is refused from now on", called(one))
		return nil
	}
	a.done("client %s has a new secret, shown once; the old one works until %s. Undo: gatehouse client rotate-secret --cancel%s %s",
		called(one), moment(*one.FormerUntil), a.place(), quoted(one.ID))
	return nil
}

func (a *app) cancelSecret(ctx context.Context, d *door, id string) error {
	one, err := d.CancelOAuthSecret(ctx, id)
	if err != nil {
		return err
	}
	if a.json {
		return a.object(one)
	}
	a.done("client %s keeps its old secret; the new one is refused", called(one))
	return nil
}

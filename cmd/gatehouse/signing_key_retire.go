package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) signingKeyRetire() *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use: "retire KID", Short: "Take a signing key away, at once and for good",
		Long: "Take a signing key away, at once and for good: its private half is destroyed, and it is published no longer. What it\n" +
			"signed is refused as soon as a server behind looks at the published keys again, 5 minutes later at most; restart\nthose that must not wait. If it signs, the next key does so from now on.",
		Example: "  gatehouse signing-key retire K3JQ7ZP2XW5A\n  gatehouse signing-key retire --all                 when the key that they are sealed under is lost\n",
		Args: func(c *cobra.Command, args []string) error {
			if all {
				return exactly()(c, args)
			}
			return exactly("the kid of a signing key")(c, args)
		},
		ValidArgsFunction: a.completeSigningKeys, DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, args []string) error {
			if all {
				return a.abandonSigningKeys(c.Context())
			}
			return a.retireSigningKey(c.Context(), args[0])
		},
	}
	c.Flags().BoolVar(&all, "all", false, "all of them, when the key that they are sealed under is lost; the next start makes others")
	return c
}

func (a *app) retireSigningKey(ctx context.Context, kid string) error {
	state := ""
	err := a.with(ctx, false, func(ctx context.Context, d *door) error {
		list, err := d.SigningKeys(ctx)
		for i := range list {
			if list[i].ID == kid {
				state = list[i].State
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	if state != "" && state != "retired" { // else there is nothing to be sure of
		if err := a.confirm(ctx, fmt.Sprintf("Retire signing key %s (%s)? What it signed is refused from then on.", kid, state), kid); err != nil {
			return err
		}
	}
	return a.with(ctx, false, func(ctx context.Context, d *door) error {
		out, err := d.RetireSigningKey(ctx, kid)
		switch {
		case err != nil:
			return err
		case a.json:
			return a.object(out)
		case out.Signs == nil:
			a.done("signing key %s is retired", kid)
		default:
			a.done("signing key %s is retired; %s signs from now on", kid, orElse(out.Signs.ID, "a new one"))
		}
		return nil
	})
}

func (a *app) abandonSigningKeys(ctx context.Context) error {
	if err := a.confirm(ctx, "Retire all signing keys? Only if the key that they are sealed under is lost for good.", "all"); err != nil {
		return err
	}
	return a.with(ctx, false, func(ctx context.Context, d *door) error {
		list, err := d.AbandonSigningKeys(ctx)
		if err != nil {
			return err
		}
		if a.json {
			return a.object(list)
		}
		a.done("%s retired; the next start that signs makes another, and another key to seal it under", count(len(list), "signing key is", "signing keys are"))
		return nil
	})
}

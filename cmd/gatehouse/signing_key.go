package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
)

func (a *app) signingKey() *cobra.Command {
	return group("signing-key", "Look after the keys that Gatehouse signs with",
		"  gatehouse signing-key list\n  gatehouse signing-key rotate\n  gatehouse signing-key retire K3JQ7ZP2XW5A\n",
		a.signingKeyList(), a.signingKeyRotate(), a.signingKeyRetire())
}

// completeSigningKeys offers the ids of keys that are published.
func (a *app) completeSigningKeys(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return a.completeOne(c, args, func(ctx context.Context, d *door) (out []string, err error) {
		list, err := d.SigningKeys(ctx)
		for i := range list {
			if list[i].State != "retired" {
				out = append(out, list[i].ID+"\t"+list[i].State)
			}
		}
		return out, err
	})
}

func (a *app) signingKeyList() *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use: "list", Short: "Show the signing keys and when they change", Example: "  gatehouse signing-key list\n  gatehouse signing-key list --json\n",
		Args: exactly(), DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.with(c.Context(), false, func(ctx context.Context, d *door) error {
				list, err := d.SigningKeys(ctx)
				if err != nil {
					return err
				}
				if a.json {
					return a.object(list)
				}
				return a.showSigningKeys(list, all)
			})
		},
	}
	c.Flags().BoolVar(&all, "all", false, "those that are retired too (--json always has them)")
	return c
}

func (a *app) showSigningKeys(list []adminapi.SigningKey, all bool) error {
	rows := [][]string{{"KID", "ALG", "STATE", "PUBLISHED", "SIGNS", "UNTIL", "GONE"}}
	retired := 0
	for i := range list {
		k := &list[i]
		if k.State == "retired" && !all {
			retired++
			continue
		}
		until, gone := "-", "-"
		if k.Stops != nil {
			until = a.until(k.Stops)
		}
		if k.Gone != nil {
			gone = a.until(k.Gone)
		}
		rows = append(rows, []string{k.ID, k.Alg, k.State, a.ago(k.Created), a.until(&k.Signs), until, gone})
	}
	if err := a.table(rows); err != nil {
		return err
	}
	switch {
	case len(list) == 0:
		a.say("None yet: the first is made when a server is to be told who calls it (forward: {identity: jwt})\n")
	case retired > 0:
		a.say("%d retired not shown; see them with --all\n", retired)
	}
	return nil
}

func (a *app) signingKeyRotate() *cobra.Command {
	var now bool
	c := &cobra.Command{
		Use: "rotate", Short: "Publish the next signing key, which signs a day later",
		Long:    "Publish the next signing key. It signs once every server behind has had the time to learn of it, and the old one is\npublished until nothing that it signed is on its way; all of that by itself. It is done every 30 days anyway.",
		Example: "  gatehouse signing-key rotate\n  gatehouse signing-key rotate --now\n", Args: exactly(), DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.with(c.Context(), false, func(ctx context.Context, d *door) error {
				k, err := d.RotateSigningKey(ctx, adminapi.RotateSigning{Now: now})
				if err != nil {
					return err
				}
				if a.json {
					return a.object(k)
				}
				name := orElse(k.ID, "to be made")
				if k.State == "current" {
					a.done("signing key %s signs from now on", name)
					a.say("  Note  a server behind that keeps keys without looking again refuses what it signs, for 5 minutes at most\n")
				} else {
					a.done("signing key %s is published, and signs %s", name, a.until(&k.Signs))
				}
				if !a.dry && k.State != "current" {
					a.say("  Next  nothing to do. At once: gatehouse signing-key rotate%s --now; undo: gatehouse signing-key retire%[1]s %s\n", a.place(), k.ID)
				}
				return nil
			})
		},
	}
	c.Flags().BoolVar(&now, "now", false, "have it sign at once, as when the old one is no longer trusted")
	return c
}

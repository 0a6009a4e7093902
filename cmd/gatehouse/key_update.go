package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
)

func (a *app) keyUpdate() *cobra.Command {
	var r rights
	var name string
	c := &cobra.Command{
		Use: "update ID", Short: "Change what a key may do, at once",
		Example: "  gatehouse key update 7Qm2Vx9KtB4c --tools 'get_*' --expires 30d\n  gatehouse key update 7Qm2Vx9KtB4c --ip ''          from anywhere again\n" +
			"  gatehouse key update 7Qm2Vx9KtB4c --limit 60/min --certificate off\n",
		Args: keyID, ValidArgsFunction: a.completeKeys, DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, args []string) error {
			changed := c.Flags().Changed
			var in adminapi.KeyChange
			if changed("name") {
				in.Name = &name
			}
			if changed("tools") {
				in.Tools = &r.tools
			}
			if changed("ip") {
				in.Networks = &r.networks
			}
			if changed("note") {
				in.Note = &r.note
			}
			if changed("expires") {
				in.Expires = &r.expires
			}
			if changed("limit") {
				in.Limit = &r.limit
			}
			if changed("certificate") {
				p, err := a.thumbprint(r.certificate)
				if err != nil {
					return err
				}
				in.Certificate = &p
			}
			if in == (adminapi.KeyChange{}) {
				return usage("Nothing to change was named. See: gatehouse key update --help")
			}
			return a.with(c.Context(), false, func(ctx context.Context, d *door) error {
				k, err := d.UpdateKey(ctx, args[0], in)
				if err != nil {
					return err
				}
				if a.json {
					return a.object(k)
				}
				a.done("key %s %q: %s tools, expires %s; in effect now", k.ID, k.Name, tools(k.Tools), a.until(k.Expires))
				return nil
			})
		},
	}
	c.Flags().StringVar(&name, "name", "", "what the key is called")
	r.flags(c, "")
	return c
}

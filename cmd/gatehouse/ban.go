package main

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
)

func (a *app) ban() *cobra.Command {
	return group("ban", "Keep addresses out, and let them in again",
		"  gatehouse ban list\n  gatehouse ban remove 198.51.100.7\n  gatehouse ban add 203.0.113.0/24 --for 7d --reason scanner\n",
		a.banList(), a.banAdd(), a.banRemove())
}

func (a *app) banList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "Show who is kept out, since when and why",
		Long: "Show the addresses from which too many credentials were refused, and those that were banned by hand.\n" +
			"Bans live in the running server; a restart forgets them.",
		Example: "  gatehouse ban list\n  gatehouse ban list --json\n", Args: exactly(), DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.with(c.Context(), false, func(ctx context.Context, d *door) error {
				list, err := d.Bans(ctx)
				if err != nil {
					return err
				}
				if a.json {
					return a.object(list)
				}
				rows := [][]string{{"ADDRESS", "SINCE", "ENDS", "ATTEMPTS", "LAST", "REASON"}}
				for i := range list {
					b := &list[i]
					rows = append(rows, []string{
						b.Address, a.ago(b.Since), a.until(&b.Until), strconv.Itoa(b.Attempts),
						orElse(b.Code, "-"), reasonOf(b),
					})
				}
				if err := a.table(rows); err != nil {
					return err
				}
				if len(list) > 0 {
					a.say("let one in again: gatehouse ban remove%s %s\n", a.place(), list[0].Address)
				}
				return nil
			})
		},
	}
}

// reasonOf says why somebody is kept out.
func reasonOf(b *adminapi.Ban) string {
	if b.Reason == "" && b.Attempts > 0 {
		return "too many refused credentials"
	}
	return orElse(b.Reason, "-")
}

func (a *app) banAdd() *cobra.Command {
	var in adminapi.NewBan
	c := &cobra.Command{
		Use: "add ADDRESS", Short: "Keep an address or a network out, at once",
		Long: "Keep an address or a network out for some time. An IPv6 address stands for its /64, as anybody has many of\n" +
			"those. A ban ends with the server: what should stay out for good belongs in a firewall.",
		Example: "  gatehouse ban add 198.51.100.7\n  gatehouse ban add 203.0.113.0/24 --for 7d --reason scanner\n",
		Args:    exactly("an address or a network"), DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, args []string) error {
			if in.For == "" && c.Flags().Changed("for") {
				return usage("--for is empty. Leave it out for 1h")
			}
			in.Address = args[0]
			return a.with(c.Context(), false, func(ctx context.Context, d *door) error {
				b, err := d.AddBan(ctx, in)
				if err != nil {
					return err
				}
				if a.json {
					return a.object(b)
				}
				a.done("%s is kept out until %s. Let it in again: gatehouse ban remove%s %[1]s", b.Address, moment(b.Until), a.place())
				return nil
			})
		},
	}
	c.Flags().StringVar(&in.For, "for", "", "for how `LONG`: 30m, 12h, 7d (default 1h)")
	c.Flags().StringVar(&in.Reason, "reason", "", "why, for those who ask later")
	return c
}

func (a *app) banRemove() *cobra.Command {
	return &cobra.Command{
		Use: "remove ADDRESS", Short: "Let an address or a network in again, at once",
		Example: "  gatehouse ban remove 198.51.100.7\n  gatehouse ban remove 2001:db8:0:1::/64\n",
		Args:    exactly("a banned address or network"), ValidArgsFunction: a.completeBans, DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, args []string) error {
			return a.with(c.Context(), false, func(ctx context.Context, d *door) error {
				b, err := d.LiftBan(ctx, adminapi.LiftBan{Address: args[0]})
				if err != nil {
					return err
				}
				if a.json {
					return a.object(b)
				}
				a.done("%s may come again. Keep it out: gatehouse ban add%s %[1]s", b.Address, a.place())
				return nil
			})
		},
	}
}

// completeBans offers who is banned.
func (a *app) completeBans(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return a.completeOne(c, args, func(ctx context.Context, d *door) (out []string, err error) {
		list, err := d.Bans(ctx)
		for i := range list {
			out = append(out, list[i].Address+"\t"+reasonOf(&list[i]))
		}
		return out, err
	})
}

package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
)

func (a *app) grant() *cobra.Command {
	return group("grant", "Look at what people allowed OAuth clients, and end it",
		"  gatehouse grant list\n  gatehouse grant revoke 7Qm2Vx9KtB4c\n  gatehouse grant revoke --subject usr_k3n5 --reason \"lost laptop\"\n",
		a.grantList(), a.grantRevoke())
}

func (a *app) grantList() *cobra.Command {
	var f adminapi.GrantFilter
	c := &cobra.Command{
		Use: "list", Short: "Show what people allowed, the latest first",
		Long: "Show what people allowed at our own authorization server: which client may do what in whose name, and for how long.\n" +
			"What is over is shown with --all, for a month.",
		Example: "  gatehouse grant list\n  gatehouse grant list --subject usr_k3n5 --all\n  gatehouse grant list --client https://claude.ai/oauth/claude-code-client-metadata --json\n",
		Args:    exactly(), DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.with(c.Context(), false, func(ctx context.Context, d *door) error {
				list, err := d.Grants(ctx, f)
				if err != nil {
					return err
				}
				if a.json {
					return a.object(list)
				}
				return a.showGrants(list)
			})
		},
	}
	c.Flags().StringVar(&f.Subject, "subject", "", "only of the user with this `ID`, such as usr_k3n5")
	c.Flags().StringVar(&f.Client, "client", "", "only of the client with this `ID`")
	c.Flags().StringVar(&f.Tenant, "tenant", "", "only of this tenant, by `NAME`")
	c.Flags().BoolVar(&f.All, "all", false, "those that are over too")
	c.Flags().IntVar(&f.Limit, "limit", 100, "at most so many, up to 10000")
	_ = c.RegisterFlagCompletionFunc("client", a.completeClients)
	_ = c.RegisterFlagCompletionFunc("tenant", a.completeTenants)
	return c
}

func (a *app) showGrants(list []adminapi.Grant) error {
	rows := [][]string{{"ID", "STATE", "USER", "CLIENT", "SCOPES", "RESOURCE", "USED", "ENDS"}}
	for i := range list {
		g := &list[i]
		used, ends := "never", "-"
		if g.LastUsed != nil {
			used = a.ago(*g.LastUsed)
		}
		switch {
		case g.Revoked != nil:
			ends = "revoked by " + printableText(g.By)
		case g.Idle != nil && (g.Expires == nil || g.Idle.Before(*g.Expires)):
			ends = a.until(g.Idle)
		case g.Expires != nil:
			ends = a.until(g.Expires)
		}
		rows = append(rows, []string{g.ID, g.State, g.Subject, fmt.Sprintf("%.60s", g.Client), orElse(strings.Join(g.Scopes, " "), "-"), g.Resource, used, ends})
	}
	if err := a.table(rows); err != nil {
		return err
	}
	if len(list) > 0 {
		a.say("end one: gatehouse grant revoke%s %s\n", a.place(), list[0].ID)
	}
	return nil
}

func (a *app) grantRevoke() *cobra.Command {
	var in adminapi.RevokeGrants
	c := &cobra.Command{
		Use: "revoke [ID]", Short: "End a grant, or all of a user or a client, at once and for good",
		Long: "End a grant: its refresh token is worth nothing, and its access tokens are refused within a second. Who is asked\n" +
			"again may allow it again. With --subject or --client every grant of theirs ends.",
		Example: "  gatehouse grant revoke 7Qm2Vx9KtB4c --reason \"lost laptop\"\n  gatehouse grant revoke --subject usr_k3n5\n" +
			"  gatehouse grant revoke --subject usr_k3n5 --client cursor\n",
		Args: cobra.MaximumNArgs(1), ValidArgsFunction: a.completeGrants, DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, args []string) error {
			many := in.Subject != "" || in.Client != ""
			if (len(args) == 1) == many {
				return usage("name one grant, or --subject, --client or both: gatehouse grant list")
			}
			question := fmt.Sprintf("End every grant of %s?", whose(&in))
			if len(args) == 1 {
				in.ID = args[0]
				question = fmt.Sprintf("End grant %.40s?", in.ID)
			}
			if err := a.confirm(c.Context(), question, "revoke"); err != nil {
				return err
			}
			return a.with(c.Context(), false, func(ctx context.Context, d *door) error {
				out, err := d.RevokeGrants(ctx, in)
				if err != nil {
					return err
				}
				if a.json {
					return a.object(out)
				}
				a.sayRevoked(&in, out)
				return nil
			})
		},
	}
	f := c.Flags()
	f.StringVar(&in.Subject, "subject", "", "every grant of the user with this `ID`")
	f.StringVar(&in.Client, "client", "", "every grant of the client with this `ID`")
	f.StringVar(&in.Tenant, "tenant", "", "only of this tenant, by `NAME`")
	f.StringVar(&in.Reason, "reason", "", "why, for those who ask later")
	_ = c.RegisterFlagCompletionFunc("client", a.completeClients)
	_ = c.RegisterFlagCompletionFunc("tenant", a.completeTenants)
	return c
}

// whose says in words what several grants have in common.
func whose(in *adminapi.RevokeGrants) string {
	var parts []string
	if in.Subject != "" {
		parts = append(parts, fmt.Sprintf("user %.80s", in.Subject))
	}
	if in.Client != "" {
		parts = append(parts, fmt.Sprintf("client %.80s", in.Client))
	}
	return strings.Join(parts, " with ")
}

func (a *app) sayRevoked(in *adminapi.RevokeGrants, out *adminapi.RevokedGrants) {
	switch g := out.Grant; {
	case g != nil:
		a.done("grant %s of user %s for client %.80s ended; it cannot be taken back", g.ID, g.Subject, g.Client)
	case out.Count == 1:
		a.done("1 grant of %s ended; it cannot be taken back", whose(in))
	default:
		a.done("%d grants of %s ended; they cannot be taken back", out.Count, whose(in))
	}
}

// completeGrants offers the latest grants.
func (a *app) completeGrants(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return a.completeOne(c, args, func(ctx context.Context, d *door) (out []string, err error) {
		list, err := d.Grants(ctx, adminapi.GrantFilter{Limit: 50})
		for i := range list {
			out = append(out, fmt.Sprintf("%s\t%s for %.60s", list[i].ID, list[i].Subject, list[i].Client))
		}
		return out, err
	})
}

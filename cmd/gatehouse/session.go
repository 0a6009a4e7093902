package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
)

func (a *app) session() *cobra.Command {
	return group("session", "Look at the browsers in which people are signed in, and sign them out",
		"  gatehouse session list\n  gatehouse session list --user ada\n  gatehouse session revoke ses_7Q3MUBAV2Y6BIVGPGTOLW2GYGL\n",
		a.sessionList(), a.sessionRevoke())
}

func (a *app) sessionList() *cobra.Command {
	var user string
	c := &cobra.Command{
		Use: "list", Short: "Show where people are signed in, the latest first",
		Example: "  gatehouse session list\n  gatehouse session list --user ada --json\n", Args: exactly(), DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.with(c.Context(), false, func(ctx context.Context, d *door) error {
				list, err := d.Sessions(ctx, user)
				if err != nil {
					return err
				}
				if a.json {
					return a.object(list)
				}
				rows := [][]string{{"USER", "SIGNED IN", "BY", "SEEN", "ADDRESS", "BROWSER", "ID"}}
				for i := range list {
					s := &list[i]
					rows = append(rows, []string{
						orElse(s.Username, s.User), a.ago(s.SignedIn), signedInBy(s), a.ago(s.LastSeen), orElse(s.Address, "-"), shortAgent(s.Agent), s.ID,
					})
				}
				return a.table(rows)
			})
		},
	}
	c.Flags().StringVar(&user, "user", "", "only of this user, by `NAME` or id")
	_ = c.RegisterFlagCompletionFunc("user", func(c *cobra.Command, _ []string, s string) ([]string, cobra.ShellCompDirective) {
		return a.completeUsers(c, nil, s)
	})
	return c
}

// signedInBy says by what somebody signed in.
func signedInBy(s *adminapi.Session) string {
	how := orElse(s.Provider, "an account here")
	if len(s.Methods) > 0 {
		how += " (" + printableText(strings.Join(s.Methods, " ")) + ")"
	}
	return how
}

// shortAgent is what a browser calls itself, as far as a table has room.
func shortAgent(text string) string {
	const most = 40
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most-1]) + "…"
	}
	return orElse(printableText(text), "-")
}

func (a *app) sessionRevoke() *cobra.Command {
	return &cobra.Command{
		Use: "revoke ID", Short: "Sign somebody out in one browser, at once",
		Long:    "Sign somebody out in one browser. What they allowed apps to do stays: gatehouse user revoke-all ends that too.",
		Example: "  gatehouse session revoke ses_7Q3MUBAV2Y6BIVGPGTOLW2GYGL\n",
		Args:    exactly("the id of a session"), ValidArgsFunction: a.completeSessions, DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, args []string) error {
			return a.with(c.Context(), false, func(ctx context.Context, d *door) error {
				s, err := d.EndSession(ctx, args[0])
				if err != nil {
					return err
				}
				if a.json {
					return a.object(s)
				}
				a.done("session %s of user %s ended. End everything of theirs: gatehouse user revoke-all%s %s", s.ID, s.User, a.place(), s.User)
				return nil
			})
		},
	}
}

// completeSessions offers the sessions there are.
func (a *app) completeSessions(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return a.completeOne(c, args, func(ctx context.Context, d *door) (out []string, err error) {
		list, err := d.Sessions(ctx, "")
		for i := range list {
			out = append(out, list[i].ID+"\t"+orElse(list[i].Username, list[i].User)+", "+a.ago(list[i].SignedIn))
		}
		return out, err
	})
}

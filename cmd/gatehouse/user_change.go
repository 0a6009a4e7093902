package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
)

func (a *app) userUpdate() *cobra.Command {
	var name, email string
	var groups, roles []string
	c := &cobra.Command{
		Use: "update NAME", Short: "Change a user's groups, roles, name or address",
		Long: "Change what rules look at, and what people see. Groups and roles given here stand beside those that a provider gives. They\n" +
			"are in every access token from now on; one that a user has already keeps what it says for its ten minutes at most.",
		Example: "  gatehouse user update ada --groups staff,editors\n  gatehouse user update ada --roles ''          no roles any more\n",
		Args:    exactly("the name or id of a user"), ValidArgsFunction: a.completeUsers, DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, args []string) error {
			var in adminapi.UserChange
			for flag, set := range map[string]func(){
				"name": func() { in.Name = &name }, "email": func() { in.Email = &email }, "groups": func() { in.Groups = &groups }, "roles": func() { in.Roles = &roles },
			} {
				if c.Flags().Changed(flag) {
					set()
				}
			}
			if in == (adminapi.UserChange{}) {
				return usage("Nothing to change was named. See: gatehouse user update --help")
			}
			return a.with(c.Context(), false, func(ctx context.Context, d *door) error {
				u, err := d.UpdateUser(ctx, args[0], in)
				if err != nil {
					return err
				}
				if a.json {
					return a.object(u)
				}
				a.done("user %s: groups %s, roles %s; in effect with their next access token, within ten minutes. At once, by connecting anew: gatehouse user revoke-all%s %s",
					handle(u), orElse(printableText(strings.Join(u.Groups, " ")), "none"), orElse(printableText(strings.Join(u.Roles, " ")), "none"), a.place(), handle(u))
				return nil
			})
		},
	}
	f := c.Flags()
	f.StringVar(&name, "name", "", "what people call them")
	f.StringVar(&email, "email", "", "their address, for which you vouch; '' takes it away")
	f.StringSliceVar(&groups, "groups", nil, "all groups that they are given here, with commas between; '' for none")
	f.StringSliceVar(&roles, "roles", nil, "all roles that they are given here, with commas between; '' for none")
	return c
}

func (a *app) userDelete() *cobra.Command {
	c := a.onUser("delete", "Delete a user, and end everything that they have, at once and for good", "left the company",
		func(ctx context.Context, d *door, user, reason string) (*adminapi.User, error) {
			return d.DeleteUser(ctx, user, adminapi.EndUser{Reason: reason})
		}, func(u *adminapi.User) error {
			a.done("user %s deleted, for good%s", handle(u), endedText(u))
			if len(u.Identities) > 0 {
				a.say("  A provider may still vouch for them: then they are somebody new, without what was given here. To keep somebody out: gatehouse user disable\n")
			}
			return nil
		})
	c.Long = "Delete a user: what they sign in with, by which providers they are known, what they allowed, and what they have open. The\n" +
		"audit trail keeps what it says of them. Somebody who is to stay out is better disabled."
	remove := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := a.confirm(c.Context(), fmt.Sprintf("Delete user %.80s and everything of theirs, for good?", args[0]), args[0]); err != nil {
			return err
		}
		return remove(c, args)
	}
	return c
}

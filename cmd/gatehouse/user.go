package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
)

func (a *app) user() *cobra.Command {
	return group("user", "Look after the people who sign in by our own authorization server",
		"  gatehouse user create ada --email ada@acme.example\n  gatehouse user invite ada\n  gatehouse user list\n  gatehouse user disable ada\n",
		a.userCreate(), a.userInvite(), a.userList(), a.userShow(), a.userUpdate(), a.userDisable(), a.userEnable(),
		a.userRevokeAll(), a.userDelete())
}

func (a *app) userList() *cobra.Command {
	var f adminapi.UserFilter
	c := &cobra.Command{
		Use: "list", Short: "Show the users, those of accounts here and those whom providers know",
		Example: "  gatehouse user list\n  gatehouse user list --tenant acme --json\n", Args: exactly(), DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.with(c.Context(), false, func(ctx context.Context, d *door) error {
				list, err := d.Users(ctx, f)
				if err != nil {
					return err
				}
				if a.json {
					return a.object(list)
				}
				rows := [][]string{{"NAME", "STATE", "TENANT", "EMAIL", "SIGNS IN BY", "SEEN", "ID"}}
				for i := range list {
					u := &list[i]
					seen := "never"
					if u.LastSeen != nil {
						seen = a.ago(*u.LastSeen)
					}
					rows = append(rows, []string{printableText(orElse(u.Username, u.Name)), u.State, u.Tenant, orElse(u.Email, "-"), ways(u), seen, u.ID})
				}
				if err := a.table(rows); err != nil {
					return err
				}
				if len(list) == f.Limit {
					a.say("there may be more: --after %s\n", list[len(list)-1].ID)
				}
				return nil
			})
		},
	}
	c.Flags().StringVar(&f.Tenant, "tenant", "", "only of this tenant, by `NAME`")
	c.Flags().StringVar(&f.After, "after", "", "go on after the user with this `ID`")
	c.Flags().IntVar(&f.Limit, "limit", 100, "at most so many, up to 10000")
	_ = c.RegisterFlagCompletionFunc("tenant", a.completeTenants)
	return c
}

// ways says by what a user signs in.
func ways(u *adminapi.User) string {
	var all []string
	if u.Username != "" {
		all = append(all, "an account here")
	}
	for i := range u.Identities {
		all = append(all, u.Identities[i].Provider)
	}
	return orElse(strings.Join(all, ", "), "-")
}

func (a *app) userShow() *cobra.Command {
	return a.onUser("show", "Show one user", "", func(ctx context.Context, d *door, user, _ string) (*adminapi.User, error) {
		return d.User(ctx, user)
	}, a.showUser)
}

func (a *app) showUser(u *adminapi.User) error {
	rows := [][]string{{"name", printableText(u.Name)}, {"id", u.ID}, {"state", u.State}, {"tenant", u.Tenant}}
	add := func(name, value string) {
		if value != "" {
			rows = append(rows, []string{name, value})
		}
	}
	add("username", u.Username)
	add("email", u.Email)
	add("groups", printableText(strings.Join(u.Groups, " ")))
	add("roles", printableText(strings.Join(u.Roles, " ")))
	for i := range u.Identities {
		one := &u.Identities[i]
		add("identity", printableText(fmt.Sprintf("%s: %s at %s, last used %s", one.Provider, one.Subject, one.Issuer, a.ago(one.LastUsed))))
	}
	if m := u.Means; m != nil && u.Username != "" {
		add("password", yes(m.Password))
		add("authenticator", yes(m.Authenticator))
		add("recovery codes", strconv.Itoa(m.RecoveryCodes))
		for _, p := range m.Passkeys {
			used := "never"
			if p.LastUsed != nil {
				used = a.ago(*p.LastUsed)
			}
			add("passkey", printableText(fmt.Sprintf("%s, used %s", p.Name, used)))
		}
	}
	if u.Sessions != nil {
		add("sessions", strconv.Itoa(*u.Sessions))
	}
	add("created", moment(u.Created))
	seen := "never"
	if u.LastSeen != nil {
		seen = a.ago(*u.LastSeen)
	}
	add("seen", seen)
	return a.table(rows)
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func (a *app) userDisable() *cobra.Command {
	return a.onUser("disable", "Keep a user out, and end their sessions, grants and tokens, at once", "laptop stolen",
		func(ctx context.Context, d *door, user, reason string) (*adminapi.User, error) {
			return d.DisableUser(ctx, user, adminapi.EndUser{Reason: reason})
		}, func(u *adminapi.User) error {
			a.done("user %s disabled%s. Undo: gatehouse user enable%s %s", handle(u), endedText(u), a.place(), handle(u))
			return nil
		})
}

func (a *app) userEnable() *cobra.Command {
	return a.onUser("enable", "Let a user sign in again; what was ended stays ended", "", func(ctx context.Context, d *door, user, _ string) (*adminapi.User, error) {
		return d.EnableUser(ctx, user)
	}, func(u *adminapi.User) error {
		a.done("user %s may sign in again", handle(u))
		return nil
	})
}

func (a *app) userRevokeAll() *cobra.Command {
	return a.onUser("revoke-all", "End a user's sessions, grants and tokens, at once; they may sign in again", "phone lost",
		func(ctx context.Context, d *door, user, reason string) (*adminapi.User, error) {
			return d.RevokeUser(ctx, user, adminapi.EndUser{Reason: reason})
		}, func(u *adminapi.User) error {
			a.done("user %s is signed out everywhere%s. Their apps have to be connected anew", handle(u), endedText(u))
			return nil
		})
}

// handle is what commands call a user.
func handle(u *adminapi.User) string { return orElse(u.Username, u.ID) }

func endedText(u *adminapi.User) string {
	if u.Ended == nil {
		return ""
	}
	return fmt.Sprintf("; %s, %s and all access tokens ended", count(u.Ended.Sessions, "session", "sessions"), count(u.Ended.Grants, "grant", "grants"))
}

// onUser is a command about one user. why is an example of a reason; empty: it takes none.
func (a *app) onUser(use, short, why string, do func(ctx context.Context, d *door, user, reason string) (*adminapi.User, error), show func(*adminapi.User) error) *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: use + " NAME", Short: short, Example: "  gatehouse user " + use + " ada\n",
		Args: exactly("the name or id of a user"), ValidArgsFunction: a.completeUsers, DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, args []string) error {
			return a.with(c.Context(), false, func(ctx context.Context, d *door) error {
				u, err := do(ctx, d, args[0], reason)
				if err != nil {
					return err
				}
				if a.json {
					return a.object(u)
				}
				return show(u)
			})
		},
	}
	if why != "" {
		c.Example = "  gatehouse user " + use + " ada --reason \"" + why + "\"\n"
		c.Flags().StringVar(&reason, "reason", "", "why, for those who ask later")
	}
	return c
}

// completeUsers offers the names of users.
func (a *app) completeUsers(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return a.completeOne(c, args, func(ctx context.Context, d *door) (out []string, err error) {
		list, err := d.Users(ctx, adminapi.UserFilter{Limit: 200})
		for i := range list {
			out = append(out, handle(&list[i])+"\t"+printableText(orElse(list[i].Email, list[i].Name)))
		}
		return out, err
	})
}

package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
)

// maxPasswordLine is how much of standard input may be a password.
const maxPasswordLine = 4 << 10

func (a *app) userCreate() *cobra.Command {
	var in adminapi.NewUser
	var stdin bool
	c := &cobra.Command{
		Use: "create NAME", Short: "Add a user with an account here",
		Long: "Add a user with an account here. Without a password they are to be invited: then they choose a passkey, or a password\n" +
			"and an authenticator app. With --password-stdin they can sign in at once, and set up an authenticator when they do.",
		Example: "  gatehouse user create ada --email ada@acme.example\n  gatehouse user create bob --tenant acme --groups staff,notes-editors\n" +
			"  gatehouse user create ci --password-stdin --json < password.txt\n",
		Args: exactly("a name to sign in with"), DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, args []string) error {
			in.Username = args[0]
			if stdin {
				var err error
				if in.Password, err = a.readPassword(); err != nil {
					return err
				}
			}
			return a.with(c.Context(), true, func(ctx context.Context, d *door) error {
				u, err := d.CreateUser(ctx, in)
				if err != nil {
					return err
				}
				if a.json {
					return a.object(u)
				}
				if u.ID != "" {
					a.print("%s\n", u.ID)
				}
				next := "Next: gatehouse user invite" + a.place() + " " + u.Username
				if in.Password != "" {
					next = "They can sign in now, and are asked to set up an authenticator app"
				}
				a.done("user %s created, tenant %s. %s", u.Username, u.Tenant, next)
				return nil
			})
		},
	}
	f := c.Flags()
	f.BoolVar(&stdin, "password-stdin", false, "read their password from standard input, to the end of its first line")
	f.StringVar(&in.Name, "name", "", "what people call them (default NAME)")
	f.StringVar(&in.Email, "email", "", "their address, for which you vouch: by it an identity of a provider may be linked to the account")
	f.StringVar(&in.Tenant, "tenant", "", "where they belong, by `NAME` (default \"default\")")
	f.StringSliceVar(&in.Groups, "groups", nil, "groups for rules, with commas between")
	f.StringSliceVar(&in.Roles, "roles", nil, "roles for rules, with commas between")
	_ = c.RegisterFlagCompletionFunc("tenant", func(c *cobra.Command, _ []string, s string) ([]string, cobra.ShellCompDirective) {
		return a.completeTenants(c, nil, s)
	})
	return c
}

// readPassword reads a line from standard input, without what ends it.
func (a *app) readPassword() (string, error) {
	raw, err := io.ReadAll(io.LimitReader(a.in, maxPasswordLine))
	if err != nil {
		return "", fmt.Errorf("read standard input: %w", err)
	}
	line, _, _ := strings.Cut(string(raw), "\n")
	line = strings.TrimSuffix(line, "\r")
	if line == "" {
		return "", usage("--password-stdin found no password: standard input begins with an empty line")
	}
	return line, nil
}

func (a *app) userInvite() *cobra.Command {
	var in adminapi.Invite
	c := &cobra.Command{
		Use: "invite NAME", Short: "Make a link with which a user sets up how they sign in, once",
		Long: "Make a link with which a user sets up a passkey, or a password and an authenticator app: once, within 72 hours, and in place\n" +
			"of links made before. Whoever has the link is the user: send it where nobody else reads.",
		Example: "  gatehouse user invite ada\n  gatehouse user invite ada --reset   # she has lost everything, perhaps to somebody\n",
		Args:    exactly("the name of a user"), ValidArgsFunction: a.completeUsers, DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, args []string) error {
			if in.Reset {
				if err := a.confirm(c.Context(), fmt.Sprintf("Take away the password, passkeys and recovery codes of %s, and sign them out?", args[0]), args[0]); err != nil {
					return err
				}
			}
			return a.with(c.Context(), false, func(ctx context.Context, d *door) error {
				i, err := d.InviteUser(ctx, args[0], in)
				if err != nil {
					return err
				}
				if a.json {
					return a.object(i)
				}
				if i.Link != "" {
					a.print("%s\n", i.Link)
				}
				a.done("invitation of %s, shown once, good once until %s. Undo: gatehouse user invite%s %s   (it replaces this one)", i.Username, moment(i.Expires), a.place(), i.Username)
				return nil
			})
		},
	}
	c.Flags().BoolVar(&in.Reset, "reset", false, "take away what they sign in with now")
	return c
}

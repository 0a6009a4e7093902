package main

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/internal/keychain"
	"github.com/gatehouse-mcp/gatehouse/internal/signin"
)

// account is the sign-in at a server, and the keychain that it is in.
func (a *app) account(ctx context.Context, server string, o *reach) (*signin.Client, *keychain.Store, error) {
	store, err := a.openKeychain(ctx, o)
	if err != nil {
		return nil, nil, err
	}
	s, err := a.signIn(ctx, server, o, store, a.logger(a.err, a.level(slog.LevelWarn)))
	if err != nil {
		return nil, nil, err
	}
	return s, store, nil
}

func (a *app) bridgeLogin() *cobra.Command {
	var o reach
	c := &cobra.Command{
		Use:   "login URL",
		Short: "Sign in to a protected server",
		Long: "Sign in to a protected server, or sign in anew, so that the bridge to it finds it done. With --dry-run nothing is opened\n" +
			"and nothing asked.",
		Example: "  gatehouse bridge login https://mcp.example.com/mcp\n" +
			"  gatehouse bridge login https://mcp.example.com/mcp --grant device     on a machine without a browser\n",
		Args: exactly("the server's URL"), DisableFlagsInUseLine: true, ValidArgsFunction: a.completeURLs,
		RunE: func(c *cobra.Command, args []string) error {
			ctx, stop := a.within(c.Context(), signInTime)
			defer stop()
			s, store, err := a.account(ctx, args[0], &o)
			if err != nil {
				return err
			}
			if a.dry {
				a.done("would sign in to %s, and keep it in %s", args[0], store.Where())
				return nil
			}
			if _, err := s.Login(ctx); err != nil {
				return accessFault(err)
			}
			accounts, err := signin.Accounts(ctx, store)
			if err != nil {
				return accessFault(err)
			}
			for _, one := range accounts {
				if one.Server == args[0] && a.json {
					return a.object(one)
				}
			}
			a.done("signed in to %s. It is kept in %s", args[0], store.Where())
			a.say("  Next  gatehouse bridge %s      as the command of an MCP client\n  Undo  gatehouse bridge logout %s\n", args[0], args[0])
			return nil
		},
	}
	o.flags(c.Flags())
	o.complete(c)
	return c
}

func (a *app) bridgeLogout() *cobra.Command {
	var o reach
	c := &cobra.Command{
		Use:   "logout URL",
		Short: "Forget a sign-in, and revoke what it got",
		Long: "Forget the sign-in at a server, and the client that registered itself for it. What it got is revoked at the authorization\n" +
			"server, where that is possible. It ends with 4 when nobody has signed in.",
		Example: "  gatehouse bridge logout https://mcp.example.com/mcp\n",
		Args:    exactly("the server's URL"), DisableFlagsInUseLine: true, ValidArgsFunction: a.completeSignedIn,
		RunE: func(c *cobra.Command, args []string) error {
			ctx, stop := a.within(c.Context(), signInTime)
			defer stop()
			s, _, err := a.account(ctx, args[0], &o)
			if err != nil {
				return err
			}
			if a.dry {
				a.done("would sign out of %s", args[0])
				return nil
			}
			was, revoked, err := s.Logout(ctx)
			switch {
			case err != nil:
				return accessFault(err)
			case !was:
				return &fault{exitNotFound, "GH-2401", "Nobody has signed in to " + printableText(args[0]) + ". See: gatehouse bridge status"}
			case a.json:
				return a.object(map[string]any{"server": args[0], "revoked": revoked})
			case revoked:
				a.done("signed out of %s. What it got is revoked there", args[0])
			default:
				a.done("signed out of %s", args[0])
				a.warn("the authorization server did not revoke what it gave: it ends by itself")
			}
			return nil
		},
	}
	c.Flags().StringVar(&o.grant, "grant", string(signin.Code), "`HOW` it was signed in")
	c.Flags().StringVar(&o.clientID, "client-id", "", "`ID` of the client that was registered by hand")
	c.Flags().StringVar(&o.secretFrom, "client-secret-from", "", "its secret, from a `SOURCE`")
	o.keychainFlag(c.Flags())
	return c
}

func (a *app) bridgeStatus() *cobra.Command {
	var o reach
	c := &cobra.Command{
		Use: "status", Short: "Show where somebody has signed in", Example: "  gatehouse bridge status\n  gatehouse bridge status --json\n",
		Args: exactly(), DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, _ []string) error {
			store, err := a.openKeychain(c.Context(), &o)
			if err != nil {
				return err
			}
			accounts, err := signin.Accounts(c.Context(), store)
			if err != nil {
				return accessFault(err)
			}
			if a.json {
				return a.object(accounts)
			}
			rows := [][]string{{"SERVER", "AUTHORIZATION SERVER", "HOW", "SCOPES", "SIGNED IN", "TOKEN"}}
			for _, one := range accounts {
				token := "–"
				switch {
				case one.Renewing:
					token = "renewed"
				case !one.Expires.IsZero():
					token = "ends " + a.until(&one.Expires)
				}
				if one.Bound {
					token += ", bound to a key"
				}
				rows = append(rows, []string{
					printableText(one.Server), printableText(one.Issuer), string(one.Grant), printableText(orElse(strings.Join(one.Scopes, " "), "–")), a.ago(one.SignedIn), token,
				})
			}
			if len(accounts) == 0 {
				a.done("nobody has signed in. A sign-in would be kept in %s", store.Where())
				a.say("  Next  gatehouse bridge login URL\n")
				a.sayElsewhere(store)
				return nil
			}
			if err := a.table(rows); err != nil {
				return err
			}
			a.say("  Kept in %s\n", store.Where())
			a.sayElsewhere(store)
			return nil
		},
	}
	o.keychainFlag(c.Flags())
	return c
}

// completeSignedIn offers the servers where somebody has signed in, as far as that is
// known without the system's keyring: it may ask to be unlocked, and not answer, and
// whoever presses Tab has asked for neither.
func (a *app) completeSignedIn(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	state, err := a.stateDir()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx := c.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, stop := context.WithTimeout(ctx, time.Second)
	defer stop()
	o := a.keychainOptions(state.Dir, &reach{keychain: "auto", look: true})
	o.Ring = keychain.None{}
	var all []string
	if store, err := keychain.Open(ctx, o); err == nil {
		accounts, _ := signin.Accounts(ctx, store)
		for _, one := range accounts {
			all = append(all, one.Server)
		}
	}
	slices.Sort(all)
	return slices.Compact(all), cobra.ShellCompDirectiveNoFileComp
}

// sayElsewhere says where else something is kept: what is missed may be there.
func (a *app) sayElsewhere(store *keychain.Store) {
	for _, p := range store.Elsewhere() {
		a.say("  Something is kept in %s too: %s\n", p.Where, p.How)
	}
}

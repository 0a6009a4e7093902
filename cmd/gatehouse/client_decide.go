package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
)

// onClient is a command that decides upon a client.
func (a *app) onClient(use, short, long string, do func(context.Context, *door, adminapi.OAuthClientID) (*adminapi.OAuthClient, error), said func(*adminapi.OAuthClient)) *cobra.Command {
	var in adminapi.OAuthClientID
	c := &cobra.Command{
		Use: use + " ID", Short: short, Long: long,
		Example: "  gatehouse client " + use + " https://app.example/oauth/client.json --reason \"asked for by the sales team\"\n",
		Args:    exactly("the id of a client"), ValidArgsFunction: a.completeClients, DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, args []string) error {
			in.ID = args[0]
			return a.with(c.Context(), false, func(ctx context.Context, d *door) error {
				one, err := do(ctx, d, in)
				if err != nil {
					return err
				}
				if a.json {
					return a.object(one)
				}
				said(one)
				return nil
			})
		},
	}
	c.Flags().StringVar(&in.Reason, "reason", "", "why, for those who ask later")
	return c
}

func (a *app) clientApprove() *cobra.Command {
	return a.onClient("approve", "Vouch for a client, or take a block back, at once",
		"Vouch for a client: people are not warned of it any more, and one that waits or whose domain is not trusted may ask\n"+
			"them. A client can be approved before anybody has come with it. One that changes what it is called or where it\n"+
			"redirects to, by its registration, has to be approved anew.",
		func(ctx context.Context, d *door, in adminapi.OAuthClientID) (*adminapi.OAuthClient, error) {
			return d.ApproveOAuthClient(ctx, in)
		}, func(c *adminapi.OAuthClient) {
			a.done("client %s approved. Undo: gatehouse client block%s %s", called(c), a.place(), quoted(c.ID))
		})
}

func (a *app) clientBlock() *cobra.Command {
	return a.onClient("block", "Keep a client out, and end whatever it was allowed, at once",
		"Keep a client out: nobody can sign in with it, and the tokens that it has are refused within a second. What people\n"+
			"have allowed it is forgotten, also if it is approved later.",
		func(ctx context.Context, d *door, in adminapi.OAuthClientID) (*adminapi.OAuthClient, error) {
			return d.BlockOAuthClient(ctx, in)
		}, func(c *adminapi.OAuthClient) {
			a.done("client %s blocked; its tokens are refused. Undo: gatehouse client approve%s %s", called(c), a.place(), quoted(c.ID))
		})
}

func (a *app) clientRevoke() *cobra.Command {
	c := a.onClient("revoke", "End whatever a client was allowed, at once; one that you made is gone for good",
		"End whatever a client was allowed: the tokens that it has are refused within a second, and people are asked anew. A\n"+
			"client of gatehouse client create is gone for good with that.",
		func(ctx context.Context, d *door, in adminapi.OAuthClientID) (*adminapi.OAuthClient, error) {
			return d.RevokeOAuthClient(ctx, in)
		}, func(c *adminapi.OAuthClient) {
			if c.Kind == "static" {
				a.done("client %s revoked, for good", called(c))
				return
			}
			a.done("client %s revoked; it can ask anew. Keep it out: gatehouse client block%s %s", called(c), a.place(), quoted(c.ID))
		})
	revoke := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := a.confirm(c.Context(), fmt.Sprintf("Revoke client %.80s and everything that it was allowed?", args[0]), "revoke"); err != nil {
			return err
		}
		return revoke(c, args)
	}
	return c
}

// called is how a client is named to people: what it calls itself proves nothing.
func called(c *adminapi.OAuthClient) string {
	if c.Name == "" {
		return fmt.Sprintf("%.80s", c.ID)
	}
	return fmt.Sprintf("%q (%.80s)", printableText(c.Name), c.ID)
}

package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/internal/token"
)

func (a *app) token() *cobra.Command {
	return group("token", "Look at access tokens, and refuse them",
		"  gatehouse token revoke --subject 'auth0|66f1a0c2' --issuer auth0\n  gatehouse token revoke - < stolen.txt\n  gatehouse token revocations list\n",
		a.tokenExplain(), a.tokenRevoke(), a.tokenRevocations())
}

// kinds of revocations, for completion and help.
func kinds() []string {
	return []string{
		string(token.KindID), string(token.KindToken), string(token.KindSubject), string(token.KindClient), string(token.KindTenant), string(token.KindIssuer), string(token.KindGrant),
	}
}

// completeIssuers offers the names of issuers.
func (a *app) completeIssuers(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	var out []string
	a.quietly(c.Context(), func(ctx context.Context, d *door) error {
		list, err := d.Issuers(ctx)
		for i := range list {
			out = append(out, list[i].Name+"\t"+list[i].Issuer)
		}
		return err
	})
	return out, cobra.ShellCompDirectiveNoFileComp
}

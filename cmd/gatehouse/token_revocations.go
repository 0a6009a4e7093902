package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
)

func (a *app) tokenRevocations() *cobra.Command {
	return group("revocations", "Look at what is refused, and take it back",
		"  gatehouse token revocations list\n  gatehouse token revocations remove 5QVTZ3WYJ7N2GIXMKCO4BAD6EU\n",
		a.revocationsList(), a.revocationsRemove())
}

func (a *app) revocationsList() *cobra.Command {
	var f adminapi.RevocationFilter
	c := &cobra.Command{
		Use: "list", Short: "Show what is refused, by whom and why, the latest first",
		Example: "  gatehouse token revocations list\n  gatehouse token revocations list --kind subject --issuer auth0\n  gatehouse token revocations list --json\n",
		Args:    exactly(), DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, _ []string) error {
			if f.Kind != "" && !slices.Contains(kinds(), f.Kind) {
				return usage("--kind %.40q is none of %s", f.Kind, strings.Join(kinds(), ", "))
			}
			return a.with(c.Context(), false, func(ctx context.Context, d *door) error {
				list, err := d.Revocations(ctx, f)
				if err != nil {
					return err
				}
				if a.json {
					return a.object(list)
				}
				rows := [][]string{{"KIND", "VALUE", "ISSUER", "ISSUED BEFORE", "KEPT", "BY", "WHEN", "REASON", "ID"}}
				for i := range list.Revocations {
					r := &list.Revocations[i]
					before := "any time"
					if r.Before != nil {
						before = moment(*r.Before)
					}
					kept := "for good"
					if r.Expires != nil {
						kept = "ends " + a.until(r.Expires)
					}
					rows = append(rows, []string{
						r.Kind, fmt.Sprintf("%.60s", orElse(orElse(r.Tenant, r.Value), "-")), orElse(orElse(r.IssuerName, r.Issuer), "any"),
						before, kept, r.By, a.ago(r.Created), orElse(r.Reason, "-"), r.ID,
					})
				}
				if err := a.table(rows); err != nil {
					return err
				}
				if n := len(list.Revocations); n > 0 {
					a.say("%d of %d. Take one back: gatehouse token revocations remove%s %s\n", n, list.Total, a.place(), list.Revocations[0].ID)
				}
				return nil
			})
		},
	}
	c.Flags().StringVar(&f.Kind, "kind", "", "only of this `KIND`: jti, token, subject, client, tenant, issuer")
	c.Flags().StringVar(&f.Value, "value", "", "only of exactly this `VALUE`: a jti, a subject, a client, a tenant")
	c.Flags().StringVar(&f.Issuer, "issuer", "", "only of this issuer, by `NAME` or iss")
	c.Flags().IntVar(&f.Limit, "limit", 100, "at most so many, up to 10000")
	_ = c.RegisterFlagCompletionFunc("issuer", a.completeIssuers)
	_ = c.RegisterFlagCompletionFunc("kind", cobra.FixedCompletions(kinds(), cobra.ShellCompDirectiveNoFileComp))
	return c
}

func (a *app) revocationsRemove() *cobra.Command {
	return &cobra.Command{
		Use: "remove ID", Short: "Take a revocation back: what it refused is accepted again, at once",
		Example: "  gatehouse token revocations remove 5QVTZ3WYJ7N2GIXMKCO4BAD6EU\n",
		Args:    exactly("the id of a revocation"), ValidArgsFunction: a.completeRevocations, DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, args []string) error {
			return a.with(c.Context(), false, func(ctx context.Context, d *door) error {
				r, err := d.RemoveRevocation(ctx, args[0])
				if err != nil {
					return err
				}
				if a.json {
					return a.object(r)
				}
				a.done("%s accepted again, as far as nothing else refuses them", revoked(r))
				return nil
			})
		},
	}
}

// completeRevocations offers the latest revocations.
func (a *app) completeRevocations(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return a.completeOne(c, args, func(ctx context.Context, d *door) (out []string, err error) {
		list, err := d.Revocations(ctx, adminapi.RevocationFilter{Limit: 50})
		if err != nil {
			return nil, err
		}
		for i := range list.Revocations {
			r := &list.Revocations[i]
			out = append(out, fmt.Sprintf("%s\t%s %.60s", r.ID, r.Kind, orElse(r.Tenant, r.Value)))
		}
		return out, nil
	})
}

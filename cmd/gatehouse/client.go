package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
)

func (a *app) client() *cobra.Command {
	return group("client", "Look after the OAuth clients of our own authorization server",
		"  gatehouse client list\n  gatehouse client create --name ci\n  gatehouse client approve https://app.example/oauth/client.json\n  gatehouse client block https://app.example/oauth/client.json\n",
		a.clientCreate(), a.clientList(), a.clientShow(), a.clientApprove(), a.clientBlock(), a.clientRotateSecret(), a.clientRevoke())
}

func clientKinds() []string  { return []string{"static", "dynamic", "document"} }
func clientStates() []string { return []string{"known", "approved", "pending", "blocked"} }

func (a *app) clientList() *cobra.Command {
	var f adminapi.OAuthClientFilter
	c := &cobra.Command{
		Use: "list", Short: "Show the clients that are kept, the latest used first",
		Long: "Show the clients that an administrator made or decided upon, those that wait for approval, and those that somebody\n" +
			"has signed in with. A client that only registered itself is kept nowhere: it is in its own id.",
		Example: "  gatehouse client list\n  gatehouse client list --standing pending\n  gatehouse client list --json\n",
		Args:    exactly(), DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, _ []string) error {
			if f.Kind != "" && !slices.Contains(clientKinds(), f.Kind) {
				return usage("--kind %.40q is none of %s", f.Kind, strings.Join(clientKinds(), ", "))
			}
			if f.State != "" && !slices.Contains(clientStates(), f.State) {
				return usage("--standing %.40q is none of %s", f.State, strings.Join(clientStates(), ", "))
			}
			return a.with(c.Context(), false, func(ctx context.Context, d *door) error {
				list, err := d.OAuthClients(ctx, f)
				if err != nil {
					return err
				}
				if a.json {
					return a.object(list)
				}
				return a.showClients(list)
			})
		},
	}
	c.Flags().StringVar(&f.Kind, "kind", "", "only of this `KIND`: static, dynamic, document")
	c.Flags().StringVar(&f.State, "standing", "", "only in this `STATE`: known, approved, pending, blocked")
	c.Flags().StringVar(&f.Tenant, "tenant", "", "only of this tenant, by `NAME`")
	c.Flags().IntVar(&f.Limit, "limit", 100, "at most so many, up to 10000")
	_ = c.RegisterFlagCompletionFunc("kind", cobra.FixedCompletions(clientKinds(), cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("standing", cobra.FixedCompletions(clientStates(), cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("tenant", a.completeTenants)
	return c
}

func (a *app) showClients(list *adminapi.OAuthClients) error {
	rows := [][]string{{"NAME", "KIND", "STANDING", "REDIRECTS TO", "USED", "ID"}}
	waiting := ""
	for i := range list.Clients {
		one := &list.Clients[i]
		used := "never"
		if one.LastUsed != nil {
			used = a.ago(*one.LastUsed)
		}
		if one.State == "pending" && waiting == "" {
			waiting = one.ID
		}
		rows = append(rows, []string{orElse(printableText(one.Name), "-"), one.Kind, one.State, redirectHosts(one), used, one.ID})
	}
	if err := a.table(rows); err != nil {
		return err
	}
	if len(list.Clients) < list.Total {
		a.say("%d of %d; more with --limit\n", len(list.Clients), list.Total)
	}
	if waiting != "" {
		a.say("approve one that waits: gatehouse client approve%s %s\n", a.place(), quoted(waiting))
	}
	return nil
}

// redirectHosts says where a client has people sent, in a few words.
func redirectHosts(c *adminapi.OAuthClient) string {
	var hosts []string
	for _, uri := range c.RedirectURIs {
		host := uri
		if _, after, ok := strings.Cut(uri, "://"); ok && strings.HasPrefix(uri, "http") {
			host, _, _ = strings.Cut(after, "/")
		} else if scheme, _, ok := strings.Cut(uri, ":"); ok {
			host = scheme + ":"
		}
		if !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	switch {
	case len(hosts) == 0:
		return "-"
	case len(hosts) > 3:
		return strings.Join(hosts[:3], " ") + fmt.Sprintf(" and %d more", len(hosts)-3)
	}
	return strings.Join(hosts, " ")
}

func (a *app) clientShow() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show one client, whatever its standing",
		Long:    "Show what is known of a client: also of one that only registered itself, and of one whose document has to be fetched first.",
		Example: "  gatehouse client show https://claude.ai/oauth/claude-code-client-metadata\n",
		Args:    exactly("the id of a client"), ValidArgsFunction: a.completeClients, DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, args []string) error {
			return a.with(c.Context(), false, func(ctx context.Context, d *door) error {
				one, err := d.OAuthClient(ctx, args[0])
				if err != nil {
					return err
				}
				if a.json {
					return a.object(one)
				}
				return a.showClient(one)
			})
		},
	}
}

func (a *app) showClient(c *adminapi.OAuthClient) error {
	rows := [][]string{{"name", orElse(printableText(c.Name), "-")}, {"id", c.ID}, {"kind", c.Kind}, {"standing", c.State}}
	add := func(name, value string) {
		if value != "" {
			rows = append(rows, []string{name, value})
		}
	}
	add("domain", c.Domain)
	add("tenant", c.Tenant)
	for _, uri := range c.RedirectURIs {
		add("redirects to", uri)
	}
	add("grants", strings.Join(c.Grants, " "))
	add("proves itself by", strings.Join(c.AuthMethods, " "))
	if c.Bound {
		add("tokens", "bound to its certificate")
	}
	add("scopes", strings.Join(c.Scopes, " "))
	add("server of", strings.Join(c.Resources, " "))
	add("exchanges for", strings.Join(c.Targets, " "))
	if c.Created != nil {
		add("since", moment(*c.Created))
	}
	if c.FormerUntil != nil {
		add("old secret works until", moment(*c.FormerUntil))
	}
	used := "never"
	if c.LastUsed != nil {
		used = a.ago(*c.LastUsed)
	}
	add("used", used)
	if c.Expires != nil {
		add("ends unless it is used", moment(*c.Expires))
	}
	if c.Decided != nil {
		add("decided", fmt.Sprintf("%s by %s", moment(*c.Decided), c.By))
	}
	add("reason", printableText(c.Reason))
	add("cannot be used", printableText(c.Fault))
	return a.table(rows)
}

// completeClients offers the clients that were used last.
func (a *app) completeClients(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return a.completeOne(c, args, func(ctx context.Context, d *door) (out []string, err error) {
		list, err := d.OAuthClients(ctx, adminapi.OAuthClientFilter{Limit: 50})
		if err != nil {
			return nil, err
		}
		for i := range list.Clients {
			one := &list.Clients[i]
			out = append(out, fmt.Sprintf("%s\t%s %s", one.ID, one.State, printableText(one.Name)))
		}
		return out, nil
	})
}

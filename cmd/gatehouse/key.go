package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
)

func (a *app) key() *cobra.Command {
	return group("key", "Make, look at and end API keys",
		"  gatehouse key create --name laptop\n  gatehouse key list\n  gatehouse key revoke 7Qm2Vx9KtB4c\n",
		a.keyCreate(), a.keyList(), a.keyShow(), a.keyUpdate(), a.keyRotate(), a.keyRevoke(), a.keyVerify(), a.keyImport())
}

// keyID wants one key's id. Whoever pastes the key itself is told what that means.
func keyID(c *cobra.Command, args []string) error {
	for _, arg := range args {
		if apikey.Is(arg) {
			return exposed(arg)
		}
	}
	return exactly("the id of a key")(c, args)
}

// exposed refuses a key on the command line.
func exposed(key string) error {
	hint := ""
	if id, err := apikey.Parse(key); err == nil {
		hint = " Its id is " + id + "."
	}
	return usage("That is a key itself. It is in the shell's history and was in the process list: think of revoking it.%s Give the id, or the key on standard input, as env:NAME or file:PATH", hint)
}

// rights are the flags about what a key may do.
type rights struct {
	tools, networks []string
	note, expires   string
	limit           string
	certificate     string
}

func (r *rights) flags(c *cobra.Command, expires string) {
	f := c.Flags()
	f.StringSliceVar(&r.tools, "tools", nil, "tools it may call, as `PATTERNS`: 'get_*,list_*' (default all)")
	f.StringSliceVar(&r.networks, "ip", nil, "`NETWORKS` it may be used from: 203.0.113.0/24 (default anywhere)")
	f.StringVar(&r.note, "note", "", "a `TEXT` for people")
	f.StringVar(&r.expires, "expires", "", "`WHEN` it ends: 90d, 12h, 2027-02-21, an RFC 3339 time or never"+expires)
	f.StringVar(&r.limit, "limit", "", "`RATE` of its calls, besides those of the configuration: 60/min, or off (default off)")
	f.StringVar(&r.certificate, "certificate", "", "client certificate it needs as a second factor: PEM or DER `FILE`, sha256:HEX, or off (default off)")
	_ = c.MarkFlagFilename("certificate", "pem", "crt", "cer", "der")
}

// blank refuses a limit that is given and empty, as --tools "$TOOLS" is where
// TOOLS is not set: the key would have no limit at all.
func (r *rights) blank(c *cobra.Command) error {
	for _, f := range []struct {
		name  string
		empty bool
		means string
	}{
		{"tools", len(r.tools) == 0, "all tools"},
		{"ip", len(r.networks) == 0, "anywhere"},
		{"expires", r.expires == "", "the default"},
		{"limit", r.limit == "", "no limit of its own"},
		{"certificate", r.certificate == "", "no certificate"},
	} {
		if f.empty && c.Flags().Changed(f.name) {
			return usage("--%s is empty. Leave it out for %s", f.name, f.means)
		}
	}
	return nil
}

// completeKeys offers the ids of keys that are alive.
func (a *app) completeKeys(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return a.completeOne(c, args, func(ctx context.Context, d *door) (out []string, err error) {
		list, err := d.Keys(ctx, "")
		for i := range list {
			if list[i].State == "active" || list[i].State == "retiring" {
				out = append(out, list[i].ID+"\t"+list[i].Name)
			}
		}
		return out, err
	})
}

// completeTenants offers the names of tenants.
func (a *app) completeTenants(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return a.completeOne(c, args, func(ctx context.Context, d *door) (out []string, err error) {
		list, err := d.Tenants(ctx)
		for i := range list {
			out = append(out, list[i].Name)
		}
		return out, err
	})
}

// completeOne offers what a command can be about that is about one of them.
func (a *app) completeOne(c *cobra.Command, args []string, ask func(context.Context, *door) ([]string, error)) (out []string, _ cobra.ShellCompDirective) {
	if len(args) == 0 {
		a.quietly(c.Context(), func(ctx context.Context, d *door) (err error) {
			out, err = ask(ctx, d)
			return err
		})
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

// quietly asks the admin door while somebody presses Tab: no answer is no offer.
func (a *app) quietly(ctx context.Context, do func(context.Context, *door) error) {
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, stop := context.WithTimeout(ctx, 2*time.Second)
	defer stop()
	a.quiet = true // a shell completes; notes would land in the line
	_ = a.with(ctx, false, do)
}

// printKey writes all that is known of a key, for a person.
func (a *app) printKey(k *adminapi.Key) error {
	rows := [][]string{{"id", k.ID}, {"name", k.Name}, {"tenant", k.Tenant}, {"state", state(a, k)}, {"tools", tools(k.Tools)}}
	add := func(name, value string) {
		if value != "" {
			rows = append(rows, []string{name, value})
		}
	}
	add("networks", orElse(strings.Join(k.Networks, ","), "anywhere"))
	add("limit", k.Limit)
	add("certificate", k.Certificate)
	add("note", k.Note)
	add("created", moment(k.Created))
	add("expires", a.until(k.Expires))
	add("last used", a.lastUsed(k))
	add("replaces", k.Replaces)
	add("replaced by", k.ReplacedBy)
	if k.RevokedAt != nil {
		add("revoked", fmt.Sprintf("%s by %s", moment(*k.RevokedAt), k.RevokedBy))
	}
	add("reason", k.Reason)
	return a.table(rows)
}

// lastUsed says when, from where, by which client and for which tool.
func (a *app) lastUsed(k *adminapi.Key) string {
	if k.LastUsed == nil {
		return "never"
	}
	words := []string{a.ago(*k.LastUsed)}
	for _, w := range []string{k.LastUsedAddress, k.LastUsedClient, k.LastUsedTool} {
		if w != "" {
			words = append(words, w)
		}
	}
	return strings.Join(words, " ")
}

// bounds says what holds a key back besides its tools, for a line of a list.
func bounds(k *adminapi.Key) string {
	text := ""
	if k.Limit != "" {
		text += " · " + k.Limit
	}
	if k.Certificate != "" {
		text += " · with certificate"
	}
	return text
}

// state says where a key is in its life, and what should be done about it.
func state(a *app, k *adminapi.Key) string {
	const soon, idle = 14 * 24 * time.Hour, 30 * 24 * time.Hour
	text := k.State
	switch k.State {
	case "retiring":
		text = "retiring · " + a.until(k.RetireAt) + " · now " + k.ReplacedBy
	case "active":
		since := k.Created
		if k.LastUsed != nil {
			since = *k.LastUsed
		}
		if k.Expires != nil && k.Expires.Sub(a.now()) < soon {
			text += " · expiring"
		}
		if a.now().Sub(since) > idle {
			text += " · unused, revoke?"
		}
	}
	if k.TenantState != "" {
		text += " · tenant " + k.TenantState
	}
	return text
}

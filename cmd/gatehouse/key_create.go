package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

func (a *app) keyCreate() *cobra.Command {
	var in adminapi.NewKey
	var r rights
	var out string
	c := &cobra.Command{
		Use: "create --name NAME", Short: "Make a key and show it, once",
		Example: "  gatehouse key create --name laptop\n" +
			"  gatehouse key create --tenant acme --name ci --tools 'get_*,list_*' --expires 90d --ip 203.0.113.0/24\n" +
			"  gatehouse key create --name nightly --limit 60/min --certificate client.pem\n" +
			"  export GATEHOUSE_KEY=$(gatehouse key create --name script)\n",
		Args: exactly(), DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, _ []string) error {
			if in.Name == "" {
				return usage("A key needs a name, so that people know whose it is: --name laptop")
			}
			if err := r.blank(c); err != nil {
				return err
			}
			in.Tools, in.Networks, in.Note, in.Expires, in.Limit = r.tools, r.networks, r.note, r.expires, r.limit
			var err error
			if in.Certificate, err = a.thumbprint(r.certificate); err != nil {
				return err
			}
			return a.mint(c.Context(), out, true, func(ctx context.Context, d *door) (*adminapi.Key, error) { return d.CreateKey(ctx, in) })
		},
	}
	f := c.Flags()
	f.StringVar(&in.Name, "name", "", "what the key is called")
	f.StringVar(&in.Tenant, "tenant", "", "whose it is (default \"default\")")
	r.flags(c, " (default 90d, unless configured otherwise)")
	outFlag(c, &out)
	_ = c.RegisterFlagCompletionFunc("tenant", func(c *cobra.Command, _ []string, s string) ([]string, cobra.ShellCompDirective) {
		return a.completeTenants(c, nil, s)
	})
	return c
}

func outFlag(c *cobra.Command, out *string) {
	c.Flags().StringVar(out, "out", "", "write the key to file:`PATH`, env-file:PATH (mode 0600) or keychain:NAME, never over another, and not to the screen")
}

// mint makes a key and brings its secret to where it is wanted. The place is
// made ready first: a secret that is shown once must not be lost.
func (a *app) mint(ctx context.Context, out string, mayMake bool, do func(context.Context, *door) (*adminapi.Key, error)) error {
	s, err := a.openSink(ctx, out)
	if err != nil {
		return err
	}
	var k *adminapi.Key
	err = a.with(ctx, mayMake, func(ctx context.Context, d *door) error {
		k, err = do(ctx, d)
		return err
	})
	if k == nil || k.Key == "" {
		s.discard()
	}
	if k == nil {
		return err
	}
	return errors.Join(err, a.showMinted(ctx, k, s))
}

// noKeys says when a key is of no use yet: the file has keys switched off.
func (a *app) noKeys() {
	if a.file == "" {
		return
	}
	if has, err := config.Has(a.file, config.SettingKeys, a.outside()); err == nil && !has {
		a.warn("%s accepts no keys: it has no auth.api_keys. Add it (auth: {api_keys: {}}), or nobody gets in with this one.", a.file)
	}
}

// showMinted writes the secret, alone and first, then what belongs to it.
func (a *app) showMinted(ctx context.Context, k *adminapi.Key, s *sink) error {
	if k.Key != "" && s != nil {
		if err := s.keep(ctx, k.Key); err != nil {
			// It exists nowhere else: better on the screen than lost.
			a.warn("%v. The key is shown instead.", err)
			s = nil
		} else {
			k.Key = ""
		}
	}
	if a.json {
		if s == nil {
			return a.object(k)
		}
		return a.object(struct {
			*adminapi.Key
			Out string `json:"out"`
		}{k, s.name})
	}
	expires := "never expires"
	if k.Expires != nil {
		expires = "expires " + k.Expires.UTC().Format("2006-01-02")
	}
	switch {
	case a.dry:
		a.done("key %q, tenant %s, %s tools, %s", k.Name, k.Tenant, tools(k.Tools), expires)
		return nil
	case s != nil:
		a.print("%s\n", s.name)
		how := "written, mode 0600"
		if s.chain != nil {
			how = "written, sealed; for the bridge: --key-from " + s.name
		}
		a.done("%s. Key id %s, tenant %s, %s tools, %s.", how, k.ID, k.Tenant, tools(k.Tools), expires)
	default:
		a.print("%s\n", k.Key)
		a.done("shown once. Key id %s, tenant %s, %s tools, %s.", k.ID, k.Tenant, tools(k.Tools), expires)
	}
	if k.Replaces == "" {
		a.say("  Use   Authorization: Bearer <key>     or   X-API-Key: <key>\n")
		if s == nil {
			a.say("  Store gatehouse key create … --out file:PATH | env-file:.env   (0600) | keychain:NAME\n")
		}
	}
	a.noKeys()
	if k.Certificate != "" {
		a.say("  It is accepted only over TLS with the client certificate %s (server.tls.client_ca).\n", k.Certificate)
	}
	if k.TenantState != "" {
		a.warn("Tenant %s is %s: the key is refused until gatehouse tenant resume%s %[1]s.", k.Tenant, k.TenantState, a.place())
	}
	if k.Expires == nil {
		a.warn("A key that never expires is found by somebody some day. Rotate it now and then.")
	}
	return nil
}

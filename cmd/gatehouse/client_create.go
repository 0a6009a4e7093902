package main

import (
	"context"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
)

const maxKeySet = 64 << 10

func (a *app) clientCreate() *cobra.Command {
	var in adminapi.NewOAuthClient
	var public bool
	var keys string
	c := &cobra.Command{
		Use: "create --name NAME", Short: "Make a client and show its secret, once",
		Long: "Make a client. One with a redirect URI is an app that people sign in with; one without is a program that speaks for\n" +
			"itself (client credentials), and belongs to a tenant. It proves who it is by a secret, unless it has keys or a\n" +
			"certificate, or is public.",
		Example: "  gatehouse client create --name ci --scope notes:read\n" +
			"  gatehouse client create --name intranet --redirect-uri https://intranet.example/callback\n" +
			"  gatehouse client create --name laptop --redirect-uri http://127.0.0.1/callback --public\n" +
			"  gatehouse client create --name batch --keys https://batch.example/jwks.json --tenant acme\n" +
			"  gatehouse client create --name files --resource-server https://files.example/mcp --exchange-for https://notes.example/mcp\n",
		Args: exactly(), DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, _ []string) error {
			if in.Name == "" {
				return usage("A client needs a name, which people see: --name intranet")
			}
			if public {
				if in.AuthMethod != "" {
					return usage("--public is --auth none: give one of them")
				}
				in.AuthMethod = "none"
			}
			if err := a.clientKeys(&in, keys); err != nil {
				return err
			}
			for i, file := range in.Certificates {
				text, err := a.thumbprint(file)
				if err != nil {
					return err
				}
				in.Certificates[i] = strings.TrimPrefix(text, "sha256:")
			}
			return a.makeClient(c.Context(), in)
		},
	}
	clientFlags(c, &in)
	c.Flags().BoolVar(&public, "public", false, "it cannot keep a secret: it runs on its user's machine")
	c.Flags().StringVar(&keys, "keys", "", "its public keys: a JWK Set, as a file or an https `URL`")
	_ = c.RegisterFlagCompletionFunc("tenant", a.completeTenants)
	return c
}

func clientFlags(c *cobra.Command, in *adminapi.NewOAuthClient) {
	f := c.Flags()
	f.StringVar(&in.Name, "name", "", "what people are shown")
	f.StringVar(&in.ID, "id", "", "the `ID` (default: a random one)")
	f.StringVar(&in.Tenant, "tenant", "", "whose it is, by `NAME` (default: everybody's; \"default\" for a program that speaks for itself)")
	f.StringArrayVar(&in.RedirectURIs, "redirect-uri", nil, "where people are sent back to: an `URI`, exactly; may be repeated")
	f.StringArrayVar(&in.Grants, "grant", nil, "a `GRANT` that it may use; may be repeated (default: by what else is given)")
	f.StringArrayVar(&in.Scopes, "scope", nil, "a `SCOPE` that it may be given at most; may be repeated (default: whatever the user may)")
	f.StringVar(&in.AuthMethod, "auth", "", "the `METHOD` by which it proves who it is (default: by what else is given)")
	f.StringArrayVar(&in.Certificates, "certificate", nil, "its certificate: a PEM `FILE`, or sha256:HEX; may be repeated")
	f.StringVar(&in.Subject, "certificate-subject", "", "the subject of its certificate, as `DN`: CN=ci,O=Acme")
	f.BoolVar(&in.Bound, "certificate-bound", false, "its access tokens are good only on connections with the certificate that it got them with")
	f.StringArrayVar(&in.Resources, "resource-server", nil, "it is the server of this resource, and may introspect and exchange tokens that are for it; an `URL`, may be repeated")
	f.StringArrayVar(&in.Targets, "exchange-for", nil, "it may exchange tokens for ones of this resource; an `URL`, may be repeated")
	_ = c.RegisterFlagCompletionFunc("auth", cobra.FixedCompletions([]string{
		"none", "client_secret_basic", "client_secret_post", "private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth",
	}, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("grant", cobra.FixedCompletions([]string{
		"authorization_code", "refresh_token", "client_credentials", "urn:ietf:params:oauth:grant-type:device_code",
		"urn:ietf:params:oauth:grant-type:token-exchange", "urn:ietf:params:oauth:grant-type:jwt-bearer",
	}, cobra.ShellCompDirectiveNoFileComp))
}

// clientKeys reads where a client's keys are, or which they are.
func (a *app) clientKeys(in *adminapi.NewOAuthClient, from string) error {
	if from == "" || strings.Contains(from, "://") {
		in.JWKSURI = from
		return nil
	}
	f, err := os.Open(from)
	if err != nil {
		return usage("--keys is neither an https URL nor a file: %v", err)
	}
	defer func() { _ = f.Close() }()
	raw, err := io.ReadAll(io.LimitReader(f, maxKeySet))
	if err != nil {
		return usage("--keys: %v", err)
	}
	in.JWKS = raw
	return nil
}

// makeClient makes it and shows what has to be put into the client.
func (a *app) makeClient(ctx context.Context, in adminapi.NewOAuthClient) error {
	return a.with(ctx, true, func(ctx context.Context, d *door) error {
		c, err := d.CreateOAuthClient(ctx, in)
		if err != nil {
			return err
		}
		if a.json {
			return a.object(c)
		}
		if !a.dry {
			a.print("client_id=%s\n", c.ID)
		}
		if c.Secret != "" {
			a.print("client_secret=%s\n", c.Secret)
			a.done("client %s made; its secret is shown once. Undo: gatehouse client revoke%s %s", called(c), a.place(), c.ID)
			return nil
		}
		a.done("client %s made; it proves who it is by %s. Undo: gatehouse client revoke%s %s", called(c), strings.Join(c.AuthMethods, " or "), a.place(), orElse(c.ID, "ID"))
		return nil
	})
}

package main

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gatehouse-mcp/gatehouse/internal/bridge"
	"github.com/gatehouse-mcp/gatehouse/internal/keychain"
	"github.com/gatehouse-mcp/gatehouse/internal/signin"
)

// reach is how a command gets to a protected server.
type reach struct {
	keyFrom, keyHeader       string
	grant                    string
	clientID, clientIssuer   string
	secretFrom, clientKey    string
	metadataURL, name        string
	scopes                   []string
	port                     int
	noBrowser                bool
	keychain, proxy          string
	look                     bool   // into the keychain, and make none
	instead                  string // what to do without the keyring; empty: as the flag has it
	provider, providerClient string
	providerToken            string
	providerSecret           string
	idToken, assertion       string
}

func (o *reach) flags(f *pflag.FlagSet) {
	f.StringVar(&o.grant, "grant", string(signin.Code), "how to sign in: `HOW` is code (browser), device, client-credentials, enterprise or workload")
	f.StringSliceVar(&o.scopes, "scope", nil, "ask for these `SCOPES` too")
	f.StringVar(&o.clientID, "client-id", "", "`ID` of a client that is registered there")
	f.StringVar(&o.clientIssuer, "client-issuer", "", "`ISSUER` of the only authorization server to sign in at (default: for a client that is registered, and what somebody vouches for, the first one it is used with)")
	f.StringVar(&o.secretFrom, "client-secret-from", "", "its secret, from env:NAME, file:PATH, cmd:PROGRAM or keychain:NAME (`SOURCE`)")
	f.StringVar(&o.clientKey, "client-key-from", "", "its private key in PEM, from a `SOURCE`")
	f.StringVar(&o.metadataURL, "client-metadata-url", "", "`URL` of a client metadata document, used as the client's id where that is supported")
	f.StringVar(&o.name, "client-name", "", "`NAME` to register by (default Gatehouse)")
	f.IntVar(&o.port, "callback-port", 0, "`PORT` of this machine that the browser comes back to (default: any)")
	f.BoolVar(&o.noBrowser, "no-browser", false, "show the address instead of opening a browser")
	f.StringVar(&o.provider, "idp-issuer", "", "with --grant enterprise: `ISSUER` of the company's identity provider")
	f.StringVar(&o.providerClient, "idp-client-id", "", "with --grant enterprise: the client's `ID` there")
	f.StringVar(&o.providerSecret, "idp-client-secret-from", "", "with --grant enterprise: its secret, from a `SOURCE`")
	f.StringVar(&o.providerToken, "idp-token-endpoint", "", "with --grant enterprise: its token endpoint's `URL` (default: as its metadata says)")
	f.StringVar(&o.idToken, "id-token-from", "", "with --grant enterprise: the user's ID token, from a `SOURCE`")
	f.StringVar(&o.assertion, "assertion-from", "", "with --grant workload: the platform's assertion, from a `SOURCE`")
	f.StringVar(&o.proxy, "proxy", "", "`URL` of the proxy that leads to the server, without a password (default: as HTTPS_PROXY, ALL_PROXY and NO_PROXY say)")
	o.keychainFlag(f)
}

func (o *reach) keychainFlag(f *pflag.FlagSet) {
	f.StringVar(&o.keychain, "keychain", "auto", "where sign-ins are kept: `WHERE` is auto (a key in the system's keyring, if there is one) or file")
}

func (a *app) bridge() *cobra.Command {
	var o reach
	var w wire
	c := &cobra.Command{
		Use:   "bridge URL",
		Short: "Let a client on standard input and output reach a protected server",
		Long: "Carry what an MCP client says on standard input to a server elsewhere, and its answers back: a server of any revision and\n" +
			"transport of MCP, with a sign-in or a key. It is what a client starts as a command. When nobody has signed in, the browser\n" +
			"opens; what is got is kept, sealed, and renewed. Nothing but messages is written to standard output.",
		Example: "  gatehouse bridge https://mcp.example.com/mcp\n" +
			"  gatehouse bridge https://mcp.example.com/mcp --key-from env:EXAMPLE_KEY\n" +
			"  gatehouse bridge login https://mcp.example.com/mcp      sign in beforehand\n" +
			"  gatehouse bridge status\n",
		Args: exactly("the server's URL"), ValidArgsFunction: a.completeURLs,
		RunE: func(c *cobra.Command, args []string) error {
			return a.carry(c.Context(), args[0], &o, &w)
		},
	}
	f := c.Flags()
	f.StringVar(&o.keyFrom, "key-from", "", "a key instead of a sign-in, from env:NAME, file:PATH, cmd:PROGRAM or keychain:NAME (`SOURCE`)")
	f.StringVar(&o.keyHeader, "key-header", "", "`HEADER` that carries the key as it is (default: Authorization, as a Bearer token)")
	f.StringVar(&w.listen, "listen", "", "serve clients that speak HTTP at this `ADDRESS` of the machine, such as 127.0.0.1:8090, instead of standard input and output")
	f.StringVar(&w.keyFrom, "listen-key-from", "", "with --listen: the key that they send, from a `SOURCE` (default: a new one, shown at the start)")
	f.StringArrayVar(&w.headers, "header-from", nil, "send a header too: `NAME=SOURCE`, such as X-Team=env:TEAM; may be repeated")
	o.flags(f)
	o.complete(c)
	for _, name := range []string{"key-from", "listen-key-from"} {
		_ = c.RegisterFlagCompletionFunc(name, a.completeSources)
	}
	c.AddCommand(a.bridgeLogin(), a.bridgeLogout(), a.bridgeStatus(), a.bridgeKey())
	return c
}

// complete offers the words of flags.
func (o *reach) complete(c *cobra.Command) {
	var grants []string
	for _, g := range signin.Grants() {
		grants = append(grants, string(g))
	}
	_ = c.RegisterFlagCompletionFunc("grant", cobra.FixedCompletions(grants, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("keychain", cobra.FixedCompletions([]string{"auto", "file"}, cobra.ShellCompDirectiveNoFileComp))
}

// wire is what a bridge connects.
type wire struct {
	headers         []string
	listen, keyFrom string
}

// carry runs the bridge.
func (a *app) carry(ctx context.Context, server string, o *reach, w *wire) error {
	store, err := a.openKeychain(ctx, o)
	if err != nil {
		return err
	}
	log := a.logger(a.err, a.level(slog.LevelWarn))
	access, err := a.access(ctx, server, o, store, log)
	if err != nil {
		return err
	}
	header, err := a.headersFrom(ctx, w.headers, store)
	if err != nil {
		return err
	}
	proxies, err := a.proxies(o.proxy)
	if err != nil {
		return err
	}
	b := &bridge.Bridge{Server: server, Access: access, In: a.in, Out: a.out, Header: header, Proxy: proxies, Log: log, Patience: a.timeout}
	if w.listen != "" {
		return a.serveBridge(ctx, b, w, store)
	}
	if w.keyFrom != "" {
		return usage("--listen-key-from is for --listen")
	}
	ctx, stop := withParent(ctx)
	defer stop()
	return b.Run(ctx)
}

// serveBridge has the bridge listen on this machine.
func (a *app) serveBridge(ctx context.Context, b *bridge.Bridge, w *wire, store *keychain.Store) error {
	host, _, err := net.SplitHostPort(w.listen)
	if ip, bad := netip.ParseAddr(host); err != nil || bad != nil || !ip.IsLoopback() {
		return usage("--listen %.60q is no address of this machine alone, such as 127.0.0.1:8090", w.listen)
	}
	key := rand.Text()
	if w.keyFrom != "" {
		if key, err = a.secretFrom("--listen-key-from", w.keyFrom, store)(ctx); err != nil {
			return err
		}
	}
	l, err := net.Listen("tcp", w.listen)
	if err != nil {
		return &fault{exitConflict, "GH-2301", w.listen + " is in use. Choose another with --listen."}
	}
	at := "http://" + l.Addr().String() + bridge.PathOf(b.Server)
	said := map[string]string{"url": at, "key": key}
	if w.keyFrom != "" {
		delete(said, "key")
	}
	switch {
	case a.json:
		if err := a.object(said); err != nil {
			return err
		}
	case w.keyFrom == "":
		a.print("%s\n", at)
		a.say("  Authorization: Bearer %s\n  The key is good until this ends. Stop  Ctrl+C\n", key)
	default:
		a.print("%s\n", at)
	}
	return b.Serve(ctx, l, key)
}

// access is a key, or the sign-in at the server.
func (a *app) access(ctx context.Context, server string, o *reach, store *keychain.Store, log *slog.Logger) (bridge.Access, error) {
	if o.keyFrom == "" {
		c, err := a.signIn(ctx, server, o, store, log)
		if err != nil {
			return nil, err
		}
		return c, nil
	}
	if o.keyHeader != "" && !headerName(o.keyHeader) {
		return nil, usage("--key-header %.60q is no header that a key can be sent by", o.keyHeader)
	}
	k := &signin.Key{Server: server, Header: o.keyHeader, Read: a.secretFrom("--key-from", o.keyFrom, store)}
	if _, err := k.Credential(ctx); err != nil { // at once, not at the first message
		return nil, accessFault(err)
	}
	return k, nil
}

// signIn is the sign-in that the flags describe.
func (a *app) signIn(ctx context.Context, server string, o *reach, store *keychain.Store, log *slog.Logger) (*signin.Client, error) {
	proxies, err := a.proxies(o.proxy)
	if err != nil {
		return nil, err
	}
	c := &signin.Client{
		Proxy:  proxies,
		Server: server, Store: store, Grant: signin.Grant(o.grant), MetadataURL: o.metadataURL, Name: o.name, Scopes: o.scopes, Port: o.port,
		Issuer: o.clientIssuer, Log: log, Now: a.now, Show: func(_ context.Context, text string) { a.say("%s\n", text) },
	}
	if !o.noBrowser {
		c.Open = a.openBrowser
	}
	if o.clientID != "" {
		r, err := a.registered(ctx, o, store)
		if err != nil {
			return nil, err
		}
		c.Registered = r
	} else if o.secretFrom != "" || o.clientKey != "" {
		return nil, usage("a client that is registered needs its id: --client-id ID")
	}
	if o.assertion != "" {
		c.Assertion = a.secretFrom("--assertion-from", o.assertion, store)
	}
	if o.provider != "" {
		c.Provider = &signin.Provider{Issuer: o.provider, TokenEndpoint: o.providerToken, ClientID: o.providerClient}
		if o.idToken != "" {
			c.Provider.IDToken = a.secretFrom("--id-token-from", o.idToken, store)
		}
		if o.providerSecret != "" {
			secret, err := a.secretFrom("--idp-client-secret-from", o.providerSecret, store)(ctx)
			if err != nil {
				return nil, err
			}
			c.Provider.ClientSecret = secret
		}
	}
	if err := c.Check(); err != nil {
		return nil, accessFault(err)
	}
	return c, nil
}

func (a *app) registered(ctx context.Context, o *reach, store *keychain.Store) (*signin.Registered, error) {
	r := &signin.Registered{ID: o.clientID, Issuer: o.clientIssuer}
	for _, s := range []struct {
		flag, from string
		to         *string
	}{{"--client-secret-from", o.secretFrom, &r.Secret}, {"--client-key-from", o.clientKey, &r.Key}} {
		if s.from == "" {
			continue
		}
		text, err := a.secretFrom(s.flag, s.from, store)(ctx)
		if err != nil {
			return nil, err
		}
		*s.to = text
	}
	return r, nil
}

// headersFrom reads the headers to send along.
func (a *app) headersFrom(ctx context.Context, headers []string, store *keychain.Store) (http.Header, error) {
	h := http.Header{}
	for _, one := range headers {
		name, from, ok := strings.Cut(one, "=")
		if !ok || !headerName(name) {
			return nil, usage("--header-from wants NAME=SOURCE, such as X-Team=env:TEAM, with a header that may be added: not Authorization or one of MCP or HTTP")
		}
		value, err := a.secretFrom("--header-from", from, store)(ctx)
		if err != nil {
			return nil, err
		}
		if strings.ContainsAny(value, "\r\n\x00") {
			return nil, usage("--header-from %s: the value has a line break in it", name)
		}
		h.Set(name, value)
	}
	return h, nil
}

// signInTime bounds the commands that wait for a person.
const signInTime = 6 * time.Minute

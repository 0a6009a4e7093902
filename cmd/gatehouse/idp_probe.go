package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/discovery"
	"github.com/gatehouse-mcp/gatehouse/internal/idp"
	"github.com/gatehouse-mcp/gatehouse/internal/jwks"
	"github.com/gatehouse-mcp/gatehouse/internal/safehttp"
	"github.com/gatehouse-mcp/gatehouse/internal/server"
)

// providerProbe is what idp test was asked.
type providerProbe struct {
	issuer   issuerFlags
	resource string
	name     string
}

// issuerFlags describe an issuer on the command line: the parameters of presets,
// and what every issuer has.
type issuerFlags struct {
	params  map[string]*string
	issuer  string
	clients []string
	private []string
	ca      string
}

// add defines the flags.
func (f *issuerFlags) add(c *cobra.Command) {
	f.params = map[string]*string{}
	docs := map[string][]string{}
	for _, p := range idp.Presets() {
		for i := range p.Params {
			docs[p.Params[i].Name] = append(docs[p.Params[i].Name], p.Name)
		}
	}
	for name, presets := range docs {
		f.params[name] = c.Flags().String(flagName(name), "", "`VALUE` for "+strings.Join(presets, ", "))
	}
	c.Flags().StringVar(&f.issuer, "issuer", "", "the iss of its tokens, a `URL`; most presets make it")
	c.Flags().StringSliceVar(&f.clients, "clients", nil, "`IDS` of the only clients that are accepted, or any")
	c.Flags().StringSliceVar(&f.private, "private", nil, "`HOSTS` and networks that may be reached though they are private")
	c.Flags().StringVar(&f.ca, "ca", "", "`FILE` with the authorities that its servers are judged by")
}

func flagName(param string) string { return strings.ReplaceAll(param, "_", "-") }

// read makes an issuer of the flags and the name of a preset.
func (f *issuerFlags) read(p *idp.Preset) (*config.Issuer, error) {
	u := config.Issuer{Preset: p.Name, Params: map[string]string{}, Issuer: f.issuer, Clients: f.clients, Private: f.private, CA: f.ca}
	for name, value := range f.params {
		if *value != "" {
			u.Params[name] = *value
		}
	}
	if _, problems := p.Expand(u.Params, u.Issuer); len(problems) > 0 && (p.Refusal == "" || p.Unless != "" && u.Params[p.Unless] != "") {
		flag := problems[0].Setting
		if p.Param(flag) != nil || f.params[flag] != nil || flag == "issuer" {
			flag = "--" + flagName(flag)
		}
		return nil, usage("%s %s", flag, strings.ReplaceAll(problems[0].Text, "For example: "+problems[0].Setting+": ", "For example: "+flag+" "))
	}
	if at, err := url.Parse(u.Issuer); err == nil && at.Scheme == "http" && len(u.Private) == 0 {
		return nil, usage("--issuer %.120q is plain HTTP: whoever is on the way could put other keys in. For a provider on this machine or network, add --private %s", u.Issuer, at.Hostname())
	}
	c := &config.Config{Auth: config.Auth{Issuers: []config.Issuer{u}}}
	c.Complete()
	return &c.Auth.Issuers[0], nil
}

func (a *app) idpTest() *cobra.Command {
	q := &providerProbe{}
	c := &cobra.Command{
		Use:   "test PRESET | -c FILE NAME",
		Short: "Ask a provider what it can be used for",
		Long: "Fetch the metadata and the keys of an identity provider, as the server would, and say whether MCP clients can get\n" +
			"tokens there that are for your server: what was found, what to change, and what to write. Nothing is changed there,\n" +
			"and nobody signs in. With -c, NAME is an issuer of that file. It ends with 1 when only broker mode is left, and with\n" +
			"5 when the provider does not answer.",
		Example: "  gatehouse idp test auth0 --domain acme.us.auth0.com --resource https://mcp.acme.com/mcp\n" +
			"  gatehouse idp test oidc --issuer https://login.acme.com --resource https://mcp.acme.com/mcp\n" +
			"  gatehouse idp test -c gatehouse.yaml auth0",
		Args:                  exactly("the name of a preset, or of an issuer with -c"),
		DisableFlagsInUseLine: true,
		ValidArgsFunction:     a.completeProviders,
		RunE: func(c *cobra.Command, args []string) error {
			q.name = args[0]
			ctx, stop := a.within(c.Context(), commandWait)
			defer stop()
			return a.testProvider(ctx, q)
		},
	}
	q.issuer.add(c)
	c.Flags().StringVar(&q.resource, "resource", "", "public `URL` of the MCP server that tokens are for")
	return c
}

// completeProviders offers the issuers of the file, or the presets.
func (a *app) completeProviders(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	if a.file == "" {
		return presetNames(c, args, typed)
	}
	return a.completeFileIssuers(c, args, typed)
}

// completeFileIssuers offers the issuers of the configuration.
func (a *app) completeFileIssuers(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	a.configFile()
	var all []string
	if c, err := a.load(); err == nil {
		for i := range c.Auth.Issuers {
			all = append(all, c.Auth.Issuers[i].Name+"\t"+c.Auth.Issuers[i].Issuer)
		}
	}
	return all, cobra.ShellCompDirectiveNoFileComp
}

// tested is the result of idp test, for scripts.
type tested struct {
	Preset   string      `json:"preset"`
	Issuer   string      `json:"issuer"`
	Resource string      `json:"resource"`
	Verdict  string      `json:"verdict"` // direct, weaker, registered or broker
	Meaning  string      `json:"meaning"`
	Checks   []idp.Check `json:"checks"`
}

func (a *app) testProvider(ctx context.Context, q *providerProbe) error {
	u, p, err := a.whichProvider(q)
	if err != nil {
		return err
	}
	facts := &idp.Facts{Resource: q.resource}
	answered := true
	if u.Issuer != "" && (p.Refusal == "" || p.Unless != "") {
		if answered, err = gather(ctx, u, facts); err != nil {
			return err
		}
	}
	out := tested{Preset: p.Name, Issuer: u.Issuer, Resource: q.resource}
	expanded := idp.Issuer{
		Issuer: u.Issuer, Algorithms: u.Algorithms, Mode: u.Audience.Mode, Audiences: u.Audience.Values,
	}
	verdict, checks := p.Judge(&expanded, facts)
	out.Verdict, out.Meaning, out.Checks = string(verdict), verdict.Means(), checks
	if !answered {
		out.Verdict, out.Meaning = "unknown", "not known: the provider did not answer"
		out.Checks = slices.DeleteFunc(checks, func(c idp.Check) bool { return c.Name != "metadata" }) // the rest only follows
		for i := range out.Checks {
			out.Checks[i].Fix = ""
		}
	}
	if a.json {
		if err := a.object(out); err != nil {
			return err
		}
	} else {
		a.showTested(&out, p, u)
	}
	switch {
	case !answered:
		return &fault{exit: exitNetwork} // all was said
	case verdict == idp.Broker:
		return &fault{exit: exitFailure}
	}
	return nil
}

// whichProvider is the issuer that is meant, and its preset.
func (a *app) whichProvider(q *providerProbe) (*config.Issuer, *idp.Preset, error) {
	if a.file == "" {
		p, err := findPreset(q.name)
		if err != nil {
			return nil, nil, err
		}
		if err := checkResource(q.resource); err != nil {
			return nil, nil, err
		}
		u, err := q.issuer.read(p)
		return u, p, err
	}
	c, err := a.load()
	if err != nil {
		return nil, nil, err
	}
	if err := c.Check(); err != nil {
		return nil, nil, err
	}
	var names []string
	for i := range c.Auth.Issuers {
		u := &c.Auth.Issuers[i]
		if u.Name == q.name {
			if q.resource == "" && len(c.Servers) > 0 {
				q.resource = server.Resource(c, &c.Servers[0], c.Server.Listen)
			}
			return u, idp.Find(u.Preset), nil
		}
		names = append(names, u.Name)
	}
	return nil, nil, &fault{exitNotFound, "GH-2401", fmt.Sprintf("%s has no issuer %.80q. It has: %s.", a.file, q.name, orElse(strings.Join(names, ", "), "none"))}
}

// checkResource judges the URL that tokens have to be for.
func checkResource(text string) error {
	if text == "" {
		return usage("--resource is missing: the public URL of the MCP server, as in https://mcp.acme.com/mcp")
	}
	if err := config.CheckUpstreamURL(text); err != nil {
		return usage("--resource %v", err)
	}
	return nil
}

// gather fetches what a provider says. It is false if nobody answered.
func gather(ctx context.Context, u *config.Issuer, facts *idp.Facts) (bool, error) {
	client, err := server.IssuerClient(u)
	if err != nil {
		return false, usage("%v", err)
	}
	f := safehttp.Fetcher{Client: client}
	heard := false
	m, err := discovery.Fetch(ctx, f, u.Issuer)
	var none *discovery.Error
	switch {
	case errors.As(err, &none):
		for _, t := range none.Tried {
			facts.Tried = append(facts.Tried, t.URL+": "+whatWasWrong(t.Err))
			heard = heard || answered(t.Err)
		}
	case err != nil:
		return false, usage("%v", err)
	default:
		heard = true
		facts.Metadata, facts.CodeChallenges, facts.AuthMethods = m.URL, m.CodeChallengeMethods, m.TokenEndpointAuthMethods
		facts.Registration, facts.ClientMetadata, facts.IssParameter = m.RegistrationEndpoint != "", m.ClientIDMetadataDocuments, m.IssParameter
		facts.KeysURL = m.JWKSURI
	}
	if u.Keys.From == config.KeysURL {
		facts.KeysURL = u.Keys.URL
	}
	if facts.KeysURL == "" {
		facts.KeysWhy = "the metadata names no place"
		return heard, nil
	}
	raw, err := f.Get(ctx, facts.KeysURL)
	if err != nil {
		facts.KeysWhy = whatWasWrong(err)
		return heard || answered(err), nil
	}
	set, err := jwks.Parse(raw)
	if err != nil {
		facts.KeysWhy = err.Error()
		return true, nil //nolint:nilerr // it is what was found
	}
	for _, k := range set.Keys {
		facts.Keys = append(facts.Keys, orElse(k.Alg, k.Type))
	}
	facts.Unusable = set.Ignored
	return true, nil
}

// whatWasWrong says in a few words what was wrong with a place.
func whatWasWrong(err error) string {
	var address *safehttp.AddressError
	switch {
	case errors.As(err, &address):
		return fmt.Sprintf("%v: --private %s", address, address.Host)
	case answered(err):
		return err.Error()
	}
	return safehttp.Reason(err)
}

// answered says whether an error came from a server that is there.
func answered(err error) bool {
	var said interface{ Answered() bool }
	return errors.As(err, &said) && said.Answered()
}

func (a *app) showTested(out *tested, p *idp.Preset, u *config.Issuer) {
	marks := map[idp.Result]string{idp.OK: "✓", idp.Warn: "!", idp.Fail: "✗"}
	for _, c := range out.Checks {
		a.print("%s %-9s %s\n", a.mark(a.out, marks[c.Result]), c.Name, c.Text)
		if c.Fix != "" {
			a.print("            %s\n", c.Fix)
		}
	}
	a.print("Verdict: %s\n", out.Meaning)
	if out.Verdict == string(idp.Broker) || out.Verdict == "unknown" || a.file != "" {
		return
	}
	lines := []string{"- preset: " + p.Name}
	if p.Issuer.Issuer == "" {
		lines = append(lines, "  issuer: "+u.Issuer)
	}
	for i := range p.Params {
		if v := u.Params[p.Params[i].Name]; v != "" {
			lines = append(lines, "  "+p.Params[i].Name+": "+v)
		}
	}
	a.say("  Next  write under auth.issuers:\n\n%s\n  See   gatehouse idp presets --show %s\n", indent(strings.Join(lines, "\n")), p.Name)
}

package main

import (
	"context"
	"crypto/x509"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/internal/probe"
)

// checking is what check was asked.
type checking struct {
	profile    string
	only, skip []string
	rules      bool // list them, and nothing else

	key, token, other string // where they come from
	bad               []string
	upstreams         []string
	private           []string
	from              string // the point of view
	doh, resolve      []string
	ca                string

	burst, register, rotate, inURL bool

	fix, write bool
	ours       *ours // the configuration of what is looked at; nil: it is not known

	failOn             string
	sarif, junit, html string
}

// checkWait is for all that is looked at of one server.
const checkWait = 5 * time.Minute

func (a *app) check() *cobra.Command {
	q := &checking{}
	c := &cobra.Command{
		Use:   "check [URL]",
		Short: "Look at an MCP server from outside and say what is wrong with its protection",
		Long: "Ask an MCP server, ours or not, what a stranger and a client would ask, and say what is wrong, why it matters and\n" +
			"what to do: who is served without a credential, how tokens are refused, what clients need to sign in, TLS, limits\n" +
			"and which of the real clients can log in. What was not seen is unknown (?), never a pass; many rules need a\n" +
			"credential (--key-from, --token-from). Nothing is written there unless --register, --rotate or --burst says so.\n" +
			"It sees a server from this machine; --from public has names mean what public resolvers tell the internet (those of\n" +
			"Cloudflare and Google learn the names then, or those of --doh), and judges whether hosted clients get there.\n" +
			"--fix shows, as a diff, what to change in the configuration of a server of ours (-c).\n" +
			"Without a URL the servers of the running installation are looked at; with -c and no URL the file is, without a\n" +
			"network. With both, the servers behind the gateway are those of the file. A secret comes from env:NAME, file:PATH,\n" +
			"cmd:PROGRAM, keychain:NAME or - (standard input), never from the command line. It ends with 1 when something fails, and with 5 when nobody answers.",
		Example: "  gatehouse check https://mcp.acme.com/mcp\n" +
			"  gatehouse check https://mcp.acme.com/mcp --key-from env:ACME_MCP_KEY --upstream http://10.0.3.7:3000/mcp\n" +
			"  gatehouse check https://mcp.acme.com/mcp --profile spec-2026-07-28 --sarif check.sarif --html check.html\n" +
			"  gatehouse check https://mcp.acme.com/mcp --from public  as claude.ai and ChatGPT are led there\n" +
			"  gatehouse check -c gatehouse.yaml                       the file only, without a network\n" +
			"  gatehouse check -c gatehouse.yaml --fix                 and what to change in it\n" +
			"  gatehouse check --list-rules",
		DisableFlagsInUseLine: true,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return exactly("one URL")(c, args)
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if q.rules {
				return a.listRules(q)
			}
			return a.runCheck(c.Context(), q, args)
		},
	}
	q.flags(c)
	for _, name := range []string{"key-from", "token-from", "other-from"} {
		_ = c.RegisterFlagCompletionFunc(name, a.completeSources)
	}
	c.ValidArgsFunction = a.completeURLs
	return c
}

func (q *checking) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&q.profile, "profile", "", "rules to ask: `NAME` checklist, spec-2026-07-28 or strict (all, and a warning fails)")
	f.StringSliceVar(&q.only, "only", nil, "ask these `RULES` only, by code or name")
	f.StringSliceVar(&q.skip, "skip", nil, "ask all but these `RULES`")
	f.BoolVar(&q.rules, "list-rules", false, "list the rules and what each is about")
	f.StringVar(&q.key, "key-from", "", "`SOURCE` of a key that is accepted")
	f.StringVar(&q.token, "token-from", "", "`SOURCE` of an access token that is accepted")
	f.StringVar(&q.other, "other-from", "", "`SOURCE` of a credential of somebody else")
	f.StringArrayVar(&q.bad, "bad-token", nil, "`KIND=SOURCE` of a credential that has to be refused: expired, revoked, other-resource, id-token, refresh-token")
	f.StringSliceVar(&q.upstreams, "upstream", nil, "`URL` of the server behind, to see whether it is reached past the gateway")
	f.StringSliceVar(&q.private, "private", nil, "`HOSTS` and networks that the server's documents may lead to though they are private")
	f.StringVar(&q.from, "from", "", "see it from `WHERE`: public, by the addresses that public resolvers know")
	f.StringArrayVar(&q.doh, "doh", nil, "with --from public: ask this resolver, by the `URL` of its DNS over HTTPS")
	f.StringArrayVar(&q.resolve, "resolve", nil, "look at a host at one address, `HOST:PORT:ADDRESS`, such as one replica behind a load balancer")
	f.StringVar(&q.ca, "ca", "", "`FILE` with the authorities that servers are judged by")
	f.BoolVar(&q.burst, "burst", false, "send a hundred calls and thirty wrong keys at once, to see limits; your address may be banned for a while")
	f.BoolVar(&q.inURL, "in-url", false, "send the credential in the URL too, to see that it is refused there; it is in logs from then on")
	f.BoolVar(&q.register, "register", false, "register a client at the authorization server, to see what it lets that do, and delete it")
	f.BoolVar(&q.rotate, "rotate", false, "make a key of this installation, rotate and revoke it, to see that it ends")
	f.BoolVar(&q.fix, "fix", false, "show what to change in the configuration (-c), as a diff; nothing is written")
	f.BoolVar(&q.write, "write", false, "with --fix: write it, and keep a copy of the file as it was")
	f.StringVar(&q.failOn, "fail-on", "", "end with 1 when there is a `WHAT` or worse: fail (default), warn, unknown")
	f.StringVar(&q.sarif, "sarif", "", "write SARIF, for code scanning, to `FILE`")
	f.StringVar(&q.junit, "junit", "", "write JUnit's XML to `FILE`")
	f.StringVar(&q.html, "html", "", "write a report for a browser to `FILE`")
	for name, values := range map[string][]string{"profile": {"checklist", "spec-2026-07-28", "strict"}, "fail-on": {"fail", "warn", "unknown"}, "from": {probe.Public}} {
		_ = c.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
	for _, name := range []string{"only", "skip"} {
		_ = c.RegisterFlagCompletionFunc(name, severalOf(ruleWords()))
	}
	_ = c.MarkFlagFilename("ca", "pem", "crt")
}

func ruleWords() (all []string) {
	for _, r := range probe.Rules() {
		all = append(all, r.Name+"\t"+r.Title)
	}
	return all
}

// runCheck looks at what was named, writes what was asked for, and judges.
func (a *app) runCheck(ctx context.Context, q *checking, args []string) error {
	if !slices.Contains([]string{"", "fail", "warn", "unknown"}, q.failOn) {
		return usage("--fail-on %.40q is none of fail, warn and unknown", q.failOn)
	}
	if _, err := probe.Select(probe.Profile(q.profile), q.only, q.skip); err != nil {
		return usage("%v. See: gatehouse check --list-rules", err)
	}
	if q.write && !q.fix {
		return usage("--write says what becomes of --fix: give both")
	}
	ctx, stop := a.within(ctx, checkWait)
	defer stop()
	if len(args) == 0 && a.file != "" {
		f, err := a.lintFile(q)
		if err != nil {
			return err
		}
		return a.tell(q, []*probe.Report{f})
	}
	o, err := a.checkOptions(ctx, q)
	if err != nil {
		return err
	}
	urls, err := a.whatToCheck(ctx, q, args, o)
	if err != nil {
		return err
	}
	if q.write && q.ours == nil { // before anybody is asked
		return usage("--write needs the configuration of the server, without mistakes in it: -c gatehouse.yaml")
	}
	if q.rotate {
		d, err := a.open(ctx, false)
		if err != nil {
			return err
		}
		defer func() { _ = d.close() }()
		o.Keys = keysOf{d}
		o.Left = func(id string, err error) {
			a.warn("The key %s that was made for this is still alive (%v). End it: gatehouse key revoke %s", id, err, id)
		}
	}
	var all []*probe.Report
	for _, url := range urls {
		o.URL = url
		o.Progress = a.progress(url)
		report, err := probe.Run(ctx, *o)
		a.progressEnds(o.Progress != nil)
		if err != nil {
			if ctx.Err() != nil {
				return err
			}
			return usage("%v", err)
		}
		all = append(all, report)
	}
	return a.tell(q, all)
}

// checkOptions reads the flags, and the secrets from where they are.
func (a *app) checkOptions(ctx context.Context, q *checking) (*probe.Options, error) {
	o := &probe.Options{
		Bad: map[probe.Bad]string{}, Upstreams: q.upstreams, Burst: q.burst, Register: q.register, InURL: q.inURL, Private: q.private,
		From: q.from, Resolvers: q.doh, Resolve: q.resolve,
		Profile: probe.Profile(q.profile), Only: q.only, Skip: q.skip, Now: a.now,
	}
	var err error
	if o.Proxy, err = a.proxies(""); err != nil {
		return nil, err
	}
	if q.key != "" && q.token != "" {
		return nil, usage("--key-from and --token-from are two ways to say the same: give one")
	}
	for _, s := range []struct {
		flag, source string
		to           *string
	}{{"--key-from", q.key, &o.Credential}, {"--token-from", q.token, &o.Credential}, {"--other-from", q.other, &o.Other}} {
		if s.source == "" {
			continue
		}
		secret, err := a.checkSecret(ctx, s.flag, s.source)
		if err != nil {
			return nil, err
		}
		*s.to = secret
	}
	for _, b := range q.bad {
		kind, source, _ := strings.Cut(b, "=")
		if !slices.Contains(probe.BadKinds(), probe.Bad(kind)) {
			return nil, usage("--bad-token %.40q is not KIND=SOURCE with one of expired, revoked, other-resource, id-token and refresh-token", kind)
		}
		secret, err := a.checkSecret(ctx, "--bad-token "+kind, source)
		if err != nil {
			return nil, err
		}
		o.Bad[probe.Bad(kind)] = secret
	}
	if q.ca != "" {
		text, err := os.ReadFile(q.ca)
		if err != nil {
			return nil, usage("--ca: %v", err)
		}
		if o.Roots = x509.NewCertPool(); !o.Roots.AppendCertsFromPEM(text) {
			return nil, usage("--ca %s has no certificate in it", q.ca)
		}
	}
	return o, nil
}

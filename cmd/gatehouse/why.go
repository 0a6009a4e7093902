package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/why"
)

// whyFlags are what why is asked.
type whyFlags struct {
	request              string
	client, user, since  string
	explain              explainFlags // --tool and so on: a question about the rules
	trail                string
	limit                int
	search               why.Search
	door                 *adminapi.Client // of the running server; nil: none runs
	from                 time.Time
	inForce              *config.Config // nil: it is not known
	inForceNot           string         // why it is not
	asksRules, asksLogin bool
}

// whyAnswer is the answer, for scripts. docs/reference/why.md has it.
type whyAnswer struct {
	Kind      string          `json:"kind"`              // decision, login, logins, question or change
	OK        bool            `json:"ok"`                // false: something was refused, or did not work; exit 1
	Request   string          `json:"request,omitempty"` // whole id of the request or login
	Decisions []*why.Decision `json:"decisions,omitempty"`
	Changes   []whyChange     `json:"changes,omitempty"`
	Login     *why.Login      `json:"login,omitempty"`  // of logins: the newest that came to nothing
	Logins    []whyLogin      `json:"logins,omitempty"` // the latest first
	Cut       bool            `json:"cut,omitempty"`    // there are more
	User      *whyUser        `json:"user,omitempty"`
	Answers   []whyGrant      `json:"answers,omitempty"` // of the rules, one for each way in which the user may come
}

func (a *app) why() *cobra.Command {
	f := &whyFlags{}
	c := &cobra.Command{
		Use:   "why REQUEST_ID | --client CLIENT | --user WHO [--tool NAME]",
		Short: "Explain one decision, or which step of a login failed",
		Long: "Tell from the audit trail and the rules why a request was allowed or refused, by the id that the caller was given\n" +
			"(X-Request-Id, request_id, the foot of a page) or what it begins with. The id of a login, or --client and --user, tell\n" +
			"which steps there were, which was refused or never came, what that usually comes of, and what to do. With --user and\n" +
			"--tool nothing needs to have happened: the rules are asked. It ends with 1 when something was refused or came to\n" +
			"nothing, and with 4 when nothing is found.",
		Example: "  gatehouse why 7QKX2M4N\n" +
			"  gatehouse why --client 'Claude Code' --since 24h\n" +
			"  gatehouse why --client https://claude.ai/oauth/claude-code-client-metadata --user ada\n" +
			"  gatehouse why --user ada@acme.example --tool delete_customer --server crm\n",
		Args: cobra.MaximumNArgs(1), ValidArgsFunction: a.completeRefused, DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, args []string) error {
			if err := f.read(a, args); err != nil {
				return err
			}
			return a.tellWhy(c.Context(), f)
		},
	}
	s := c.Flags()
	s.StringVar(&f.client, "client", "", "logins of the OAuth client with this `ID`, beginning of an id, name or host")
	s.StringVar(&f.user, "user", "", "of the user with this `ID`, name or address")
	s.StringVar(&f.since, "since", "", "not before this `TIME`: 24h or 7d ago, 2026-11-23, or 2026-11-23T12:00:00Z")
	s.IntVar(&f.limit, "limit", 10, "how many logins at most")
	s.StringVar(&f.explain.tool, "tool", "", "may the user call the tool of this `NAME`")
	s.StringVar(&f.explain.prompt, "prompt", "", "may the user ask for the prompt of this `NAME`")
	s.StringVar(&f.explain.resource, "resource", "", "may the user read the resource of this `URI`")
	s.StringArrayVar(&f.explain.arg, "arg", nil, "one argument, `NAME=VALUE`; the value is JSON if it reads as such, else text")
	s.StringVar(&f.explain.server, "server", "", "the server, by its `NAME`; needed if there are several")
	s.StringVar(&f.trail, "trail", "", "read this `FILE` instead of the installation's trail")
	_ = c.RegisterFlagCompletionFunc("client", func(c *cobra.Command, _ []string, s string) ([]string, cobra.ShellCompDirective) {
		return a.completeClients(c, nil, s)
	})
	_ = c.RegisterFlagCompletionFunc("user", func(c *cobra.Command, _ []string, s string) ([]string, cobra.ShellCompDirective) {
		return a.completeUsers(c, nil, s)
	})
	_ = c.RegisterFlagCompletionFunc("server", a.completeServers)
	_ = c.MarkFlagFilename("trail", "jsonl")
	return c
}

const (
	leastID = 4  // characters of a request's id
	mostID  = 64 // and at most
)

// read sees whether the question makes sense.
func (f *whyFlags) read(a *app, args []string) error {
	f.asksRules = f.explain.tool != "" || f.explain.prompt != "" || f.explain.resource != ""
	f.asksLogin = f.client != "" || f.user != "" && !f.asksRules
	for _, text := range append([]string{f.client, f.user}, args...) {
		if apikey.Is(text) {
			return exposed(text)
		}
	}
	switch {
	case len(args) == 1 && (f.asksRules || f.asksLogin):
		return usage("the id of a request says all; leave --client, --user and --tool out")
	case len(args) == 1:
		f.request = strings.TrimSpace(args[0])
		if n := len(f.request); n < leastID || n > mostID || strings.ContainsFunc(f.request, notOfAnID) {
			return usage("%.80q is no id of a request, and not the beginning of one: it has letters and digits, and %d of them say which", f.request, leastID)
		}
	case f.asksRules && f.user == "":
		return usage("say who calls with --user, or ask gatehouse policy explain%s", a.place())
	case f.asksRules && f.client != "":
		return usage("the rules are asked for every client of the user; leave --client out")
	case f.explain.server != "" && !f.asksRules:
		return usage("--server goes with --tool, --prompt or --resource")
	case !f.asksRules && !f.asksLogin:
		return usage("why what? Give the id of a request, or --client, or --user. See: gatehouse why --help")
	case f.limit < 1:
		return usage("--limit is 1 or more")
	}
	var err error
	f.from, err = moments("--since", f.since, a.now())
	return err
}

func notOfAnID(c rune) bool {
	return !(c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_')
}

// tellWhy finds out and answers.
func (a *app) tellWhy(ctx context.Context, f *whyFlags) error {
	ctx, stop := a.within(ctx, commandWait)
	defer stop()
	if err := a.openTrail(ctx, f); err != nil {
		return err
	}
	tell := a.whyRequest
	switch {
	case f.asksRules:
		tell = a.whyRules
	case f.asksLogin:
		tell = a.whyLogins
	}
	out, err := tell(ctx, f)
	if err != nil {
		return err
	}
	if a.json {
		err = a.harmless(out)
	} else {
		a.showWhy(f, out)
	}
	if err == nil && !out.OK {
		return &fault{exit: exitFailure} // all was said
	}
	return err
}

// harmless writes JSON in which nothing of what strangers wrote moves a cursor or
// turns a line: it may be shown by a terminal.
func (a *app) harmless(v any) error {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	out := make([]byte, 0, text.Len())
	for _, c := range text.String() { // whatever is not ASCII is part of a string
		switch {
		case c == '\n' || c < utf8.RuneSelf && c != 0x7f || unicode.IsPrint(c):
			out = utf8.AppendRune(out, c)
		case c > 0xffff:
			c -= 0x10000
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+c>>10, 0xdc00+c&0x3ff)
		default:
			out = fmt.Appendf(out, `\u%04x`, c)
		}
	}
	_, err := a.out.Write(out)
	return err
}

// openTrail finds the trail: that of --trail, of the running server, or the file.
func (a *app) openTrail(ctx context.Context, f *whyFlags) error {
	if f.trail != "" {
		f.search = a.fileTrail(f.trail)
		return nil
	}
	state, err := a.stateDir()
	if err != nil {
		return err
	}
	way, err := adminapi.Dial(ctx, state.Dir)
	switch {
	case err == nil:
		d := &adminapi.Client{Transport: way}
		f.search, f.door = servedTrail(d), d
		a.fileInForce(ctx, d)
	case !errors.Is(err, adminapi.ErrNotRunning):
		return err
	default:
		path, err := a.trailPath()
		if err != nil {
			return err
		}
		f.search = a.fileTrail(path)
	}
	if a.file != "" { // without it there is but the key's own patterns
		if f.inForce, err = a.load(); err != nil {
			f.inForceNot = "the rules of " + a.file + " cannot be read: gatehouse config validate -c " + quoted(a.file)
		}
	}
	return nil
}

// view is from where the trail is looked at.
func (a *app) view(f *whyFlags) why.View {
	v := why.View{Now: a.now()}
	if f.inForce != nil && f.inForce.Audit.Include != nil {
		v.Blind = !slices.Contains(f.inForce.Audit.Include, config.AuditToolCall) || !slices.Contains(f.inForce.Audit.Include, config.AuditCall)
	}
	return v
}

// fileInForce takes the file that the running server serves, if none was named.
func (a *app) fileInForce(ctx context.Context, d *adminapi.Client) {
	if a.file != "" {
		return
	}
	if c, err := d.Configuration(ctx); err == nil {
		a.file = c.File
	}
}

// fileTrail searches a file.
func (a *app) fileTrail(path string) why.Search {
	return func(ctx context.Context, q audit.Query, found func(audit.Match) error) (audit.Report, error) {
		r, err := audit.Search(ctx, path, q, found)
		if err != nil {
			return r, trailFault(path, err)
		}
		return r, nil
	}
}

// servedTrail has a running server search.
func servedTrail(d *adminapi.Client) why.Search {
	return func(ctx context.Context, q audit.Query, found func(audit.Match) error) (audit.Report, error) {
		w := adminapi.TrailQuery{
			Since: q.Since, Until: q.Until, Kinds: q.Kinds, Action: q.Action, Code: q.Code, Subject: q.Subject, Request: q.Request, Prefix: q.Prefix,
			Flow: q.Flow, ClientID: q.ClientID, Tokens: q.Tokens, Outcome: q.Outcome, Limit: q.Limit, Oldest: q.Oldest,
		}
		if q.Address.IsValid() {
			w.Address = q.Address.String()
		}
		out, err := d.Trail(ctx, w)
		if err != nil {
			return audit.Report{}, err
		}
		for _, line := range out.Events {
			e, err := audit.Parse(line)
			if err != nil {
				return audit.Report{}, err
			}
			if err := found(audit.Match{Event: e, Line: line}); err != nil {
				return audit.Report{}, err
			}
		}
		return audit.Report{Cut: out.Cut, Damaged: out.Damaged}, nil
	}
}

// completeRefused completes ids of requests that were refused lately, and of logins.
func (a *app) completeRefused(c *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx := c.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, stop := context.WithTimeout(ctx, 2*time.Second)
	defer stop()
	a.quiet = true
	f := &whyFlags{}
	var out []string
	if a.openTrail(ctx, f) != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	kinds := []string{config.AuditDenied, config.AuditAuthFailed, config.AuditSignIn}
	_, _ = f.search(ctx, audit.Query{Kinds: kinds, Outcome: audit.Refused, Prefix: begun, Limit: 30}, func(m audit.Match) error {
		if m.Request != "" {
			out = append(out, m.Request+"\t"+audit.Plain(m.Time.UTC().Format("15:04:05")+" "+m.Code+" "+what(m.Event)+" "+orElse(m.Subject, m.KeyID), 80))
		}
		return nil
	})
	return out, cobra.ShellCompDirectiveNoFileComp
}

package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/internal/policy"
	"github.com/gatehouse-mcp/gatehouse/internal/unit"
)

// explainFlags say what is called, and by whom.
type explainFlags struct {
	callerFlags
	server                         string
	tool, prompt, resource, method string
	args                           string
	arg                            []string
}

func (a *app) policyExplain() *cobra.Command {
	f := &explainFlags{}
	c := &cobra.Command{
		Use:   "explain (--tool NAME | --prompt NAME | --resource URI) [--scopes A,B] [--key LABEL] [--token -] [-c FILE]",
		Short: "Say what would be decided about a call, and why",
		Long: "Ask the rules of a file (default ./gatehouse.yaml) about one call, and say what became of every rule that is about\n" +
			"it. Nothing is called, and a token is not verified: gatehouse token explain does that. Whatever is not said of the\n" +
			"caller is not in the token. It ends with 1 when the call would be refused.",
		Example: "  gatehouse policy explain --tool delete_customer --scopes crm:read --roles sales\n" +
			"  gatehouse policy explain --tool pay --arg amount=250 --key ci-nightly --tenant acme\n" +
			"  gatehouse policy explain --tool get_note --token - < token.txt\n",
		Args: exactly(), DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, _ []string) error {
			a.configFile()
			if err := f.read(c); err != nil {
				return err
			}
			return a.explain(f)
		},
	}
	s := c.Flags()
	s.StringVar(&f.tool, "tool", "", "the tool that is called, by its `NAME`")
	s.StringVar(&f.prompt, "prompt", "", "the prompt that is asked for, by its `NAME`")
	s.StringVar(&f.resource, "resource", "", "the resource that is read, by its `URI`")
	s.StringVar(&f.method, "method", "", "the `METHOD`, if it is not the usual one")
	s.StringArrayVar(&f.arg, "arg", nil, "one argument, `NAME=VALUE`; the value is JSON if it reads as such, else text")
	s.StringVar(&f.args, "args", "", "all arguments as a `JSON` object")
	s.StringVar(&f.server, "server", "", "the server, by its `NAME`; needed if there are several")
	f.flags(a, c)
	_ = c.RegisterFlagCompletionFunc("server", a.completeServers)
	return c
}

// operation is what the flags say.
func (f *explainFlags) operation() (*policy.Operation, error) {
	op := &policy.Operation{Method: f.method}
	said := 0
	for kind, one := range [...]struct{ name, method string }{policy.Tool: {f.tool, "tools/call"}, policy.Prompt: {f.prompt, "prompts/get"}, policy.Resource: {f.resource, "resources/read"}} {
		if one.name == "" {
			continue
		}
		said++
		op.Kind, op.Name, op.Method = policy.Kind(kind), one.name, orElse(f.method, one.method) //nolint:gosec // three kinds
	}
	if said != 1 {
		return nil, usage("say what is called: one of --tool, --prompt and --resource")
	}
	switch {
	case f.args != "" && len(f.arg) > 0:
		return nil, usage("--args has all arguments; leave --arg out")
	case f.args != "":
		if !json.Valid([]byte(f.args)) || !strings.HasPrefix(strings.TrimSpace(f.args), "{") {
			return nil, usage("--args %.80q is no JSON object", f.args)
		}
		op.Args = []byte(f.args)
	case len(f.arg) > 0:
		members := map[string]json.RawMessage{}
		for _, one := range f.arg {
			name, value, ok := strings.Cut(one, "=")
			if _, twice := members[name]; !ok || name == "" || twice {
				return nil, usage("--arg %.80q is not NAME=VALUE, each name once", one)
			}
			raw := json.RawMessage(value)
			if !json.Valid(raw) {
				var err error
				if raw, err = json.Marshal(value); err != nil {
					return nil, err
				}
			}
			members[name] = raw
		}
		var err error
		if op.Args, err = json.Marshal(members); err != nil {
			return nil, err
		}
	}
	return op, nil
}

// explainedCall is the answer, for scripts.
type explainedCall struct {
	Decision string        `json:"decision"` // allow, deny or step-up
	Code     string        `json:"code,omitempty"`
	Server   string        `json:"server"`
	Kind     string        `json:"kind"`
	Name     string        `json:"name"`
	Listed   bool          `json:"listed"` // it is in the caller's lists
	Rules    []string      `json:"rules"`  // that matched, those that decided first
	Scopes   []string      `json:"scopes,omitempty"`
	MaxAge   int64         `json:"max_age,omitempty"` // seconds
	Reason   string        `json:"reason"`
	Steps    []policy.Step `json:"steps"`
}

func (a *app) explain(f *explainFlags) error {
	op, err := f.operation()
	if err != nil {
		return err
	}
	c, err := a.load()
	if err != nil {
		return err
	}
	r, err := a.oneServer(c, f.server)
	if err != nil {
		return err
	}
	who, err := asker(c, &f.CaseCaller)
	if f.token != "" {
		if f.beside != "" {
			return usage("--token says who calls; leave --%s out", f.beside)
		}
		who, err = a.pasted(c, r, f.token, f.Tenant)
	}
	if err != nil {
		return err
	}
	out := askRules(r, who, op)
	if a.json {
		err = a.object(out)
	} else {
		a.showExplanation(out, who)
	}
	if err == nil && out.Decision != "allow" {
		return &fault{exit: exitFailure} // all was said
	}
	return err
}

// askRules asks the rules of a server about one call.
func askRules(r *ruled, who *policy.Asker, op *policy.Operation) *explainedCall {
	d, steps := r.rules.Explain(who, op)
	return &explainedCall{
		Decision: decided(&d), Code: d.Code, Server: r.Name, Kind: op.Kind.String(), Name: op.Name, Listed: r.rules.Lists(who, op.Kind, op.Name),
		Rules: append([]string{}, d.Rules...), Scopes: d.Scopes, MaxAge: d.MaxAge, Reason: d.Reason, Steps: steps,
	}
}

// decided says a decision in a word, as test files have it.
func decided(d *policy.Decision) string {
	switch {
	case d.Allowed:
		return "allow"
	case len(d.Scopes) > 0 || d.MaxAge > 0:
		return "step-up"
	}
	return "deny"
}

func (a *app) showExplanation(out *explainedCall, who *policy.Asker) {
	verdict := map[string]string{"allow": "ALLOWED", "deny": "DENIED", "step-up": "DENIED, unless the caller asks for more"}[out.Decision]
	a.print("%s %s  %s %s on %s", a.mark(a.out, map[bool]string{true: "✓", false: "✗"}[out.Decision == "allow"]), verdict, out.Kind, printableText(out.Name), out.Server)
	if out.Code != "" {
		a.print("  %s", out.Code)
	}
	a.print("\n  Who     %s\n", describeCaller(who))
	for _, s := range out.Steps {
		effect := map[bool]string{true: "denies", false: "allows"}[s.Deny]
		switch s.Match {
		case "yes":
			a.print("  Rule    %q (%s) %s it", s.Rule, s.Source, effect)
		default:
			a.print("  Rule    %q (%s), which %s, does not match", s.Rule, s.Source, effect)
		}
		if s.Why != "" {
			a.print(": %s", s.Why)
		}
		a.print("\n")
	}
	switch {
	case len(out.Steps) == 0 && out.Decision == "allow":
		a.print("  Rule    none is about it; the default is allow\n")
	case len(out.Steps) == 0 && out.Reason != "no rule allows it":
		a.print("  Rule    %s\n", out.Reason)
	case len(out.Steps) == 0:
		a.print("  Rule    none is about it; the default is deny\n")
	case out.Decision == "allow" && len(out.Rules) == 0:
		a.print("  Default allow\n")
	}
	if len(out.Scopes) > 0 {
		a.print("  Client  is asked for the scopes %s\n", strings.Join(out.Scopes, " "))
	}
	if out.MaxAge > 0 {
		a.print("  Client  is asked for a sign-in of the last %s\n", unit.FormatSeconds(out.MaxAge))
	}
	a.print("  Listed  %s\n", map[bool]string{true: "yes", false: "no: the caller does not see it"}[out.Listed])
}

// describeCaller says who calls, in a line.
func describeCaller(who *policy.Asker) string {
	id := who.Identity
	if who.Key != "" {
		return fmt.Sprintf("key %s, tenant %s", printableText(who.Key), who.Tenant)
	}
	list := func(name string, all []string) string {
		switch {
		case all == nil:
			return ""
		case len(all) == 0:
			return ", no " + name
		}
		return ", " + name + " " + printableText(strings.Join(all, " "))
	}
	text := "a token"
	if id.Issuer != "" {
		text += " of " + printableText(id.Issuer)
	}
	text += ", tenant " + who.Tenant
	if id.Client != "" {
		text += ", client " + printableText(id.Client)
	}
	text += list("scopes", id.Scopes) + list("permissions", id.Permissions) + list("roles", id.Roles) + list("groups", id.Groups)
	if id.Scopes == nil {
		text += ", which does not speak of scopes"
	}
	return text
}

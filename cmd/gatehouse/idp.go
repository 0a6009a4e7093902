package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/idp"
)

func (a *app) idp() *cobra.Command {
	return group("idp", "Use an identity provider that is there already",
		"  gatehouse idp presets                        what is known of which provider\n"+
			"  gatehouse idp test auth0 --domain acme.us.auth0.com --resource https://mcp.acme.com/mcp\n"+
			"  gatehouse idp list                           those of ./gatehouse.yaml\n"+
			"  gatehouse idp login-test google              sign in once with one of auth.embedded.login\n",
		a.idpPresets(), a.idpList(), a.idpTest(), a.idpLoginTest())
}

// knownPreset is a preset, for scripts.
type knownPreset struct {
	Name     string           `json:"name"`
	Title    string           `json:"title"`
	Verdict  string           `json:"verdict"`
	Params   []param          `json:"params"`
	Refusal  string           `json:"refusal,omitempty"`
	Weak     string           `json:"weak,omitempty"`
	Opaque   []string         `json:"opaque_prefixes,omitempty"`
	Setup    []string         `json:"setup,omitempty"`
	Gotchas  []string         `json:"gotchas,omitempty"`
	Short    string           `json:"short,omitempty"`    // what to write, with the examples
	Expanded []config.Setting `json:"expanded,omitempty"` // what comes of it
	Login    knownLogin       `json:"login"`
}

type param struct {
	Name     string   `json:"name"`
	Required bool     `json:"required"`
	Default  string   `json:"default,omitempty"`
	Example  string   `json:"example"`
	Doc      string   `json:"doc"`
	Values   []string `json:"values,omitempty"`
}

func (a *app) idpPresets() *cobra.Command {
	show := ""
	c := &cobra.Command{
		Use:   "presets [--show NAME]",
		Short: "List the providers that are known, or show one",
		Long: "List the providers that are known, what each can be used for as far as is known beforehand, and what it needs.\n" +
			"With --show, one of them: what to set up there, what to write, what comes of it and what is known to go wrong.",
		Example:               "  gatehouse idp presets\n  gatehouse idp presets --show auth0\n  gatehouse idp presets --show entra --json",
		Args:                  exactly(),
		DisableFlagsInUseLine: true,
		RunE: func(*cobra.Command, []string) error {
			if show != "" {
				return a.showPreset(show)
			}
			return a.listPresets()
		},
	}
	c.Flags().StringVar(&show, "show", "", "show the preset `NAME`")
	_ = c.RegisterFlagCompletionFunc("show", presetNames)
	return c
}

func presetNames(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var all []string
	for _, p := range idp.Presets() {
		all = append(all, p.Name+"\t"+p.Title)
	}
	return all, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) listPresets() error {
	if a.json {
		all := []knownPreset{}
		for _, p := range idp.Presets() {
			all = append(all, describePreset(p))
		}
		return a.object(all)
	}
	rows := [][]string{{"PRESET", "PROVIDER", "USE", "NEEDS"}}
	for _, p := range idp.Presets() {
		var needs []string
		for i := range p.Params {
			if p.Params[i].Need {
				needs = append(needs, p.Params[i].Name)
			}
		}
		if p.Issuer.Issuer == "" && p.Verdict != idp.Broker {
			needs = append([]string{"issuer"}, needs...)
		}
		rows = append(rows, []string{p.Name, p.Title, string(p.Verdict), orElse(strings.Join(needs, ", "), "–")})
	}
	if err := a.table(rows); err != nil {
		return err
	}
	a.say("  direct: clients get tokens for this server there · weaker: others may have been given the same token\n" +
		"  registered: clients are registered by hand · broker: its tokens are not for us\n" +
		"  Next  gatehouse idp presets --show NAME     gatehouse idp test NAME, which asks the provider itself\n")
	return nil
}

// findPreset finds a preset by what a person typed.
func findPreset(name string) (*idp.Preset, error) {
	if p := idp.Find(name); p != nil {
		return p, nil
	}
	return nil, &fault{exitNotFound, "GH-2401", fmt.Sprintf("There is no preset %.80q. There are: %s.", name, strings.Join(idp.Names(), ", "))}
}

func describePreset(p *idp.Preset) knownPreset {
	out := knownPreset{
		Name: p.Name, Title: p.Title, Verdict: string(p.Verdict), Params: []param{}, Refusal: p.Refusal, Weak: p.Weak,
		Opaque: p.Opaque, Setup: p.Setup, Gotchas: p.Gotchas,
	}
	out.Params = append(out.Params, params(p.Params)...)
	out.Login = describeLogin(p)
	return out
}

func params(of []idp.Param) []param {
	all := []param{}
	for i := range of {
		q := &of[i]
		all = append(all, param{q.Name, q.Need, q.Else, q.Example, q.Doc, q.One})
	}
	return all
}

// expandShort reads what a preset says that one writes.
func expandShort(text string) (*config.Config, error) {
	indented := "    " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n    ")
	c, err := config.Parse("example", []byte("version: 1\nservers: [{name: a, url: 'http://127.0.0.1:3000/mcp'}]\nauth:\n  issuers:\n"+indented+"\npolicy: {default: allow}\n"), config.Outside{})
	if err == nil {
		err = c.Check()
	}
	return c, err
}

func (a *app) showPreset(name string) error {
	p, err := findPreset(name)
	if err != nil {
		return err
	}
	out := describePreset(p)
	var c *config.Config
	if p.Refusal == "" || p.Unless != "" {
		out.Short = p.Short()
		if c, err = expandShort(out.Short); err != nil {
			return err
		}
		out.Expanded = issuerSettings(c)
	}
	if a.json {
		return a.object(out)
	}
	a.print("%s (%s): %s\n", p.Title, p.Name, p.Verdict.Means())
	if p.Refusal != "" {
		a.print("\n%s %s\n", a.mark(a.out, "!"), p.Refusal)
	}
	if out.Short != "" {
		a.print("\nWhat to write, under auth.issuers\n\n%s", indent(out.Short))
		for i := range p.Params {
			a.print("    # %s: %s\n", p.Params[i].Name, p.Params[i].Doc)
		}
		a.print("\nWhat comes of it, each of which can be written too\n\n%s", indent(expandedYAML(out.Expanded)))
		for _, w := range c.Weakened() {
			a.print("\n%s %s\n", a.mark(a.out, "!"), strings.Replace(w, "auth.issuers[0].", "", 1))
		}
	}
	a.paragraphs("What to set up there", p.Setup, true)
	a.paragraphs("What is known to go wrong", p.Gotchas, false)
	a.showLogin(p, &out.Login)
	a.say("  {resource} is the public URL of the server that is called.\n  Next  gatehouse idp test %s …     gatehouse config expand\n", p.Name)
	return nil
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n    ") + "\n"
}

func (a *app) paragraphs(head string, lines []string, numbered bool) {
	if len(lines) == 0 {
		return
	}
	a.print("\n%s\n\n", head)
	for i, l := range lines {
		mark := "-"
		if numbered {
			mark = fmt.Sprintf("%d.", i+1)
		}
		a.print("  %s %s\n", mark, l)
	}
}

// issuerSettings are the settings of the first issuer, by their names below it.
func issuerSettings(c *config.Config) []config.Setting {
	var all []config.Setting
	at := "auth.issuers[" + c.Auth.Issuers[0].Name + "]."
	for _, s := range c.Settings() {
		if path, ok := strings.CutPrefix(s.Path, at); ok {
			s.Path, s.Digest = path, ""
			all = append(all, s)
		}
	}
	return all
}

// expandedYAML writes settings as one would write them in a file.
func expandedYAML(all []config.Setting) string {
	var b strings.Builder
	section := ""
	for _, s := range foldLists(all) {
		head, key, nested := strings.Cut(s.Path, ".")
		switch {
		case !nested:
			section = ""
			_, _ = fmt.Fprintf(&b, "%s: %s\n", s.Path, s.Value)
			continue
		case head != section:
			section = head
			_, _ = fmt.Fprintf(&b, "%s:\n", head)
		}
		_, _ = fmt.Fprintf(&b, "  %s: %s\n", key, s.Value)
	}
	return b.String()
}

// foldLists joins the settings of the elements of a list, such as
// reject_if[0].claim, to one value, and has every value as it is written.
func foldLists(all []config.Setting) []config.Setting {
	var out []config.Setting
	last := "" // element that was written to
	for _, s := range all {
		if s.Value == nil {
			continue
		}
		list, rest, inside := strings.Cut(s.Path, "[")
		if !inside {
			out = append(out, config.Setting{Path: s.Path, Value: s.Text()})
			continue
		}
		_, key, _ := strings.Cut(rest, "].")
		element, _, _ := strings.Cut(s.Path, "]")
		member := key + ": " + s.Text()
		switch {
		case len(out) == 0 || out[len(out)-1].Path != list:
			out = append(out, config.Setting{Path: list, Value: "[{" + member + "}]"})
		case element == last:
			text := fmt.Sprint(out[len(out)-1].Value)
			out[len(out)-1].Value = strings.TrimSuffix(text, "}]") + ", " + member + "}]"
		default:
			text := fmt.Sprint(out[len(out)-1].Value)
			out[len(out)-1].Value = strings.TrimSuffix(text, "]") + ", {" + member + "}]"
		}
		last = element
	}
	return out
}

// audience is how tokens are bound to us, for scripts.
type audience struct {
	Mode   string   `json:"mode"`
	Values []string `json:"values"`
}

// listed is an issuer of the configuration, for scripts.
type listed struct {
	Name       string                 `json:"name"`
	Preset     string                 `json:"preset"`
	Issuer     string                 `json:"issuer"`
	Audience   audience               `json:"audience"`
	Tenant     string                 `json:"tenant,omitempty"`
	Advertised bool                   `json:"advertised"`
	Opaque     bool                   `json:"introspects"`
	Status     *adminapi.IssuerStatus `json:"status,omitempty"` // of the running server
}

func (a *app) idpList() *cobra.Command {
	return &cobra.Command{
		Use:   "list [-c FILE]",
		Short: "List the issuers of a configuration, and how their keys are",
		Long: "List the identity providers whose tokens are accepted by a file (default ./gatehouse.yaml). When a server runs over\n" +
			"it, the state of their keys is shown too.",
		Example:               "  gatehouse idp list\n  gatehouse idp list -c gatehouse.yaml --json",
		Args:                  exactly(),
		DisableFlagsInUseLine: true,
		RunE:                  func(c *cobra.Command, _ []string) error { return a.listIssuers(c.Context()) },
	}
}

func (a *app) listIssuers(ctx context.Context) error {
	a.configFile()
	c, err := a.load()
	if err != nil {
		return err
	}
	live := map[string]*adminapi.IssuerStatus{}
	if now := a.inForce(ctx); now != nil {
		for i := range now.Issuers {
			live[now.Issuers[i].Name] = &now.Issuers[i]
		}
	}
	all := []listed{}
	rows := [][]string{{"NAME", "PRESET", "ISSUER", "AUDIENCE", "TENANT", "ADVERTISED", "KEYS"}}
	for i := range c.Auth.Issuers {
		u := &c.Auth.Issuers[i]
		all = append(all, listed{u.Name, u.Preset, u.Issuer, audience{u.Audience.Mode, append([]string{}, u.Audience.Values...)}, u.BindTenant, u.Advertise, u.Introspect != nil, live[u.Name]})
		bound := strings.Join(u.Audience.Values, ", ")
		if u.Audience.Mode != config.AudienceExact {
			bound = "! " + u.Audience.Mode
		}
		rows = append(rows, []string{u.Name, u.Preset, u.Issuer, bound, orElse(u.BindTenant, "–"), yesNo(u.Advertise), a.keysOf(live[u.Name])})
	}
	if a.json {
		return a.object(all)
	}
	if len(all) == 0 {
		a.say("%s lists no issuers under auth.issuers. See: gatehouse idp presets\n", a.file)
		return nil
	}
	return a.table(rows)
}

// keysOf says how an issuer's keys are.
func (a *app) keysOf(s *adminapi.IssuerStatus) string {
	switch {
	case s == nil:
		return "not running"
	case s.Failing != nil:
		text := fmt.Sprintf("! not fetched since %s: %s", moment(*s.Failing), s.Problem)
		if s.Until != nil {
			text += fmt.Sprintf(" (%d known, good until %s)", len(s.Kids), moment(*s.Until))
		}
		return text
	case s.Fetched == nil:
		return "not fetched yet"
	}
	return fmt.Sprintf("%d, fetched %s", len(s.Kids), a.ago(*s.Fetched))
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/server"
)

// initFlags are what the command line of init says.
type initFlags struct {
	preset, out, publicURL, email string
	proxies                       []string
	force                         bool

	target []string // what stands after init
	dashed bool     // after "--"
}

func (a *app) init() *cobra.Command {
	f := &initFlags{}
	c := &cobra.Command{
		Use:   "init [flags] [URL | -- COMMAND…]",
		Short: "Write a configuration file",
		Long: "Ask five questions and write a commented file (default ./gatehouse.yaml) that can be served as it is. With --yes\n" +
			"nothing is asked: a preset answers, and flags what differs.\n\nPresets:\n" + presetList(),
		Example: "  gatehouse init\n" +
			"  gatehouse init --preset dev-stdio --yes -- npx -y @modelcontextprotocol/server-filesystem ./docs\n" +
			"  gatehouse init --preset remote --yes --public-url https://mcp.example.com --email ops@example.com http://127.0.0.1:3000/mcp",
		DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, args []string) error {
			f.target, f.dashed = args, c.ArgsLenAtDash() == 0
			return a.initialize(c.Context(), f)
		},
	}
	l := c.Flags()
	l.StringVar(&f.preset, "preset", "", "answers to begin with: a `NAME` or a number")
	l.StringVar(&f.out, "out", "", "`FILE` to write (default "+defaultFile+")")
	l.StringVar(&f.publicURL, "public-url", "", "`URL` by which callers reach us")
	l.StringVar(&f.email, "email", "", "`ADDRESS` that the certificate authority writes to")
	l.StringSliceVar(&f.proxies, "trusted-proxy", nil, "`NETWORK` of the proxy in front")
	l.BoolVar(&f.force, "force", false, "overwrite a file that exists")
	_ = c.MarkFlagFilename("out", "yaml", "yml")
	_ = c.RegisterFlagCompletionFunc("preset", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		var names []string
		for _, p := range presets {
			if p.missing == "" {
				names = append(names, p.name+"\t"+p.what)
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	})
	return c
}

// preset is a deployment to begin with.
type preset struct {
	number, name, what string
	way                string // how people reach it; see answers
	missing            string // what this version has not got; empty: nothing
}

var presets = []preset{
	{"1", "dev-stdio", "one machine: a server on standard input and output, keys, loopback only", wayLocal, ""},
	{"2", "remote", "an HTTPS name of our own, certificates by ACME, keys", wayACME, ""},
	{"", "proxy", "behind a proxy that ends TLS, keys", wayProxy, ""},
	{"3", "embedded-as", "people sign in with Google or GitHub", "", "auth.embedded, an authorization server of our own"},
	{"4", "saas", "many tenants, several replicas", "", "store.postgres and cache.redis"},
	{"5", "authorizer", "Envoy or nginx asks us", "", "mode.authorizer"},
	{"6", "sandbox", "a local server in a sandbox", "", "stdio.sandbox"},
}

func presetList() string {
	var b strings.Builder
	for _, p := range presets {
		if p.missing == "" {
			b.WriteString("  " + (p.number + " ")[:1] + "  " + p.name + strings.Repeat(" ", 11-len(p.name)) + p.what + "\n")
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// pick finds a preset.
func pick(name string) (*preset, error) {
	if name == "" {
		return &presets[0], nil
	}
	i := slices.IndexFunc(presets, func(p preset) bool { return p.name == name || p.number == name && name != "" })
	if i < 0 {
		return nil, usage("there is no preset %.40q. There are:\n%s", name, presetList())
	}
	if p := &presets[i]; p.missing != "" {
		return nil, usage("Preset %s (%s) needs %s, which this version of gatehouse does not have. There are:\n%s", p.name, p.what, p.missing, presetList())
	}
	return &presets[i], nil
}

func (a *app) initialize(ctx context.Context, f *initFlags) error {
	p, err := pick(f.preset)
	if err != nil {
		return err
	}
	if f.out = orElse(f.out, orElse(a.file, defaultFile)); !f.force && !a.dry {
		if _, err := os.Lstat(f.out); !errors.Is(err, fs.ErrNotExist) {
			return &fault{exitConflict, "GH-2402", f.out + " exists. Write another with --out FILE, or overwrite it with --force."}
		}
	}
	w, err := a.begin(f, p)
	if err != nil {
		return err
	}
	if !a.yes {
		if !terminal(a.in) {
			return &fault{exitUsage, "GH-2404", "Nobody is here to answer. Say --yes, and what differs from the preset with flags."}
		}
		q := &questions{app: a, ctx: ctx, in: lines(a.in)}
		if err := q.ask(w); err != nil {
			return err
		}
	}
	text := w.file()
	c, err := config.Parse(f.out, []byte(text), a.outside())
	if err == nil {
		err = server.Check(c)
	}
	if err != nil {
		return err
	}
	return a.writeInit(f, text, w)
}

func (a *app) writeInit(f *initFlags, text string, w *answers) error {
	if a.dry {
		if a.json {
			return a.object(map[string]any{"file": f.out, "text": text, "dry_run": true})
		}
		a.print("%s", text)
		a.done("this would be written to %s", f.out)
		return nil
	}
	if f.force {
		if err := replaceFile(f.out, []byte(text)); err != nil {
			return err
		}
	} else if err := newFile(f.out, text); err != nil {
		return err
	}
	if a.json {
		return a.object(map[string]any{"file": f.out})
	}
	a.print("%s wrote %s\n", a.mark(a.out, "✓"), f.out)
	a.say("\n  Next  gatehouse config validate -c %s\n        gatehouse key create -c %[1]s --name laptop\n        gatehouse serve -c %[1]s\n", quoted(f.out))
	if w.way != wayLocal && w.publicURL == examplePublic {
		a.say("  %s public_url is an example: put your own name in its place, or say --public-url\n", a.mark(a.err, "!"))
	}
	if w.way == wayACME {
		a.say("  Terms the file says that you agree to those of Let's Encrypt (accept_tos)\n")
	}
	a.say("  Undo  rm %s\n", quoted(f.out))
	return nil
}

// newFile writes a file that must not be there yet.
func newFile(name, text string) error {
	to, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return usage("%v", err)
	}
	_, err = to.WriteString(text)
	if err = errors.Join(err, to.Chmod(0o644), to.Close()); err != nil { // whatever the umask: others must not write it
		_ = os.Remove(name)
		return err
	}
	return nil
}

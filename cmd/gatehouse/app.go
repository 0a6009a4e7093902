package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gatehouse-mcp/gatehouse/internal/process"
)

// app is one run of the command line: where it reads and writes, and what the
// global flags say.
type app struct {
	in       io.Reader
	out, err io.Writer
	environ  []string
	now      func() time.Time
	typed    <-chan string // the lines of in, once somebody is asked; see lines

	state   string        // --state
	file    string        // --config
	json    bool          // --json
	quiet   bool          // --quiet
	verbose bool          // --verbose
	plain   bool          // --no-color
	yes     bool          // --yes
	dry     bool          // --dry-run
	timeout time.Duration // --timeout
}

// run executes the command line and returns its exit code.
func (a *app) run(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(args)
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	// A flag that cannot be parsed may stand before --json.
	a.json = a.json || slices.Contains(args, "--json")
	return a.report(ctx, err)
}

// root is the tree of commands.
func (a *app) root() *cobra.Command {
	c := group("gatehouse", "Protect MCP servers: authentication and authorization in front of any of them",
		"  gatehouse up --demo                                     try it\n"+
			"  gatehouse up -- npx -y @modelcontextprotocol/server-everything\n"+
			"  gatehouse up http://localhost:3000/mcp\n"+
			"  gatehouse connect claude-code                           have a client use it\n"+
			"  gatehouse key create --name laptop\n\n"+
			"  gatehouse init                                          in production: write a file,\n"+
			"  gatehouse serve -c gatehouse.yaml                       and serve it\n"+
			"  gatehouse status -c gatehouse.yaml\n"+
			"  gatehouse check https://mcp.example.com/mcp             look at any server from outside\n"+
			"  gatehouse doctor -c gatehouse.yaml                      what is wrong on this machine\n",
		a.up(), a.serves(), a.status(), a.check(), a.doctor(), a.init(), a.connect(), a.disconnect(), a.config(), a.key(), a.tenant(), a.token(), a.client(), a.grant(), a.user(), a.session(), a.tool(), a.signingKey(), a.idp(), a.ban(), a.audit(), a.why(), a.policy(), a.bridge(), a.db(), a.version(), a.demoServer())
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		var wrong *pflag.InvalidValueError
		if errors.As(err, &wrong) { // its own text is about the parser
			kind := map[string]string{"int64": "a whole number", "duration": "a time such as 30s", "bool": "true or false"}[wrong.GetFlag().Value.Type()]
			return usage("--%s %q is not %s. See: %s --help", wrong.GetFlag().Name, wrong.GetValue(), orElse(kind, "understood"), c.CommandPath())
		}
		return usage("%v. See: %s --help", err, c.CommandPath())
	})
	c.SetHelpTemplate(helpText)
	c.SetUsageTemplate(helpText)
	f := c.PersistentFlags()
	f.StringVar(&a.state, "state", "", "`DIR` of the installation (default $XDG_DATA_HOME/gatehouse)")
	f.StringVarP(&a.file, "config", "c", "", "configuration `FILE`; the installation is where its store is")
	f.BoolVar(&a.json, "json", false, "write JSON for scripts")
	f.BoolVarP(&a.quiet, "quiet", "q", false, "write only the result and errors")
	f.BoolVarP(&a.verbose, "verbose", "v", false, "write a line for every request and step")
	f.BoolVar(&a.plain, "no-color", false, "no colors (also: NO_COLOR)")
	f.BoolVar(&a.yes, "yes", false, "do not ask for confirmation")
	f.BoolVar(&a.dry, "dry-run", false, "show what would happen and change nothing")
	f.DurationVar(&a.timeout, "timeout", 0, "how long to wait at most, such as 30s")
	c.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		if a.timeout < 0 {
			return usage("--timeout %s is negative", a.timeout)
		}
		return nil
	}
	_ = c.MarkPersistentFlagDirname("state")
	_ = c.MarkPersistentFlagFilename("config", "yaml", "yml")
	return c
}

// helpText shows an example first: it is what people look for.
const helpText = `{{with (or .Long .Short)}}{{. | trimTrailingWhitespaces}}
{{end}}{{if .HasExample}}
Examples:
{{.Example | trimTrailingWhitespaces}}
{{end}}
Usage:
{{if or (not .HasAvailableSubCommands) (ne .Use .Name)}}  {{.UseLine}}{{end}}{{if .HasAvailableSubCommands}}{{if ne .Use .Name}}
{{end}}  {{.CommandPath}} COMMAND

Commands:{{range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding }} {{.Short}}{{end}}{{end}}{{end}}
{{if .HasAvailableLocalFlags}}
Flags:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}
{{end}}{{if .HasAvailableInheritedFlags}}
Global flags:
{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}
{{end}}`

// group is a command that only has others below it.
func group(use, short, example string, below ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, Example: example, DisableFlagsInUseLine: true,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			hint := ""
			if near := c.SuggestionsFor(args[0]); len(near) > 0 {
				hint = ". Did you mean " + near[0] + "?"
			}
			return usage("%s has no command %q%s", c.CommandPath(), args[0], hint)
		},
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.SuggestionsMinimumDistance = 2
	c.AddCommand(below...)
	return c
}

// exactly wants these positional arguments, by name.
func exactly(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return usage("%s needs %s. See: %s --help", c.CommandPath(), strings.Join(names[len(args):], " and "), c.CommandPath())
		case len(args) > len(names) && strings.HasSuffix(args[len(names)], filepath.Ext(defaultFile)):
			return usage("%s takes its file by name: %[1]s -c %s", c.CommandPath(), quoted(args[len(names)]))
		case len(args) > len(names):
			return usage("%s takes no %.40q. See: %s --help", c.CommandPath(), args[len(names)], c.CommandPath())
		}
		return nil
	}
}

// lookup returns a variable of the environment.
func (a *app) lookup(name string) (string, bool) {
	for _, kv := range slices.Backward(a.environ) {
		if n, v, ok := strings.Cut(kv, "="); ok && process.SameVariable(n, name) {
			return v, true
		}
	}
	return "", false
}

func (a *app) getenv(name string) string {
	v, _ := a.lookup(name)
	return v
}

// terminal says whether a person sits at a stream.
func terminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

// within bounds a command's waiting.
func (a *app) within(ctx context.Context, otherwise time.Duration) (context.Context, context.CancelFunc) {
	if a.timeout > 0 {
		otherwise = a.timeout
	}
	return context.WithTimeout(ctx, otherwise)
}

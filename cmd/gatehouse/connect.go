package main

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/internal/clients"
	"github.com/gatehouse-mcp/gatehouse/internal/process"
)

// connecting is what connect was asked.
type connecting struct {
	show, all, list, project bool
	replace, file, noWait    bool
	via, name, keyFrom       string
	server                   string
	wait                     time.Duration
}

func (a *app) connect() *cobra.Command {
	q := &connecting{}
	c := &cobra.Command{
		Use:   "connect [CLIENT…] [URL]",
		Short: "Put a server into the configuration of an MCP client",
		Long: "Ask the server how it is entered, show what would be written into the client's configuration, ask, and write it: by the\n" +
			"client's own command where it has one, else into its file, a copy of which is kept. Comments and order stay. No secret is\n" +
			"ever written: a client signs in, or finds the key in a variable, or starts the bridge, which has it from the keychain.\n" +
			"Without a URL the server is the one that runs here; without a client you are asked which\n" +
			"of those found here. Undo it with gatehouse disconnect.",
		Example: "  gatehouse connect cursor\n" +
			"  gatehouse connect claude-code https://mcp.example.com/mcp\n" +
			"  gatehouse connect cursor --via bridge        the key is in the keychain, not in a variable\n" +
			"  gatehouse connect vscode --print             only show what to write, and where\n" +
			"  gatehouse connect --list",
		Args:                  cobra.ArbitraryArgs,
		DisableFlagsInUseLine: true,
		ValidArgsFunction:     a.completePrograms,
		RunE: func(c *cobra.Command, args []string) error {
			return a.runConnect(c.Context(), q, args, c.Flags().Changed("wait"))
		},
	}
	f := c.Flags()
	f.BoolVar(&q.show, "print", false, "only show what to write, and where")
	f.BoolVar(&q.all, "all", false, "connect every client that is found here")
	f.BoolVar(&q.list, "list", false, "show which clients are here, their files, and which are connected")
	f.BoolVar(&q.project, "project", false, "write the file of the project in this directory, not that of the user")
	f.StringVar(&q.via, "via", "", "bridge: have the client start gatehouse bridge (`HOW`)")
	f.StringVar(&q.name, "name", "", "what the client calls the server (`NAME`; default: as it is called here, or its host)")
	f.StringVar(&q.keyFrom, "key-from", "", "where the key is, `SOURCE`: env:NAME, or with the bridge keychain:NAME, file:PATH or cmd:PROGRAM")
	f.StringVar(&q.server, "server", "", "which of the servers here, by its `NAME`")
	f.BoolVar(&q.replace, "replace", false, "replace an entry of the same name that leads elsewhere")
	f.BoolVar(&q.file, "file", false, "edit the file even if the client has a command for it")
	f.DurationVar(&q.wait, "wait", 2*time.Minute, "how long to wait for the client's first request; without a terminal only if it is given")
	f.BoolVar(&q.noWait, "no-wait", false, "do not wait for it")
	_ = c.RegisterFlagCompletionFunc("server", a.completeServed)
	_ = c.RegisterFlagCompletionFunc("key-from", a.completeSources)
	_ = c.RegisterFlagCompletionFunc("via", cobra.FixedCompletions([]string{viaBridge}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

const viaBridge = "bridge"

// completePrograms offers the clients, those that are here first.
func (a *app) completePrograms(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var here, others []string
	s := a.system()
	for _, c := range clients.All() {
		if c.Installed(s, a.program) {
			here = append(here, c.ID+"\t"+c.Name+", found here")
		} else {
			others = append(others, c.ID+"\t"+c.Name)
		}
	}
	return append(here, others...), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}

// system is this machine as clients see it.
func (a *app) system() *clients.System {
	home := a.getenv("HOME")
	if home == "" || runtime.GOOS == "windows" {
		home, _ = os.UserHomeDir()
	}
	dir, _ := os.Getwd()
	return &clients.System{OS: runtime.GOOS, Home: home, Dir: dir, Getenv: a.getenv, Exists: func(path string) bool {
		_, err := os.Lstat(path)
		return err == nil
	}}
}

// program says whether a command is installed.
func (a *app) program(name string) bool {
	_, err := process.Resolve(name, a.getenv("PATH"), string(filepath.Separator))
	return err == nil
}

// self is the command that starts this program, for a client to start the bridge
// by. In a project's file no path of this machine has a place.
func (p *plan) self() string {
	path, err := os.Executable()
	if err != nil || p.project {
		return "gatehouse"
	}
	return path
}

// runConnect connects the clients that were named.
func (a *app) runConnect(ctx context.Context, q *connecting, args []string, waitSaid bool) error {
	if err := q.check(); err != nil {
		return err
	}
	ids, url, err := clientsAndURL(args)
	if err != nil {
		return err
	}
	ask := len(ids) == 0 && !q.all
	if q.list || ask && !a.asksWhich(q) {
		return a.listClients(ctx, q, url)
	}
	var all []*clients.Client
	if !ask {
		if all, err = a.chosen(q, ids); err != nil {
			return err
		}
	}
	to, err := a.target(ctx, q, url)
	if err != nil {
		return err
	}
	if ask {
		if all, err = a.askWhich(ctx, q, to); err != nil {
			return err
		}
	}
	return a.connectAll(ctx, q, to, all, waitSaid)
}

// connectAll connects one client after another: those that cannot do not keep the others.
func (a *app) connectAll(ctx context.Context, q *connecting, to *target, all []*clients.Client, waitSaid bool) error {
	var done []*plan
	failed := 0
	for _, c := range all {
		p, err := a.connectOne(ctx, q, c, to)
		switch {
		case err == nil:
			done = append(done, p)
		case len(all) == 1 || ctx.Err() != nil:
			return err
		default:
			failed++
			a.report(ctx, err)
		}
	}
	if err := a.awaitClients(ctx, q, to, done, waitSaid); err != nil {
		return err
	}
	if failed > 0 {
		return &fault{exit: exitPartial} // all was said
	}
	return nil
}

// check judges the flags.
func (q *connecting) check() error {
	switch {
	case q.via != "" && q.via != viaBridge:
		return usage("--via %.40q is not bridge", q.via)
	case q.name != "" && clients.EntryName(q.name) != q.name:
		return usage("--name %.60q has something in it that not every client takes. Letters, digits, - and _ are taken by all, as in %s", q.name, clients.EntryName(q.name))
	case q.all && q.project:
		return usage("--all is about the clients of this machine, --project about a project. Name the clients")
	case q.wait < 0:
		return usage("--wait %s is negative", q.wait)
	case q.keyFrom == "":
		return nil
	}
	return checkSource("--key-from", q.keyFrom)
}

// checkSource refuses what is no source, without repeating it: it may be a key.
func checkSource(flag, from string) error {
	if !isSource(from) {
		return usage("%s wants a source, not the key itself, which would be in the client's file and in the list of processes: %s", flag, secretSources)
	}
	if name, ok := strings.CutPrefix(from, "env:"); ok && !variableName(name) {
		return usage("%s %.60q names no variable", flag, from)
	}
	return nil
}

func variableName(name string) bool {
	for i, c := range []byte(name) {
		if c != '_' && !(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// clientsAndURL tells clients from the one URL.
func clientsAndURL(args []string) (ids []string, url string, err error) {
	for _, arg := range args {
		switch {
		case !strings.Contains(arg, "://"):
			ids = append(ids, arg)
		case url != "":
			return nil, "", usage("two URLs were given. One server at a time")
		default:
			url = arg
		}
	}
	return ids, url, nil
}

// chosen finds the clients.
func (a *app) chosen(q *connecting, ids []string) ([]*clients.Client, error) {
	var all []*clients.Client
	for _, id := range ids {
		c := clients.Find(id)
		if c == nil {
			return nil, noClient(id)
		}
		if !slices.ContainsFunc(all, func(o *clients.Client) bool { return o.ID == c.ID }) {
			all = append(all, c)
		}
	}
	if !q.all {
		return all, nil
	}
	s := a.system()
	for _, c := range clients.All() {
		if c.Writes() && c.File(s, false) != "" && c.Installed(s, a.program) && !slices.ContainsFunc(all, func(o *clients.Client) bool { return o.ID == c.ID }) {
			all = append(all, c)
		}
	}
	if len(all) == 0 {
		return nil, &fault{exitNotFound, "GH-2202", "No client that we know of is found here. See: gatehouse connect --list"}
	}
	return all, nil
}

func noClient(id string) error {
	var names []string
	near := ""
	for _, c := range clients.All() {
		names = append(names, c.ID)
		if near == "" && strings.HasPrefix(c.ID, strings.ToLower(id[:min(len(id), 3)])) {
			near = " Did you mean " + c.ID + "?"
		}
	}
	return &fault{exitNotFound, "GH-2202", "There is no client " + quoted(id[:min(len(id), 40)]) + "." + near + " There are: " + strings.Join(names, ", ") + "."}
}

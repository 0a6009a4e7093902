package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/server"
	"github.com/gatehouse-mcp/gatehouse/internal/server/edge"
	"github.com/gatehouse-mcp/gatehouse/internal/server/notify"
)

func (a *app) serves() *cobra.Command {
	return &cobra.Command{
		Use:   "serve [-c FILE]",
		Short: "Serve what a configuration file says",
		Long: "Protect the MCP servers of a configuration file (default ./gatehouse.yaml). A change of the file takes effect\n" +
			"by itself or with SIGHUP, and streams stay open; a file with a mistake changes nothing. It runs until it is\n" +
			"asked to stop, and then lets calls end that are under way.",
		Example: "  gatehouse init                       make a file\n" +
			"  gatehouse config validate            what is wrong with it\n" +
			"  gatehouse serve -c gatehouse.yaml\n" +
			"  gatehouse serve --dry-run            what would be served",
		Args:                  exactly(),
		DisableFlagsInUseLine: true,
		RunE:                  func(c *cobra.Command, _ []string) error { return a.runServe(c.Context()) },
	}
}

// serving is the one line of serve --json.
type serving struct {
	Servers []servingAt `json:"servers"`
	Listen  string      `json:"listen"`
	Plain   string      `json:"plain_listen,omitempty"`
	Admin   string      `json:"admin,omitempty"`
	Config  string      `json:"config"`
	State   string      `json:"state"`
	PID     int         `json:"pid,omitempty"`
	DryRun  bool        `json:"dry_run,omitempty"`
	Weak    []string    `json:"weakened,omitempty"`
	People  string      `json:"people,omitempty"` // "nobody": people sign in with accounts here, and there is none yet
}

type servingAt struct {
	Name string `json:"name"`
	URL  string `json:"url,omitempty"`
	To   string `json:"to"`
}

func (a *app) runServe(ctx context.Context) error {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP) // from the beginning to the end: it never means to stop
	defer signal.Stop(hup)
	a.file = orElse(a.file, defaultFile)
	c, err := a.load()
	if err != nil {
		return err
	}
	if err := server.Check(c); err != nil {
		return err
	}
	if err := server.CheckFiles(c, a.now()); err != nil {
		return err
	}
	state, err := a.stateDir()
	if err != nil {
		return err
	}
	if a.dry {
		return a.announceServe(ctx, c, nil, state)
	}
	server.TuneMemory(a.getenv)
	signal.Ignore(syscall.SIGPIPE) // whoever reads the trail on standard output may leave: that is an error, not our end
	log := newSteady(a.err)
	defer log.close()
	o, err := a.options(c, a.logger(log, a.level(slog.LevelInfo)))
	if err != nil {
		return err
	}
	o.Stdout = a.out
	s := &server.Server{
		Config: c, State: state, Options: o, Version: version(), Environ: a.environ, Inherited: edge.Passed(),
		Load: func(context.Context) (*config.Config, error) { return config.Load(a.file, a.outside()) },
	}
	r, err := s.Start(ctx)
	if err != nil {
		return a.inFile(err)
	}
	if err := a.announceServe(ctx, c, r, state); err != nil {
		_ = r.Close()
		return err
	}
	background, stop := context.WithCancel(ctx)
	var work sync.WaitGroup
	work.Go(func() { a.follow(background, r, o.Log, hup) })
	work.Go(func() { logged(o.Log, notify.Watch(background, r.Alive)) })
	work.Go(func() { r.Survey(background) })
	logged(o.Log, notify.Ready("serving "+count(len(c.Servers), "MCP server", "MCP servers")))
	err = r.Wait(ctx)
	stop()
	work.Wait()
	logged(o.Log, notify.Stopping())
	a.say("stopping; calls under way have %s\n", r.Grace())
	if closeErr := r.Close(); err == nil {
		err = closeErr
	}
	return err
}

// inFile turns what a flag of up would mend into what the file has to say.
func (a *app) inFile(err error) error {
	var busy *adminapi.Error
	if !errors.As(err, &busy) {
		return err
	}
	what, _, cut := strings.Cut(busy.Message, " Use --listen ")
	if !cut {
		return err
	}
	other := *busy
	other.Message = what + " Stop it, or put another address into " + a.file + "."
	return &other
}

// logged notes an error that changes nothing: that a service manager did not hear us.
func logged(log *slog.Logger, err error) {
	if err != nil {
		log.Warn("service manager", "error", err.Error())
	}
}

// announceServe says what is served, or with a dry run (r nil) would be.
func (a *app) announceServe(ctx context.Context, c *config.Config, r *server.Running, state server.State) error {
	out := serving{Listen: c.Server.Listen, Plain: c.Server.PlainListen, Admin: c.Admin.Listen, Config: c.Hash(), State: state.Dir, DryRun: r == nil, Weak: c.Weakened()}
	if r != nil {
		out.Listen, out.Plain, out.Admin, out.PID = r.Address, r.Plain, r.Operators, os.Getpid()
		if nobody, err := r.Nobody(ctx); err == nil && nobody { // it is a hint only
			out.People = "nobody"
		}
	}
	for i := range c.Servers {
		u := &c.Servers[i]
		at := servingAt{Name: u.Name, To: u.URL}
		if u.Stdio != nil {
			at.To = strings.Join(u.Stdio.Command[:1], " ")
		}
		if r != nil {
			at.URL = r.URLOf(u.Name)
		} else {
			at.URL = server.Resource(c, u, c.Server.Listen)
		}
		out.Servers = append(out.Servers, at)
	}
	if a.json {
		return a.object(out)
	}
	if a.quiet {
		for _, s := range out.Servers {
			a.print("%s\n", s.URL)
		}
		return nil
	}
	width := 0
	for _, s := range out.Servers {
		width = max(width, len(s.Name))
	}
	for _, s := range out.Servers {
		a.print("%s %-*s  %s  → %s\n", a.mark(a.out, "✓"), width, s.Name, s.URL, s.To)
	}
	a.print("\n  Config      %s (%s)%s\n", a.file, out.Config, map[bool]string{true: "", false: "; it is read again when it changes"}[r == nil])
	a.print("  State       %s\n", out.State)
	if out.Admin != "" {
		a.print("  Operators   %s: /-/live /-/ready /-/metrics\n", out.Admin)
	}
	for _, w := range out.Weak {
		_, _ = fmt.Fprintf(a.err, "%s %s\n", a.mark(a.err, "!"), w)
	}
	if out.People != "" {
		a.print("\n  People      nobody has an account here yet:\n              gatehouse user create -c %[1]s NAME, then gatehouse user invite -c %[1]s NAME\n", a.file)
	}
	if r != nil {
		a.print("\n")
		if c.Auth.APIKeys != nil {
			a.print("  Keys        gatehouse key create -c %s --name NAME\n", a.file)
		}
		a.print("  Refused?    gatehouse why -c %s REQUEST_ID, or --client CLIENT\n  Look        gatehouse doctor -c %[1]s\n  Stop        Ctrl+C or SIGTERM\n", a.file)
	}
	return nil
}

package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/server"
)

// upFlags are what the command line of up says.
type upFlags struct {
	listen, path, publicURL, name, user, cwd string
	origins, env, proxies                    []string
	maxBody                                  int64
	demo, forget                             bool

	target []string // what stands after up
	dashed bool     // after "--"
}

func (a *app) up() *cobra.Command {
	f := &upFlags{}
	c := &cobra.Command{
		Use:   "up [flags] [URL | --demo | -- COMMAND…]",
		Short: "Protect one MCP server, here and now",
		Long: "Start or reach an MCP server, put a gateway in front of it that lets only holders of an API key through,\n" +
			"and make the first key. It runs until Ctrl+C; keys outlive it.",
		Example: "  gatehouse up --demo\n" +
			"  gatehouse up -- npx -y @modelcontextprotocol/server-everything\n" +
			"  gatehouse up http://localhost:3000/mcp --listen 127.0.0.1:9000\n" +
			"  gatehouse up --forget                                   remove the keys and all else",
		DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, args []string) error {
			f.target, f.dashed = args, c.ArgsLenAtDash() == 0
			if f.forget {
				return a.forget(c.Context(), f)
			}
			return a.serve(c.Context(), f)
		},
	}
	l := c.Flags()
	l.StringVar(&f.listen, "listen", "", "`HOST:PORT`; port 0 takes a free one (default "+config.DefaultListen+")")
	l.BoolVar(&f.demo, "demo", false, "protect the MCP server that is built in")
	l.StringVar(&f.path, "path", "", "where the MCP server is found (default "+config.DefaultPath+")")
	l.StringVar(&f.name, "name", "", "what the server is called in logs")
	l.StringVar(&f.publicURL, "public-url", "", "`URL` by which callers reach us through a proxy with TLS")
	l.StringSliceVar(&f.proxies, "trusted-proxy", nil, "`NETWORK` of the proxy in front, when it is not on this machine")
	l.StringSliceVar(&f.origins, "allow-origin", nil, "web `ORIGIN` whose pages may call, such as https://app.example.com")
	l.StringVar(&f.user, "user", "", "account that the command runs as (needs root)")
	l.StringVar(&f.cwd, "cwd", "", "working `DIR` of the command")
	l.StringArrayVar(&f.env, "env", nil, "`NAME=VALUE` for the command, or NAME to hand on ours; it gets no other variables of ours than PATH, HOME, LANG and TZ")
	l.Int64Var(&f.maxBody, "max-body", 0, "`BYTES` that one request may have (default 4 MiB)")
	l.BoolVar(&f.forget, "forget", false, "remove the installation, its keys and tenants")
	return c
}

// configuration builds from flags what a file would say.
func (a *app) configuration(f *upFlags) (*config.Config, error) {
	c := &config.Config{Auth: config.Auth{APIKeys: &config.APIKeys{}}, Policy: config.Policy{Default: config.Allow}}
	if a.file != "" {
		if f.demo || len(f.target) > 0 {
			return nil, usage("%s says which server to protect; name none beside it", a.file)
		}
		var err error
		if c, err = a.load(); err != nil {
			return nil, err
		}
		if f.path != "" || f.name != "" || f.user != "" || f.cwd != "" || len(f.env) > 0 {
			return nil, usage("--path, --name, --user, --cwd and --env belong in %s", a.file)
		}
	} else {
		u, err := a.upstream(f)
		if err != nil {
			return nil, err
		}
		c.Servers = []config.Upstream{*u}
	}
	if f.listen != "" {
		c.Server.Listen = f.listen
	}
	if err := f.front(&c.Server); err != nil {
		return nil, err
	}
	if a.file == "" {
		c.Server.ShutdownGrace = upGrace
	}
	c.Complete()
	return c, server.Check(c)
}

// upGrace is what calls get at the end of up: who pressed Ctrl+C waits for it.
const upGrace = time.Second

// front sets what flags say of what stands in front of the server.
func (f *upFlags) front(s *config.Server) error {
	if f.publicURL != "" {
		s.PublicURL = f.publicURL
		s.TLS.TerminatedByProxy = !s.TLS.On() && strings.HasPrefix(f.publicURL, "https://")
	}
	if f.origins != nil {
		s.AllowOrigins = f.origins
	}
	if f.maxBody < 0 {
		return usage("--max-body %d is negative", f.maxBody)
	}
	if f.maxBody > 0 {
		s.MaxBody = f.maxBody
	}
	for _, text := range f.proxies {
		p, err := config.Network(text)
		if err != nil {
			return usage("--trusted-proxy %v", err)
		}
		s.TrustedProxies = append(s.TrustedProxies, p)
	}
	return nil
}

// upstream reads which server to protect: exactly one of three ways.
func (a *app) upstream(f *upFlags) (*config.Upstream, error) {
	u := &config.Upstream{Name: f.name, Path: f.path}
	switch {
	case f.demo && len(f.target) > 0:
		return nil, usage("--demo is a server of its own; name none beside it")
	case f.demo:
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		u.Stdio = &config.Stdio{Command: []string{self, demoCommand}}
		u.Name = orElse(u.Name, "demo")
	case len(f.target) == 0:
		return nil, usage("up needs a server: a URL, --demo, or -- and a command. See: gatehouse up --help")
	case f.dashed:
		u.Stdio = &config.Stdio{Command: f.target}
		u.Name = orElse(u.Name, commandName(f.target))
	case !strings.Contains(f.target[0], "://") && len(f.target) == 1 && address.MatchString(f.target[0]):
		return nil, usage("%q has no scheme. Say gatehouse up http://%s instead", f.target[0], f.target[0])
	case !strings.Contains(f.target[0], "://"):
		return nil, usage("%q is not a URL. To run a command: gatehouse up -- %s", f.target[0], strings.Join(f.target, " "))
	case len(f.target) > 1:
		return nil, usage("up takes one URL, and %q came after it. To run a command put -- before it", f.target[1])
	default:
		if err := config.CheckUpstreamURL(f.target[0]); err != nil {
			return nil, usage("The URL of the server %v", err)
		}
		u.URL = f.target[0]
		u.Name = orElse(u.Name, hostName(u.URL))
	}
	if u.Stdio == nil {
		if f.user != "" || f.cwd != "" || len(f.env) > 0 {
			return nil, usage("--user, --cwd and --env are for a command, and %s is a URL", u.URL)
		}
		return u, nil
	}
	u.Stdio.User, u.Stdio.Cwd = f.user, f.cwd
	return u, a.childEnv(f.env, u.Stdio)
}

// address is a URL that somebody typed without its scheme: host:port and perhaps a path.
var address = regexp.MustCompile(`^[A-Za-z0-9.-]+:[0-9]+(/|$)`)

// childEnv reads --env. A bare NAME keeps a secret out of the process list.
func (a *app) childEnv(list []string, s *config.Stdio) error {
	s.Env = map[string]string{}
	for _, kv := range list {
		name, value, given := strings.Cut(kv, "=")
		if name == "" {
			return usage("--env %q has no name", kv)
		}
		if !given {
			var ok bool
			if value, ok = a.lookup(name); !ok {
				return usage("--env %s hands on a variable that is not set here", name)
			}
		}
		s.Env[name] = value
	}
	if s.Cwd == "" {
		return nil
	}
	dir, err := filepath.Abs(s.Cwd)
	s.Cwd = dir
	return err
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// forget removes an installation.
func (a *app) forget(ctx context.Context, f *upFlags) error {
	if f.demo || len(f.target) > 0 {
		return usage("--forget removes an installation and starts nothing; give no server beside it")
	}
	state, err := a.stateDir()
	if err != nil {
		return err
	}
	if !state.Exists() {
		return &fault{exitNotFound, "GH-2401", "There is no installation in " + state.Dir + "."}
	}
	if err := a.confirm(ctx, "Remove the installation in "+state.Dir+" with all its keys and tenants?", "forget"); err != nil {
		return err
	}
	removed := []string{}
	if !a.dry {
		if removed, err = state.Forget(); err != nil {
			return err
		}
	}
	if a.json {
		return a.object(map[string]any{"state": state.Dir, "removed": removed, "dry_run": a.dry})
	}
	a.done("removed the installation in %s", state.Dir)
	return nil
}

// serve starts the server, says where it is, and waits for its end.
func (a *app) serve(ctx context.Context, f *upFlags) error {
	c, err := a.configuration(f)
	if err != nil {
		return err
	}
	state, err := a.stateDir()
	if err != nil {
		return err
	}
	if a.dry {
		return a.rehearse(c, state)
	}
	server.TuneMemory(a.getenv)
	log := &held{to: a.err, open: !terminal(a.err)}
	level := &slog.LevelVar{}
	level.Set(a.level(slog.LevelInfo))
	o, err := a.options(c, a.logger(log, level))
	if err != nil {
		return err
	}
	defer log.release()
	s := &server.Server{Config: c, State: state, Options: o, Version: version(), Environ: a.environ, Quiet: true}
	r, err := s.Start(ctx)
	if err != nil {
		return err
	}
	u := &upRun{app: a, config: c, running: r, level: level}
	if err := u.prepare(ctx); err != nil {
		_ = r.Close()
		if ctx.Err() != nil {
			return nil // asked to stop before it was ready: that is no failure
		}
		return err
	}
	if err := u.announce(); err != nil {
		_ = r.Close()
		return err
	}
	log.release()
	err = r.Wait(ctx)
	a.say("stopping\n")
	if closeErr := r.Close(); err == nil {
		err = closeErr
	}
	return err
}

// upWait is how long up waits for the server: one that is reached should be
// there, one that is started may have to be downloaded first.
func upWait(c *config.Config) time.Duration {
	if c.Servers[0].Stdio == nil {
		return 10 * time.Second
	}
	return 2 * time.Minute
}

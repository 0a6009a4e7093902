// Package server puts the parts together: store, nouns and doors become one
// installation, served on two listeners. Only it and the commands know everybody.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/access"
	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/process"
	"github.com/gatehouse-mcp/gatehouse/internal/server/gateway"
	"github.com/gatehouse-mcp/gatehouse/internal/upstream"
)

// Together below the five seconds that a stop may take.
const (
	drainTime  = time.Second            // for calls that are being answered
	hangUpTime = 500 * time.Millisecond // for streams to end that were told to
	childTime  = time.Second            // for a child to end by itself
)

// Server is an installation to be served. Fill it in, then Start it.
type Server struct {
	Config  *config.Config // required, and sound: see config.Config.Check
	State   State
	Options Options
	Version string   // of the program
	Environ []string // ours; children are given PATH, HOME, LANG and TZ of it
}

// Running is a server that has been started.
type Running struct {
	*Installation
	URL     string // where callers find the MCP server
	Address string // host:port that is listened on
	Admin   http.RoundTripper

	gateway  *gateway.Gateway
	upstream *upstream.Client // of Streamable HTTP; nil: the gateway knows the server by itself
	public   *http.Server
	private  *http.Server
	hangUp   context.CancelFunc // ends every request
	stop     context.CancelFunc // ends what runs in the background
	work     sync.WaitGroup
	failed   chan error // what a listener failed with
	release  func()     // gives back the state's lock
	once     sync.Once
}

// Start takes the state, listens and serves. The server runs until Close. A
// refusal that an operator can mend is an *adminapi.Error.
func (s *Server) Start(ctx context.Context) (_ *Running, err error) {
	if err := s.Config.Check(); err != nil {
		return nil, err
	}
	if err := s.State.Prepare(); err != nil {
		return nil, err
	}
	r := &Running{failed: make(chan error, 2)}
	defer func() {
		if err != nil {
			_ = r.Close()
		}
	}()
	if r.release, err = s.State.Lock(); err != nil {
		return nil, err
	}
	listener, err := listen(ctx, orDefault(s.Config.Server.Listen, config.DefaultListen))
	if err != nil {
		return nil, err
	}
	if err := s.assemble(ctx, r, listener); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	socket, err := adminapi.Listen(s.State.Dir)
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	r.serve(listener, socket)
	return r, nil
}

// assemble makes the parts; nothing runs yet.
func (s *Server) assemble(ctx context.Context, r *Running, l net.Listener) (err error) {
	if r.Installation, err = s.State.Open(ctx, s.Options); err != nil {
		return err
	}
	r.Address = l.Addr().String()
	u := s.Config.Servers[0]
	path := orDefault(u.Path, config.DefaultPath)
	r.URL = orDefault(strings.TrimSuffix(s.Config.Server.PublicURL, "/"), "http://"+r.Address) + path
	door := r.Installation.Admin(adminapi.Status{Running: true, PID: os.Getpid(), URL: r.URL, Version: s.Version})
	r.Admin = Local{door}
	if r.gateway, err = s.newGateway(ctx, r, u, path); err != nil {
		return err
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	requests, hangUp := context.WithCancel(background)
	r.stop, r.hangUp = stop, hangUp
	r.work.Go(func() { r.Verifier.Run(background) })
	r.public = newHTTP(requests, r.gateway, s.Options.Log)
	r.private = newHTTP(requests, door, s.Options.Log)
	return nil
}

// newGateway makes the door in front of the MCP server.
func (s *Server) newGateway(ctx context.Context, r *Running, u config.Upstream, path string) (*gateway.Gateway, error) {
	key, err := r.DB.Secret(ctx, "session")
	if err != nil {
		return nil, err
	}
	g := &gateway.Gateway{
		Name: u.Name, Path: path, PublicURL: r.URL, Hosts: hosts(r.Address), Origins: s.Config.Server.AllowOrigins,
		SessionKey: key, Guard: &access.Guard{Keys: r.Verifier}, Log: s.Options.Log, MaxBody: s.Config.Server.MaxBody,
		SSEPath: u.SSE, Events: u.Transport == config.TransportSSE,
	}
	if u.Stdio != nil {
		if g.Stdio, err = s.newStdio(u); err != nil {
			return nil, err
		}
	} else {
		target, err := url.Parse(u.URL)
		if err != nil {
			return nil, errors.New("the upstream is not a URL")
		}
		g.Upstream = &upstream.Client{URL: target}
		if !g.Events {
			r.upstream = g.Upstream
		}
	}
	if err := g.Open(); err != nil {
		return nil, fmt.Errorf("open the gateway: %w", err)
	}
	return g, nil
}

// hosts are the names by which this machine calls us.
func hosts(address string) []string {
	names := []string{"localhost", "127.0.0.1", "::1"}
	if host, _, err := net.SplitHostPort(address); err == nil && !slices.Contains(names, host) && config.Loopback(host) {
		names = append(names, host)
	}
	return names
}

// newStdio says how the child is started. Its program is looked up now, so that
// one that appears earlier in PATH later on is not run.
func (s *Server) newStdio(u config.Upstream) (*gateway.Stdio, error) {
	if err := process.Conceal(); err != nil { // a child of the same account could read our environment
		return nil, fmt.Errorf("hide our memory from children: %w", err)
	}
	here, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("working directory: %w", err)
	}
	path := ""
	for _, kv := range s.Environ {
		if v, ok := strings.CutPrefix(kv, "PATH="); ok {
			path = v
		}
	}
	if dir := u.Stdio.Cwd; dir != "" && !strings.Contains(dir, "{") { // that of a tenant is no place to look for programs
		here = dir
	}
	program, err := process.Resolve(u.Stdio.Command[0], path, here)
	if err != nil {
		return nil, &adminapi.Error{Status: http.StatusBadRequest, Code: "GH-2302", Message: fmt.Sprintf("The server cannot be started: %v.", err)}
	}
	out := &gateway.Stdio{PerTenant: u.Stdio.Isolation == config.IsolationPerTenant, Process: process.Spec{
		Name: u.Name, Command: append([]string{program}, u.Stdio.Command[1:]...), Dir: u.Stdio.Cwd, User: u.Stdio.User,
		Env: variables(u.Stdio.Env, u.Stdio.Secrets), Environ: s.Environ, Log: s.Options.Log, Grace: childTime,
	}, Tenants: map[string]gateway.Place{}}
	for name, p := range u.Stdio.Tenants {
		out.Tenants[name] = gateway.Place{Dir: p.Cwd, User: p.User, Env: variables(p.Env, p.Secrets)}
	}
	return out, nil
}

// variables are a child's, the secret ones among them.
func variables(env map[string]string, secrets map[string]config.Secret) map[string]string {
	all := make(map[string]string, len(env)+len(secrets))
	maps.Copy(all, env)
	for name, value := range secrets {
		all[name] = value.Reveal()
	}
	return all
}

func orDefault(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// newHTTP has the limits of a server that strangers reach. There is no write
// time-out: a stream may stay open for days, and the gateway notices by itself
// when nobody reads. "OPTIONS *" is refused by the gateway too. HTTP/2 without TLS is off: it would be a second parser to
// trust for no client that exists.
func newHTTP(base context.Context, h http.Handler, log *slog.Logger) *http.Server {
	one := &http.Protocols{}
	one.SetHTTP1(true)
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       120 * time.Second,
		MaxHeaderBytes:    64 << 10,

		DisableGeneralOptionsHandler: true,

		Protocols:   one,
		BaseContext: func(net.Listener) context.Context { return base },
		ErrorLog:    slog.NewLogLogger(log.Handler(), slog.LevelDebug), // what strangers send wrong is not news
	}
}

// serve answers on both listeners from now on.
func (r *Running) serve(public, private net.Listener) {
	for _, door := range []struct {
		server   *http.Server
		listener net.Listener
	}{{r.public, public}, {r.private, private}} {
		r.work.Go(func() {
			if err := door.server.Serve(door.listener); !errors.Is(err, http.ErrServerClosed) {
				r.failed <- fmt.Errorf("serve %s: %w", door.listener.Addr(), err)
			}
		})
	}
}

// Wait returns nil when ctx ends, or the error that ended a listener.
func (r *Running) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-r.failed:
		return err
	}
}

// Describe asks the MCP server what it is; a child is started for it.
func (r *Running) Describe(ctx context.Context) (gateway.Description, error) {
	if r.upstream == nil {
		return r.gateway.Describe(ctx)
	}
	return probe(ctx, r.upstream)
}

// Close ends every request, child and listener, writes down the last uses of
// keys and gives the state back. It takes less than five seconds.
func (r *Running) Close() (err error) {
	r.once.Do(func() { err = r.close() })
	return err
}

func (r *Running) close() error {
	var errs []error
	if r.public != nil {
		errs = append(errs, r.drain())
	}
	if r.gateway != nil {
		r.gateway.Close()
	}
	if r.stop != nil {
		r.stop() // after the last request: its use of a key is written down too
	}
	r.work.Wait()
	if r.Installation != nil {
		errs = append(errs, r.Installation.Close())
	}
	if r.release != nil {
		r.release()
	}
	return errors.Join(errs...)
}

// drain lets calls be answered for a while, then ends what is left: streams
// never end by themselves.
func (r *Running) drain() error {
	var errs []error
	wait := func(limit time.Duration) {
		ctx, done := context.WithTimeout(context.Background(), limit)
		defer done()
		for _, s := range []*http.Server{r.private, r.public} {
			errs = append(errs, ignoreDeadline(s.Shutdown(ctx)))
		}
	}
	wait(drainTime)
	r.hangUp()
	wait(hangUpTime)
	return errors.Join(append(errs, r.private.Close(), r.public.Close())...)
}

func ignoreDeadline(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

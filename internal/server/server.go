// Package server puts the parts together: store, nouns and doors become one
// installation, served to callers and to operators. Only it and the commands
// know everybody.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/access"
	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/ratelimit"
	"github.com/gatehouse-mcp/gatehouse/internal/server/edge"
	"github.com/gatehouse-mcp/gatehouse/internal/server/gateway"
	"github.com/gatehouse-mcp/gatehouse/internal/server/ops"
)

// Server is an installation to be served. Fill it in, then Start it.
type Server struct {
	Config  *config.Config // required, and sound: see config.Config.Check
	State   State
	Options Options
	Version string   // of the program
	Environ []string // ours; children are given PATH, HOME, LANG and TZ of it
	Quiet   bool     // admitted requests get no line in the log unless it is verbose

	// Load reads the configuration again; nil: it cannot be reloaded.
	Load func(ctx context.Context) (*config.Config, error)

	Inherited edge.Inherited // sockets from a service manager
}

// Running is a server that has been started.
type Running struct {
	*Installation
	URL     string // where callers find the first MCP server
	Address string // host:port that is listened on, or unix:/path
	Admin   http.RoundTripper

	Plain     string // where plain HTTP is refused; empty: nowhere
	Operators string // where operators ask; empty: nowhere

	server   *Server
	edge     *edge.Edge
	counters *access.Counters

	discoveries *discoveries
	strangers   ratelimit.Limiter // of what clients have our authorization server do before they are known
	metrics     *ops.Metrics
	sessionKey  []byte
	keys        *keySets        // of issuers
	federated   federations     // by which people sign in
	dpop        *gatehouse.DPoP // of all servers: a proof is good for one of them
	began       time.Time

	current   atomic.Pointer[current]
	reloading sync.Mutex
	broken    atomic.Pointer[string]   // why the last reload failed; nil: it did not
	tried     atomic.Pointer[[]string] // files that a refused configuration named; nil: the last one is in force
	seen      map[string]string        // how the files were when they had been read: what Watch begins with
	draining  atomic.Bool
	leaving   leaving

	private *http.Server       // for commands
	ops     *http.Server       // for operators; nil: nowhere
	hangUp  context.CancelFunc // ends every request
	stop    context.CancelFunc // ends what runs in the background
	work    sync.WaitGroup
	failed  chan error // what a listener failed with
	release func()     // gives back the state's lock
	once    sync.Once
}

// current is the configuration in force, and what was made of it. It does not change.
type current struct {
	config *config.Config
	loaded time.Time
	served []*served // in the order of the configuration
	ways   []*served // them, and those that tenants have of their own
	front  *gateway.Front
}

// Start takes the state, listens and serves. The server runs until Close. A
// refusal that an operator can mend is an *adminapi.Error or config.Mistakes.
func (s *Server) Start(ctx context.Context) (_ *Running, err error) {
	s.Config.Complete()
	if err := Check(s.Config); err != nil {
		return nil, err
	}
	seen := look(s.Config.Files()) // what changes while we start is a change too
	if err := s.State.Prepare(); err != nil {
		return nil, err
	}
	r := &Running{seen: seen, server: s, failed: make(chan error, 1), counters: access.NewCounters(), metrics: ops.NewMetrics(s.Version), began: time.Now()}
	defer func() {
		if err != nil {
			_ = r.Close()
		}
	}()
	if r.release, err = s.State.Lock(); err != nil {
		return nil, err
	}
	if s.Options.EncryptionKey == "" {
		s.Options.EncryptionKey = s.Config.Store.EncryptionKey
	}
	s.Options.Signing = signingOf(s.Config)
	if r.Installation, err = s.State.Open(ctx, s.Options); err != nil {
		return nil, err
	}
	if s.Options.EncryptionKey != "" { // a wrong one is to be noticed now
		if _, _, err := r.sealKey(ctx); err != nil {
			return nil, err
		}
	}
	if err := r.Trail.Open(); err != nil {
		return nil, stateError("%v.", err)
	}
	r.discoveries = &discoveries{trail: r.Trail, address: r.address, now: time.Now}
	if r.sessionKey, err = r.DB.Secret(ctx, "session"); err != nil {
		return nil, err
	}
	if err := r.judges(ctx); err != nil {
		return nil, err
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	r.stop = stop
	if err := r.listen(background); err != nil {
		return nil, err
	}
	next, err := r.build(ctx, s.Config)
	if err != nil {
		return nil, err
	}
	r.put(next)
	r.URL = next.served[0].gateway.PublicURL
	r.publish()
	if err := r.told(ctx, "server.start"); err != nil {
		return nil, err
	}
	return r, r.open(background)
}

// judges readies what tokens are judged by.
func (r *Running) judges(ctx context.Context) error {
	nonces, err := r.DB.Secret(ctx, "dpop-nonce")
	if err != nil {
		return err
	}
	r.keys, r.dpop = &keySets{Log: r.server.Options.Log}, &gatehouse.DPoP{NonceKey: nonces, RequireNonce: r.server.Config.Auth.DPoPNonce}
	if err := r.Rights.Load(ctx); err != nil {
		return fmt.Errorf("read what tokens are judged by: %w", err)
	}
	r.Pins.Told = r.toolChanged
	return r.Pins.Load(ctx)
}

// told writes down what becomes of this process.
func (r *Running) told(ctx context.Context, action string) error {
	now := r.current.Load()
	return r.Trail.Durable(ctx, &audit.Event{
		Time: time.Now(), Kind: config.AuditAdmin, Action: action, Outcome: audit.OK, By: r.by,
		Detail: map[string]string{"config": now.config.Hash(), "version": r.server.Version, "listen": r.Address},
	})
}

// listen opens the side of callers. Nobody is answered yet.
func (r *Running) listen(ctx context.Context) error {
	s := r.server
	e := &edge.Edge{
		Config: s.Config.Server, Domains: domains(s.Config), Storage: s.State.ACMEPath(), Inherited: s.Inherited,
		Log: s.Options.Log, Burnt: r.burnt, Refused: r.refusedAtEdge,
	}
	if err := e.Listen(ctx); err != nil {
		return err
	}
	r.edge, r.Address = e, e.Addresses()[0]
	if plain := e.PlainAddresses(); len(plain) > 0 {
		r.Plain = plain[0]
	}
	return nil
}

// domains are the names that are ours.
func domains(c *config.Config) []string {
	var names []string
	for i := range c.Servers {
		if h := c.Servers[i].Host; h != "" && !slices.Contains(names, h) {
			names = append(names, h)
		}
	}
	return names
}

// open answers on every listener from now on.
func (r *Running) open(background context.Context) error {
	socket, err := adminapi.Listen(r.State.Dir)
	if err != nil {
		return err
	}
	requests, hangUp := context.WithCancel(background)
	r.hangUp = hangUp
	door := r.Installation.Admin(r.Status, r)
	r.Admin = Local{door}
	r.private = newHTTP(requests, door, r.server.Options.Log)
	r.serve(r.private, socket)
	if address := r.server.Config.Admin.Listen; address != "" {
		all, err := edge.Open(background, address, r.server.Inherited)
		if err != nil {
			return err
		}
		d := &ops.Door{Health: r.health, Metrics: r.metrics, Log: r.server.Options.Log, Local: !slices.ContainsFunc(all, func(l net.Listener) bool {
			host, _, err := net.SplitHostPort(l.Addr().String())
			return err != nil || !config.Loopback(host)
		})}
		r.ops = newHTTP(requests, d.Handler(), r.server.Options.Log)
		for _, l := range all {
			r.Operators = l.Addr().String()
			r.serve(r.ops, l)
		}
	}
	r.work.Go(func() { r.Verifier.Run(background) })
	r.work.Go(func() { r.Pins.Run(background) })
	r.work.Go(func() { r.Rights.Run(background) })
	r.work.Go(func() { r.keys.Run(background) })
	r.work.Go(func() { r.Revocations.Run(background) })
	r.work.Go(func() { r.tidy(background) })
	r.work.Go(func() {
		if err := r.edge.Serve(requests, http.HandlerFunc(r.answer)); err != nil {
			r.fail(err)
		}
	})
	return nil
}

// answer hands a caller's request to the configuration in force.
func (r *Running) answer(w http.ResponseWriter, q *http.Request) {
	if q.ProtoMajor == 1 && r.draining.Load() {
		w.Header().Set("Connection", "close") // the next call finds another replica, or us anew
	}
	r.current.Load().front.ServeHTTP(w, q)
}

func (r *Running) serve(s *http.Server, l net.Listener) {
	r.work.Go(func() {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			r.fail(fmt.Errorf("serve %s: %w", l.Addr(), err))
		}
	})
}

// fail ends Wait. One error is enough, and nobody may be left to hear of another.
func (r *Running) fail(err error) {
	select {
	case r.failed <- err:
	default:
	}
}

// hosts are the names that lead to a server: its own, or those by which this
// machine calls us.
func hosts(own, address string) []string {
	if own != "" {
		return []string{own}
	}
	names := []string{"localhost", "127.0.0.1", "::1"}
	if host, _, err := net.SplitHostPort(address); err == nil && !slices.Contains(names, host) && config.Loopback(host) {
		names = append(names, host)
	}
	return names
}

func orDefault(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// newHTTP has the limits of a server that only people of the house reach.
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

// Wait returns nil when ctx ends, or the error that ended a listener.
func (r *Running) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-r.failed:
		return err
	}
}

// URLOf returns where callers find a server.
func (r *Running) URLOf(name string) string {
	if v := r.named(name); v != nil {
		return v.gateway.PublicURL
	}
	return ""
}

// Describe asks the first MCP server what it is; a child is started for it.
func (r *Running) Describe(ctx context.Context) (gateway.Description, error) {
	return r.current.Load().served[0].describe(ctx)
}

func (a *served) describe(ctx context.Context) (gateway.Description, error) {
	if a.client == nil {
		return a.gateway.Describe(ctx)
	}
	return probe(ctx, a.client, a.gateway.Forward)
}

// underWay counts the exchanges at a server, wherever they are carried.
func (c *current) underWay(name string) (n int) {
	for _, v := range c.ways {
		if v.config.Name == name {
			n += v.gateway.UnderWay()
		}
	}
	return n
}

// Status describes this process to commands.
func (r *Running) Status() adminapi.Status {
	now := r.current.Load()
	s := adminapi.Status{
		Running: true, PID: os.Getpid(), URL: now.served[0].gateway.PublicURL, Version: r.server.Version,
		Since: r.began, Config: now.config.Hash(), Loaded: now.loaded, Listen: r.edge.Addresses(), Weakened: now.config.Weakened(),
		Issuers: r.keys.issuerStatus(now.config.Auth.Issuers),
	}
	blocking, warnings := r.health()
	s.Ready, s.Problems = len(blocking) == 0, append(blocking, warnings...)
	for _, v := range now.served {
		s.Servers = append(s.Servers, adminapi.ServerStatus{Name: v.config.Name, URL: v.gateway.PublicURL, UnderWay: now.underWay(v.config.Name)})
	}
	return s
}

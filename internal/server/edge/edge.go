// Package edge is what callers meet first: the listeners, TLS, who they are on
// the wire, and what becomes of plain HTTP.
package edge

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// Edge is the public side of an installation. Fill it in, then Listen, then Serve.
type Edge struct {
	Config    config.Server    // required
	Domains   []string         // names that are ours beside Config.PublicURL's, without port
	Storage   string           // directory of ACME's account and certificates, made 0700; required with ACME
	Inherited Inherited        // sockets from a service manager
	Log       *slog.Logger     // required
	Now       func() time.Time // nil: time.Now

	// Burnt is told of every credential that came in the clear: the id that the
	// caller is given, the address it came from, and the ids of our keys among them,
	// never a secret. nil: it is only logged.
	Burnt func(r *http.Request, id string, from netip.Addr, keys []string)
	// Refused is told of what else is refused here, before the caller is; nil: it is only logged.
	Refused func(r *http.Request, id string, from netip.Addr, e *gatehouse.Error)

	MaxConns      int           // connections at once; zero: 20000, or what file descriptors allow
	MaxPerAddress int           // connections at once from one address, IPv6 by /64; zero: 1024
	HandshakeWait time.Duration // for a connection's first byte and TLS handshake; zero: 10 s
	WriteWait     time.Duration // how long a caller may take nothing of an answer; zero: 30 s
	PollFiles     time.Duration // how often certificate files are looked at; zero: 1 s

	renewEvery time.Duration // how often ACME's certificates are looked at; zero: certmagic's default

	settings  atomic.Pointer[settings]
	reloading sync.Mutex // one Reload at a time
	files     files      // certificates from files
	vetters   vetters    // who verifies callers' certificates
	base      *tls.Config
	acme      *acme // certificates from an ACME server; nil: none
	places    places
	counts    Counts
	counting  sync.Mutex
	warned    sync.Once // of headers from strangers
	stranger  sync.Once // of connections past the proxies
	mute      sync.Once // of proxies without a PROXY header

	gates       []*gate
	good, clear handover
	public      *http.Server       // for callers
	refusing    *http.Server       // for what comes in the clear
	stop        context.CancelFunc // ends what runs in the background
	background  context.Context
	work        sync.WaitGroup
	once        sync.Once
	state       sync.Mutex
	closed      bool
}

const (
	defaultMaxConns      = 20000
	defaultMaxPerAddress = 1024
	defaultWriteWait     = 30 * time.Second
	defaultPollFiles     = time.Second
)

// Counts are numbers for metrics. They only grow, but for Open.
type Counts struct {
	Open           int   // connections
	Crowded        int64 // connections closed because there were too many
	CrowdedAddress int64 // because there were too many from one address
	AcceptErrors   int64 // for want of file descriptors, most of all
	Handshakes     int64 // that failed
	ClearOnTLS     int64 // connections that spoke plain HTTP where TLS is expected
	Burnt          int64 // requests with a credential in the clear
	ProxyRefused   int64 // connections of strangers where only proxies may connect
	ProxyBroken    int64 // connections of proxies without a sound PROXY header
	Conflicts      int64 // requests whose X-Forwarded-For and Forwarded differ
	Ignored        int64 // requests whose X-Forwarded-For came from a stranger
}

// Counts returns the numbers so far.
func (e *Edge) Counts() Counts {
	e.counting.Lock()
	defer e.counting.Unlock()
	c := e.counts
	c.Open = e.places.count()
	return c
}

func (e *Edge) count(n *int64) {
	e.counting.Lock()
	*n++
	e.counting.Unlock()
}

func (e *Edge) now() time.Time {
	if e.Now != nil {
		return e.Now()
	}
	return time.Now()
}

// Listen opens everything or nothing. What an operator can mend is an
// *adminapi.Error.
func (e *Edge) Listen(ctx context.Context) (err error) {
	if e.Log == nil {
		return errors.New("edge: a log is required")
	}
	e.MaxConns = cmp.Or(e.MaxConns, roomFor(defaultMaxConns))
	e.MaxPerAddress = cmp.Or(e.MaxPerAddress, defaultMaxPerAddress)
	e.HandshakeWait = cmp.Or(e.HandshakeWait, defaultHandshakeWait)
	e.WriteWait = cmp.Or(e.WriteWait, defaultWriteWait)
	e.PollFiles = cmp.Or(e.PollFiles, defaultPollFiles)
	e.places.total, e.places.perSite = e.MaxConns, e.MaxPerAddress
	e.good, e.clear = newHandover(), newHandover()
	e.background, e.stop = context.WithCancel(context.WithoutCancel(ctx))
	defer func() {
		if err != nil {
			_ = e.Close()
		}
	}()
	if err := e.files.load(e.Config.TLS.Files, e.now()); err != nil {
		return err
	}
	if err := e.vetters.load(e.Config.TLS); err != nil {
		return err
	}
	e.settings.Store(settingsOf(e.Config, e.Domains))
	if err := e.open(ctx, cmp.Or(e.Config.Listen, config.DefaultListen), e.Config.TLS.On(), false); err != nil {
		return err
	}
	if e.Config.PlainListen != "" {
		if err := e.open(ctx, e.Config.PlainListen, false, true); err != nil {
			return err
		}
	}
	if err := e.openACME(); err != nil {
		return err
	}
	e.base = e.tls()
	e.public, e.refusing = e.servers()
	return nil
}

// open puts a gate before every listener of an address.
func (e *Edge) open(ctx context.Context, address string, secure, refuse bool) error {
	all, err := Open(ctx, address, e.Inherited)
	if err != nil {
		return err
	}
	for _, l := range all {
		e.gates = append(e.gates, &gate{edge: e, from: l, secure: secure, refuse: refuse, good: e.good, clear: e.clear, early: map[*conn]bool{}})
		if !secure && !refuse && !e.mayBeClear(l.Addr()) {
			return notLoopback(l.Addr())
		}
	}
	return nil
}

// Addresses are what is listened on for callers: host:port, or the path of a
// unix socket behind "unix:".
func (e *Edge) Addresses() []string { return e.addresses(false) }

// PlainAddresses are where plain HTTP is refused.
func (e *Edge) PlainAddresses() []string { return e.addresses(true) }

func (e *Edge) addresses(refuse bool) []string {
	var all []string
	for _, g := range e.gates {
		if g.refuse != refuse {
			continue
		}
		a := g.from.Addr()
		if _, ok := a.(*net.UnixAddr); ok {
			all = append(all, unixPrefix+a.String())
		} else {
			all = append(all, a.String())
		}
	}
	return all
}

// Serve answers callers until Shutdown or Close, and then returns nil; or until
// a listener fails. Requests live no longer than ctx.
func (e *Edge) Serve(ctx context.Context, h http.Handler) error {
	failed := make(chan error, len(e.gates)+3)
	e.state.Lock() // Close waits for what is begun here
	if e.closed {
		e.state.Unlock()
		return nil
	}
	e.public.Handler = e.front(h)
	e.public.BaseContext = func(net.Listener) context.Context { return ctx }
	for _, g := range e.gates {
		e.work.Go(func() { failed <- g.run() })
	}
	var serving sync.WaitGroup
	for _, s := range []struct {
		server *http.Server
		from   handover
	}{{e.public, e.good}, {e.refusing, e.clear}} {
		serving.Go(func() {
			if err := s.server.Serve(s.from); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("serve: %w", err)
			}
		})
	}
	e.work.Go(func() { e.watch(e.background) })
	e.startACME()
	e.state.Unlock()
	go func() { serving.Wait(); failed <- nil }()
	return <-failed
}

// Shutdown stops listening and waits, as long as ctx lasts, for requests to
// end. Close has to follow.
func (e *Edge) Shutdown(ctx context.Context) error {
	var errs []error
	for _, g := range e.gates {
		errs = append(errs, g.close())
	}
	if e.public != nil {
		errs = append(errs, e.public.Shutdown(ctx), e.refusing.Shutdown(ctx))
	}
	return errors.Join(errs...)
}

// Close ends every listener and connection.
func (e *Edge) Close() (err error) {
	e.once.Do(func() { err = e.close() })
	return err
}

func (e *Edge) close() error {
	e.state.Lock()
	e.closed = true
	e.state.Unlock()
	if e.stop == nil {
		return nil // it has never listened
	}
	var errs []error
	for _, g := range e.gates {
		errs = append(errs, g.close())
	}
	if e.public != nil { // before the handovers end: a server that was not told takes that for a failure
		errs = append(errs, e.public.Close(), e.refusing.Close())
	}
	e.good.end()
	e.clear.end()
	e.stop()
	e.closeACME()
	e.work.Wait()
	return errors.Join(errs...)
}

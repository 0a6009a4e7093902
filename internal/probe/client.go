package probe

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/proxy"
	"github.com/gatehouse-mcp/gatehouse/internal/safehttp"
)

// client asks politely: at a pace, up to a budget, each question once, and no
// further when it is told to come back later. It follows no redirect.
//
// The server itself was named by whoever runs this, so it is reached wherever it
// is. What the server's documents lead to is a stranger's choice, and goes by safehttp.
type client struct {
	host    string // of the server
	at      string // its port
	dead    dead
	public  *internet             // nil: names mean what they mean here
	fixed   map[string]netip.Addr // by host:port: where that is said to be
	base    dialFunc              // to addresses
	named   map[string]bool       // hosts that whoever runs this named
	own     *http.Transport
	proxy   *proxy.Settings
	through http.RoundTripper // own, by the proxy if one leads there
	away    *http.Client
	budget  int
	pace    time.Duration
	wait    time.Duration
	now     func() time.Time
	mask    *mask
	last    time.Time
	sent    int
	refused map[string]int // by host: answers 429 in a row
	all     []*Exchange
	cache   map[string]*Exchange

	answered bool
}

// Why nothing was asked.
var (
	errBudget  = errors.New("the budget of requests is spent")
	errLimited = errors.New("the server limits us (429), so it was not asked any more")
	errProxied = errors.New("it would be the proxy that answers: except the host from it with NO_PROXY")
	errBesides = errors.New("--resolve does not say where this port is: name it too")
)

// unasked says whether there was no question, so that nothing follows from it.
func (x *Exchange) unasked() bool {
	return x.Err == errBudget || x.Err == errLimited || x.Err == errProxied || x.Err == errBesides //nolint:errorlint // they are never wrapped
}

func newClient(o *Options, target *url.URL) (*client, error) {
	internet, err := newInternet(o)
	if err != nil {
		return nil, err
	}
	fixed, err := fixedAddresses(o.Resolve)
	if err != nil {
		return nil, err
	}
	allow := append([]string{target.Hostname()}, o.Private...)
	if local(target.Hostname()) {
		allow = append(allow, "localhost", "127.0.0.1", "::1")
	}
	away, err := safehttp.Policy{Allow: allow, Roots: o.Roots, Timeout: o.Wait, KeepAlive: true, Proxy: o.Proxy}.Client()
	if err != nil {
		return nil, err
	}
	pace := o.Pace
	if pace == 0 && !local(target.Hostname()) {
		pace = 50 * time.Millisecond
	}
	c := &client{
		host: asciiHost(target.Hostname()), at: portOf(target), public: internet, fixed: fixed, named: map[string]bool{strings.ToLower(target.Hostname()): true},
		away: away, budget: o.Budget, pace: pace, wait: o.Wait, now: o.Now,
		mask: o.mask(), cache: map[string]*Exchange{}, refused: map[string]int{},
	}
	for at := range fixed {
		host, _, _ := strings.Cut(at, ":")
		c.named[host] = true
	}
	for _, at := range o.Upstreams {
		if u, err := url.Parse(at); err == nil {
			c.mask.hideURL(u)
			c.named[strings.ToLower(u.Hostname())] = true
		}
	}
	c.connects(o)
	return c, nil
}

// connects makes the way to hosts that were named.
func (c *client) connects(o *Options) {
	c.own = &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: o.Roots, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
		TLSHandshakeTimeout: o.Wait, ResponseHeaderTimeout: o.Wait, DisableCompression: true, MaxResponseHeaderBytes: 64 << 10,
	}
	if o.Transport != nil {
		o.Transport(c.own)
	}
	if c.base = c.own.DialContext; c.base == nil {
		c.base = (&net.Dialer{Timeout: o.Wait}).DialContext
	}
	c.own.DialContext = c.lead(c.base)
	if c.proxy = o.Proxy; c.public != nil || len(c.fixed) > 0 {
		c.proxy = nil // it would look the name up by itself
	}
	c.through = c.proxy.Transport(c.own, o.Wait/2)
}

// mask hides what is secret in the options.
func (o *Options) mask() *mask {
	secrets := []string{o.Credential, o.Other}
	for _, s := range o.Bad {
		secrets = append(secrets, s)
	}
	m := newMask(secrets...)
	if u, err := url.Parse(o.URL); err == nil {
		m.hideURL(u)
	}
	return m
}

func (c *client) close() {
	c.own.CloseIdleConnections()
	c.away.CloseIdleConnections()
}

// local says whether a host is this machine.
func local(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// ask is a question.
type ask struct {
	method string // empty: GET
	url    string // absolute; its path is sent byte for byte
	header [][2]string
	body   string
	host   string // empty: that of the URL
	fresh  bool   // ask again, though it was asked before
}

func (a *ask) key() string {
	var b strings.Builder
	b.WriteString(a.method + "\x00" + a.url + "\x00" + a.host + "\x00" + a.body)
	for _, h := range a.header {
		b.WriteString("\x00" + h[0] + "\x01" + h[1])
	}
	return b.String()
}

// do asks, unless the answer is known. There is always an exchange; without an
// answer its Err says why.
func (c *client) do(ctx context.Context, a ask) *Exchange {
	a.method = cmp.Or(a.method, http.MethodGet)
	key := a.key()
	if x := c.cache[key]; x != nil && !a.fresh {
		return x
	}
	x := c.send(ctx, &a)
	if x.Status == http.StatusTooManyRequests && c.comeBack(ctx, x) {
		x = c.send(ctx, &a)
	}
	if x.Status != 0 {
		c.answered = true
	}
	c.cache[key] = x
	return x
}

// patience is how long a server may tell us to wait.
const patience = 5 * time.Second

// comeBack waits when a server says that it will answer soon.
func (c *client) comeBack(ctx context.Context, x *Exchange) bool {
	n, err := strconv.Atoi(x.Header.Get("Retry-After"))
	return err == nil && n >= 0 && time.Duration(n)*time.Second <= patience && pause(ctx, time.Duration(n)*time.Second)
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// givenUp is how many times in a row we are told to come back later before we do.
const givenUp = 3

func (c *client) send(ctx context.Context, a *ask) *Exchange {
	x := &Exchange{Method: a.method, URL: a.url, Sent: http.Header{}, Body: a.body, mask: c.mask}
	for _, h := range a.header {
		x.Sent[http.CanonicalHeaderKey(h[0])] = append(x.Sent[http.CanonicalHeaderKey(h[0])], h[1])
	}
	switch {
	case c.sent >= c.budget:
		x.Err = errBudget
		return x
	case c.refused[hostOf(a.url)] >= givenUp:
		x.Err = errLimited
		return x
	}
	if c.besides(a.url) {
		x.Err = errBesides
		return x
	}
	via := c.via(a.url)
	if via && !strings.HasPrefix(a.url, "https://") {
		x.Err = errProxied
		return x
	}
	if due := c.last.Add(c.pace).Sub(c.now()); c.pace > 0 && due > 0 && !pause(ctx, due) {
		x.Err = context.Cause(ctx)
		return x
	}
	c.sent++
	began := c.now()
	c.last = began
	c.exchange(ctx, a, x)
	x.unreached = x.unreached && !via // it may be the proxy that is not
	x.Took = c.now().Sub(began)
	c.all = append(c.all, x)
	if x.Status == http.StatusTooManyRequests {
		c.refused[hostOf(a.url)]++
	} else if x.Status != 0 {
		c.refused[hostOf(a.url)] = 0
	}
	return x
}

// via says whether a proxy leads to a URL.
func (c *client) via(at string) bool {
	u, err := url.Parse(at)
	if err != nil {
		return false
	}
	by, err := c.proxy.For(u) //nolint:bodyclose // it is asked for a URL: there is no response
	return by != nil || err != nil
}

// hostOf is whom a URL is asked of: what one host says about coming back later is not about another.
func hostOf(at string) string {
	u, err := url.Parse(at)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Host)
}

func (c *client) exchange(ctx context.Context, a *ask, x *Exchange) {
	ctx, stop := context.WithTimeout(ctx, c.wait)
	defer stop()
	var reached atomic.Bool
	var tried atomic.Int32 // connections that were begun towards somebody: a name that leads nowhere is not closed
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		ConnectStart: func(_, _ string) { tried.Add(1) },
		ConnectDone: func(_, _ string, err error) {
			switch {
			case err == nil:
				reached.Store(true)
			case errors.Is(err, syscall.ENETUNREACH): // nothing left this machine
				tried.Add(-1)
			}
		},
		GotConn: func(httptrace.GotConnInfo) { reached.Store(true) },
	})
	defer func() { x.unreached = x.Status == 0 && tried.Load() > 0 && !reached.Load() }()
	r, err := http.NewRequestWithContext(ctx, a.method, a.url, strings.NewReader(a.body))
	if err != nil {
		x.Err = err
		return
	}
	r.Header = x.Sent.Clone()
	r.Host = cmp.Or(a.host, r.Host)
	if r.Header.Get("User-Agent") == "" {
		r.Header.Set("User-Agent", "gatehouse-check")
	}
	res, err := c.way(r.URL)(r) //nolint:bodyclose // it is closed below, whichever way it came
	var elsewhere *safehttp.RedirectError
	if errors.As(err, &elsewhere) { // the answer was that: safehttp keeps no more of it
		x.Status, x.Header = elsewhere.Status, http.Header{"Location": {elsewhere.Location}}
		return
	}
	if err != nil {
		x.Err = errors.New(reason(err))
		return
	}
	defer func() { _ = res.Body.Close() }()
	x.Status, x.Header, x.TLS = res.StatusCode, res.Header, res.TLS
	c.read(x, res, stop)
}

// reason says why there was no answer, for a person.
func reason(err error) string {
	var url *url.Error
	if errors.As(err, &url) {
		err = url.Err // the URL is said beside it
	}
	var private *safehttp.AddressError
	if errors.As(err, &private) {
		return private.Error()
	}
	if by := proxy.Of(err); by != nil {
		return by.Error()
	}
	if text := safehttp.Reason(err); text != "not understood" {
		return text
	}
	return err.Error()
}

// way is how a URL is reached.
func (c *client) way(u *url.URL) func(*http.Request) (*http.Response, error) {
	if c.named[strings.ToLower(u.Hostname())] {
		return c.through.RoundTrip
	}
	return c.away.Do
}

// silence is how long a stream may say nothing before we stop listening.
const silence = 1500 * time.Millisecond

// read takes what there is of an answer. A stream need not end: the first event
// that is an answer will do.
func (c *client) read(x *Exchange, res *http.Response, stop context.CancelFunc) {
	stream := x.media() == "text/event-stream"
	if stream {
		t := time.AfterFunc(silence, stop)
		defer t.Stop()
	}
	buf := make([]byte, 4<<10)
	for len(x.Answer) < maxAnswer {
		n, err := res.Body.Read(buf)
		x.Answer = append(x.Answer, buf[:n]...)
		if err != nil {
			x.Cut = stream && !errors.Is(err, io.EOF)
			return
		}
		if stream && (x.Method == http.MethodGet || bytes.Contains(x.Answer, []byte(`"result"`)) || bytes.Contains(x.Answer, []byte(`"error"`))) && bytes.HasSuffix(x.Answer, []byte("\n\n")) {
			x.Cut = true
			return
		}
	}
	x.Cut = true
}

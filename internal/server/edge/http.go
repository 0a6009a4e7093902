package edge

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// What strangers get of HTTP.
const (
	readHeaderWait = 10 * time.Second  // for a request's head
	idleWait       = 120 * time.Second // between two requests on a connection
	maxHeaderBytes = 64 << 10          // a request's head, in either protocol
	clearWait      = 10 * time.Second  // for a whole request that came in the clear, and for its answer

	// HTTP/2, whose connections carry many requests at once.
	muxStreams      = 100              // requests at once on a connection
	muxFrame        = 16 << 10         // bytes of a frame that we read
	muxConnBuffer   = 1 << 20          // bytes of bodies that wait for us on a connection
	muxStreamBuffer = 256 << 10        // of one request
	muxTable        = 4 << 10          // bytes of the tables that compress headers
	muxSilence      = 30 * time.Second // on a connection before we ask whether anybody is there
	muxPingWait     = 15 * time.Second // for the answer to that
)

// servers makes the one for callers and the one that refuses what came in the
// clear. HTTP/2 is spoken inside TLS alone: elsewhere it would be a second
// parser to trust for no client that exists. There is no time-out for a whole
// answer, since a stream may stay open for days; what bounds a caller who does
// not read is WriteWait.
func (e *Edge) servers() (public, refusing *http.Server) {
	log := slog.NewLogLogger(e.Log.Handler(), slog.LevelDebug) // what strangers send wrong is not news
	one, both := &http.Protocols{}, &http.Protocols{}
	one.SetHTTP1(true)
	both.SetHTTP1(true)
	if e.Config.TLS.On() {
		both.SetHTTP2(true)
	}
	public = &http.Server{
		ReadHeaderTimeout: readHeaderWait, IdleTimeout: idleWait, MaxHeaderBytes: maxHeaderBytes,
		DisableGeneralOptionsHandler: true,
		Protocols:                    both,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: muxStreams, MaxReadFrameSize: muxFrame,
			MaxReceiveBufferPerConnection: muxConnBuffer, MaxReceiveBufferPerStream: muxStreamBuffer,
			MaxDecoderHeaderTableSize: muxTable, MaxEncoderHeaderTableSize: muxTable,
			SendPingTimeout: muxSilence, PingTimeout: muxPingWait, WriteByteTimeout: e.WriteWait,
		},
		ConnContext: withPeer, ErrorLog: log,
	}
	refusing = &http.Server{
		Handler:     http.HandlerFunc(e.refuseClear),
		ReadTimeout: clearWait, ReadHeaderTimeout: readHeaderWait, WriteTimeout: clearWait, IdleTimeout: clearWait, MaxHeaderBytes: maxHeaderBytes,
		DisableGeneralOptionsHandler: true,
		Protocols:                    one,
		ConnContext:                  withPeer, ErrorLog: log,
		BaseContext: func(net.Listener) context.Context { return e.background },
	}
	return public, refusing
}

// front stands before the handler of callers' requests.
func (e *Edge) front(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, p := e.settings.Load(), peerOf(r)
		e.observe(s, p, r)
		if s.clear(p, r) {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(clearWait)) // a body is not waited for
			e.refuseClear(w, r)
			return
		}
		if s.hsts != "" && (r.TLS != nil || s.byProxy) { // RFC 6797 §7.2: never in the clear
			w.Header().Set("Strict-Transport-Security", s.hsts)
		}
		if r.Method == "PRI" { // net/http lets HTTP/2's preface through to those who would speak it in HTTP/1.1
			w.Header().Set("Connection", "close")
			w.WriteHeader(http.StatusHTTPVersionNotSupported)
			return
		}
		state, ok := e.vetters.judge(p, r.TLS)
		if !ok {
			e.refuseVetted(w, r)
			return
		}
		r.TLS = state
		if r.ProtoMajor == 2 {
			p := &patient{ResponseWriter: w, wait: e.WriteWait, control: http.NewResponseController(w)}
			defer p.end()
			w = p
		}
		next.ServeHTTP(w, r)
	})
}

// patient ends a stream of HTTP/2 whose reader takes nothing: its connection
// may be lively all the while, so the wait cannot be bounded there.
type patient struct {
	http.ResponseWriter
	wait    time.Duration
	control *http.ResponseController

	mu      sync.Mutex
	timer   *time.Timer
	waiting int       // calls under way that may block
	due     time.Time // when they have waited long enough
}

// Unwrap lets http.ResponseController find what it controls.
func (p *patient) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// Write sends a part of the body.
func (p *patient) Write(b []byte) (n int, err error) {
	for {
		p.begin()
		m, err := p.ResponseWriter.Write(b[n:min(len(b), n+pieceSize)])
		p.done()
		n += m
		if err != nil || n == len(b) {
			return n, err
		}
	}
}

// FlushError sends what is buffered.
func (p *patient) FlushError() error {
	p.begin()
	defer p.done()
	return p.control.Flush()
}

// Flush implements http.Flusher.
func (p *patient) Flush() { _ = p.FlushError() }

func (p *patient) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting++; p.waiting > 1 {
		return
	}
	p.due = time.Now().Add(p.wait)
	if p.timer == nil {
		p.timer = time.AfterFunc(p.wait, p.cut)
		return
	}
	p.timer.Reset(p.wait)
}

func (p *patient) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting--; p.waiting == 0 {
		p.timer.Stop()
	}
}

// cut ends the stream. Whoever waits in Write or Flush then gets an error.
func (p *patient) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting > 0 && !time.Now().Before(p.due) {
		_ = p.control.SetWriteDeadline(time.Now().Add(-time.Second))
	}
}

// end bounds what is sent after the handler has returned.
func (p *patient) end() { _ = p.control.SetWriteDeadline(time.Now().Add(p.wait)) }

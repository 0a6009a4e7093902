package bridge

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
	"github.com/gatehouse-mcp/gatehouse/internal/proxy"
	"github.com/gatehouse-mcp/gatehouse/internal/signin"
)

// Codes of what goes wrong here. docs/reference/errors.md
const (
	codeUnreachable = "GH-2232" // the server does not answer, and the request did not arrive
	codeFate        = "GH-2233" // it may have arrived, and there is no answer
	codeMessage     = "GH-2234" // a message is too long, or none
	codeRedirect    = "GH-2236" // the server sends us elsewhere
	codeStatus      = "GH-2237" // the server answers with an error of HTTP
	codeProxy       = signin.CodeProxy
)

// problem is why a request has no answer of the server.
type problem struct {
	code    string
	text    string
	err     error
	request string // id that the server gave it; empty: none
	status  int    // of HTTP; 0: it is not about one
}

func (p *problem) Error() string {
	text := p.code + " " + p.text
	if p.err != nil {
		text += " (" + p.err.Error() + ")"
	}
	return text + signin.AskOperator(p.request)
}

// told is what goes along with an error's text, for programs.
func told(code, request string) map[string]string {
	out := map[string]string{"code": code}
	if request != "" {
		out["request_id"] = request
	}
	return out
}

func (p *problem) Unwrap() error { return p.err }

// explain is what the client is told of an error.
func explain(err error) (code int, text string, data any) {
	var access *signin.Error
	var own *problem
	var refusal *mcp.Error
	switch {
	case errors.As(err, &access):
		return mcp.CodeInternalError, access.Code + " " + access.Error(), told(access.Code, access.Request)
	case errors.As(err, &own):
		return mcp.CodeInternalError, own.Error(), told(own.code, own.request)
	case errors.As(err, &refusal):
		return refusal.Code, refusal.Message, refusal.Data
	case errors.Is(err, context.Canceled):
		return mcp.CodeInternalError, codeFate + " The bridge ended before there was an answer.", map[string]string{"code": codeFate}
	}
	return mcp.CodeInternalError, "GH-1901 " + err.Error(), map[string]string{"code": "GH-1901"}
}

// newTransport is what requests to the server are sent by. There is no limit for
// an answer: a tool may work for long. A connection that is dead is noticed, and one
// that a call leaves is kept for the next, however many there were at once.
func newTransport(by *proxy.Settings) http.RoundTripper {
	alive := net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 15 * time.Second, Count: 3}
	d := &net.Dialer{Timeout: 10 * time.Second, KeepAliveConfig: alive, Control: giveUpUnheard}
	return by.Transport(&http.Transport{
		DialContext: d.DialContext, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: 10 * time.Second, MaxResponseHeaderBytes: 64 << 10, IdleConnTimeout: 30 * time.Second, MaxIdleConnsPerHost: inFlight,
		DisableCompression: true, ForceAttemptHTTP2: true, HTTP2: &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second},
	})
}

// sameOrigin follows a redirect within the server's own origin that keeps the
// method: what is sent along is for nobody else. CVE-2026-111769
func sameOrigin(r *http.Request, via []*http.Request) error {
	first := via[0]
	if r.URL.Scheme != first.URL.Scheme || r.URL.Host != first.URL.Host || r.Method != first.Method || r.URL.User != nil || len(via) > 3 {
		return &problem{code: codeRedirect, text: fmt.Sprintf("The server sends us to %.200q, where nothing of what it may see is taken. Use that address if it is right.", r.URL.Redacted())}
	}
	return nil
}

// do sends one request once, and says whether any of it may have arrived. Where it
// is redirected within the origin it gets another proof.
func (r *remote) do(ctx context.Context, method, to string, body []byte, header http.Header, cred *signin.Credential) (res *http.Response, sent bool, err error) {
	var wrote atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { wrote.Store(true) }})
	var from io.Reader = http.NoBody
	if body != nil {
		from = bytes.NewReader(body) // which a redirect within the origin takes along
	}
	q, err := http.NewRequestWithContext(traced, method, to, from)
	if err != nil {
		return nil, false, err
	}
	for name, values := range r.b.Header {
		q.Header[name] = values
	}
	for name, values := range header {
		q.Header[name] = values
	}
	q.Header.Set("User-Agent", "gatehouse-bridge")
	if err := cred.Apply(q); err != nil {
		return nil, false, err
	}
	r.wake()
	by := *r.wire.Load()
	by.CheckRedirect = func(q *http.Request, via []*http.Request) error {
		if err := sameOrigin(q, via); err != nil {
			return err
		}
		cred.Heard(q.Response)
		return cred.Apply(q)
	}
	res, err = by.Do(q)
	if through := proxy.Of(err); through != nil && through.Final() {
		err = &problem{code: codeProxy, text: "The server is not reached.", err: through}
	}
	return res, wrote.Load(), err
}

// renewals is how often one request is refused before it is given up.
const renewals = 3

// send sends a request until it is let through. A request that did not arrive is
// sent again, and so is one that may arrive twice; any other is sent once. A refusal
// for want of access says that nothing was done, when it says what is wanted.
func (r *remote) send(ctx context.Context, method, to string, body []byte, header http.Header, harmless bool) (*http.Response, error) {
	patience := newLimit(r.b.patience())
	wait := 200 * time.Millisecond
	cred, err := r.credential(ctx, patience)
	for refused := 0; err == nil; {
		res, sent, failed := r.do(ctx, method, to, body, header, cred)
		var again *signin.Credential
		if failed == nil {
			again = cred.Heard(res)
		}
		switch {
		case again != nil: // it was refused for its proof, before anything was done
			discard(res)
			cred = again
			continue
		case failed != nil && ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.As(failed, new(*problem)):
			return nil, unreached(failed)
		case errors.As(failed, new(*signin.Error)): // there is no proof to send it with
			return nil, failed
		case failed != nil && sent && !harmless:
			return nil, fateUnknown(failed)
		case failed != nil && patience.over():
			return nil, unreached(failed)
		case failed == nil && refusedForAccess(res):
			if refused++; refused > renewals {
				_ = res.Body.Close()
				return nil, &signin.Error{Code: signin.CodeRefused, Text: "The server refuses every token that it is asked with.", Request: signin.RequestID(res.Header)}
			}
			surely := turnedAway(res) || harmless
			if cred, err = r.renew(ctx, patience, signin.Refusal{Status: res.StatusCode, Header: res.Header, With: cred}); err == nil && !surely {
				return nil, mayBeRefused(res)
			}
			continue
		case failed == nil && res.StatusCode/100 == 2:
			cred.Worked()
			return res, nil
		case failed == nil && (!harmless || !passing(res.StatusCode) || patience.over()):
			return res, nil
		case failed == nil:
			discard(res)
		}
		if err := pause(ctx, wait); err != nil {
			return nil, err
		}
		wait = min(2*wait, 5*time.Second)
	}
	return nil, err
}

func fateUnknown(err error) error {
	return &problem{code: codeFate, text: "The connection broke before there was an answer. Whether the server has done it is not known, so it is not asked again.", err: causeOf(err)}
}

func unreached(err error) error {
	var own *problem
	if errors.As(err, &own) { // we did not follow a redirect
		return own
	}
	if by := proxy.Of(err); by != nil {
		return &problem{code: codeProxy, text: "The server is not reached.", err: by}
	}
	return &problem{code: codeUnreachable, text: "The server cannot be reached. Is it running, and the address right? gatehouse check URL says what is seen from here.", err: causeOf(err)}
}

// causeOf leaves out what the client's error repeats of the URL.
func causeOf(err error) error {
	var of *url.Error
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

// passing says whether a status is that of a server which is just being restarted.
func passing(status int) bool {
	return status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout
}

// refusedForAccess says whether other access may help.
func refusedForAccess(res *http.Response) bool {
	if res.StatusCode == http.StatusForbidden {
		return signin.WantsMore(res.Header)
	}
	return res.StatusCode == http.StatusUnauthorized
}

// discard ends an answer that nobody wants, so that its connection can be used again.
// One that does not come to its end is not waited for.
func discard(res *http.Response) { drain(res, time.Second) }

// behindAnswer is how long the end of a stream is waited for when the answer has been
// passed on. A stream that is broken off costs the next call a new connection, with
// TLS and all; the client waits for neither.
const behindAnswer = 50 * time.Millisecond

// drain reads what is left of an answer for a while, and closes it.
func drain(res *http.Response, within time.Duration) {
	enough := time.AfterFunc(within, func() { _ = res.Body.Close() })
	defer enough.Stop()
	_, _ = io.CopyN(io.Discard, res.Body, 64<<10)
	_ = res.Body.Close()
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

package proxy

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"
)

// transport tells a proxy that does not do from a server that does not.
type transport struct {
	*http.Transport
	of   *Settings
	wait time.Duration // until there is a connection: some proxies accept one and say nothing
}

const patience = 30 * time.Second

var errSilent = errors.New("there was no connection in time")

// RoundTrip has the errors of before there is a connection say that a proxy is between.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	via, err := t.of.For(r.URL)
	if via == nil || err != nil {
		return t.Transport.RoundTrip(r)
	}
	ctx, end := context.WithCancelCause(r.Context())
	late := time.AfterFunc(t.wait, func() { end(errSilent) })
	var got atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) {
		late.Stop()
		got.Store(true)
	}})
	res, err := t.Transport.RoundTrip(r.WithContext(traced))
	late.Stop()
	if err == nil {
		res.Body = &body{res.Body, end}
		return res, nil
	}
	silent := context.Cause(ctx) == errSilent //nolint:errorlint // it is this one, never wrapped
	end(nil)
	switch {
	case got.Load() || r.Context().Err() != nil || Of(err) != nil:
		return nil, err
	case silent:
		err = errSilent
	}
	return nil, &Error{Proxy: via.Host, Err: err}
}

// body ends the request's context with the answer.
type body struct {
	io.ReadCloser
	end context.CancelCauseFunc
}

func (b *body) Close() error {
	err := b.ReadCloser.Close()
	b.end(nil)
	return err
}

// answered judges what a proxy says when it is to connect. The transport's own error
// has a few words of the proxy in it and no number.
func answered(_ context.Context, via *url.URL, _ *http.Request, res *http.Response) error {
	if res.StatusCode == http.StatusOK {
		return nil
	}
	return &Error{Proxy: via.Host, Status: res.StatusCode}
}

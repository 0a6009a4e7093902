package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	maxInformational = 5                // 1xx answers before the real one
	headRest         = 10 * time.Second // for a head that came in part
)

// errUnread says that a request was not read, so that it may be sent again.
var errUnread = errors.New("the upstream had ended the connection before")

// exchange is one request on one connection.
type exchange struct {
	ctx     context.Context
	conn    *conn
	idle    *pool // where the connection goes afterwards
	method  string
	message []byte        // the request in wire form
	wait    time.Duration // for the head of the answer; 0: for ever
}

// run sends the request and reads the head of the answer.
func (x *exchange) run() (*http.Response, error) {
	c := x.conn
	stop := context.AfterFunc(x.ctx, c.shut)
	release := c.within(x.wait)
	n, failed := c.Write(x.message)
	res, err := c.readHead(x.method)
	if late := release(); late != nil {
		err = late
	}
	if err == nil {
		c.sent += int64(n)
		x.attach(res, stop, failed == nil)
		return res, nil
	}
	stop()
	if failed != nil {
		err = failed
	}
	err = x.explain(n, err)
	c.Close()
	return nil, err
}

// attach gives the answer a body that takes care of the connection.
func (x *exchange) attach(res *http.Response, stop func() bool, whole bool) {
	b := &body{
		src: res.Body, conn: x.conn, idle: x.idle, ctx: x.ctx, stop: stop,
		keep: whole && !res.Close,
	}
	if res.Body == http.NoBody {
		b.finish(true)
		return
	}
	res.Body = b
}

// explain returns why there is no answer. written is how much of the request
// the kernel took.
func (x *exchange) explain(written int, err error) error {
	c := x.conn
	switch {
	case x.ctx.Err() != nil:
		return context.Cause(x.ctx)
	case c.late.Load():
		return ErrTimeout
	case errors.Is(err, ErrMalformed):
		return err
	case c.sent > 0 && !c.heard && (written == 0 || idempotent(x.method) || x.refused(err)):
		return errUnread
	}
	return fmt.Errorf("%w: %w", ErrBroken, err)
}

// refused reports whether the upstream closed the idle connection before any
// byte of this request reached it. Its end of stream (FIN) acknowledges what
// its kernel had taken by then; when that is nothing of this request, nobody
// can have read it. A reset proves nothing: it may follow the execution, and
// what it acknowledges is not counted. RFC 9110 §9.2.2, RFC 9112 §9.3.1
func (x *exchange) refused(err error) bool {
	if !errors.Is(err, io.EOF) {
		return false
	}
	taken, ok := x.conn.acknowledged()
	return ok && taken <= x.conn.sent+1 // the handshake counts as one byte
}

func idempotent(method string) bool {
	return method == "GET" || method == "HEAD" || method == "DELETE" || method == "OPTIONS" || method == "PUT"
}

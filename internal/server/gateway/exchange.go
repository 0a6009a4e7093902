package gateway

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/access"
	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

// exchange is one admitted request on its way to a backend. Its request's
// context ends when the client leaves or the caller's right to be here does.
type exchange struct {
	w      *answer
	r      *http.Request
	id     string         // request id, also in the answer's X-Request-Id
	from   netip.Addr     // where it came from
	shared bool           // from is a proxy's, which did not say whom it speaks for
	caller *access.Caller // never nil

	presented gatehouse.Credential // what the caller came with

	call    *mcp.Call // what a POST says; nil for GET and DELETE
	session string    // the backend's own session id; empty when the request named none
	placed  bool      // it counts among the caller's open streams
	mirror  string    // what Mcp-Name is to say; empty: what the client said
	fitted  bool      // its body was made fit for the caller
	g       *Gateway

	endless    atomic.Bool       // lasts, for whoever looks at it from outside
	through    atomic.Bool       // rules have let it through: the next three say for what, and do not change
	several    bool              // for more than one thing
	method     string            // of its one message
	about      mcp.Subject       // the one thing that it is about; zero: nothing that rules know
	end        func(cause error) // ends the request's context
	prev, next *exchange         // on the line, under its lock
}

// backend carries admitted exchanges to one MCP server.
//
// A method answers through the exchange, or returns an error and has written
// nothing: *gatehouse.Error and *mcp.Error reach the caller, any other becomes
// a bare 500. After the first byte an error only ends the stream.
type backend interface {
	post(x *exchange) error
	get(x *exchange) error
	delete(x *exchange) error
	close() // ends every session and child; returns when they are gone
}

// ctx ends when the client has left, or may no longer be here.
func (x *exchange) ctx() context.Context { return x.r.Context() }

// over says whether that has happened.
func (x *exchange) over() bool { return x.ctx().Err() != nil }

// opens tells the client the id of the session that the backend opened for it,
// sealed to its owner.
func (x *exchange) opens(session string) {
	x.w.Header().Set(headerSession, x.g.sessions.seal(x.caller, session))
}

// json answers with one JSON body.
func (x *exchange) json(status int, body []byte) error {
	x.w.only("Content-Type", "application/json")
	x.w.only("Content-Length", strconv.Itoa(len(body)))
	x.w.WriteHeader(status)
	if len(body) > shortAnswer {
		defer x.breakable()()
	}
	_, err := x.w.Write(body)
	return err
}

// shortAnswer is how many bytes hardly ever wait for a client.
const shortAnswer = 32 << 10

// breakable has the end of the exchange break off a write that waits for a
// client which reads nothing, until stop, which must be called once.
func (x *exchange) breakable() (stop func()) {
	broken := make(chan struct{})
	undo := context.AfterFunc(x.ctx(), func() {
		defer close(broken)
		_ = http.NewResponseController(x.w.ResponseWriter).SetWriteDeadline(time.Unix(1, 0))
	})
	return func() {
		if !undo() {
			<-broken // nothing of this request may touch its connection later
		}
	}
}

// accepted answers that a notification or response was taken.
func (x *exchange) accepted() error {
	x.w.WriteHeader(http.StatusAccepted)
	return nil
}

// ended returns why the caller may no longer be here; nil while it may, and
// when it left by itself. A message that the server has been given is not refused
// by a challenge: clients get other access then, and send it a second time.
func ended(x *exchange) error {
	var e *gatehouse.Error
	if !errors.As(context.Cause(x.ctx()), &e) {
		return nil
	}
	if x.call == nil || e.Challenge == nil {
		return e
	}
	late := *e
	late.Status, late.Challenge = http.StatusForbidden, nil
	late.Description += " The server had been asked already, and may have done it."
	return &late
}

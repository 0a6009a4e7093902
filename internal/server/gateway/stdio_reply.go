package gateway

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

// reply is the answer to a POST with requests in it: one JSON body if the
// answers are the first to come, else a stream of events that they end.
type reply struct {
	x       *exchange
	box     *inbox
	waiting int // answers still to come
	streams bool
	bodies  bool // the client takes a JSON body
	held    []parcel
	out     *stream
	failed  bool   // an answer was an error
	code    string // of an error that is the server's fault
	opens   string // id of the session that a good answer opens
}

func newReply(x *exchange, box *inbox, waiting int, code string) *reply {
	r := &reply{x: x, box: box, waiting: waiting, code: code}
	r.bodies, r.streams = accepts(x.r.Header)
	box.single = !r.streams
	return r
}

// accepts says which forms of answer a client takes; both unless it says.
func accepts(h http.Header) (bodies, streams bool) {
	accept := strings.ToLower(strings.Join(h["Accept"], ","))
	all := accept == "" || strings.Contains(accept, "*/*")
	bodies = all || strings.Contains(accept, "application/json") || strings.Contains(accept, "application/*")
	streams = all || strings.Contains(accept, "text/event-stream") || strings.Contains(accept, "text/*")
	return bodies || !streams, streams
}

// run carries parcels to the client until all answers are there. An error means
// that they are not; the client has left, or may no longer be here.
func (r *reply) run() error {
	defer func() {
		if r.out != nil {
			r.out.close()
		}
	}()
	quiet := time.NewTimer(r.x.g.KeepAlive)
	defer quiet.Stop()
	for r.waiting > 0 {
		select {
		case <-r.x.ctx().Done():
			return r.x.ctx().Err()
		case <-quiet.C:
			if err := r.stream(); err != nil {
				return err
			}
		case <-r.box.ready:
			parcels, gone := r.box.take()
			for _, p := range parcels {
				if err := r.deliver(p); err != nil {
					return err
				}
			}
			if gone != nil && r.waiting > 0 {
				return gone
			}
		}
	}
	return r.finish()
}

// deliver sends a parcel, or holds it as long as a body may become of it.
func (r *reply) deliver(p parcel) error {
	if p.final != nil {
		r.waiting--
		r.failed = r.failed || p.fault
		p = r.fit(p)
		if r.out == nil && r.bodies {
			r.held = append(r.held, p)
			return nil
		}
	} else {
		var err error
		if p, err = r.x.receives(p); err != nil {
			r.x.w.dropped++
			return nil //nolint:nilerr // what cannot be read, or is not for the client, just does not arrive
		}
	}
	if err := r.stream(); err != nil || r.out == nil {
		return err
	}
	return r.out.send(mcp.Event{Name: "message", Data: p.message})
}

// errNotTheirs says that a message is not for the client.
var errNotTheirs = errors.New("it tells of what the caller may not see")

// receives makes what a server says unasked fit for the caller, or says why they
// do not get it.
func (x *exchange) receives(p parcel) (parcel, error) {
	if !p.tells {
		return p, nil
	}
	out, ok, err := x.filter(p.message)
	if err == nil && !ok {
		err = errNotTheirs
	}
	p.message = out
	return p, err
}

// fit filters answers that tell what there is.
func (r *reply) fit(p parcel) parcel {
	era := r.x.call.Era
	if p.fault || !tells(p.final.message, era) && (era == mcp.Modern || !mentions(p.message)) {
		return p
	}
	out, ok, err := r.x.filter(p.message)
	if err != nil || !ok {
		e := broken(p.final.message.ID, textUnreadable, r.code)
		return parcel{message: e.JSON(), final: p.final, status: e.Status, fault: true}
	}
	p.message = out
	return p
}

// stream begins a stream if the client takes one, with what was held.
func (r *reply) stream() error {
	if r.out != nil || !r.streams {
		return nil
	}
	r.open()
	var err error
	if r.out, err = r.x.stream(http.StatusOK); err != nil {
		return err
	}
	r.box.slow(r.out.sever)
	for _, p := range r.held {
		if err := r.out.send(mcp.Event{Name: "message", Data: p.message}); err != nil {
			return err
		}
	}
	r.held = nil
	return nil
}

// open tells the client of its new session. A stream that began before the
// answer cannot take it back, but then the session will not be found.
func (r *reply) open() {
	if r.opens != "" && !r.failed {
		r.x.opens(r.opens)
	}
}

// finish answers with one body, if nothing was streamed.
func (r *reply) finish() error {
	if r.out != nil {
		return nil
	}
	r.open()
	r.x.fitted = true
	if !r.x.call.Batch {
		return r.x.json(r.held[0].status, r.held[0].message)
	}
	bodies := make([][]byte, len(r.held))
	for i, p := range r.held {
		bodies[i] = p.message
	}
	return r.x.json(http.StatusOK, append(append([]byte("["), bytes.Join(bodies, []byte(","))...), ']'))
}

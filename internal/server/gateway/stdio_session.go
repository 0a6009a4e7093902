package gateway

import (
	"crypto/rand"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

// session is what one client of the older era has: a child of its own.
type session struct {
	s     *linked
	id    string
	owner string
	link  *link
	lease lease
	users attendance // one: whose session it is

	mu     sync.Mutex
	posts  []*inbox            // answers under way, newest last
	stream *inbox              // of the GET; nil: none is open
	held   *inbox              // what waits for either
	asked  map[string]struct{} // ids of the child's requests that wait for the client
	used   time.Time
}

const (
	maxAsked   = 1000
	evictAfter = 3 * time.Second // without use, after which a session gives way to its owner's next
)

// initialize opens a session, with a child of its own.
func (s *linked) initialize(x *exchange) error {
	n, err := s.open(x)
	if err != nil {
		return s.unavailable(x, &x.call.Messages[0], err)
	}
	good, err := n.carry(x, n.id)
	if good && err == nil && x.ctx().Err() == nil {
		n.lease.give()
		return nil
	}
	select {
	case <-n.link.peer.Done():
		s.failed(x)
	default:
	}
	s.later(n.end) // there is no session, or its client has left before it knew
	return err
}

// open starts a session's child and puts it on the list, held.
func (s *linked) open(x *exchange) (*session, error) {
	n := &session{s: s, id: rand.Text(), owner: owner(x), asked: map[string]struct{}{}, held: newInbox("", -1), used: s.now()}
	n.lease.after, n.lease.end, n.lease.held = s.idle, n.end, 1
	n.users = attendance{ctx: s.ctx, empty: func() { s.later(n.end) }}
	if err := s.place(n); err != nil {
		return nil, err
	}
	l, err := s.start(x, n)
	if err != nil {
		s.remove(n)
		return nil, err
	}
	n.mu.Lock()
	n.link, n.used = l, s.now()
	n.mu.Unlock()
	n.users.note(x) // not before: what it ends must be there
	return n, nil
}

func (s *linked) start(x *exchange, n *session) (*link, error) {
	h := s.home(x)
	h.mu.Lock()
	wait := h.starts.remaining(s.now())
	h.mu.Unlock()
	if wait > patience {
		return nil, errBackoff
	}
	if wait > 0 {
		t := time.NewTimer(wait)
		defer t.Stop()
		select {
		case <-t.C:
		case <-x.ctx().Done():
			return nil, x.ctx().Err()
		}
	}
	l, err := s.launch(x.ctx(), x, mcp.Legacy, n.route, n.over)
	if err != nil && x.ctx().Err() == nil && !harmless(err) {
		s.log.Error("server could not be started", "code", s.code, "server", s.name, "cause", err)
		s.failed(x)
	}
	return l, err
}

// failed notes that a session's child did not even begin. One that fails later
// is its own session's trouble, not that of others.
func (s *linked) failed(x *exchange) {
	h := s.home(x)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.starts.fail(s.now(), 0)
}

// place puts a session on the list, if its owner may have one more. One that
// was not used for a while gives way: few clients end theirs.
func (s *linked) place(n *session) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return errClosing
	}
	count, now := 0, s.now()
	var oldest *session
	var since time.Time
	for _, other := range s.sessions {
		if other.owner != n.owner {
			continue
		}
		count++
		used, idle := other.lastUse()
		if idle && now.Sub(used) >= evictAfter && (oldest == nil || used.Before(since)) {
			oldest, since = other, used
		}
	}
	if count >= s.maxPerCaller {
		if oldest == nil {
			return tooMany("Too many sessions are open for this key. End some, or retry later.")
		}
		delete(s.sessions, oldest.id)
		s.work.Go(oldest.end)
	}
	s.sessions[n.id] = n
	return nil
}

func (s *linked) remove(n *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, n.id)
}

// session returns the session that a request names, held. The id was sealed to
// its owner; that the owner is asked for again costs nothing.
func (s *linked) session(x *exchange) (*session, error) {
	s.mu.Lock()
	n := s.sessions[x.session]
	s.mu.Unlock()
	if n == nil || n.owner != owner(x) || !n.users.note(x) || !n.lease.take() {
		return nil, noSession()
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.used = s.now()
	return n, nil
}

// lastUse returns when the session was last used, and whether it is idle: an
// open GET stream is no use, many clients leave theirs behind. Before its child
// has started there is nothing that could end.
func (n *session) lastUse() (at time.Time, idle bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.used, n.link != nil && len(n.posts) == 0
}

// end ends the session; it returns when its child is gone.
func (n *session) end() {
	n.s.remove(n)
	n.lease.cancel()
	n.users.close()
	n.link.stop()
}

// over is called when the child is gone.
func (n *session) over(*link) {
	n.s.remove(n)
	n.lease.cancel()
	n.users.close()
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.stream != nil {
		n.stream.fail(errEnded)
	}
}

// post answers one POST of the session.
func (n *session) post(x *exchange) error {
	_, err := n.carry(x, "")
	return err
}

// carry sends a POST's messages on and brings the answers back, with the id of
// the session that they open, if any. good says that none of them was an error.
func (n *session) carry(x *exchange, opens string) (good bool, err error) {
	requests := 0
	for i := range x.call.Messages {
		if x.call.Messages[i].Kind == mcp.Request {
			requests++
		}
	}
	box := newInbox(n.owner, requests)
	r := newReply(x, box, requests, n.s.code)
	r.opens = opens
	if requests > 0 {
		n.attend(box)
		defer n.leave(box)
	}
	for i := range x.call.Messages {
		if err := n.forward(x, &x.call.Messages[i], box); err != nil {
			return false, err
		}
	}
	if requests == 0 {
		return true, x.accepted()
	}
	if err := r.run(); err != nil { // the client's leaving is no cancellation. MCP 2025-11-25 transports
		if cause := ended(x); cause != nil {
			n.s.later(n.end) // who may not be here any more needs no child
		}
		return false, endOf(x, err)
	}
	return !r.failed, nil
}

// forward sends one message to the child.
func (n *session) forward(x *exchange, m *mcp.Message, box *inbox) error {
	var edit mcp.Edit
	switch m.Kind {
	case mcp.Request:
		_, err := n.link.begin(x.ctx(), x, m, box)
		if err == nil {
			return nil
		}
		if err = n.s.gone(x, m, err); !x.call.Batch || x.ctx().Err() != nil {
			return err
		}
		e := broken(m.ID, textEnded, n.s.code)
		box.put(parcel{message: e.JSON(), final: &pending{message: m, box: box}, status: e.Status, fault: true})
		return nil
	case mcp.Response:
		if !n.answers(m) {
			n.link.log.Debug("response to no request dropped", "server", n.link.name)
			return nil
		}
	case mcp.Notification:
		if m.Method == "notifications/cancelled" && m.Target != nil {
			p := n.link.find(n.owner, m.Target)
			if p == nil {
				return nil
			}
			edit.RequestID = p.id
		}
	}
	if err := relay(x, n.link, edit, m.Raw); err != nil {
		return n.s.gone(x, m, err)
	}
	return nil
}

// answers says whether a response answers a request that the child has sent in
// this session, and has not been answered.
func (n *session) answers(m *mcp.Message) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	_, waits := n.asked[string(m.ID)]
	delete(n.asked, string(m.ID))
	return waits
}

// attend makes an answer under way known to what the child says meanwhile.
func (n *session) attend(box *inbox) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.posts = append(n.posts, box)
}

// leave undoes attend. What was meant for this client but not taken finds
// another way to it.
func (n *session) leave(box *inbox) {
	rest := box.fail(errEnded)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.posts = slices.DeleteFunc(n.posts, func(b *inbox) bool { return b == box })
	n.used = n.s.now()
	n.redeliver(rest)
}

// redeliver is called with the lock held.
func (n *session) redeliver(rest []parcel) {
	for _, p := range rest {
		if p.final == nil {
			n.deliver(p)
		}
	}
}

// route takes what the child says unasked. MCP 2025-11-25 transports
func (n *session) route(message []byte, e *mcp.Envelope) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if e.Kind == mcp.Request {
		if len(n.asked) >= maxAsked {
			return false
		}
		n.asked[string(e.ID)] = struct{}{}
	}
	if n.deliver(parcel{message: message, tells: e.Tells}) {
		return true
	}
	delete(n.asked, string(e.ID))
	return false
}

// deliver puts a parcel where the client will see it: on the newest answer
// under way, else on its stream, else aside until there is one. It is called
// with the lock held.
func (n *session) deliver(p parcel) bool {
	for _, box := range slices.Backward(n.posts) {
		if box.put(p) {
			return true
		}
	}
	return n.stream != nil && n.stream.put(p) || n.held.put(p)
}

// listen serves the session's stream until its client leaves, opens another, or
// the session ends.
func (n *session) listen(x *exchange) error {
	if _, streams := accepts(x.r.Header); !streams {
		return &mcp.Error{Status: http.StatusNotAcceptable, Code: mcp.CodeInvalidRequest, Message: "Accept: text/event-stream is needed here."}
	}
	out, err := x.stream(http.StatusOK)
	if out != nil {
		defer out.close()
	}
	if err != nil {
		return err
	}
	box := n.take()
	box.slow(out.sever)
	defer n.drop(box)
	for {
		select {
		case <-n.link.over:
			return nil
		case <-x.ctx().Done():
			if cause := ended(x); cause != nil {
				n.s.later(n.end)
			}
			return endOf(x, x.ctx().Err())
		case <-box.ready:
		}
		parcels, gone := box.take()
		for i, p := range parcels {
			if p, err = x.receives(p); err != nil {
				continue
			}
			if err := out.send(mcp.Event{Name: "message", Data: p.message}); err != nil {
				n.mu.Lock()
				n.redeliver(parcels[i:])
				n.mu.Unlock()
				return endOf(x, err)
			}
		}
		if gone != nil {
			return nil
		}
	}
}

// take makes a new stream the session's only one, with what has waited for it.
func (n *session) take() *inbox {
	n.mu.Lock()
	defer n.mu.Unlock()
	before := n.stream
	n.stream = newInbox(n.owner, -1)
	waiting, _ := n.held.take()
	n.held = newInbox("", -1)
	if before != nil {
		n.redeliver(before.fail(errReplaced))
	}
	n.redeliver(waiting)
	return n.stream
}

// drop undoes take.
func (n *session) drop(box *inbox) {
	rest := box.fail(errEnded)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.stream == box {
		n.stream = nil
	}
	n.redeliver(rest)
}

package gateway

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
	"github.com/gatehouse-mcp/gatehouse/internal/upstream"
)

// streamable carries exchanges to a server that speaks Streamable HTTP, of
// either era: the two differ in what may come back, not in how it travels.
type streamable struct {
	client *upstream.Client
	max    int // bytes of one event, or of a list's body
}

func (s *streamable) post(x *exchange) error   { return s.carry(x) }
func (s *streamable) get(x *exchange) error    { return s.carry(x) }
func (s *streamable) delete(x *exchange) error { return s.carry(x) }
func (s *streamable) close()                   { s.client.Close() }

// send sends the exchange on to a target, its body as it was read.
func (s *streamable) send(x *exchange, target string) (*http.Response, error) {
	h, err := outbound(x)
	if err != nil {
		return nil, err
	}
	q := upstream.Request{Method: x.r.Method, Header: h, Target: target}
	if x.call != nil {
		q.Body = x.call.Raw
	}
	return s.client.Do(x.ctx(), &q)
}

// target adds the query that a client sent to the upstream's own. It was
// checked to hold no credential, and must not say again what the operator has
// said: of two values, some servers take the last.
func (s *streamable) target(query string) (string, error) {
	if query == "" {
		return "", nil
	}
	own := s.client.URL.RequestURI()
	if !strings.Contains(own, "?") {
		return own + "?" + query, nil
	}
	sent, _ := url.ParseQuery(query) // was read before
	for set := range s.client.URL.Query() {
		for name := range sent {
			if strings.EqualFold(name, set) {
				return "", &gatehouse.Error{Code: "GH-1007", Status: http.StatusBadRequest, Description: "The query string sets what is not for clients to set."}
			}
		}
	}
	return own + "&" + query, nil
}

// carry sends the exchange on and brings the answer back.
func (s *streamable) carry(x *exchange) error {
	target, err := s.target(x.r.URL.RawQuery)
	if err != nil {
		return err
	}
	resp, err := s.send(x, target)
	if err != nil {
		return away(x, err)
	}
	defer resp.Body.Close()
	if err := acceptable(resp); err != nil {
		return err
	}
	return s.answer(x, resp)
}

// answer brings an answer back in one of the forms that the protocol has. In
// no other one does a list of tools get past the filter. MCP 2025-11-25 transports
func (s *streamable) answer(x *exchange, resp *http.Response) error {
	kind, _ := mediaType(resp.Header.Get("Content-Type"))
	failed := resp.StatusCode >= http.StatusBadRequest
	switch {
	case kind == "text/event-stream" && !failed:
		inbound(x, resp.Header)
		return s.events(x, resp)
	case kind == "application/json" && wantsFilter(x):
		return s.list(x, resp)
	case resp.StatusCode == http.StatusAccepted: // has no body, whatever is sent
		inbound(x, resp.Header)
		return x.accepted()
	case x.r.Method == http.MethodDelete && !failed: // nor has the end of a session, of no type and unknown length
		inbound(x, resp.Header)
		x.w.WriteHeader(resp.StatusCode)
		return nil
	case x.call == nil && x.r.Method == http.MethodGet && !failed:
		return nonsense(errors.New("GET is answered by no events"))
	case kind == "application/json" && !failed && resp.ContentLength != 0 && x.call != nil && x.call.Era == mcp.Legacy:
		return s.list(x, resp)
	case kind == "application/json" || resp.ContentLength == 0 || kind == "text/plain" && (failed || !wantsFilter(x)):
		inbound(x, resp.Header)
		return pass(x, resp)
	default:
		return nonsense(errors.New("content type " + printable(resp.Header.Get("Content-Type"))))
	}
}

// away explains why there is no answer from upstream.
func away(x *exchange, err error) error {
	if cause := ended(x); cause != nil {
		return cause
	}
	var refused *gatehouse.Error
	if errors.As(err, &refused) { // it was not even asked
		return refused
	}
	e := &gatehouse.Error{Code: "GH-1601", Status: http.StatusBadGateway, Description: "The server behind the gateway cannot be reached.", Cause: err}
	if errors.Is(err, upstream.ErrTimeout) {
		e.Code, e.Status, e.Description = "GH-1603", http.StatusGatewayTimeout, "The server behind the gateway did not answer in time."
	}
	return e
}

// acceptable refuses answers that must not reach a client as they are: an
// upstream that does not let us in would send the client into a login that
// cannot help, and a redirect would take its credential elsewhere.
func acceptable(resp *http.Response) error {
	switch {
	case resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden:
		return &gatehouse.Error{
			Code: "GH-1602", Status: http.StatusBadGateway, Description: "The server behind the gateway refused the gateway.",
			Cause: errors.New("upstream answered " + resp.Status),
		}
	case resp.StatusCode >= 300 && resp.StatusCode < 400 || resp.StatusCode < 200:
		return nonsense(errors.New("upstream answered " + resp.Status))
	case resp.Header.Get("Content-Encoding") != "": // nobody asked for one
		return nonsense(errors.New("content encoding " + printable(resp.Header.Get("Content-Encoding"))))
	}
	return nil
}

// list answers with what may be a list of tools.
func (s *streamable) list(x *exchange, resp *http.Response) error {
	body, err := whole(resp, s.max)
	if err != nil {
		return away(x, err)
	}
	if len(body) > s.max {
		return nonsense(errors.New("its answer is too large"))
	}
	body, ok, err := x.fit(body)
	switch {
	case err != nil:
		return nonsense(err)
	case !ok:
		return nonsense(errors.New("it answers with news"))
	}
	x.fitted = true
	inbound(x, resp.Header)
	return x.json(resp.StatusCode, body)
}

// whole reads a body of at most limit bytes; of a longer one it returns more.
func whole(resp *http.Response, limit int) ([]byte, error) {
	n := resp.ContentLength
	if n < 0 || n > shortAnswer {
		return io.ReadAll(io.LimitReader(resp.Body, int64(limit)+1)) // n is only what the server says
	}
	body := make([]byte, n+1) // room to see its end: the connection is free only then
	got, err := fill(resp.Body, body)
	switch {
	case err == nil:
		return nil, errors.New("more came than was said")
	case !errors.Is(err, io.EOF):
		return nil, err
	}
	return body[:got], nil
}

func nonsense(cause error) error {
	var known *gatehouse.Error
	if errors.As(cause, &known) { // it is our own trouble
		return known
	}
	return &gatehouse.Error{Code: "GH-1604", Status: http.StatusBadGateway, Description: "The server behind the gateway answered something that is not MCP.", Cause: cause}
}

var buffers = sync.Pool{New: func() any { b := make([]byte, shortAnswer); return &b }}

// pass copies an answer that needs no look. What is short is there as a whole
// before the client hears of it, so that what is cut is a refusal.
func pass(x *exchange, resp *http.Response) error {
	b := buffers.Get().(*[]byte) //nolint:forcetypeassert // the pool holds nothing else
	defer buffers.Put(b)
	n, ending := fill(resp.Body, *b)
	if ending != nil && !errors.Is(ending, io.EOF) {
		return away(x, ending)
	}
	for _, name := range [...]string{"Content-Type", "Content-Length"} {
		if v := resp.Header[name]; len(v) == 1 {
			x.w.Header()[name] = v
		}
	}
	x.w.WriteHeader(resp.StatusCode)
	if n == 0 {
		return nil
	}
	if ending == nil {
		defer x.breakable()()
	}
	_, err := x.w.Write((*b)[:n])
	if err == nil && ending == nil {
		_, err = io.CopyBuffer(struct{ io.Writer }{x.w}, resp.Body, *b)
	}
	switch cause := ended(x); {
	case err == nil:
		return nil
	case cause != nil:
		err = cause
	case x.over():
		return nil // the client has left
	}
	return fmt.Errorf("%w: %w", http.ErrAbortHandler, err)
}

// fill reads until b is full or r ends, which is an io.EOF if it was whole.
func fill(r io.Reader, b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var m int
		m, err = r.Read(b[n:])
		n += m
	}
	return n, err
}

// events copies a stream of events, each as soon as it is there.
func (s *streamable) events(x *exchange, resp *http.Response) error {
	out, err := x.stream(resp.StatusCode)
	if err != nil {
		return err
	}
	defer out.close()
	in := mcp.NewEventReader(resp.Body, s.max)
	judge := newJudge(x)
	for {
		e, err := in.Next()
		if err != nil {
			return endOf(x, err)
		}
		ok, err := judge.event(&e)
		if err != nil {
			return err
		}
		if !ok {
			x.w.dropped++
			continue
		}
		if err := out.send(e); err != nil {
			return endOf(x, err)
		}
	}
}

// endOf says why a stream ended: nil when that is how streams end.
func endOf(x *exchange, err error) error {
	switch cause := ended(x); {
	case cause != nil:
		return cause
	case x.over(), errors.Is(err, io.EOF):
		return nil
	}
	return err
}

// judge decides which events of a stream may reach the client.
type judge struct {
	x    *exchange
	open map[string]bool // ids of the requests that still wait; nil on a GET stream
}

func newJudge(x *exchange) *judge {
	j := &judge{x: x}
	if x.call != nil {
		j.open = make(map[string]bool, len(x.call.Messages))
		for i := range x.call.Messages {
			if x.call.Messages[i].Kind == mcp.Request {
				j.open[string(x.call.Messages[i].ID)] = true
			}
		}
	}
	return j
}

// event says whether an event may pass, and makes it fit.
func (j *judge) event(e *mcp.Event) (bool, error) {
	if e.Name != "" && e.Name != "message" { // none of the protocol's
		// What it says stays here. How to come back may pass: that is all that
		// the Go SDK's "prime" and "close" are for.
		*e = mcp.Event{ID: e.ID, HasID: e.HasID, Retry: e.Retry}
		return e.HasID || e.Retry != "", nil
	}
	if e.Comment || len(e.Data) == 0 {
		return true, nil // comments, and the priming event of 2025-11-25
	}
	if e.Data[0] == '[' && (j.x.call == nil || j.x.call.Batch) {
		return j.batch(e)
	}
	ok, told, err := j.message(e.Data)
	if err != nil || !ok {
		return ok, err
	}
	e.Data, ok, err = j.fit(e.Data, told)
	return ok, err
}

// batch lets through an array of messages if each of them may pass. MCP 2025-03-26 transports
func (j *judge) batch(e *mcp.Event) (bool, error) {
	messages, err := mcp.Split(e.Data)
	if err != nil {
		return false, nonsense(err)
	}
	look := false
	for _, m := range messages {
		ok, told, err := j.message(m)
		if !ok {
			return false, err
		}
		look = look || told
	}
	var ok bool
	e.Data, ok, err = j.fit(e.Data, look)
	return ok, err
}

// message says whether one message may reach the client of this stream, and
// whether it tells of something that they may perhaps not see.
func (j *judge) message(data []byte) (ok, told bool, err error) {
	m, err := mcp.Peek(data)
	if err != nil {
		return false, false, nonsense(err)
	}
	switch m.Kind {
	case mcp.Response:
		if j.open == nil || len(m.ID) == 0 || string(m.ID) == "null" {
			return true, false, nil // a GET stream redelivers answers; an error may have no id
		}
		ours := j.open[string(m.ID)]
		delete(j.open, string(m.ID)) // one answer each
		return ours, false, nil
	case mcp.Request:
		return j.x.call == nil || j.x.call.Era == mcp.Legacy, m.Tells, nil // MCP 2026-07-28 transports: servers send none
	default:
		return true, m.Tells, nil
	}
}

// fit makes a message fit for the caller, told or not that it needs to be.
func (j *judge) fit(data []byte, told bool) (out []byte, ok bool, err error) {
	if told {
		out, ok, err = j.x.filterAll(data)
	} else {
		out, ok, err = j.x.fit(data)
	}
	if err != nil {
		return nil, false, nonsense(err)
	}
	return out, ok, nil
}

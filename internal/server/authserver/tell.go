package authserver

import (
	"context"
	"net/http"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/client"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
	"github.com/gatehouse-mcp/gatehouse/internal/ratelimit"
	"github.com/gatehouse-mcp/gatehouse/internal/unit"
)

// tell writes down a step of a login that was refused or changed something: it is
// on disk when tell returns. An error means that nothing may be answered but a
// 503: what cannot be written down does not happen.
func (s *Server) tell(r *http.Request, e *audit.Event) error {
	return s.Trail.Durable(s.step(r, e))
}

// note writes down a step that has changed nothing, and that any stranger can
// cause as often as they like: no disk is waited for. An error is tell's.
func (s *Server) note(r *http.Request, e *audit.Event) error {
	return s.Trail.Write(s.step(r, e))
}

// step completes an event. Who asked may have left meanwhile.
func (s *Server) step(r *http.Request, e *audit.Event) (context.Context, *audit.Event) {
	e.Kind, e.Time = config.AuditSignIn, s.now()
	if e.Request == "" {
		e.Request = requestID(r)
	}
	e.Address, _ = s.Address(r)
	return context.WithoutCancel(r.Context()), e
}

// pageRate is how often one address may open and send pages of people who are not
// signed in; shownRate how many pages that nobody has done anything with yet have
// a line in the trail at once.
var (
	pageRate  = unit.Rate{Count: 600, Per: time.Minute}
	shownRate = unit.Rate{Count: 60, Per: time.Minute}
)

// noteShown writes down that a request was right and is shown to somebody. Beyond
// shownRate that waits for what they do: a flood leaves no lines, and a login is
// told from its beginning.
func (s *Server) noteShown(r *http.Request, q *request) error {
	from, _ := s.Address(r)
	if s.Limiter != nil && !s.Limiter.Take(ratelimit.Bucket{Kind: ratelimit.KindAddress, Of: "authserver shown", Addr: from, Rate: shownRate}).OK {
		q.Untold = true
		return nil
	}
	return s.note(r, shownEvent(q.flow, q.client))
}

// noteBegan catches up on noteShown.
func (s *Server) noteBegan(r *http.Request, f *flow, c *client.Client) error {
	if !f.Untold {
		return nil
	}
	f.Untold = false
	e := shownEvent(f, c)
	e.Detail["at"] = f.Began.UTC().Format(time.RFC3339)
	return s.note(r, e)
}

func shownEvent(f *flow, c *client.Client) *audit.Event {
	return &audit.Event{
		Action: "authorize", Request: f.ID, ClientID: f.Client, Client: c.Name, Outcome: audit.OK,
		Detail: map[string]string{"redirect": oauth.RedirectHost(f.Redirect), "resource": f.Resource},
	}
}

func (s *Server) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

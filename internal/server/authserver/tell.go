package authserver

import (
	"context"
	"net/http"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// tell writes down a step of a login, durably if it was refused or changed
// something. An error means that nothing may be answered but a 503: what cannot
// be written down does not happen.
func (s *Server) tell(r *http.Request, e *audit.Event) error {
	return s.Trail.Durable(s.written(r, e), e)
}

// note writes down a step that changed nothing. What follows from it is told,
// and the trail keeps the order: who has one on disk has the other.
func (s *Server) note(r *http.Request, e *audit.Event) error {
	return s.Trail.Write(s.written(r, e), e)
}

func (s *Server) written(r *http.Request, e *audit.Event) context.Context {
	e.Kind, e.Time = config.AuditSignIn, s.now()
	if e.Request == "" {
		e.Request = requestID(r)
	}
	e.Address, _ = s.Address(r)
	return context.WithoutCancel(r.Context()) // who asked may have left
}

func (s *Server) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

package pin

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// Server is the tools of one server, under the rules for it.
type Server struct {
	Book   *Book  // required
	Name   string // of the server
	Blocks bool   // a tool that is not as it was approved is hidden and cannot be called; else that is only told
	Hold   bool   // a tool that was never seen before is not approved by that
	Apart  bool   // each tenant has a server of its own

	// List asks the server for its tools; nil: it cannot be asked.
	List func(ctx context.Context) (definitions [][]byte, err error)
	Log  *slog.Logger // required

	mu    sync.Mutex
	asked time.Time     // when the server was asked last
	heard chan struct{} // closed when it has answered; nil: it is not being asked
}

const (
	askWait  = 10 * time.Second // for a server to list its tools
	askAgain = 30 * time.Second // between two questions
)

// place is where a caller's tools are.
func (s *Server) place(t tenant.ID) Place {
	if s.Apart {
		return Place{s.Name, t}
	}
	return Place{Server: s.Name}
}

// Saw takes in what the server tells a caller of a tool, and says whether they
// are to see it. Keep is to be called before they do.
func (s *Server) Saw(t tenant.ID, tool string, definition []byte) bool {
	return s.Book.saw(s.place(t), tool, definition, !s.Hold, s.Blocks) || !s.Blocks
}

// Keep writes down what Saw has noted. An error means that nobody may be told.
func (s *Server) Keep(ctx context.Context) error {
	err := s.Book.keep(ctx, false)
	if err != nil && !s.Blocks {
		s.Log.Error("tools are not remembered", "server", s.Name, "error", err.Error())
		return nil
	}
	return err
}

// Judge returns why a caller may not call a tool: a *Blocked, or that it cannot be
// known. Of a tool that no list had so far the server is asked first.
func (s *Server) Judge(ctx context.Context, t tenant.ID, tool string) error {
	p := s.place(t)
	if s.List != nil && p.Tenant == "" {
		if heard := s.ask(); heard != nil && s.Blocks && !s.Book.knows(p, tool) {
			select {
			case <-heard:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	if !s.Blocks {
		return nil
	}
	return s.Book.judge(p, tool)
}

// ask has the server list its tools, if it was not asked for a while and there
// is something to learn. What it returns is closed when that is over; nil: the
// server is not being asked.
func (s *Server) ask() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.Book.now()
	if s.heard != nil || !s.asked.IsZero() && now.Sub(s.asked) < askAgain || s.Book.listed(Place{Server: s.Name}) {
		return s.heard
	}
	heard := make(chan struct{})
	if !s.Book.begin(func(ctx context.Context) { s.learn(ctx, heard) }) {
		return nil
	}
	s.asked, s.heard = now, heard
	return heard
}

// learn asks the server.
func (s *Server) learn(ctx context.Context, heard chan struct{}) {
	defer func() {
		s.mu.Lock()
		s.heard = nil
		s.mu.Unlock()
		close(heard)
	}()
	ctx, stop := context.WithTimeout(ctx, askWait)
	defer stop()
	all, err := s.List(ctx)
	if err != nil {
		s.Log.Warn("the tools of a server cannot be listed", "server", s.Name, "cause", err.Error())
		return
	}
	for _, raw := range all {
		if name, _, err := Read(raw); err == nil {
			s.Saw("", name, raw)
		}
	}
	if err := s.Book.keep(ctx, false); err != nil {
		s.Log.Error("tools are not remembered", "server", s.Name, "error", err.Error())
	}
}

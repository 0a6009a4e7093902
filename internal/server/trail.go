package server

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// AuditPath returns where the audit trail is that a configuration names.
func (s State) AuditPath(c config.Audit) string {
	if c.File != "" {
		return c.File
	}
	return filepath.Join(s.Dir, config.AuditFile)
}

// Trail is the audit trail of an installation. It is opened by the first event,
// so that a command which only reads neither makes one nor waits for another's;
// a server opens it when it starts.
type Trail struct {
	audit.Config

	mu     sync.Mutex
	log    *audit.Log // nil: not opened yet
	closed bool
}

// Open opens the trail, if that has not been done yet. A server that could
// refuse nobody in a way that is recorded does not start.
func (t *Trail) Open() error {
	if _, err := t.open(); err != nil {
		return stateError("%v.", err)
	}
	return nil
}

func (t *Trail) open() (*audit.Log, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.log != nil {
		return t.log, nil
	}
	err := errors.New("it is closed")
	if !t.closed {
		t.log, err = audit.Open(t.Config)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", audit.ErrUnwritable, err)
	}
	return t.log, nil
}

// Change takes what of a configuration may change while the trail is open.
func (t *Trail) Change(c config.Audit) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.MaxSize, t.Keep, t.Include, t.Strict = c.MaxSize, c.Keep, c.Include, c.Strict
	if t.log != nil {
		t.log.Change(t.Config)
	}
}

// Durable is audit.Log's.
func (t *Trail) Durable(ctx context.Context, e *audit.Event) error {
	l, err := t.open()
	if err != nil {
		return err
	}
	return l.Durable(ctx, e)
}

// Write is audit.Log's.
func (t *Trail) Write(ctx context.Context, e *audit.Event) error {
	l, err := t.open()
	if err != nil {
		return err
	}
	return l.Write(ctx, e)
}

// Healthy is audit.Log's. What has not been opened yet is.
func (t *Trail) Healthy() error {
	if l := t.opened(); l != nil {
		return l.Healthy()
	}
	return nil
}

// Stats is audit.Log's.
func (t *Trail) Stats() audit.Stats {
	if l := t.opened(); l != nil {
		return l.Stats()
	}
	return audit.Stats{}
}

func (t *Trail) opened() *audit.Log {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.log
}

// Close writes down what is left.
func (t *Trail) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	if t.log == nil {
		return nil
	}
	return t.log.Close()
}

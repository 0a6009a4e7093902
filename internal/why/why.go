// Package why explains what the audit trail tells: what was decided about a
// request, and which step of a login failed or never came. It reads nothing else.
package why

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// Search looks through a trail: audit.Search of one, or a server that does it.
type Search func(ctx context.Context, q audit.Query, found func(audit.Match) error) (audit.Report, error)

// ErrNotFound says that the trail has nothing under an id.
var ErrNotFound = errors.New("the trail has no such request")

// Ambiguous says that several ids begin like the one that was asked for.
type Ambiguous struct{ IDs []string } // the newest first, some of them

// Error lists them.
func (a *Ambiguous) Error() string { return "several requests begin so: " + strings.Join(a.IDs, ", ") }

const (
	someIDs   = 5    // that are named when an id is ambiguous
	mostLogin = 1000 // events of one login: a grant may be refreshed for months
	mostAlike = 2000 // events of one request: those of a batch
)

// Request returns the events of the request whose id begins with a text, the
// oldest first, and its whole id.
func (s Search) Request(ctx context.Context, prefix string) (id string, events []*audit.Event, err error) {
	q := audit.Query{Prefix: prefix, Limit: mostAlike}
	if _, err = s(ctx, q, func(m audit.Match) error {
		events = append(events, m.Event)
		return nil
	}); err != nil {
		return "", nil, err
	}
	exact := slices.ContainsFunc(events, func(e *audit.Event) bool { return e.Request == prefix })
	var ids []string
	for _, e := range events {
		if !slices.Contains(ids, e.Request) && len(ids) <= someIDs && (!exact || e.Request == prefix) {
			ids = append(ids, e.Request)
		}
	}
	switch {
	case len(ids) == 0:
		return "", nil, ErrNotFound
	case len(ids) > 1:
		return "", nil, &Ambiguous{ids[:min(len(ids), someIDs)]}
	}
	events = slices.DeleteFunc(events, func(e *audit.Event) bool { return e.Request != ids[0] })
	slices.Reverse(events)
	return ids[0], events, nil
}

// IsLogin says whether events are steps of a login, and returns its id.
func IsLogin(events []*audit.Event) (flow string, is bool) {
	for _, e := range events {
		if e.Kind == config.AuditSignIn {
			if of := e.Detail[audit.DetailFlow]; of != "" {
				return of, true
			}
			return e.Request, true
		}
	}
	return "", false
}

// all gathers what a query finds.
func (s Search) all(ctx context.Context, q audit.Query) ([]*audit.Event, error) {
	var out []*audit.Event
	_, err := s(ctx, q, func(m audit.Match) error {
		out = append(out, m.Event)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("search the audit trail: %w", err)
	}
	return out, nil
}

// calls are the kinds of what a caller who is known did, or wanted to do.
func calls() []string {
	return []string{config.AuditToolCall, config.AuditCall, config.AuditStream, config.AuditDenied}
}

// orElse is text, or what stands in for none.
func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

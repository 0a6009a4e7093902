package server

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// health says why no work should be sent here, and what else is wrong.
func (r *Running) health() (blocking, warnings []string) {
	if r.draining.Load() {
		blocking = append(blocking, "stopping")
	}
	if err := r.Trail.Healthy(); err != nil {
		blocking = append(blocking, "audit: "+err.Error())
	}
	if err := errors.Join(r.Verifier.Healthy(), r.Rights.Healthy()); err != nil {
		blocking = append(blocking, "store: "+err.Error())
	}
	if text := r.broken.Load(); text != nil {
		warnings = append(warnings, "configuration: "+strings.ReplaceAll(*text, "\n", "; ")+" (the one loaded before stays in force)")
	}
	warnings = append(warnings, r.issuerProblems()...)
	for _, p := range r.edge.Problems() {
		if p.Severe {
			blocking = append(blocking, p.Text)
		} else {
			warnings = append(warnings, p.Text)
		}
	}
	return blocking, warnings
}

// Alive says that the parts which every request needs still answer. A full disk
// or a broken file is no reason to start anew.
func (r *Running) Alive(ctx context.Context) bool {
	_, err := r.DB.Secret(ctx, "session")
	return err == nil
}

// burnt writes down that a credential came in the clear. Whoever was on the
// line has it now.
func (r *Running) burnt(q *http.Request, id string, from netip.Addr, keys []string) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(q.Context()), recordTime)
	defer stop()
	if len(keys) == 0 {
		keys = []string{""}
	}
	for _, key := range keys {
		e := &audit.Event{
			Time: time.Now(), Kind: config.AuditAuthFailed, Request: id, KeyID: key, Address: from, Method: q.Method, Status: http.StatusForbidden, Code: "GH-1015", Outcome: audit.Refused,
			Reason: "a credential came over plain HTTP: it is burnt, revoke it",
		}
		if err := r.Trail.Durable(ctx, e); err != nil {
			r.server.Options.Log.Error("audit", "error", err.Error())
		}
	}
}

// refusedAtEdge writes down a refusal that no gateway sees.
func (r *Running) refusedAtEdge(q *http.Request, id string, from netip.Addr, refusal *gatehouse.Error) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(q.Context()), recordTime)
	defer stop()
	e := &audit.Event{
		Time: time.Now(), Kind: config.AuditAuthFailed, Request: id, Address: from, Method: q.Method, Status: refusal.Status, Code: refusal.Code,
		Reason: refusal.Description, Outcome: audit.Refused,
	}
	if err := r.Trail.Durable(ctx, e); err != nil {
		r.server.Options.Log.Error("audit", "error", err.Error())
	}
}

package gateway

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/access"
	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/credential"
	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

// visit gathers what is told about a request when it is over: in the log, in
// the audit trail and in numbers.
type visit struct {
	began   time.Time
	server  string // whose it is; empty: nobody's
	from    netip.Addr
	shared  bool // from is a proxy's
	caller  *access.Caller
	call    *mcp.Call
	x       *exchange
	counted bool       // it was held against the caller's limits
	matched [][]string // names of the rules that matched, message by message
	written bool       // its refusal is in the trail
	passed  bool       // it was admitted: what comes now is an outcome, not a refusal
	stream  bool       // it is an open stream
	page    bool       // a browser lost its way, and gets a page
	asked   bool       // a browser only asked whether it may
	err     error
	took    time.Duration // set when it is over

	// One allocation for all that a request needs.
	answer   answer
	exchange exchange
	event    [1]audit.Event // the usual one
	one      [1][]string    // of matched
}

// check asks whether an admitted caller's request may pass, and has it written
// down if it may.
func (g *Gateway) check(x *exchange, v *visit) error {
	v.counted, v.matched = true, v.one[:0]
	rules := g.guard()
	if err := rules.Check(x.caller, x.call, &v.matched); err != nil {
		return err
	}
	x.letThrough()
	if now := g.guard(); now != rules { // whoever changed them may have looked too early
		if why := x.outlived(now, rules.SameRules(now)); why != nil {
			return why
		}
	}
	if err := g.pinned(x); err != nil {
		return err
	}
	return v.passes(x)
}

// passes ends the judging of an admitted request: from here on it is carried
// out. It is refused if that could not be written down.
func (v *visit) passes(x *exchange) error {
	g := x.g
	v.stream = x.lasts()
	if a := g.guard().Audit; a == nil || !a.Strict && !v.stream {
		err := g.guard().Admitted(x.ctx(), nil)
		v.passed = err == nil
		return err
	}
	events := v.events(x.w, x.r, g)
	for i := range events {
		if v.stream {
			events[i].Action = "open"
		}
	}
	err := g.guard().Admitted(x.ctx(), events)
	if err == nil && v.stream && !g.guard().Audit.Strict {
		err = g.guard().Done(x.ctx(), &events[0])
	}
	v.passed = err == nil
	return err
}

// events are what the trail says: one for each message of a batch.
func (v *visit) events(a *answer, r *http.Request, g *Gateway) []audit.Event {
	base := &v.event[0]
	*base = audit.Event{Time: v.began, Request: a.id, Server: v.server, Address: v.from}
	if c := v.caller; c != nil {
		describeCaller(base, c, v.began)
	}
	if v.call == nil {
		base.Kind, base.Method = config.AuditCall, r.Method
		if v.stream {
			base.Kind = config.AuditStream
		}
		return v.event[:]
	}
	if len(v.call.Messages) == 1 {
		v.describe(base, 0, g)
		return v.event[:]
	}
	all := make([]audit.Event, 0, len(v.call.Messages))
	for i := range v.call.Messages {
		if m := &v.call.Messages[i]; m.Kind != mcp.Response {
			all = append(all, *base)
			v.describe(&all[len(all)-1], i, g)
		}
	}
	if len(all) == 0 { // answers alone
		v.describe(base, 0, g)
		return v.event[:]
	}
	return all
}

// describeCaller says who it was, and what their credential says of them.
func describeCaller(e *audit.Event, c *access.Caller, at time.Time) {
	e.Tenant, e.TenantID, e.Subject, e.KeyID = c.TenantName, c.Tenant, c.Subject, c.KeyID
	if c.Token == nil {
		e.KeyName = c.Name
		return
	}
	e.Issuer, e.ClientID, e.TokenID = c.Issuer, c.Client, c.TokenID
	e.Rights = &audit.Rights{
		Scopes: c.Scopes, Permissions: c.Permissions, Roles: c.Roles, Groups: c.Groups, GroupsOmitted: c.GroupsOmitted,
	}
	if !c.SignedIn.IsZero() {
		age := int64(at.Sub(c.SignedIn) / time.Second)
		e.AuthAge = &age
	}
}

// describe says what the i-th message is about.
func (v *visit) describe(e *audit.Event, i int, g *Gateway) {
	m := &v.call.Messages[i]
	if i < len(v.matched) {
		e.Rules = v.matched[i]
	}
	e.Method, e.Name, e.Client = m.Method, m.Name, m.Client
	switch {
	case v.stream:
		e.Kind = config.AuditStream
	case m.Method == "tools/call":
		e.Kind = config.AuditToolCall
		e.Args = g.guard().Arguments(m)
	default:
		e.Kind = config.AuditCall
	}
}

// refused writes down that a request was refused, before the caller learns of
// it. If that fails, the error becomes that.
func (g *Gateway) refused(a *answer, r *http.Request, v *visit) {
	if g.guard().Audit == nil || v.written {
		return
	}
	v.written = true
	event := v.events(a, r, g)[0]
	event.Kind, event.Outcome, event.Took = config.AuditDenied, audit.Refused, time.Since(v.began)
	if v.caller == nil {
		event.Kind = config.AuditAuthFailed
		event.KeyID = claimed(r)
		access.Whose(&event, v.err)
	}
	event.Status, event.Code, event.Reason = told(v.err)
	if challenge := a.challenges(v.err); challenge != "" {
		event.Detail = map[string]string{audit.DetailChallenge: challenge}
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(r.Context()), auditWait)
	defer stop()
	if err := g.guard().Refused(ctx, &event); err != nil {
		g.Log.Error("a refusal could not be written down", "request", a.id, "code", event.Code, "cause", printable(event.Reason))
		v.err = err
	}
}

// auditWait is how long a request waits for the trail.
const auditWait = 2 * time.Second

// done writes down what became of an admitted request.
func (g *Gateway) done(a *answer, v *visit) {
	if g.guard().Audit == nil {
		return
	}
	ctx := context.Background() // it is over for the client, not for the trail, which bounds its waiting
	events := v.events(a, v.x.r, g)
	for i := range events {
		e := &events[i]
		e.Status, e.Took, e.Outcome = a.status, v.took, audit.OK
		if v.stream { // which began long ago, and that was written down then
			e.Action, e.Time = "close", v.began.Add(e.Took)
		}
		if v.err != nil {
			e.Outcome = audit.Failed
			_, e.Code, e.Reason = told(v.err)
			if ended(v.x) != nil {
				e.Outcome = audit.Cut
				if v.stream {
					e.Action = "cut"
				}
			}
		} else if a.status >= http.StatusBadRequest {
			e.Outcome = audit.Failed
		}
		if err := g.guard().Done(ctx, e); err != nil {
			g.Log.Error("audit", "request", a.id, "error", err.Error())
		}
	}
}

// told returns what an error tells the caller and, as a reason, the operator.
func told(err error) (status int, code, reason string) {
	var rpc *mcp.Error
	var e *gatehouse.Error
	switch {
	case errors.As(err, &rpc):
		status, reason = rpc.Status, rpc.Error()
		if data, ok := rpc.Data.(map[string]string); ok {
			code = data["code"]
		}
		if rpc.Cause != nil {
			reason = rpc.Cause.Error()
		}
	case errors.As(err, &e):
		status, code, reason = e.Status, e.Code, e.Description
		if e.Cause != nil {
			reason = e.Cause.Error()
		}
	default:
		status, code, reason = http.StatusInternalServerError, "GH-1901", err.Error()
	}
	return status, code, reason
}

// claimed is the id of the key that a refused request came with, if it has the
// form of one. Nobody has proved that it is theirs.
func claimed(r *http.Request) string {
	for _, text := range append(r.Header["Authorization"], r.Header[credential.HeaderAPIKey]...) {
		if m := ours.FindStringSubmatch(text); m != nil {
			return m[1]
		}
	}
	return ""
}

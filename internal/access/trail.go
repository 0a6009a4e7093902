package access

import (
	"context"
	"errors"
	"net/http"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
	"github.com/gatehouse-mcp/gatehouse/internal/policy"
	"github.com/gatehouse-mcp/gatehouse/internal/token"
)

// Trail is where it is written down what was allowed and what was refused.
type Trail interface {
	// Durable has e on disk when it returns nil, or counts it among many alike.
	Durable(ctx context.Context, e *audit.Event) error
	// Write has e on its way to the disk, in order; it waits for room, but not
	// for ever even if ctx never ends.
	Write(ctx context.Context, e *audit.Event) error
	// Healthy says why nothing can be written at present; nil: it can.
	Healthy() error
}

// Audit says what of a caller's doings is written down, and where.
type Audit struct {
	Trail  Trail         // required
	Strict bool          // a call is on disk before it is carried out
	Args   *policy.Tools // tools whose arguments are written down too; nil: none
	Redact policy.Tools  // patterns of members whose values are hidden, beside those that look secret
}

// Refused writes a refusal down before anybody learns of it. Its error takes the
// refusal's place: nothing is refused in secret.
func (g *Guard) Refused(ctx context.Context, e *audit.Event) error {
	if g.Audit == nil {
		return nil
	}
	return unwritten(g.Audit.Trail.Durable(ctx, e))
}

// Whose adds to an event whose token it was that was refused, if its issuer
// accepted it. Of all others nobody has said so.
func Whose(e *audit.Event, refusal error) {
	if t, ok := errors.AsType[*token.Refused](refusal); ok {
		e.Issuer, e.Subject, e.ClientID, e.TokenID = t.Issuer, t.Subject, t.Client, t.TokenID
	}
}

// Admitted says whether what was admitted may go on: it can be written down
// later, or, if the trail is strict, is on disk now.
func (g *Guard) Admitted(ctx context.Context, events []audit.Event) error {
	switch {
	case g.Audit == nil:
		return nil
	case !g.Audit.Strict:
		return unwritten(g.Audit.Trail.Healthy())
	}
	for i := range events {
		events[i].Phase = audit.Intent
		if err := g.Audit.Trail.Durable(ctx, &events[i]); err != nil {
			return unwritten(err)
		}
	}
	return nil
}

// Done writes down what became of what was admitted.
func (g *Guard) Done(ctx context.Context, e *audit.Event) error {
	if g.Audit == nil {
		return nil
	}
	if g.Audit.Strict {
		e.Phase = audit.Result
	}
	return g.Audit.Trail.Write(ctx, e)
}

// Arguments returns what may be written down of a tool's arguments, redacted; nil: nothing.
func (g *Guard) Arguments(m *mcp.Message) []byte {
	if g.Audit == nil || g.Audit.Args == nil || m.Method != "tools/call" || !g.Audit.Args.Allows(m.Name) {
		return nil
	}
	return audit.Redact(mcp.Arguments(m.Raw), g.Audit.Redact)
}

// unwritten is the refusal of everything while the trail cannot be written.
func unwritten(err error) error {
	if err == nil {
		return nil
	}
	return &gatehouse.Error{
		Code: "GH-1903", Status: http.StatusServiceUnavailable,
		Description: "The audit trail cannot be written, so nothing is done. The operator has to mend it.", Cause: err,
	}
}

// Unwritten says whether an error is a refusal because of the audit trail.
func Unwritten(err error) bool {
	var e *gatehouse.Error
	return errors.As(err, &e) && e.Code == "GH-1903"
}

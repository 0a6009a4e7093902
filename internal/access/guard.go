// Package access decides: may this caller in, and may this call pass. It is
// the only code that says yes, and every door asks it.
package access

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
	"github.com/gatehouse-mcp/gatehouse/internal/policy"
	"github.com/gatehouse-mcp/gatehouse/internal/unit"
)

// Keys judges API keys.
type Keys interface {
	// Verify returns what a key stands for at this moment, as it was presented;
	// gatehouse.ErrNotMine when the text is no key of ours, and an
	// error of *gatehouse.Error when it is refused.
	Verify(ctx context.Context, p *gatehouse.Credential) (*apikey.Active, error)
	// Watch returns a context that ends, with a *gatehouse.Error as its cause,
	// when the key stops being good for what it was. end(nil) releases it;
	// end with an error ends it for that reason.
	Watch(ctx context.Context, key *apikey.Active) (watched context.Context, end func(cause error))
	// Used notes that the key was used. It never blocks.
	Used(key *apikey.Active, from netip.Addr, client, tool string)
}

// Guard admits callers of one server, and their calls. It does not change: a
// change of the rules is another Guard.
type Guard struct {
	Keys    Keys                // required; nil: nobody is let in
	Tenants map[string]struct{} // names of those that may come in; nil: all
	Rules   *policy.Rules       // about tools; nil: the patterns of each key alone decide
	Limits  *Limits             // nil: none
	Audit   *Audit              // nil: nothing is written down
}

// Caller is somebody who was let in, with what they may do.
type Caller struct {
	*gatehouse.Identity
	TenantName string
	Tools      policy.Tools // what the credential itself may call, whatever the rules say
	Limit      unit.Rate    // of its calls; zero: no limit of its own
	From       netip.Addr   // where the request came from
	ID         string       // who it is, unique over all issuers: what is theirs is kept under it
	Key        *apikey.Active
}

// Admit says who a credential stands for. Every refusal is a *gatehouse.Error;
// a refusal returns no caller.
func (g *Guard) Admit(ctx context.Context, p *gatehouse.Credential) (*Caller, error) {
	if g.Keys == nil {
		return nil, g.Welcome(nil)
	}
	if err := g.Limits.knock(p); err != nil {
		return nil, err
	}
	c, err := g.identify(ctx, p)
	if err != nil {
		return nil, g.Limits.failed(p, err)
	}
	if err := g.Welcome(c); err != nil {
		return nil, err
	}
	return c, nil
}

// Knock counts a request that brings no credential which could be judged, and
// says whether its address may ask at all.
func (g *Guard) Knock(p *gatehouse.Credential) error { return g.Limits.knock(p) }

// Wasted counts a caller's request that was refused before it could be checked,
// and says whether that was one too many.
func (g *Guard) Wasted(c *Caller) error { return g.Limits.calls(c, nil) }

// identify says who a credential stands for.
func (g *Guard) identify(ctx context.Context, p *gatehouse.Credential) (*Caller, error) {
	key, err := g.Keys.Verify(ctx, p)
	switch {
	case errors.Is(err, gatehouse.ErrNotMine):
		return nil, gatehouse.Refuse("GH-1011", "Key not accepted.", errors.New("not a gatehouse key"))
	case err != nil:
		return nil, err
	}
	return &Caller{Identity: &key.Identity, TenantName: key.TenantName, Tools: key.Tools, Limit: key.Limit, From: p.From, ID: key.Subject, Key: key}, nil
}

// Welcome says why a caller who was let in may not be at this server; nil: they may.
func (g *Guard) Welcome(c *Caller) *gatehouse.Error {
	if g.Keys == nil {
		return gatehouse.Refuse("GH-1011", "Key not accepted.", errors.New("keys are not accepted here"))
	}
	if g.Tenants == nil {
		return nil
	}
	if _, ok := g.Tenants[c.TenantName]; ok {
		return nil
	}
	return &gatehouse.Error{
		Code: "GH-1204", Status: http.StatusForbidden, Description: "This key is not for this server.",
		Cause: fmt.Errorf("key id %s is of tenant %s, which the server does not admit", c.KeyID, c.TenantName),
	}
}

// Watch returns a context that ends when the caller may no longer be here.
// end(nil) releases it; end with an error sends the caller away for that reason.
func (g *Guard) Watch(ctx context.Context, c *Caller) (watched context.Context, end func(cause error)) {
	if g.Keys == nil { // since the caller was let in
		watched, end = context.WithCancelCause(ctx)
		end(g.Welcome(c))
		return watched, end
	}
	return g.Keys.Watch(ctx, c.Key)
}

// Allows says whether a caller may call a tool: both the key and the rules have to agree.
func (g *Guard) Allows(c *Caller, tool string) bool {
	ok, _ := g.allows(c, tool)
	return ok
}

// allows also says why not.
func (g *Guard) allows(c *Caller, tool string) (ok bool, why string) {
	if !c.Tools.Allows(tool) {
		return false, "the key's own patterns leave it out"
	}
	if g.Rules == nil {
		return true, ""
	}
	d := g.Rules.Decide(&policy.Asker{Identity: c.Identity, Tenant: c.TenantName, Key: c.Name, SignedIn: -1}, &policy.Operation{Kind: policy.Tool, Name: tool})
	return d.Allowed, d.Reason
}

// Check says whether a call may pass: each of its messages, when it is a batch.
// A refusal is a *mcp.Error that names the message, or a *Limited. A nil call
// is a request for a stream or for the end of a session.
func (g *Guard) Check(c *Caller, call *mcp.Call) error {
	if err := g.Welcome(c); err != nil { // they may have changed since the caller was let in
		return err
	}
	if err := g.Limits.calls(c, call); err != nil {
		return err
	}
	if call == nil {
		return nil
	}
	for i := range call.Messages {
		if err := g.check(c, call, &call.Messages[i]); err != nil {
			return err
		}
	}
	for i := range call.Messages {
		if m := &call.Messages[i]; m.Method != "" {
			g.Keys.Used(c.Key, c.From, m.Client, tool(m))
		}
	}
	return nil
}

func (g *Guard) check(c *Caller, call *mcp.Call, m *mcp.Message) error {
	if m.Kind == mcp.Response {
		return nil // carries no method; the door lets it into the caller's own session only
	}
	if !mcp.Known(m.Method) {
		return unknownMethod(call, m)
	}
	if m.Method != "tools/call" {
		return nil
	}
	if ok, why := g.allows(c, m.Name); !ok {
		return unknownTool(m, why)
	}
	return nil
}

func tool(m *mcp.Message) string {
	if m.Method == "tools/call" {
		return m.Name
	}
	return ""
}

// unknownTool says the same of a tool that is hidden and of one that does not
// exist: neither reaches the server. Why is for the operator.
func unknownTool(m *mcp.Message, why string) error {
	return &mcp.Error{
		Status: http.StatusForbidden, Code: -32602, ID: m.ID, Cause: errors.New(why),
		Message: "Unknown tool, or not one that this key may call.", Data: map[string]string{"code": "GH-1202"},
	}
}

// unknownMethod refuses what no revision knows. In the older era a 404 would
// say that the session is gone, so the refusal travels under 200, unless there
// is no one request that it answers: the other callers of a batch must not wait
// for ever. MCP 2025-11-25 transports; MCP 2026-07-28 transports
func unknownMethod(call *mcp.Call, m *mcp.Message) error {
	status := http.StatusNotFound
	switch {
	case call.Era == mcp.Modern:
	case call.Batch || m.Kind == mcp.Notification:
		status = http.StatusBadRequest
	default:
		status = http.StatusOK
	}
	return &mcp.Error{Status: status, Code: -32601, ID: m.ID, Message: "Method not found", Data: map[string]string{"code": "GH-1203"}}
}

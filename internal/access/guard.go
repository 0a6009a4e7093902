// Package access decides: may this caller in, and may this call pass. It is
// the only code that says yes, and every door asks it.
package access

import (
	"context"
	"errors"
	"net/http"
	"net/netip"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

// Keys judges API keys.
type Keys interface {
	// Verify returns what a key stands for at this moment, as it was
	// presented; gatehouse.ErrNotMine when the text is no key of ours, and an
	// error of *gatehouse.Error when it is refused.
	Verify(ctx context.Context, p apikey.Presented) (*apikey.Active, error)
	// Watch returns a context that ends, with a *gatehouse.Error as its cause,
	// when the key stops being good for what it was. stop releases it.
	Watch(ctx context.Context, key *apikey.Active) (watched context.Context, stop func())
	// Used notes that the key was used. It never blocks.
	Used(key *apikey.Active, from netip.Addr, client, tool string)
}

// Guard admits callers and their calls.
type Guard struct {
	Keys Keys // required
}

// Caller is somebody who was let in, with what they may do.
type Caller struct {
	*apikey.Active
	From netip.Addr // where the request came from
}

// Admit says who a credential stands for. Every refusal is a *gatehouse.Error;
// a refusal returns no caller.
func (g *Guard) Admit(ctx context.Context, p apikey.Presented) (*Caller, error) {
	key, err := g.Keys.Verify(ctx, p)
	switch {
	case errors.Is(err, gatehouse.ErrNotMine):
		return nil, gatehouse.Refuse("GH-1011", "Key not accepted.", errors.New("not a gatehouse key"))
	case err != nil:
		return nil, err
	}
	return &Caller{Active: key, From: p.From}, nil
}

// Watch returns a context that ends when the caller may no longer be here.
func (g *Guard) Watch(ctx context.Context, c *Caller) (context.Context, func()) {
	return g.Keys.Watch(ctx, c.Active)
}

// Check says whether a call may pass: each of its messages, when it is a batch.
// A refusal is a *mcp.Error that names the message.
func (g *Guard) Check(c *Caller, call *mcp.Call) error {
	for i := range call.Messages {
		if err := check(c, call, &call.Messages[i]); err != nil {
			return err
		}
	}
	for i := range call.Messages {
		if m := &call.Messages[i]; m.Method != "" {
			g.Keys.Used(c.Active, c.From, m.Client, tool(m))
		}
	}
	return nil
}

func check(c *Caller, call *mcp.Call, m *mcp.Message) error {
	if m.Kind == mcp.Response {
		return nil // carries no method; the door lets it into the caller's own session only
	}
	if !mcp.Known(m.Method) {
		return unknownMethod(call, m)
	}
	if m.Method == "tools/call" && !c.Tools.Allows(m.Name) {
		return unknownTool(m)
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
// exist: neither reaches the server.
func unknownTool(m *mcp.Message) error {
	return &mcp.Error{
		Status: http.StatusForbidden, Code: -32602, ID: m.ID,
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

package gateway

import (
	"context"
	"errors"
	"net/http"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// Pins knows the tools of a server as they were approved: pin.Server.
type Pins interface {
	// Saw takes in what the server tells a tenant's caller of a tool, and says
	// whether they are to see it. It does not wait.
	Saw(t tenant.ID, tool string, definition []byte) bool
	// Keep writes down what Saw has noted. An error means that nobody may be told.
	Keep(ctx context.Context) error
	// Judge returns why a tool may not be called, for operators; nil: it may.
	Judge(ctx context.Context, t tenant.ID, tool string) error
}

// pins are those that hold now: a stream may be older than they are.
func (g *Gateway) pins() Pins { return g.line.current.Load().Pins }

// pinned refuses calls of tools that are not what was approved. What changed is
// for operators: the caller could do nothing about it.
func (g *Gateway) pinned(x *exchange) error {
	pins := g.pins()
	if pins == nil || x.call == nil {
		return nil
	}
	for i := range x.call.Messages {
		m := &x.call.Messages[i]
		if m.Method != "tools/call" {
			continue
		}
		if err := pins.Judge(x.ctx(), tenant.ID(x.caller.Tenant), m.Name); err != nil {
			if cause := ended(x); cause != nil {
				return cause
			}
			return &mcp.Error{
				Status: http.StatusForbidden, Code: mcp.CodeInvalidParams, ID: m.ID, Cause: err,
				Message: "This tool cannot be called until an operator has looked at it.", Data: map[string]string{"code": "GH-1304"},
			}
		}
	}
	return nil
}

// unkept is an error of Keep as a caller sees it.
func unkept(err error) error {
	if err == nil {
		return nil
	}
	var e *gatehouse.Error
	if errors.As(err, &e) {
		return e
	}
	return &gatehouse.Error{Code: "GH-1902", Status: http.StatusServiceUnavailable, Description: "The store cannot be reached. Retry later.", Cause: err}
}

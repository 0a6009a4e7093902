package server

import (
	"context"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/pin"
	"github.com/gatehouse-mcp/gatehouse/internal/server/gateway"
)

// newPins says how the tools of a server are remembered; nil: they are not.
func (r *Running) newPins(c *config.Config, v *served) gateway.Pins {
	r.metrics.Serves(v.config.Name)
	rules := c.Policy.Pinning
	if v.config.Policy != nil {
		rules = v.config.Policy.Pinning
	}
	if rules.OnChange != config.PinWarn && rules.OnChange != config.PinBlock {
		return nil
	}
	return &pin.Server{
		Book: r.Pins, Name: v.config.Name, Log: r.server.Options.Log,
		Blocks: rules.OnChange == config.PinBlock, Hold: rules.OnNew == config.PinHold,
		Apart: v.tenant != "" || v.config.Stdio != nil && v.config.Stdio.Isolation == config.IsolationPerTenant,
		List: func(ctx context.Context) ([][]byte, error) {
			d, err := v.describe(ctx)
			return d.Listed, err
		},
	}
}

// toolChanged writes down that a server describes a tool in another way.
func (r *Running) toolChanged(ctx context.Context, c *pin.Change) {
	r.metrics.ToolChanged(c.Server)
	action := "warn"
	if c.Blocked {
		action = "block"
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), recordTime) // whoever asked for the list may have left
	defer stop()
	err := r.Trail.Durable(ctx, &audit.Event{
		Time: time.Now(), Kind: config.AuditToolChanged, Action: action, Server: c.Server, TenantID: string(c.Tenant), Name: c.Tool,
		Detail: map[string]string{"approved": c.Approved.String(), "seen": c.Seen.String()},
	})
	if err != nil {
		r.server.Options.Log.Error("audit", "error", err.Error())
	}
}

package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/server/gateway"
)

// Reload reads the configuration again and puts it in force, or leaves
// everything as it was and says why: config.Mistakes or an *adminapi.Error.
// Streams stay open, but for those of servers and tenants that are no longer
// served. by is who asked for it.
func (r *Running) Reload(ctx context.Context, by string) (*adminapi.Reload, error) {
	r.reloading.Lock()
	defer r.reloading.Unlock()
	before := r.current.Load()
	result := &adminapi.Reload{Before: before.config.Hash(), After: before.config.Hash()}
	event := &audit.Event{Time: time.Now(), Kind: config.AuditAdmin, Action: "config.reload", Phase: audit.Intent, By: by}
	if err := r.Trail.Durable(ctx, event); err != nil {
		return nil, &adminapi.Error{Status: http.StatusServiceUnavailable, Code: "GH-1903", Message: fmt.Sprintf("Nothing was reloaded: %v.", err)}
	}
	after, err := r.reload(ctx, before)
	event.Time, event.Phase, event.Outcome = time.Now(), audit.Result, audit.OK
	if err != nil {
		text := err.Error()
		r.broken.Store(&text)
		event.Outcome, event.Reason = audit.Failed, text
		r.server.Options.Log.Error("the configuration was not reloaded; the old one stays", "config", result.After, "error", text)
	} else {
		r.broken.Store(nil)
		result.After = after.config.Hash()
		result.Changed = result.After != result.Before
		r.server.Options.Log.Info("reloaded", "before", result.Before, "config", result.After)
	}
	event.Detail = map[string]string{"before": result.Before, "after": result.After}
	if werr := r.Trail.Durable(ctx, event); werr != nil {
		r.server.Options.Log.Error("audit", "error", werr.Error())
	}
	return result, err
}

// Rehearse says what Reload would do, and does nothing. What it cannot foresee
// is whether an ACME server would give a certificate.
func (r *Running) Rehearse(ctx context.Context) (*adminapi.Reload, error) {
	r.reloading.Lock()
	defer r.reloading.Unlock()
	before := r.current.Load()
	c, err := r.read(ctx, before)
	if err != nil {
		return nil, err
	}
	if err := r.edge.Rehearse(c.Server); err != nil {
		return nil, err
	}
	result := &adminapi.Reload{Before: before.config.Hash(), After: c.Hash(), DryRun: true}
	result.Changed = result.After != result.Before
	return result, nil
}

// read reads the configuration again, and judges it.
func (r *Running) read(ctx context.Context, before *current) (*config.Config, error) {
	if r.server.Load == nil {
		return nil, &adminapi.Error{Status: http.StatusConflict, Code: "GH-2405", Message: "This server was started without a file: there is nothing to reload."}
	}
	c, err := r.server.Load(ctx)
	if err != nil {
		return nil, err
	}
	return c, errors.Join(c.Check(), fixed(before.config, c))
}

func (r *Running) reload(ctx context.Context, before *current) (*current, error) {
	c, err := r.read(ctx, before)
	if err != nil {
		return nil, err
	}
	next, err := r.build(ctx, c)
	if err != nil {
		return nil, err
	}
	if err := r.edge.Reload(c.Server, domains(c)); err != nil {
		next.discard(ctx)
		return nil, err
	}
	r.put(next)
	return next, nil
}

// fixed names what cannot change while the server runs, beside what the edge knows of.
func fixed(before, after *config.Config) error {
	var all config.Mistakes
	for _, f := range []struct {
		name string
		a, b any
	}{
		{"store", before.Store, after.Store},
		{"audit.file", before.Audit.File, after.Audit.File},
		{"audit.stdout", before.Audit.Stdout, after.Audit.Stdout},
		{"admin", before.Admin, after.Admin},
	} {
		if !reflect.DeepEqual(f.a, f.b) {
			all = append(all, config.Mistake{Code: "GH-2033", Text: f.name + " cannot change while the server runs. Restart it for that"})
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

// build makes everything that a configuration asks for beside what is there.
// Nothing of it is in force until put. On an error nothing is left of it.
func (r *Running) build(ctx context.Context, c *config.Config) (_ *current, err error) {
	next := &current{config: c, loaded: time.Now(), front: &gateway.Front{Public: r.public()}}
	defer func() {
		if err != nil {
			next.discard(ctx)
		}
	}()
	for i := range c.Servers {
		u := &c.Servers[i]
		v, err := r.newServed(ctx, c, u, r.named(u.Name))
		if err != nil {
			return nil, fmt.Errorf("server %s: %w", u.Name, err)
		}
		next.served = append(next.served, v)
		next.front.Gateways = append(next.front.Gateways, v.gateway)
	}
	return next, nil
}

// discard ends what was made and never put in force.
func (c *current) discard(ctx context.Context) {
	for _, v := range c.served {
		if v.fresh {
			v.gateway.Retire(ctx, nil)
		}
	}
}

// named returns the server of a name in the configuration in force; nil: there is none.
func (r *Running) named(name string) *served {
	if now := r.current.Load(); now != nil {
		for _, v := range now.served {
			if v.config.Name == name {
				return v
			}
		}
	}
	return nil
}

// put puts a configuration in force: for new requests at once, for those under
// way as far as they lose a right by it.
func (r *Running) put(next *current) {
	before := r.current.Swap(next)
	r.counters.Bans.Set(next.config.Limits.FailedAuth.PerAddress, next.config.Limits.FailedAuth.Ban)
	r.SetAPIKeys(next.config.Auth.APIKeys)
	r.Trail.Change(next.config.Audit)
	for _, v := range next.served {
		v.gateway.Activate()
	}
	if before == nil {
		return
	}
	for _, old := range before.served {
		r.succeed(old, next)
	}
}

// succeed has an old gateway leave, unless the next configuration still uses
// its way to the server. Streams to a server that is still served, but reached
// in another way, get the grace that they have at a stop.
func (r *Running) succeed(old *served, next *current) {
	cause := &gatehouse.Error{Code: "GH-1605", Status: http.StatusServiceUnavailable, Description: "This server was taken out of service."}
	for _, v := range next.served {
		if v.gateway.Shares(old.gateway) {
			return
		}
		if v.config.Name == old.config.Name {
			v.gateway.Govern(old.gateway)
			cause = nil
		}
	}
	r.leaving.Go(func() {
		ctx, stop := context.WithTimeout(context.Background(), next.config.Server.ShutdownGrace)
		defer stop()
		old.gateway.Retire(ctx, cause)
	})
}

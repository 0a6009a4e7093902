package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"slices"
	"time"

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
	if r.draining.Load() {
		return nil, stopping()
	}
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
		r.tried.Store(nil)
		result.After = after.config.Hash()
		result.Changed = result.After != result.Before
		r.server.Options.Log.Info("reloaded", "before", result.Before, "config", result.After)
	}
	event.Detail = map[string]string{"before": result.Before, "after": result.After}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), recordTime) // whoever asked may have left
	defer stop()
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
		var all config.Mistakes
		errors.As(err, &all)
		r.try(all.Files())
		return nil, unreadable(err)
	}
	r.try(slices.Concat(c.Files(), certificates(&c.Server.TLS), issuerFiles(c)))
	if err := errors.Join(Check(c), fixed(before.config, c)); err != nil {
		return nil, err
	}
	if err := checkIssuerFiles(c); err != nil {
		return nil, err
	}
	return c, nil
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
	if r.draining.Load() {
		next.discard(ctx)
		return nil, stopping()
	}
	if err := r.edge.Reload(c.Server, domains(c)); err != nil {
		next.discard(ctx)
		return nil, err
	}
	r.put(next)
	return next, nil
}

// unreadable says what is wrong with a configuration's file as a file.
func unreadable(err error) error {
	var path *os.PathError
	if !errors.As(err, &path) {
		return err
	}
	return &adminapi.Error{Status: http.StatusBadRequest, Code: "GH-2001", Message: fmt.Sprintf("The configuration %s cannot be read: %v.", path.Path, path.Err)}
}

// try remembers what has to change before it is worth trying again. What could
// not be read names nothing new.
func (r *Running) try(files []string) {
	if len(files) > 0 {
		r.tried.Store(&files)
	}
}

// certificates are the files of certificates and keys.
func certificates(t *config.TLS) []string {
	var files []string
	for _, pair := range t.Files {
		files = append(files, pair.Cert, pair.Key)
	}
	if t.ClientCA != "" {
		files = append(files, t.ClientCA)
	}
	return files
}

func stopping() error {
	return &adminapi.Error{Status: http.StatusServiceUnavailable, Code: "GH-1606", Message: "This server is being stopped: nothing is reloaded any more."}
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
		{"auth.api_keys.pepper", pepper(before), pepper(after)},
		{"admin", before.Admin, after.Admin},
		{"auth.embedded.signing", signingOf(before), signingOf(after)},
		{"auth.dpop_nonce", before.Auth.DPoPNonce, after.Auth.DPoPNonce}, // proofs that were seen are remembered with it
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

// signingOf are the settings of the keys that we sign with.
func signingOf(c *config.Config) config.Signing {
	if c.Auth.Embedded == nil {
		return config.Signing{}
	}
	return c.Auth.Embedded.Signing
}

func pepper(c *config.Config) config.Secret {
	if c.Auth.APIKeys == nil {
		return ""
	}
	return c.Auth.APIKeys.Pepper
}

// build makes everything that a configuration asks for beside what is there.
// Nothing of it is in force until put. On an error nothing is left of it.
func (r *Running) build(ctx context.Context, c *config.Config) (_ *current, err error) {
	next := &current{config: c, loaded: time.Now(), front: &gateway.Front{}}
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
		next.served, next.ways = append(next.served, v), append(next.ways, v)
		next.front.Gateways = append(next.front.Gateways, v.gateway)
		own, err := r.newOwn(ctx, c, v, r.current.Load())
		next.ways = append(next.ways, own...)
		if err != nil {
			return nil, fmt.Errorf("server %s: %w", u.Name, err)
		}
	}
	own, err := r.newEmbedded(ctx, c, next.served)
	if err != nil {
		return nil, err
	}
	public, err := r.newPublic(c, next.served, own)
	if err != nil {
		return nil, err
	}
	next.front.Public, next.front.AuthServer = public.find, public.authServer
	return next, nil
}

// discard ends what was made and never put in force.
func (c *current) discard(ctx context.Context) {
	for _, v := range c.ways {
		if v.fresh {
			v.gateway.Retire(ctx, nil)
		}
	}
}

// named returns the server of a name in the configuration in force; nil: there is none.
func (r *Running) named(name string) *served { return r.current.Load().named(name) }

// named returns the server of a name; nil: there is none.
func (c *current) named(name string) *served { return c.way(name, "") }

// way returns the server of a name that a tenant has of its own, or with no
// tenant the one that the others share; nil: there is none.
func (c *current) way(name, tenant string) *served {
	if c != nil {
		for _, v := range c.ways {
			if v.config.Name == name && v.tenant == tenant {
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
	r.SetIssuers(next.config)
	r.Trail.Change(next.config.Audit)
	r.keys.keep(append(assertionIssuers(next.config), next.config.Auth.Issuers...))
	if before != nil {
		succeedTokens(before, next)
	}
	for _, v := range next.ways {
		v.gateway.Activate()
	}
	if before != nil {
		r.succeed(before, next)
	}
}

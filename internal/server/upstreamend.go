package server

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/federation"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// endTime is how long a provider may take to end tokens.
const endTime = 5 * time.Second

// endUpstream forgets what a user has of providers, and has these end it, if they
// do that. Nobody waits for a provider but whoever closes the installation: what
// is ended here must not depend on somebody else.
func (i *Installation) endUpstream(ctx context.Context, c *config.Config, t tenant.ID, user, by, reason string) error {
	v, err := i.vaultFor(ctx, c, t, user)
	if err != nil {
		i.log.Warn("providers are not told that tokens of theirs have ended", "user", user, "error", err)
	}
	if v == nil {
		_, err := i.DB.Federation().ForgetTokens(ctx, t, user, "")
		return err
	}
	all, err := v.End(ctx, t, user)
	if err != nil {
		return err
	}
	for _, one := range all {
		begun := i.ending.begin(func() {
			ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), endTime)
			defer stop()
			e := &audit.Event{
				Kind: config.AuditAdmin, Action: "user.revoke_upstream", Phase: audit.Result, By: by, Subject: user, TenantID: string(t),
				Outcome: audit.OK, Reason: reason, Detail: map[string]string{"provider": one.Provider},
			}
			if err := one.Revoke(ctx); err != nil {
				e.Outcome, e.Reason = audit.Failed, err.Error()
			}
			e.Time = time.Now()
			if err := i.Trail.Durable(context.WithoutCancel(ctx), e); err != nil {
				i.log.Error("what became of a provider's tokens is not written down", "user", user, "provider", one.Provider, "error", err)
			}
		})
		if !begun {
			i.log.Warn("a provider is not told that tokens of its have ended: the server ends", "user", user, "provider", one.Provider)
		}
	}
	return nil
}

// endings counts what providers are being told, so that the end of the
// installation can wait for it. Its zero value is open.
type endings struct {
	mu     sync.Mutex
	closed bool
	sync.WaitGroup
}

// begin runs do beside the caller, unless close was called: then nothing is run
// and it returns false.
func (e *endings) begin(do func()) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return false
	}
	e.Go(do)
	return true
}

// close waits for all that was begun. Nothing begins after it.
func (e *endings) close() {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.Wait()
}

// vaultFor returns a vault that can open what a user has of providers; nil: they
// have nothing of those that are configured.
func (i *Installation) vaultFor(ctx context.Context, c *config.Config, t tenant.ID, user string) (*federation.Vault, error) {
	v := &federation.Vault{Store: i.DB.Federation(), Providers: map[string]federation.Provider{}}
	if c.Auth.Embedded == nil {
		return nil, nil //nolint:nilnil // there are no providers
	}
	providers, err := newProviders(c)
	if err != nil {
		return nil, err
	}
	for _, p := range providers {
		switch _, err := v.Store.Tokens(ctx, t, user, p.Name()); {
		case err == nil:
			v.Providers[p.Name()] = p
		case !errors.Is(err, federation.ErrNotFound):
			return nil, err
		}
	}
	if len(v.Providers) == 0 {
		return nil, nil //nolint:nilnil // as it says above
	}
	v.Seal, _, err = i.sealKey(ctx) // which is asked for only if it is needed
	if err != nil {
		return nil, err
	}
	return v, nil
}

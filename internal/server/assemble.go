package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/access"
	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/policy"
	"github.com/gatehouse-mcp/gatehouse/internal/process"
	"github.com/gatehouse-mcp/gatehouse/internal/server/edge"
	"github.com/gatehouse-mcp/gatehouse/internal/server/gateway"
	"github.com/gatehouse-mcp/gatehouse/internal/token"
	"github.com/gatehouse-mcp/gatehouse/internal/upstream"
)

// answerWait is how long a server reached by URL may take to begin an answer.
// Clients give up after minutes; one that does not would be held, and with it
// what it holds here, for as long as a server hangs.
const answerWait = 30 * time.Minute

// served is a server of the configuration, and the gateway in front of it.
type served struct {
	config  config.Upstream
	gateway *gateway.Gateway
	client  *upstream.Client // nil: the server is a child
	fresh   bool             // its way to the server was opened for it
	tenant  string           // the name of the one tenant whose server it is; empty: everybody's who has none

	resource gatehouse.Resource // as clients know it
	tokens   *token.Verifier    // of its callers; nil: no token is accepted
}

// same says whether a server is still reached in the same way, so that what is
// open to it may stay.
func (a *served) same(b *config.Upstream) bool {
	return a.config.URL == b.URL && a.config.Transport == b.Transport && reflect.DeepEqual(a.config.Stdio, b.Stdio)
}

// newOwn makes the gateways before the servers that tenants have in place of one
// that is reached by URL.
func (r *Running) newOwn(ctx context.Context, c *config.Config, main *served, earlier *current) (own []*served, err error) {
	if main.config.URL == "" || len(c.Tenants.Upstream) == 0 {
		return nil, nil
	}
	main.gateway.ByTenant = map[string]*gateway.Gateway{}
	for _, tenant := range slices.Sorted(maps.Keys(c.Tenants.Upstream)) {
		u := main.config
		u.URL = c.Tenants.Upstream[tenant]
		v := &served{config: u, tenant: tenant, resource: main.resource}
		if err := r.lead(ctx, c, v, main.gateway.Guard, earlier.way(u.Name, tenant)); err != nil {
			return own, fmt.Errorf("of tenant %s: %w", tenant, err)
		}
		own = append(own, v)
		main.gateway.ByTenant[tenant] = v.gateway
	}
	return own, nil
}

// newServed makes the gateway in front of a server, and what judges its callers.
func (r *Running) newServed(ctx context.Context, c *config.Config, u *config.Upstream, earlier *served) (*served, error) {
	v := &served{config: *u, resource: newResource(c, u, r.Address)}
	tokens, err := r.newTokens(ctx, c, u, v.resource.URL)
	if err != nil {
		return nil, err
	}
	guard, err := r.newGuard(ctx, c, u)
	if err != nil {
		return nil, err
	}
	if v.tokens = tokens; tokens != nil {
		guard.Tokens = tokens
	}
	return v, r.lead(ctx, c, v, guard, earlier)
}

// lead opens the gateway in front of a server and the way to it, which it takes
// over from an earlier one, if that is still the same.
func (r *Running) lead(ctx context.Context, c *config.Config, v *served, guard *access.Guard, earlier *served) error {
	u := &v.config
	v.fresh = earlier == nil || !earlier.same(u)
	forward, err := r.newForward(ctx, c, *u)
	if err != nil {
		return err
	}
	page, err := newPage(c, v)
	if err != nil {
		return err
	}
	v.gateway = &gateway.Gateway{
		Name: u.Name, Host: u.Host, Path: u.Path, PublicURL: Resource(c, u, r.Address), Hosts: hosts(u.Host, r.Address), Origins: c.Server.AllowOrigins,
		SessionKey: r.sessionKey, Guard: guard, Log: r.server.Options.Log, MaxBody: c.Server.MaxBody,
		SSEPath: u.SSE, Events: u.Transport == config.TransportSSE && u.URL != "",
		Challenge: gatehouse.Challenge{ResourceMetadata: v.resource.MetadataURL(), Scope: strings.Join(v.resource.Scopes, " ")},
		Page:      page, Forward: forward, Address: r.address, Metrics: r.metrics, Quiet: r.server.Quiet,
	}
	switch {
	case !v.fresh:
		v.gateway.Earlier, v.client = earlier.gateway, earlier.client
	case u.Stdio != nil:
		if v.gateway.Stdio, err = r.server.newStdio(u); err != nil {
			return err
		}
	default:
		target, err := url.Parse(u.URL)
		if err != nil {
			return errors.New("the upstream is not a URL") // the parser's error repeats it
		}
		v.gateway.Upstream = &upstream.Client{URL: target, HeadTimeout: answerWait}
		if !v.gateway.Events { // which the gateway asks by itself
			v.client = v.gateway.Upstream
		}
	}
	v.gateway.Pins = r.newPins(c, v)
	if err := v.gateway.Open(); err != nil {
		return fmt.Errorf("open the gateway: %w", err)
	}
	return nil
}

// address is where a request came from.
func (r *Running) address(q *http.Request) (from netip.Addr, shared bool) {
	from, source := r.edge.Address(q)
	return from, source == edge.FromNobody || source == edge.FromConflict
}

// Resource is the URL by which callers know a server of a configuration, when
// address is what is listened on.
func Resource(c *config.Config, u *config.Upstream, address string) string {
	secure := c.Server.TLS.On() || c.Server.TLS.TerminatedByProxy
	base := strings.TrimSuffix(c.Server.PublicURL, "/")
	public, err := url.Parse(base)
	switch {
	case base != "" && u.Host != "" && err == nil:
		public.Host = u.Host + strings.TrimPrefix(public.Host, public.Hostname())
		base = public.String()
	case base != "":
	case u.Host != "":
		if _, port, err := net.SplitHostPort(address); err == nil {
			address = net.JoinHostPort(u.Host, port)
		} else { // a unix socket or one of systemd
			address = u.Host
		}
		fallthrough
	case secure:
		base = map[bool]string{true: "https://", false: "http://"}[secure] + address
	default:
		base = "http://" + address
	}
	return base + u.Path
}

// origin is a URL without its path.
func origin(resource string) string {
	u, err := url.Parse(resource)
	if err != nil {
		return resource
	}
	return u.Scheme + "://" + u.Host
}

// newGuard makes what decides about the callers of a server.
func (r *Running) newGuard(ctx context.Context, c *config.Config, u *config.Upstream) (*access.Guard, error) {
	g := &access.Guard{}
	if c.Auth.APIKeys != nil {
		g.Keys = r.Verifier
	}
	if len(u.Tenants) > 0 {
		g.Tenants = map[string]struct{}{}
		for _, name := range u.Tenants {
			g.Tenants[name] = struct{}{}
		}
	}
	var err error
	if g.Rules, err = r.newRules(ctx, c, u); err != nil {
		return nil, err
	}
	if g.Audit, err = r.newAudit(c); err != nil {
		return nil, err
	}
	g.Limits, err = r.newLimits(c, u)
	return g, err
}

// newRules compiles the rules about a server. Conditions are held against what
// is known of its tools. One that does not fit a tool's schema denies its calls,
// which is for operators to hear of, and no reason not to serve: a server may
// change what it says of its tools while we are away.
func (r *Running) newRules(ctx context.Context, c *config.Config, u *config.Upstream) (*policy.Rules, error) {
	rules, err := Rules(c, u, nil)
	if err != nil {
		return nil, err
	}
	schemas, err := r.Pins.Schemas(context.WithoutCancel(ctx), u.Name) // whoever asked for a reload may have left
	if err != nil {
		return nil, err
	}
	if _, err := Rules(c, u, schemas); err != nil && len(schemas) > 0 {
		r.server.Options.Log.Warn("a condition does not fit the arguments of a tool, and denies its calls", "server", u.Name, "error", err.Error())
	}
	return rules, nil
}

// newAudit says what is written down of the callers of a server.
func (r *Running) newAudit(c *config.Config) (*access.Audit, error) {
	a := &access.Audit{Trail: r.Trail, Strict: c.Audit.Strict}
	if c.Audit.Arguments == nil {
		return a, nil
	}
	set, err := policy.Compile(c.Audit.Arguments.Tools)
	if err != nil {
		return nil, fmt.Errorf("audit.arguments.tools: %w", err)
	}
	a.Args = &set
	if a.Redact, err = policy.Compile(c.Audit.Arguments.Redact); err != nil {
		return nil, fmt.Errorf("audit.arguments.redact: %w", err)
	}
	return a, nil
}

// newLimits compiles the limits of a server; the counters are everybody's.
func (r *Running) newLimits(c *config.Config, u *config.Upstream) (*access.Limits, error) {
	l := &access.Limits{
		Counters: r.counters,
		PerKey:   c.Limits.PerKey, PerTenant: c.Limits.PerTenant, PerPrincipal: c.Limits.PerPrincipal, PerAddress: c.Limits.PerAddress,
		CallsPerKey: c.Limits.Concurrent.PerKey, CallsPerTenant: c.Limits.Concurrent.PerTenant,
		StreamsPerKey: c.Limits.Streams.PerKey, StreamsPerTenant: c.Limits.Streams.PerTenant,
	}
	for _, list := range [...][]config.ToolRate{c.Limits.PerTool, u.PerTool} {
		for _, t := range list {
			set, err := policy.Compile([]string{t.Tools})
			if err != nil {
				return nil, fmt.Errorf("limits.per_tool: %w", err)
			}
			l.PerTool = append(l.PerTool, access.ToolRate{Name: u.Name + " " + t.Tools, Tools: set, Rate: t.Rate})
		}
	}
	for _, t := range c.Limits.ByTenant {
		set, err := policy.Compile([]string{t.Tools})
		if err != nil {
			return nil, fmt.Errorf("limits.by_tenant: %w", err)
		}
		l.ByTenant = append(l.ByTenant, access.TenantRate{Tenants: set, Rate: t.Rate})
	}
	return l, nil
}

// newStdio says how the child is started. Its program is looked up now, so that
// one that appears earlier in PATH later on is not run.
func (s *Server) newStdio(u *config.Upstream) (*gateway.Stdio, error) {
	if err := process.Conceal(); err != nil { // a child of the same account could read our environment
		return nil, fmt.Errorf("hide our memory from children: %w", err)
	}
	here, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("working directory: %w", err)
	}
	path := ""
	for _, kv := range s.Environ {
		if v, ok := strings.CutPrefix(kv, "PATH="); ok {
			path = v
		}
	}
	if dir := u.Stdio.Cwd; dir != "" && !strings.Contains(dir, "{") { // that of a tenant is no place to look for programs
		here = dir
	}
	program, err := process.Resolve(u.Stdio.Command[0], path, here)
	if err != nil {
		return nil, &adminapi.Error{Status: http.StatusBadRequest, Code: "GH-2302", Message: fmt.Sprintf("The server cannot be started: %v.", err)}
	}
	out := &gateway.Stdio{PerTenant: u.Stdio.Isolation == config.IsolationPerTenant, Process: process.Spec{
		Name: u.Name, Command: append([]string{program}, u.Stdio.Command[1:]...), Dir: u.Stdio.Cwd, User: u.Stdio.User,
		Env: variables(u.Stdio.Env, u.Stdio.Secrets), Environ: s.Environ, Log: s.Options.Log, Grace: childTime,
	}, Tenants: map[string]gateway.Place{}}
	for name, p := range u.Stdio.Tenants {
		out.Tenants[name] = gateway.Place{Dir: p.Cwd, User: p.User, Env: variables(p.Env, p.Secrets)}
	}
	return out, nil
}

// variables are a child's, the secret ones among them.
func variables(env map[string]string, secrets map[string]config.Secret) map[string]string {
	all := make(map[string]string, len(env)+len(secrets))
	maps.Copy(all, env)
	for name, value := range secrets {
		all[name] = value.Reveal()
	}
	return all
}

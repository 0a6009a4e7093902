package gateway

import (
	"context"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/process"
)

// Stdio is an MCP server that speaks over its standard streams. Callers of the
// newer era share one child, or one within each tenant; each session of the
// older has its own.
type Stdio struct {
	Process      process.Spec     // how a child is started; Receive is ours to set
	PerTenant    bool             // nobody shares a child with another tenant, and "{tenant}" and "{tenant_id}" in Process.Dir, User and Env stand for the caller's
	Tenants      map[string]Place // by tenant's name, with PerTenant: what differs from Process
	MaxChildren  int              // children at once; zero: 64
	MaxPerTenant int              // of one tenant; zero: 48
	MaxPerCaller int              // sessions of one caller at once; zero: 16
	Idle         time.Duration    // a child that nobody used for so long is stopped; zero: 30 min
	ProbeWait    time.Duration    // how long a child may take to say which era it speaks; zero: 30 s
	Backoff      time.Duration    // pause after the first failure, doubled with each further one up to 30 s; zero: 200 ms
}

const (
	defaultMaxChildren  = 64
	defaultMaxPerTenant = 48 // so that one tenant cannot take all
	defaultMaxPerCaller = 16
	defaultIdle         = 30 * time.Minute
	defaultProbeWait    = 30 * time.Second
	defaultBackoff      = 200 * time.Millisecond
)

// newStdio returns the backend of such a server. No child is started yet.
func newStdio(c Stdio) *linked {
	s := &linked{
		name: c.Process.Name, code: "GH-2302", perTenant: c.PerTenant,
		maxLinks: orDefault(c.MaxChildren, defaultMaxChildren), maxPerTenant: orDefault(c.MaxPerTenant, defaultMaxPerTenant),
		maxPerCaller: orDefault(c.MaxPerCaller, defaultMaxPerCaller), idle: orDefault(c.Idle, defaultIdle),
		probeWait: orDefault(c.ProbeWait, defaultProbeWait), backoff: orDefault(c.Backoff, defaultBackoff),
		log: c.Process.Log, now: c.Process.Now,
	}
	if s.now == nil {
		s.now = time.Now
	}
	s.dial = func(ctx context.Context, from *exchange, receive func([]byte)) (peer, error) {
		id, name := "", ""
		if from != nil {
			id, name = from.caller.Tenant, from.caller.TenantName
		}
		spec, err := c.spec(id, name)
		if err != nil {
			return nil, err
		}
		spec.Receive = receive
		p, err := process.Start(ctx, spec)
		if err != nil {
			return nil, err
		}
		return child{p}, nil
	}
	return s.init()
}

// child is a process as a peer.
type child struct{ *process.Child }

// Send gives the child a message. It needs not know whose it is.
func (c child) Send(ctx context.Context, _ *exchange, message []byte) error {
	return c.Child.Send(ctx, message)
}

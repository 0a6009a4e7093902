package access

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
	"github.com/gatehouse-mcp/gatehouse/internal/policy"
	"github.com/gatehouse-mcp/gatehouse/internal/ratelimit"
	"github.com/gatehouse-mcp/gatehouse/internal/unit"
)

// Limits bound what callers may use. The counters are shared by all servers of
// an installation and outlive a change of the settings.
type Limits struct {
	Counters *Counters // required

	PerKey, PerTenant, PerPrincipal, PerAddress unit.Rate
	PerTool                                     []ToolRate
	ByTenant                                    []TenantRate // the first that is about a tenant, instead of PerTenant
	CallsPerKey, CallsPerTenant                 int          // calls under way at once; 0: no limit
	StreamsPerKey, StreamsPerTenant             int          // open event streams at once; 0: 1024 and no limit
}

const defaultStreams = 1024 // open at once, of one key

// ToolRate bounds how often one caller may call the tools of a set.
type ToolRate struct {
	Name  string // of the bucket: the set's pattern
	Tools policy.Tools
	Rate  unit.Rate
}

// TenantRate bounds how often a tenant of a set may call.
type TenantRate struct {
	Tenants policy.Tools // patterns of names
	Rate    unit.Rate
}

// tenant is the rate of a tenant.
func (l *Limits) tenant(name string) unit.Rate {
	for i := range l.ByTenant {
		if l.ByTenant[i].Tenants.Allows(name) {
			return l.ByTenant[i].Rate
		}
	}
	return l.PerTenant
}

// Counters are what is counted. Every field is required: NewCounters.
type Counters struct {
	Rates          *ratelimit.Limiter
	Bans           *ratelimit.Bans
	Calls, Streams ratelimit.Gauge
	Now            func() time.Time
}

// NewCounters returns counters at zero.
func NewCounters() *Counters {
	return &Counters{Rates: &ratelimit.Limiter{}, Bans: &ratelimit.Bans{}, Now: time.Now}
}

// Limited is a refusal for having asked too often, with what the caller may know of the limit.
type Limited struct {
	Refusal  *gatehouse.Error
	Decision ratelimit.Decision
}

// Error returns the code and what strangers may read.
func (l *Limited) Error() string { return l.Refusal.Error() }

// Unwrap returns the refusal.
func (l *Limited) Unwrap() error { return l.Refusal }

// knock says whether an address may ask at all: it is not banned, and has not
// asked too often.
func (l *Limits) knock(p *gatehouse.Credential) error {
	if l == nil || p.Shared || !p.From.IsValid() { // one caller must not have all others kept out
		return nil
	}
	from := p.From
	if b := l.Counters.Bans.Banned(from); b != nil {
		return banned(b, l.Counters.Now())
	}
	if l.PerAddress.Zero() {
		return nil
	}
	return limited(l.Counters.Rates.Take(ratelimit.Bucket{Kind: ratelimit.KindAddress, Addr: from, Rate: l.PerAddress}))
}

// failed counts a credential that was refused. It returns the refusal.
func (l *Limits) failed(p *gatehouse.Credential, refusal error) error {
	var e *gatehouse.Error
	if l == nil || p.Shared || !p.From.IsValid() || !errors.As(refusal, &e) || e.Status >= http.StatusInternalServerError {
		return refusal // nobody is at fault for what we could not judge
	}
	if genuine[e.Code] {
		return refusal
	}
	l.Counters.Bans.Failed(p.From, e.Code) // a ban begins with the next attempt: this one is still told what is wrong
	return refusal
}

// genuine are refusals of what an issuer did sign. Nobody guesses by it, and a
// token that has expired is how every client learns to fetch the next one: the
// address of a hosted client, which all its users share, must not be banned for it.
var genuine = map[string]bool{
	"GH-1104": true, // for another audience
	"GH-1109": true, // expired
	"GH-1112": true, // of a client that is not in the list
	"GH-1115": true, // its proof needs a nonce of ours
}

func banned(b *ratelimit.Ban, now time.Time) error {
	return &Limited{
		Refusal: &gatehouse.Error{
			Code: "GH-1502", Status: http.StatusTooManyRequests,
			Description: "Too many failed attempts from this address. Come back later.",
			Cause:       fmt.Errorf("%s is banned until %s: %d failed attempts, the last with %s", b.Prefix, b.Until.UTC().Format(time.RFC3339), b.Attempts, b.Code),
		},
		Decision: ratelimit.Decision{RetryAfter: b.Until.Sub(now)},
	}
}

// calls counts the messages of a call, or refuses them all. A nil call is one
// request for a stream.
func (l *Limits) calls(c *Caller, call *mcp.Call) error {
	if l == nil {
		return nil
	}
	n := 1
	if call != nil {
		n = len(call.Messages)
	}
	own := l.PerKey
	if !c.Limit.Zero() { // what was agreed for this key
		own = c.Limit
	}
	var room [8]ratelimit.Bucket // most have room in it
	buckets := append(room[:0],
		ratelimit.Bucket{Kind: ratelimit.KindKey, Key: c.ID, Rate: own, N: n},
		ratelimit.Bucket{Kind: ratelimit.KindPrincipal, Key: c.ID, Rate: l.PerPrincipal, N: n},
		ratelimit.Bucket{Kind: ratelimit.KindTenant, Key: c.Tenant, Rate: l.tenant(c.TenantName), N: n},
	)
	if call != nil && len(l.PerTool) > 0 {
		for i := range call.Messages {
			buckets = l.tools(buckets, c, tool(&call.Messages[i]))
		}
	}
	return limited(l.Counters.Rates.Take(buckets...))
}

// tools adds what a tool is counted by. One that two patterns name is counted by both.
func (l *Limits) tools(buckets []ratelimit.Bucket, c *Caller, tool string) []ratelimit.Bucket {
	if tool == "" {
		return buckets
	}
	for i := range l.PerTool {
		if t := &l.PerTool[i]; t.Tools.Allows(tool) {
			buckets = append(buckets, ratelimit.Bucket{Kind: ratelimit.KindTool, Key: c.ID, Of: t.Name, Rate: t.Rate})
		}
	}
	return buckets
}

// limited is the refusal of a decision, nil when it is none.
func limited(d ratelimit.Decision) error {
	if d.OK {
		return nil
	}
	return &Limited{Decision: d, Refusal: &gatehouse.Error{
		Code: "GH-1501", Status: http.StatusTooManyRequests, Description: "Rate limit reached. Retry later.",
		Cause: fmt.Errorf("limit %s per %s reached", d.Bucket.Rate, d.Bucket.Kind),
	}}
}

// Hold counts a call of a caller's that is under way, or an open stream of
// theirs, or refuses. What it returns gives it back; it is never nil.
func (g *Guard) Hold(c *Caller, stream bool) (release func(), err error) {
	l := g.Limits
	if l == nil {
		return func() {}, nil
	}
	gauge, perKey, perTenant, what := &l.Counters.Calls, l.CallsPerKey, l.CallsPerTenant, "calls under way"
	if stream {
		gauge, perKey, perTenant, what = &l.Counters.Streams, cmp.Or(l.StreamsPerKey, defaultStreams), l.StreamsPerTenant, "open streams"
	}
	if perKey == 0 && perTenant == 0 {
		return func() {}, nil
	}
	key, ok := gauge.Hold(c.ID, perKey)
	if !ok {
		return func() {}, tooMany(what, "key")
	}
	tenant, ok := gauge.Hold(c.Tenant, perTenant)
	if !ok {
		key.Release()
		return func() {}, tooMany(what, "tenant")
	}
	return func() { tenant.Release(); key.Release() }, nil
}

func tooMany(what, whose string) error {
	return &gatehouse.Error{
		Code: "GH-1503", Status: http.StatusServiceUnavailable, Description: "Too many " + what + " for this " + whose + ". Close some, or retry later.",
	}
}

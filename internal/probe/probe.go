// Package probe looks at an MCP server from outside, as a client and a stranger
// see it, and says what is wrong with how it is protected: one rule per file.
//
// A rule passes only what it has seen. Where an answer could mean several
// things, or nothing was to be seen, it says that it does not know, and why.
// Everything is asked by one client that has a pace and a budget.
package probe

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/proxy"
)

// Options say what is looked at, and how far one may go.
type Options struct {
	URL string // required: of the MCP server, http or https

	Credential  string                                                       // a key or token that is accepted; empty: what needs one stays unknown
	Other       string                                                       // a credential of somebody else, which is accepted too; empty: none
	Bad         map[Bad]string                                               // credentials that have to be refused
	Upstreams   []string                                                     // URLs at which the server behind the gateway may be reachable past it
	InURL       bool                                                         // send the credential in the URL too; it is in logs from then on
	Burst       bool                                                         // send a burst, to see limits
	Register    bool                                                         // register a client at the authorization server, and delete it
	Left        func(id string, err error)                                   // called for each key that was made and could not be revoked, also when Run ends early; nil: only the report says so
	Keys        KeyMaker                                                     // makes keys for the URL; nil: rotation and revocation stay unknown
	From        string                                                       // Public: from the internet's point of view; empty: from this machine's
	Resolvers   []string                                                     // URLs of the public resolvers that are asked, of DNS over HTTPS; none: PublicResolvers
	PublicRoots *x509.CertPool                                               // authorities that clients everywhere know; nil: Mozilla's list
	Lookup      func(ctx context.Context, host string) ([]netip.Addr, error) // this machine's resolver; nil: net.DefaultResolver
	Resolve     []string                                                     // HOST:PORT:ADDRESS: where a host is looked at, whatever its name says
	Roots       *x509.CertPool                                               // who vouches for servers; nil: the system's
	Private     []string                                                     // hosts and networks that documents may lead to though they are private, as in safehttp.Policy.Allow
	Profile     Profile                                                      // which rules; empty: all
	Only, Skip  []string                                                     // codes or names of rules
	Pace        time.Duration                                                // between two requests; 0: 50 ms, and nothing on this machine
	Budget      int                                                          // requests at most; 0: 400
	Wait        time.Duration                                                // for one answer; 0: 10 s
	Now         func() time.Time                                             // nil: time.Now
	Progress    func(done, of int, doing string)                             // called before each rule; nil: nobody watches
	Transport   func(*http.Transport)                                        // changes how the server is reached, for tests; nil: as it is
	Proxy       *proxy.Settings                                              // which proxy leads where; nil: none. With From or Resolve none leads to the server
}

// Bad is why a credential has to be refused.
type Bad string

// Reasons for a refusal.
const (
	BadExpired  Bad = "expired"        // its time is over
	BadRevoked  Bad = "revoked"        // it was taken back
	BadResource Bad = "other-resource" // it is for another server
	BadIDToken  Bad = "id-token"       // it says who somebody is, and lets nobody in
	BadRefresh  Bad = "refresh-token"  // it is for the authorization server
)

// BadKinds lists the reasons.
func BadKinds() []Bad { return []Bad{BadExpired, BadRevoked, BadResource, BadIDToken, BadRefresh} }

// KeyMaker makes and ends keys for the server. Each function's effect is there
// when it returns, or within a second.
type KeyMaker interface {
	Make(ctx context.Context) (id, key string, err error)
	Rotate(ctx context.Context, id string) (next, key string, err error) // without an overlap: the old key ends at once
	Revoke(ctx context.Context, id string) error
}

// Result is what came of one rule.
type Result struct {
	Rule *Rule
	Verdict
}

// Report is what was found of one server.
type Report struct {
	URL      string
	File     bool // it is the name of a configuration file, and nobody was asked
	Began    time.Time
	Took     time.Duration
	Profile  Profile
	Requests int
	Answered bool     // somebody did, whatever it was
	From     string   // the point of view, as in Options
	At       []string // addresses that were looked at in place of those that this machine takes the name for
	Results  []Result
	Clients  []ClientResult
}

// Count returns how many results have an outcome, those of clients included.
func (r *Report) Count(o Outcome) (n int) {
	for i := range r.Results {
		if r.Results[i].Outcome == o {
			n++
		}
	}
	for i := range r.Clients {
		if r.Clients[i].Outcome == o {
			n++
		}
	}
	return n
}

// Run looks at a server. The error says what is wrong with the options; that a
// server does not answer is in the report.
func Run(ctx context.Context, o Options) (*Report, error) {
	o.defaults()
	given, err := Target(o.URL)
	if err != nil {
		return nil, err
	}
	target := bare(given)
	rules, err := Select(o.Profile, o.Only, o.Skip)
	if err != nil {
		return nil, err
	}
	c, err := newClient(&o, target)
	if err != nil {
		return nil, err
	}
	defer c.close()
	if c.public != nil {
		c.public.name = c.public.lookup(ctx, target.Hostname(), o.Lookup)
	}
	run := &run{client: c, o: &o, target: target, given: given}
	defer run.tidy(ctx)
	report := &Report{URL: c.mask.text(target.String()), Began: o.Now(), Profile: o.Profile, From: o.From}
	for i, rule := range rules {
		if o.Progress != nil {
			o.Progress(i, len(rules), rule.Title)
		}
		v := run.judge(ctx, rule)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		run.results = append(run.results, Result{Rule: rule, Verdict: v})
	}
	report.Results = run.results
	run.ctx = ctx
	if len(o.Only) == 0 {
		report.Clients = run.clients()
		for i := range report.Clients {
			report.Clients[i].Text = run.mask.text(report.Clients[i].Text)
		}
	}
	run.tidy(ctx)
	report.At = c.lookedAt()
	report.Answered, report.Requests, report.Took = c.answered || c.sent == 0, c.sent, o.Now().Sub(report.Began)
	return report, ctx.Err()
}

func (o *Options) defaults() {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Budget <= 0 {
		o.Budget = 400
	}
	if o.Wait <= 0 {
		o.Wait = 10 * time.Second
	}
}

// Target reads the URL of a server.
func Target(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%.200q is no URL", (&mask{}).text(text))
	case u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		return nil, fmt.Errorf("%.200q is no URL of http or https, as in https://mcp.acme.com/mcp", (&mask{}).text(text))
	case u.Fragment != "" || strings.ContainsAny(text, "#\r\n"):
		return nil, fmt.Errorf("%.200q has a fragment, which no server sees", (&mask{}).text(text))
	}
	if u.Path == "" {
		u.Path = "/"
	}
	if host := asciiHost(u.Hostname()); !strings.EqualFold(host, u.Hostname()) { // as connections, certificates and resolvers have it
		u.Host = strings.TrimSuffix(net.JoinHostPort(host, u.Port()), ":")
	}
	return u, nil
}

// bare is a URL without credentials.
func bare(given *url.URL) *url.URL {
	u := *given
	u.User = nil
	q, secret := u.Query(), false
	for name := range q {
		if secretName(name) {
			q.Del(name)
			secret = true
		}
	}
	if secret { // else the query stays as it was written
		u.RawQuery = q.Encode()
	}
	return &u
}

// run is what the rules share: the client, and what was seen already.
type run struct {
	*client
	o      *Options
	target *url.URL        // without what is secret in it: strangers do not have that
	given  *url.URL        // as it was named
	ctx    context.Context // of the rule that is asked
	facts  facts

	results []Result // of the rules that were asked
}

// judge asks one rule. One that panics has seen nothing.
func (r *run) judge(ctx context.Context, rule *Rule) (v Verdict) {
	defer func() {
		if p := recover(); p != nil {
			v = Verdict{Outcome: Unknown, Text: r.mask.text(fmt.Sprintf("the rule broke down: %v", p))}
		}
	}()
	r.ctx = ctx
	t := &tally{}
	rule.Check(r, t)
	v = t.verdict()
	v.Text, v.Fix = r.mask.text(v.Text), r.mask.text(v.Fix)
	return v
}

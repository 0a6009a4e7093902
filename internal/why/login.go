package why

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// States of a login.
const (
	Connected  = "connected"  // its client has called a server
	UnderWay   = "under_way"  // it is too early to tell
	Refused    = "refused"    // a step was refused, and nothing came after it
	Unfinished = "unfinished" // a step never came
)

// Steps of a login, in the order in which they come. What comes before
// authorization is not known to belong to it: it fits.
const (
	StepDiscovery     = "discovery"     // metadata was fetched, from an address of this login
	StepChallenge     = "challenge"     // a server was called without a credential, from such an address
	StepRegistration  = "registration"  // RFC 7591
	StepPush          = "push"          // RFC 9126
	StepDevice        = "device"        // RFC 8628
	StepAuthorization = "authorization" // the browser came
	StepConsent       = "consent"
	StepProvider      = "provider" // the browser went to a provider
	StepCallback      = "callback" // and came back
	StepSignIn        = "sign-in"
	StepEnrolment     = "enrolment" // a password or a passkey was set up on the way
	StepCode          = "code"
	StepToken         = "token"
	StepCall          = "call"
	StepUnsigned      = "unsigned-call" // a server was called without the token, from an address of this login
	StepRefresh       = "refresh"
	StepRevocation    = "revocation"
)

// Missing is the outcome of a step that never came; the others are those of the trail.
const Missing = "missing"

// Login is one way of a client to a token: all that was written down of it.
type Login struct {
	Request  string    `json:"request"` // id that all its steps have in the trail
	Began    time.Time `json:"began"`
	State    string    `json:"state"`
	Stopped  string    `json:"stopped,omitempty"` // the step that was refused, never came or is waited for
	Code     string    `json:"code,omitempty"`    // of the refusal
	Reason   string    `json:"reason,omitempty"`  // of it, for operators
	ClientID string    `json:"client_id,omitempty"`
	Client   string    `json:"client_supplied,omitempty"` // what it calls itself
	Subject  string    `json:"subject,omitempty"`
	Resource string    `json:"resource,omitempty"`
	Redirect string    `json:"redirect,omitempty"` // host that the answer goes to
	Scopes   []string  `json:"scopes"`             // that were granted
	Grant    string    `json:"grant,omitempty"`
	Steps    []Step    `json:"steps"`
	Causes   []string  `json:"causes"` // what it usually comes of, the likeliest first
	Fix      []string  `json:"fix"`

	own      []*audit.Event // of it, the oldest first
	tokens   []string
	outcomes map[string]*Step // the last of each step
}

// Step is one of a login.
type Step struct {
	Step    string    `json:"step"`
	Time    time.Time `json:"time,omitzero"` // zero: it never came
	Outcome string    `json:"outcome"`       // ok, refused, error, cut or missing
	Code    string    `json:"code,omitempty"`
	Status  int       `json:"status,omitempty"`
	Text    string    `json:"text"`
	Address string    `json:"address,omitempty"`
	Request string    `json:"request,omitempty"` // if it is not that of the login
	Count   int       `json:"count,omitempty"`   // how many alike

	reason string // of a refusal
}

const (
	flowTime = 10 * time.Minute // for a person to get through
	codeTime = time.Minute      // for a client to redeem a code
	callTime = 2 * time.Minute  // for a client to use a token for the first time
)

// View is from where a trail is looked at.
type View struct {
	Now   time.Time
	Blind bool // calls are not written down (audit.include): that there is none says nothing
}

// Login tells everything of one login.
func (s Search) Login(ctx context.Context, id string, v View) (*Login, error) {
	own, err := s.all(ctx, audit.Query{Kinds: []string{config.AuditSignIn}, Flow: id, Oldest: true, Limit: mostLogin})
	if err != nil {
		return nil, err
	}
	if len(own) == 0 {
		return nil, ErrNotFound
	}
	l := newLogin(id, own)
	for _, add := range []func(context.Context, *Login) error{s.addRegistration, s.addDiscovery, s.addCalls, s.addLoose} {
		if err := add(ctx, l); err != nil {
			return nil, err
		}
	}
	l.order()
	l.judge(v)
	l.advise()
	return l, nil
}

// newLogin gathers what the events of a login say.
func newLogin(id string, own []*audit.Event) *Login {
	l := &Login{Request: id, Began: own[0].Time, Scopes: []string{}, Steps: []Step{}, Causes: []string{}, Fix: []string{}, own: own}
	for _, e := range own {
		l.ClientID, l.Client, l.Subject = orElse(l.ClientID, e.ClientID), orElse(l.Client, e.Client), orElse(l.Subject, e.Subject)
		l.Resource, l.Redirect, l.Grant = orElse(l.Resource, e.Detail["resource"]), orElse(l.Redirect, e.Detail["redirect"]), orElse(l.Grant, e.Detail[audit.DetailGrant])
		if e.Outcome == audit.OK && e.Rights != nil && (e.Action == "token" || e.Action == "code") {
			l.Scopes = append([]string{}, e.Rights.Scopes...)
		}
		if e.Outcome == audit.OK && e.TokenID != "" && (len(l.tokens) < mostTokens-1 || e == own[len(own)-1]) {
			l.tokens = append(l.tokens, e.TokenID)
		}
		l.add(stepOf(e, id))
	}
	return l
}

const mostTokens = 200 // of one login whose use is looked for

// add adds a step. Refreshes are many and alike: they are counted.
func (l *Login) add(step Step) {
	if n := len(l.Steps); n > 0 && step.Step == StepRefresh && step.Outcome == audit.OK && l.Steps[n-1].Step == StepRefresh && l.Steps[n-1].Outcome == audit.OK {
		last := &l.Steps[n-1]
		last.Count, last.Time = max(last.Count, 1)+1, step.Time
		return
	}
	l.Steps = append(l.Steps, step)
}

// order brings the steps into that of time, and finds the last of each.
func (l *Login) order() {
	slices.SortStableFunc(l.Steps, func(a, b Step) int { return a.Time.Compare(b.Time) })
	l.outcomes = map[string]*Step{}
	for i := range l.Steps {
		l.outcomes[l.Steps[i].Step] = &l.Steps[i]
	}
}

// came says whether a step was there, with whatever outcome but for a refusal.
func (l *Login) came(step string) bool {
	return slices.ContainsFunc(l.Steps, func(s Step) bool { return s.Step == step && s.Outcome == audit.OK })
}

// at is when a step was there for the last time.
func (l *Login) at(step string) time.Time {
	if s := l.outcomes[step]; s != nil {
		return s.Time
	}
	return time.Time{}
}

// addRegistration adds how the client got its id, which may have been long ago.
func (s Search) addRegistration(ctx context.Context, l *Login) error {
	if l.ClientID == "" {
		return nil
	}
	var found *audit.Event
	_, err := s(ctx, audit.Query{Kinds: []string{config.AuditSignIn}, ClientID: l.ClientID, Outcome: audit.OK, Until: l.Began, Action: "register", Limit: 1}, func(m audit.Match) error {
		found = m.Event
		return nil
	})
	if err == nil && found != nil {
		l.Steps = append(l.Steps, stepOf(found, l.Request))
	}
	return err
}

// addDiscovery adds who looked for the way to sign in, from an address of this
// login, shortly before. Nothing else ties it to the login.
func (s Search) addDiscovery(ctx context.Context, l *Login) error {
	from, until := l.Began.Add(-flowTime), l.Began
	for _, step := range l.Steps { // whatever was registered just before began there too
		if step.Step == StepRegistration && step.Time.After(from) {
			from = step.Time.Add(-flowTime)
		}
	}
	for _, address := range l.addresses() {
		var found []*audit.Event
		for _, q := range []audit.Query{
			{Kinds: []string{config.AuditSignIn}, Action: "discovery"}, {Kinds: []string{config.AuditAuthFailed}, Code: codeNone},
		} {
			q.Since, q.Until, q.Address, q.Limit = from, until, audit.Network(address), maxDiscovery
			some, err := s.all(ctx, q)
			if err != nil {
				return err
			}
			found = append(found, some...)
		}
		for _, e := range found {
			step := stepOf(e, l.Request)
			if !slices.ContainsFunc(l.Steps, func(o Step) bool { return o.Step == step.Step && o.Text == step.Text }) {
				l.Steps = append(l.Steps, step)
			}
		}
	}
	return nil
}

const (
	codeNone     = "GH-1001" // a call without a credential
	maxDiscovery = 50        // fetches that are looked at
	mostPlaces   = 4         // addresses of one login
)

// addresses are those from which steps of a login came.
func (l *Login) addresses() []netip.Addr {
	var all []netip.Addr
	add := func(a netip.Addr) {
		if a.IsValid() && !slices.Contains(all, a) && len(all) < mostPlaces {
			all = append(all, a)
		}
	}
	for _, e := range l.own {
		add(e.Address)
	}
	for _, step := range l.Steps {
		if a, err := netip.ParseAddr(step.Address); err == nil && step.Step == StepRegistration {
			add(a)
		}
	}
	return all
}

// addCalls adds what the client did with its tokens: the first call, and those
// that were refused before the first that was not.
func (s Search) addCalls(ctx context.Context, l *Login) error {
	if len(l.tokens) == 0 {
		return nil
	}
	found, err := s.all(ctx, audit.Query{Tokens: l.tokens, Kinds: append(calls(), config.AuditAuthFailed), Since: l.Began, Oldest: true, Limit: maxDiscovery})
	if err != nil {
		return err
	}
	for n, e := range found {
		step := stepOf(e, l.Request)
		if n < mostRefused || step.Outcome == audit.OK {
			l.Steps = append(l.Steps, step)
		}
		if step.Outcome == audit.OK {
			return nil
		}
	}
	return nil
}

const mostRefused = 5 // refused steps that are told one by one

// addLoose adds refusals that are not known to belong to a login, and fit: a token
// request of the same client while its code was good, and calls from its address
// without a credential while its token was not used.
func (s Search) addLoose(ctx context.Context, l *Login) error {
	var code, token time.Time
	used, until := false, time.Time{}
	for _, step := range l.Steps {
		switch {
		case step.Step == StepRevocation && step.Outcome == audit.OK && until.IsZero():
			until = step.Time // what comes afterwards has no token with reason
		case step.Step == StepCode && step.Outcome == audit.OK:
			code = step.Time
		case step.Step == StepToken && token.IsZero():
			token = step.Time
		case step.Step == StepCall:
			used = true
		}
	}
	switch {
	case !code.IsZero() && token.IsZero() && l.ClientID != "":
		return s.addLooseOf(ctx, l, audit.Query{
			Kinds: []string{config.AuditSignIn}, ClientID: l.ClientID, Outcome: audit.Refused, Since: code, Until: code.Add(flowTime), Action: "token",
		})
	case !token.IsZero() && !used:
		if end := token.Add(flowTime); until.IsZero() || end.Before(until) {
			until = end
		}
		for _, a := range l.addresses() {
			q := audit.Query{Kinds: []string{config.AuditAuthFailed}, Address: audit.Network(a), Since: token, Until: until}
			if err := s.addLooseOf(ctx, l, q); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s Search) addLooseOf(ctx context.Context, l *Login, q audit.Query) error {
	q.Limit, q.Oldest = mostRefused, true
	found, err := s.all(ctx, q)
	for _, e := range found {
		if of := e.Detail[audit.DetailFlow]; of != "" && of != l.Request || e.TokenID != "" || e.KeyID != "" {
			continue // of another login, or of somebody with a key
		}
		step := stepOf(e, l.Request)
		if e.Kind == config.AuditAuthFailed {
			step.Step, step.Text = StepUnsigned, "called "+orElse(e.Server, "a server")+" without an accepted token"+refusedBecause(e)
		}
		l.Steps = append(l.Steps, step)
	}
	return err
}

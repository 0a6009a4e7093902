package why

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// Filter says which logins are wanted; what is empty is not looked at.
type Filter struct {
	Client   string   // id, what an id begins with, name or host of its document
	Subjects []string // one of these
	Since    time.Time
	Limit    int // 0: 20
}

const (
	someLogins   = 20
	mostSteps    = 10_000 // events that are looked at
	leastOfAnID  = 4      // characters of an id that say which
	tokensEach   = 2      // of a login of a list: the first ones
	tokensAtOnce = 200
)

// Logins lists logins, the latest first. cut says that there may be more.
func (s Search) Logins(ctx context.Context, f Filter, v View) (out []*Login, cut bool, err error) {
	var events []*audit.Event
	report, err := s(ctx, audit.Query{Kinds: []string{config.AuditSignIn}, Since: f.Since, Limit: mostSteps}, func(m audit.Match) error {
		events = append(events, m.Event)
		return nil
	})
	if err != nil {
		return nil, false, err
	}
	slices.Reverse(events)
	var ids []string
	byID := map[string][]*audit.Event{}
	for _, e := range events {
		id := orElse(e.Detail[audit.DetailFlow], e.Request)
		if id == "" {
			continue
		}
		if byID[id] == nil {
			ids = append(ids, id)
		}
		byID[id] = append(byID[id], e)
	}
	ids = slices.DeleteFunc(ids, func(id string) bool { return !slices.ContainsFunc(byID[id], ofLogin) })
	limit := f.Limit
	if limit <= 0 {
		limit = someLogins
	}
	for _, id := range slices.Backward(ids) {
		l := newLogin(id, byID[id])
		if !f.wants(l) {
			continue
		}
		if len(out) == limit {
			cut = true
			break
		}
		out = append(out, l)
	}
	if err := s.use(ctx, out); err != nil {
		return nil, false, err
	}
	for _, l := range out {
		l.order()
		l.judge(v)
	}
	return out, cut || report.Cut, nil
}

// ofLogin says whether an event tells of somebody who wants in, or of a client that
// wants a token. Other things are done at an authorization server too.
func ofLogin(e *audit.Event) bool {
	switch e.Action {
	case "authorize", "device", "consent", "provider", "callback", "login", "code", "token", "refresh", "exchange", "assertion":
		return true
	case "register", "push": // what became of one that was accepted has an id of its own
		return e.Outcome != audit.OK
	}
	return false
}

// use adds the first calls that were made with the tokens of logins.
func (s Search) use(ctx context.Context, logins []*Login) error {
	owner := map[string]*Login{}
	var tokens []string
	since := time.Time{}
	for _, l := range logins {
		for _, id := range l.tokens[:min(len(l.tokens), tokensEach)] {
			if len(tokens) < tokensAtOnce {
				tokens, owner[id] = append(tokens, id), l
			}
		}
		if since.IsZero() || l.Began.Before(since) {
			since = l.Began
		}
	}
	if len(tokens) == 0 {
		return nil
	}
	_, err := s(ctx, audit.Query{Kinds: append(calls(), config.AuditAuthFailed), Since: since, Tokens: tokens, Oldest: true, Limit: mostSteps}, func(m audit.Match) error {
		if l := owner[m.TokenID]; !l.came(StepCall) {
			l.Steps = append(l.Steps, stepOf(m.Event, l.Request))
		}
		return nil
	})
	return err
}

func (f *Filter) wants(l *Login) bool {
	if len(f.Subjects) > 0 && !slices.Contains(f.Subjects, l.Subject) {
		return false
	}
	return f.Client == "" || isClient(l.ClientID, l.Client, f.Client)
}

// isClient says whether somebody who types a text may mean a client.
func isClient(id, name, typed string) bool {
	if id == typed || strings.EqualFold(name, typed) && name != "" || len(typed) >= leastOfAnID && strings.HasPrefix(id, typed) {
		return true
	}
	u, err := url.Parse(id)
	return err == nil && u.Scheme == "https" && u.Host != "" && strings.EqualFold(u.Host, typed)
}

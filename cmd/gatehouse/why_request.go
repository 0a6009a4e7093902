package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/idp"
	"github.com/gatehouse-mcp/gatehouse/internal/policy"
	"github.com/gatehouse-mcp/gatehouse/internal/server"
	"github.com/gatehouse-mcp/gatehouse/internal/why"
)

// whyChange is what an administrator, or the program itself, did.
type whyChange struct {
	Time    time.Time         `json:"time"`
	Action  string            `json:"action"`
	Phase   string            `json:"phase,omitempty"`
	By      string            `json:"by,omitempty"`
	Outcome string            `json:"outcome,omitempty"`
	Code    string            `json:"code,omitempty"`
	Reason  string            `json:"reason,omitempty"`
	Detail  map[string]string `json:"detail,omitempty"`
}

// whyRequest explains what has one id.
func (a *app) whyRequest(ctx context.Context, f *whyFlags) (*whyAnswer, error) {
	id, events, err := f.search.Request(ctx, f.request)
	if many, ok := errors.AsType[*why.Ambiguous](err); ok {
		return nil, usage("several requests begin with %s: %s. Give more of the id", f.request, strings.Join(many.IDs, ", "))
	}
	if errors.Is(err, why.ErrNotFound) {
		return nil, a.notThere(fmt.Sprintf("no request whose id begins with %s", f.request))
	}
	if err != nil {
		return nil, err
	}
	if flow, is := why.IsLogin(events); is {
		l, err := f.search.Login(ctx, flow, a.view(f))
		if err != nil {
			return nil, err
		}
		out := &whyAnswer{Kind: "login", Request: id, Login: l, OK: !l.Failed(), User: nameUser(ctx, f, l.Subject)}
		if id != flow { // that request itself is meant
			out.OK = out.OK && !slices.ContainsFunc(events, func(e *audit.Event) bool { return e.Outcome != audit.OK })
		}
		return out, nil
	}
	out := &whyAnswer{Kind: "decision", OK: true, Request: id, Decisions: why.Decisions(events)}
	if len(out.Decisions) == 0 {
		return whyChanges(id, events), nil
	}
	if first := out.Decisions[0]; first.Proven {
		out.User = nameUser(ctx, f, first.Subject)
	}
	for _, d := range out.Decisions {
		if err := a.decideAgain(ctx, f, d); err != nil {
			return nil, err
		}
		out.OK = out.OK && (d.Verdict == why.Allowed || d.Verdict == why.Unknown)
	}
	return out, nil
}

// notThere says that the trail has nothing, and what that may come of.
func (a *app) notThere(what string) error {
	return &fault{exitNotFound, "GH-2401", "The audit trail has " + what + ". Calls that were alike are counted without an id, audit.include and audit.keep " +
		"may leave it out, and each replica has a trail of its own. See: gatehouse audit search" + a.place() + " --since 1h"}
}

func whyChanges(id string, events []*audit.Event) *whyAnswer {
	out := &whyAnswer{Kind: "change", OK: true, Request: id}
	for _, e := range events {
		out.Changes = append(out.Changes, whyChange{
			Time: e.Time, Action: orElse(e.Action, e.Kind), Phase: e.Phase, By: e.By, Outcome: e.Outcome, Code: e.Code, Reason: e.Reason, Detail: e.Detail,
		})
		out.OK = out.OK && (e.Outcome == "" || e.Outcome == audit.OK)
	}
	return out
}

// decideAgain adds to a decision what the rules say of it now, what was missing,
// and the login that its token came of.
func (a *app) decideAgain(ctx context.Context, f *whyFlags, d *why.Decision) error {
	if d.Event.TokenID != "" {
		_, err := f.search(ctx, audit.Query{Kinds: []string{config.AuditSignIn}, Tokens: []string{d.Event.TokenID}, Outcome: audit.OK, Limit: 1}, func(m audit.Match) error {
			d.Login = m.Request
			return nil
		})
		if err != nil {
			return err
		}
	}
	op, before := decidedByRules(d.Event)
	switch {
	case d.Event.Reason == byKey:
		d.Fix = []string{"gatehouse key update" + a.place() + " " + d.Key + " --tools PATTERNS, if the key shall have this tool"}
	case d.Code == "GH-1305" && d.Event.Address.IsValid():
		return a.refusedBefore(ctx, f, d)
	case d.Code == "GH-1011":
		d.Fix = []string{a.fixKey(f.inForce, d)}
	case op != nil && f.inForce != nil:
		a.decideNow(f.inForce, d, op, before)
	}
	return nil
}

// before is how long a client that was refused looks for a place to sign in.
const before = 30 * time.Second

// refusedBefore adds what a client was refused with before it asked for what there is
// not: one that cannot sign in tries places where others let it, and shows the last.
func (a *app) refusedBefore(ctx context.Context, f *whyFlags, d *why.Decision) error {
	at := d.Event.Time
	_, err := f.search(ctx, audit.Query{
		Kinds: []string{config.AuditAuthFailed}, Address: audit.Network(d.Event.Address), Since: at.Add(-before), Until: at, Limit: 50,
	}, func(m audit.Match) error {
		if len(d.Fix) < 2 && m.Request != "" && m.Request != d.Request && m.Code != "GH-1305" && m.Code != "GH-1306" {
			d.Fix = append(d.Fix, "a client that is refused looks for a place to sign in. Just before, one from this address was refused with "+m.Code+": gatehouse why "+m.Request)
		}
		return nil
	})
	return err
}

func (a *app) decideNow(c *config.Config, d *why.Decision, op *policy.Operation, before bool) {
	r, err := a.oneServer(c, d.Server)
	if err != nil {
		return // it is not served any more, or the file does not hold: what the trail says remains
	}
	now := &why.Now{File: a.file, Decision: "unknown"}
	d.Now = now
	who, unknown, lacking := pastCaller(d.Event)
	if lacking != "" {
		now.Reason = "the trail does not have " + lacking
		return
	}
	pastArguments(d.Event, op, &unknown)
	decision, known := r.rules.Replay(who, op, unknown)
	if !known {
		now.Reason = "the trail does not have " + missing(r.rules, who, op, unknown)
		return
	}
	now.Decision, now.Reason, now.Same = decided(&decision), decision.Reason, decision.Allowed == before
	if decision.Allowed {
		if !before {
			d.Fix = []string{"the rules have changed since: they allow it now"}
		}
		return
	}
	d.Missing = lacks(askRules(r, who, op).Steps)
	if fix := a.fixRights(c, d, r); len(fix) > 0 && !before {
		d.Fix = fix
	}
}

// lacks gathers what a caller lacks of the rules that would allow something.
func lacks(steps []policy.Step) []string {
	all := []string{}
	for _, s := range steps {
		if s.Deny || s.Match == "yes" {
			continue
		}
		for _, one := range s.Lacks {
			text := fmt.Sprintf("%s (rule %q, %s)", one, s.Rule, s.Source)
			if !slices.Contains(all, text) {
				all = append(all, text)
			}
		}
	}
	return all
}

// fixRights says how somebody comes to a right that they lack.
func (a *app) fixRights(c *config.Config, d *why.Decision, r *ruled) (fix []string) {
	has := func(what string) bool {
		return slices.ContainsFunc(d.Missing, func(s string) bool { return strings.HasPrefix(s, what) })
	}
	switch {
	case len(d.Missing) == 0:
		return nil
	case d.Key != "":
		return []string{"a key has no scopes, roles or groups: a rule for this key has to name it, or its holder signs in instead"}
	case !has("permission ") && !has("role ") && !has("group "):
		fix = append(fix, "the client asks for it by itself, or after signing in anew; what was not allowed on the consent page is missing")
	case d.Issuer == c.OwnIssuer():
		fix = append(fix, "roles and groups of people come from their provider, or were given by gatehouse user create; the next refresh has those that are new: gatehouse user show"+a.place()+" "+quoted(d.Subject))
	default:
		hint := ""
		for i := range c.Auth.Issuers {
			if u := &c.Auth.Issuers[i]; u.Issuer == d.Issuer {
				if p := idp.Find(u.Preset); p != nil {
					hint = p.Hint(d.Code, server.Resource(c, r.Upstream, c.Server.Listen))
				}
			}
		}
		fix = append(fix, strings.TrimSpace(hint+" Give it to the person at the issuer, then sign in again: a token keeps what it has."))
	}
	return fix
}

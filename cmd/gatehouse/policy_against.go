package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/policy"
)

// replayed is the result of policy test --against, for scripts.
type replayed struct {
	Trail   string         `json:"trail"`
	Calls   int            `json:"calls"`   // that were decided by rules, and are looked at
	Same    int            `json:"same"`    // would be decided as they were
	Changed int            `json:"changed"` // would not
	Unknown map[string]int `json:"unknown"` // cannot be known, by what is missing
	Skipped int            `json:"skipped"` // of servers that the file has not
	Damaged int            `json:"damaged"` // lines of the trail
	Changes []*changedCall `json:"changes"`
}

// changedCall are calls alike that would be decided differently.
type changedCall struct {
	Server string `json:"server"`
	Method string `json:"method"`
	Name   string `json:"name"`
	Caller string `json:"caller"`
	Tenant string `json:"tenant"`
	Before string `json:"before"` // allow or deny
	After  string `json:"after"`
	Calls  int    `json:"calls"`
	Last   string `json:"last"`   // request id of the last of them
	Reason string `json:"reason"` // of the decision now
}

// replay decides the calls of a trail anew.
func (a *app) replay(ctx context.Context, trail, only string) error {
	c, err := a.load()
	if err != nil {
		return err
	}
	servers, err := a.ruledServers(c, only)
	if err != nil {
		return err
	}
	byName := map[string]*ruled{}
	for i := range servers {
		byName[servers[i].Name] = &servers[i]
	}
	out := &replayed{Trail: trail, Unknown: map[string]int{}, Changes: []*changedCall{}}
	found := map[changedCall]*changedCall{}
	q := audit.Query{Kinds: []string{config.AuditToolCall, config.AuditCall, config.AuditDenied}, Oldest: true}
	report, err := audit.Search(ctx, trail, q, func(m audit.Match) error {
		out.event(m.Event, byName, found)
		return nil
	})
	if errors.Is(err, audit.ErrNoTrail) {
		return &fault{exitNotFound, "GH-2401", "There is no audit trail at " + trail + "."}
	}
	if err != nil {
		return err
	}
	out.Damaged = report.Damaged
	for _, one := range found {
		out.Changes = append(out.Changes, one)
	}
	slices.SortFunc(out.Changes, func(x, y *changedCall) int {
		if x.Calls != y.Calls {
			return y.Calls - x.Calls
		}
		return strings.Compare(x.Name+x.Caller, y.Name+y.Caller)
	})
	return a.showReplayed(out)
}

// event decides one event anew.
func (out *replayed) event(e *audit.Event, servers map[string]*ruled, found map[changedCall]*changedCall) {
	op, before := decidedByRules(e)
	if op == nil {
		return
	}
	n := max(e.Count, 1)
	r := servers[e.Server]
	if r == nil {
		out.Skipped += n
		return
	}
	out.Calls += n
	who, unknown, why := pastCaller(e)
	if why != "" {
		out.Unknown[why] += n
		return
	}
	pastArguments(e, op, &unknown)
	d, known := r.rules.Replay(who, op, unknown)
	if !known {
		out.Unknown[missing(r.rules, who, op, unknown)] += n
		return
	}
	if d.Allowed == before {
		out.Same += n
		return
	}
	out.Changed += n
	word := map[bool]string{true: "allow", false: "deny"}
	key := changedCall{Server: e.Server, Method: e.Method, Name: e.Name, Caller: callerOf(e), Tenant: e.Tenant, Before: word[before], After: decided(&d)}
	one := found[key]
	if one == nil {
		copied := key
		one = &copied
		found[key] = one
	}
	one.Calls, one.Last, one.Reason = one.Calls+n, e.Request, d.Reason
}

// byKey is the reason of a refusal that no rule made.
const byKey = "the key's own patterns leave it out"

// decidedByRules is the operation of an event that rules decided, and whether
// they allowed it; nil when something else decided, or nothing.
func decidedByRules(e *audit.Event) (op *policy.Operation, allowed bool) {
	op = &policy.Operation{Name: e.Name, Method: e.Method}
	switch e.Method {
	case "tools/call":
	case "prompts/get":
		op.Kind = policy.Prompt
	case "resources/read":
		op.Kind = policy.Resource
	default:
		return nil, false
	}
	switch {
	case e.Name == "" || e.Phase == audit.Intent: // its result is there too
		return nil, false
	case e.Kind != config.AuditDenied:
		return op, true
	case e.Reason == byKey:
		return nil, false
	case slices.Contains([]string{policy.CodeScope, policy.CodeRight, policy.CodeSignIn, policy.CodeGroups}, e.Code):
		return op, false
	}
	return nil, false
}

// cutText says whether the trail has less of a text than there was.
func cutText(text string) bool { return strings.HasSuffix(text, "…") }

// pastCaller is who made a call, as far as the trail tells. why says what is
// missing without which nothing can be said.
func pastCaller(e *audit.Event) (who *policy.Asker, unknown policy.Unknown, why string) {
	id := &gatehouse.Identity{Subject: e.Subject, KeyID: e.KeyID, Issuer: e.Issuer, Client: e.ClientID}
	who = &policy.Asker{Identity: id, Tenant: e.Tenant, Key: e.KeyName, SignedIn: -1}
	switch {
	case e.KeyID == "" && e.Issuer == "":
		return nil, 0, "who called"
	case cutText(e.Name):
		return nil, 0, "the whole name"
	case e.KeyID != "":
		if e.KeyName == "" || cutText(e.KeyName) {
			unknown |= policy.UnknownKey
		}
		return who, unknown, ""
	}
	unknown |= policy.UnknownClaims
	if cutText(e.Issuer) {
		unknown |= policy.UnknownIssuer
	}
	if cutText(e.ClientID) {
		unknown |= policy.UnknownClient
	}
	if e.AuthAge != nil {
		who.SignedIn = *e.AuthAge
	}
	if e.Rights == nil {
		return who, unknown | policy.UnknownScopes | policy.UnknownPermissions | policy.UnknownRoles | policy.UnknownGroups, ""
	}
	id.GroupsOmitted = e.Rights.GroupsOmitted
	for _, l := range [...]struct {
		list []string
		into *[]string
		bit  policy.Unknown
	}{
		{e.Rights.Scopes, &id.Scopes, policy.UnknownScopes}, {e.Rights.Permissions, &id.Permissions, policy.UnknownPermissions},
		{e.Rights.Roles, &id.Roles, policy.UnknownRoles}, {e.Rights.Groups, &id.Groups, policy.UnknownGroups},
	} {
		*l.into = l.list
		if slices.ContainsFunc(l.list, cutText) {
			unknown |= l.bit
		}
	}
	return who, unknown, ""
}

// pastArguments takes the arguments of a call, if the trail has all of them.
func pastArguments(e *audit.Event, op *policy.Operation, unknown *policy.Unknown) {
	if len(e.Args) == 0 || bytes.Contains(e.Args, []byte(`"[redacted]"`)) || bytes.Contains(e.Args, []byte("…")) || bytes.Equal(e.Args, []byte(`"[not JSON]"`)) {
		*unknown |= policy.UnknownArgs
		return
	}
	op.Args = e.Args
}

// missing says which part an answer depends on.
func missing(r *policy.Rules, who *policy.Asker, op *policy.Operation, unknown policy.Unknown) string {
	var all []string
	for _, part := range [...]struct {
		bit  policy.Unknown
		name string
	}{
		{policy.UnknownArgs, "the arguments"}, {policy.UnknownClaims, "the claims"}, {policy.UnknownKey, "the key's name"}, {policy.UnknownClient, "the client"}, {policy.UnknownIssuer, "the issuer"},
		{policy.UnknownScopes, "the scopes"}, {policy.UnknownPermissions, "the permissions"}, {policy.UnknownRoles, "the roles"}, {policy.UnknownGroups, "the groups"},
	} {
		if unknown&part.bit == 0 {
			continue
		}
		if _, known := r.Replay(who, op, part.bit); !known {
			all = append(all, part.name)
		}
	}
	return orElse(strings.Join(all, " and "), "several parts")
}

func callerOf(e *audit.Event) string {
	if e.KeyID != "" {
		return "key " + orElse(e.KeyName, e.KeyID)
	}
	return e.Subject
}

// shownChanges is how many changes are shown to people.
const shownChanges = 50

func (a *app) showReplayed(out *replayed) error {
	if a.json {
		if err := a.object(out); err != nil {
			return err
		}
	} else {
		a.print("%d of %s would be decided differently\n", out.Changed, count(out.Calls, "call", "calls"))
		rows := [][]string{{"CALLS", "WAS", "NOW", "CALL", "SERVER", "CALLER", "TENANT", "WHY"}}
		for i, one := range out.Changes {
			if i == shownChanges {
				break
			}
			rows = append(rows, []string{fmt.Sprint(one.Calls), one.Before, one.After, printableText(one.Name), one.Server, printableText(one.Caller), one.Tenant, one.Reason})
		}
		if len(rows) > 1 {
			if err := a.table(rows); err != nil {
				return err
			}
		}
		if more := len(out.Changes) - shownChanges; more > 0 {
			a.print("and %d more: --json has all\n", more)
		}
		for _, why := range slices.Sorted(maps.Keys(out.Unknown)) {
			a.print("%s cannot be decided again: the trail does not have %s\n", count(out.Unknown[why], "call", "calls"), why)
		}
		if out.Skipped > 0 {
			a.print("%s of servers that %s does not have\n", count(out.Skipped, "call", "calls"), a.file)
		}
	}
	if out.Damaged > 0 {
		a.warn("%s of the trail cannot be read: gatehouse audit search%s says where", count(out.Damaged, "line", "lines"), a.place())
	}
	if out.Damaged > 0 && out.Calls+out.Skipped == 0 {
		return &fault{exitFailure, "GH-2403", printableText(out.Trail) + " is no audit trail, or none of it can be read."}
	}
	if out.Changed > 0 {
		return &fault{exit: exitFailure} // all was said
	}
	return nil
}

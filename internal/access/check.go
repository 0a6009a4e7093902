package access

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
	"github.com/gatehouse-mcp/gatehouse/internal/policy"
)

// Check says whether a call may pass: each of its messages, when it is a batch.
// A refusal is a *mcp.Error that names the message, a *gatehouse.Error or a
// *Limited. A nil call is a request for a stream or for the end of a session.
// The rules that matched are added to matched, message by message, if it is not nil.
func (g *Guard) Check(c *Caller, call *mcp.Call, matched *[][]string) error {
	if err := g.Welcome(c); err != nil { // they may have changed since the caller was let in
		return err
	}
	if err := g.Limits.calls(c, call); err != nil {
		return err
	}
	if call == nil {
		return nil
	}
	who := g.asker(c)
	for i := range call.Messages {
		rules, err := g.check(c, &who, call, &call.Messages[i])
		if matched != nil {
			*matched = append(*matched, rules)
		}
		if err != nil {
			return err
		}
	}
	if c.Key == nil {
		return nil
	}
	for i := range call.Messages {
		if m := &call.Messages[i]; m.Method != "" {
			g.Keys.Used(c.Key, c.From, m.Client, tool(m))
		}
	}
	return nil
}

// asker is a caller as rules see them.
func (g *Guard) asker(c *Caller) policy.Asker {
	who := policy.Asker{Identity: c.Identity, Tenant: c.TenantName, SignedIn: -1}
	if c.Key != nil {
		who.Key = c.Name
	}
	if !c.SignedIn.IsZero() {
		now := time.Now
		if g.Now != nil {
			now = g.Now
		}
		who.SignedIn = max(0, int64(now().Sub(c.SignedIn)/time.Second))
	}
	return who
}

func (g *Guard) check(c *Caller, who *policy.Asker, call *mcp.Call, m *mcp.Message) (rules []string, err error) {
	if m.Kind == mcp.Response {
		return nil, nil // carries no method; the door lets it into the caller's own session only
	}
	if !mcp.Known(m.Method) {
		return nil, unknownMethod(call, m)
	}
	for i, about := range m.About() {
		d := g.decide(c, who, m, about)
		switch {
		case !d.Allowed:
			return d.Rules, refused(m, about, &d)
		case i == 0:
			rules = d.Rules
		default:
			rules = append(rules[:len(rules):len(rules)], d.Rules...) // the first are the rules' own
		}
	}
	return rules, nil
}

// decide asks the credential's own rights and the rules about one thing that a
// message names. What only prepares a call has no arguments yet, so a condition
// that asks for them denies it.
func (g *Guard) decide(c *Caller, who *policy.Asker, m *mcp.Message, about mcp.Subject) policy.Decision {
	if about.Kind == mcp.Tool && !c.Tools.Allows(about.Name) {
		return policy.Decision{Code: "GH-1202", Reason: "the key's own patterns leave it out"}
	}
	if g.Rules == nil {
		return policy.Decision{Allowed: true}
	}
	if about.Kind == mcp.Template { // it is no name of anything: each value that completes it is judged by the door
		if g.Shows(c, about.Kind, about.Name) {
			return policy.Decision{Allowed: true}
		}
		return policy.Decision{Code: "GH-1202", Reason: "no resource that the template may stand for is the caller's"}
	}
	kind, ok := policyKind(about.Kind)
	if !ok {
		return policy.Decision{Code: "GH-1202", Reason: "no rule is about things of this kind"}
	}
	op := policy.Operation{Kind: kind, Name: about.Name, Method: m.Method}
	if kind == policy.Resource || !g.Rules.NeedsArgs(who, kind, about.Name) {
		return g.Rules.Decide(who, &op)
	}
	if len(m.Raw) > 0 && (m.Method == "tools/call" || m.Method == "prompts/get") {
		op.Args = mcp.Arguments(m.Raw)
		return g.Rules.Decide(who, &op)
	}
	d, known := g.Rules.Replay(who, &op, policy.UnknownArgs) // not that there are none
	if !known {
		return policy.Decision{Code: "GH-1202", Rules: d.Rules, Reason: "it depends on arguments, and they are not known here"}
	}
	return d
}

// refused turns a decision into the answer. What more scopes would cure says
// which, all at once; everything else says the same of what is hidden and of what
// does not exist: neither reaches the server. MCP 2026-07-28 authorization
func refused(m *mcp.Message, about mcp.Subject, d *policy.Decision) error {
	why := errors.New(d.Reason)
	if d.MaxAge > 0 {
		const text = "This needs a more recent sign-in: sign in again."
		return &gatehouse.Error{
			Code: d.Code, Status: http.StatusForbidden, Description: text, Cause: why,
			Challenge: &gatehouse.Challenge{
				Error: "insufficient_user_authentication", Description: text, Scope: strings.Join(d.Scopes, " "), MaxAge: d.MaxAge, // RFC 9470 §3
			},
		}
	}
	if len(d.Scopes) > 0 {
		const text = "This needs more scopes than the token has."
		return &gatehouse.Error{
			Code: d.Code, Status: http.StatusForbidden, Description: text, Cause: why,
			Challenge: &gatehouse.Challenge{Error: "insufficient_scope", Description: text, Scope: strings.Join(d.Scopes, " ")},
		}
	}
	return &mcp.Error{
		Status: http.StatusForbidden, Code: -32602, ID: m.ID, Cause: why,
		Message: "Unknown " + nouns[about.Kind] + ", or not one that this caller may use.", Data: map[string]string{"code": d.Code},
	}
}

var nouns = [...]string{mcp.Tool: "tool", mcp.Prompt: "prompt", mcp.Resource: "resource", mcp.Template: "resource"}

func tool(m *mcp.Message) string {
	if m.Method == "tools/call" {
		return m.Name
	}
	return ""
}

// unknownMethod refuses what no revision knows. In the older era a 404 would
// say that the session is gone, so the refusal travels under 200, unless there
// is no one request that it answers: the other callers of a batch must not wait
// for ever. MCP 2025-11-25 transports; MCP 2026-07-28 transports
func unknownMethod(call *mcp.Call, m *mcp.Message) error {
	status := http.StatusNotFound
	switch {
	case call.Era == mcp.Modern:
	case call.Batch || m.Kind == mcp.Notification:
		status = http.StatusBadRequest
	default:
		status = http.StatusOK
	}
	return &mcp.Error{Status: status, Code: -32601, ID: m.ID, Message: "Method not found", Data: map[string]string{"code": "GH-1203"}}
}

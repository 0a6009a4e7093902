package why_test

import (
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/why"
)

func TestDecisionsStandOnce(t *testing.T) {
	tool := func(name, phase, outcome string) *audit.Event {
		return &audit.Event{Kind: config.AuditToolCall, Method: "tools/call", Name: name, Phase: phase, Outcome: outcome}
	}
	for name, tt := range map[string]struct {
		events []*audit.Event
		want   string
	}{
		"a call":                        {[]*audit.Event{tool("a", "", audit.OK)}, "a allowed"},
		"an intent and its result":      {[]*audit.Event{tool("a", audit.Intent, ""), tool("a", audit.Result, audit.Failed)}, "a failed"},
		"an intent without one":         {[]*audit.Event{tool("a", audit.Intent, "")}, "a unknown"},
		"a batch":                       {[]*audit.Event{tool("a", "", audit.OK), tool("b", "", audit.OK), tool("a", "", audit.OK)}, "a allowed, b allowed, a allowed"},
		"a stream that was cut":         {[]*audit.Event{{Kind: config.AuditStream, Method: "GET", Action: "open"}, {Kind: config.AuditStream, Method: "GET", Outcome: audit.Cut}}, " cut"},
		"a refusal":                     {[]*audit.Event{{Kind: config.AuditDenied, Name: "a", Code: "GH-1202"}}, "a denied"},
		"somebody who was not let in":   {[]*audit.Event{{Kind: config.AuditAuthFailed}}, " denied"},
		"an administrator":              {[]*audit.Event{{Kind: config.AuditAdmin}}, ""},
		"a step of a login in between":  {[]*audit.Event{{Kind: config.AuditSignIn}, tool("a", "", audit.OK)}, "a allowed"},
		"a tool that was described new": {[]*audit.Event{{Kind: config.AuditToolChanged}}, ""},
	} {
		var got []string
		for _, d := range why.Decisions(tt.events) {
			got = append(got, d.Name+" "+d.Verdict)
		}
		if strings.Join(got, ", ") != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

func TestWhatAClientCanDoAboutARefusal(t *testing.T) {
	for name, tt := range map[string]struct {
		kind, code, key, challenge string
		status                     int
		want                       string
	}{
		"nothing was sent":          {config.AuditAuthFailed, "GH-1001", "", `Bearer realm="gatehouse", resource_metadata="https://x/y"`, 401, "begins to sign in"},
		"nothing, and no metadata":  {config.AuditAuthFailed, "GH-1001", "", `Bearer realm="gatehouse"`, 401, "cannot sign in by itself"},
		"a token that is over":      {config.AuditAuthFailed, "GH-1109", "", `Bearer error="invalid_token", resource_metadata="https://x/y"`, 401, "refreshes its token"},
		"a key":                     {config.AuditAuthFailed, "GH-1012", "k", `Bearer error="invalid_token", resource_metadata="https://x/y"`, 401, "whoever set it up"},
		"a scope that is missing":   {config.AuditDenied, "GH-1201", "", `Bearer error="insufficient_scope", scope="a"`, 403, "steps up"},
		"a sign-in that is too old": {config.AuditDenied, "GH-1205", "", `Bearer error="insufficient_user_authentication"`, 403, "sign in again"},
		"a nonce":                   {config.AuditAuthFailed, "GH-1115", "", `DPoP error="use_dpop_nonce"`, 401, "by itself"},
		"a right that is missing":   {config.AuditDenied, "GH-1202", "", "", 403, "no step-up"},
		"a tenant":                  {config.AuditDenied, "GH-1204", "", "", 403, "nothing about it"},
		"a limit":                   {config.AuditDenied, "GH-1501", "", "", 429, "Retry-After"},
		"a trouble of ours":         {config.AuditDenied, "GH-1902", "", "", 503, "later"},
		"a session":                 {config.AuditDenied, "GH-1303", "", "", 404, "new session"},
	} {
		e := &audit.Event{Kind: tt.kind, Code: tt.code, KeyID: tt.key, Status: tt.status, Outcome: audit.Refused}
		if tt.challenge != "" {
			e.Detail = map[string]string{audit.DetailChallenge: tt.challenge}
		}
		d := why.Decisions([]*audit.Event{e})[0]
		if !strings.Contains(d.Saw.Can, tt.want) || d.Meaning == "" || d.Saw.Status != tt.status || d.Saw.Challenge != tt.challenge || d.Proven != (tt.kind == config.AuditDenied) {
			t.Errorf("%s: got %+v, want %q", name, d, tt.want)
		}
	}
}

func TestWhatToDoNeedsNoLog(t *testing.T) {
	for code, want := range map[string]string{
		"GH-1101": "get a new one",
		"GH-1410": "sign in again. A client that sends each request twice has to be mended",
		"GH-1408": "see clients (docs/reference/clients.md)",
		"GH-1429": "the log has the cause under the request id", // there is nothing else
	} {
		d := why.Decisions([]*audit.Event{{Kind: config.AuditAuthFailed, Code: code, Outcome: audit.Refused}})[0]
		if len(d.Fix) != 1 || d.Fix[0] != want {
			t.Errorf("%s: got %q, want %q", code, d.Fix, want)
		}
	}
	d := why.Decisions([]*audit.Event{{Kind: config.AuditDenied, Reason: "-32020: The header Mcp-Name is sent more than once.", Outcome: audit.Refused}})[0]
	if len(d.Fix) != 1 || !strings.Contains(d.Fix[0], "whoever wrote the client") {
		t.Errorf("got %q about a message that is not as MCP wants it", d.Fix)
	}
}

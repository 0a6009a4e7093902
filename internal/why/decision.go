package why

import (
	"regexp"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/docs/reference"
	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// Verdicts about a request.
const (
	Allowed = "allowed"
	Denied  = "denied"
	Broken  = "failed"  // it was allowed, and did not work
	Cut     = "cut"     // it was under way when its caller lost the right to be here
	Unknown = "unknown" // it was let through, and nothing is written of what became of it
)

// Decision is what was decided about one message of a request.
type Decision struct {
	Request  string        `json:"request"`
	Time     time.Time     `json:"time"`
	Verdict  string        `json:"verdict"`
	Code     string        `json:"code,omitempty"`
	Meaning  string        `json:"meaning,omitempty"` // of the code
	Server   string        `json:"server,omitempty"`
	Method   string        `json:"method,omitempty"` // of MCP
	Name     string        `json:"name,omitempty"`   // of the tool, prompt or resource
	Address  string        `json:"address,omitempty"`
	Agent    string        `json:"client_supplied,omitempty"`
	Tenant   string        `json:"tenant,omitempty"`
	Subject  string        `json:"subject,omitempty"`
	ClientID string        `json:"client_id,omitempty"`
	Key      string        `json:"key,omitempty"`
	KeyName  string        `json:"key_name,omitempty"`
	Proven   bool          `json:"proven"` // the credential was accepted; else what is said of the caller is what it claims
	Issuer   string        `json:"issuer,omitempty"`
	Rights   *audit.Rights `json:"rights,omitempty"`
	AuthAge  *int64        `json:"auth_age,omitempty"` // seconds since the caller signed in
	Rules    []string      `json:"rules"`              // that matched
	Reason   string        `json:"reason,omitempty"`
	Missing  []string      `json:"missing"` // what the caller lacks, as far as the rules tell
	Now      *Now          `json:"now,omitempty"`
	Saw      Saw           `json:"saw"`
	Login    string        `json:"login,omitempty"` // id of the login that the token came of
	Fix      []string      `json:"fix"`
	Count    int           `json:"count"` // how many alike this stands for

	Event *audit.Event `json:"-"` // as the trail has it
}

// Now is what the rules would decide at present.
type Now struct {
	Decision string `json:"decision"` // allow, deny, step-up, or unknown: it depends on what the trail does not have
	File     string `json:"file"`
	Reason   string `json:"reason,omitempty"`
	Same     bool   `json:"same"` // as it was decided
}

// Saw is what the client was answered, and what a client makes of that.
type Saw struct {
	Status    int    `json:"status,omitempty"`
	Challenge string `json:"challenge,omitempty"` // WWW-Authenticate
	Can       string `json:"can,omitempty"`
}

// Decisions are those about a request, message by message. Each stands once: what
// was about to be done is left out where it is known what became of it.
func Decisions(events []*audit.Event) []*Decision {
	var out []*Decision
	type message struct{ method, name string }
	last := map[message]int{}
	for _, e := range events {
		if !isCall(e) {
			continue
		}
		d, of := decisionOf(e), message{e.Method, e.Name}
		if at, known := last[of]; known && out[at].again(e) {
			out[at] = d
			continue
		}
		last[of] = len(out)
		out = append(out, d)
	}
	return out
}

func isCall(e *audit.Event) bool {
	switch e.Kind {
	case config.AuditAuthFailed, config.AuditDenied, config.AuditToolCall, config.AuditCall, config.AuditStream:
		return true
	}
	return false
}

// again says whether an event is a later word about the same.
func (d *Decision) again(e *audit.Event) bool {
	return d.Verdict == Unknown || e.Phase == audit.Result || e.Kind == config.AuditStream
}

func decisionOf(e *audit.Event) *Decision {
	d := &Decision{
		Event: e, Request: e.Request, Time: e.Time, Code: e.Code, Server: e.Server, Method: e.Method, Name: e.Name, Agent: e.Client,
		Tenant: e.Tenant, Subject: e.Subject, ClientID: e.ClientID, Key: e.KeyID, KeyName: e.KeyName, Issuer: e.Issuer,
		Proven: e.Kind != config.AuditAuthFailed, Rights: e.Rights, AuthAge: e.AuthAge, Rules: append([]string{}, e.Rules...), Reason: e.Reason,
		Missing: []string{}, Fix: []string{}, Count: max(e.Count, 1), Saw: Saw{Status: e.Status, Challenge: e.Detail[audit.DetailChallenge]},
	}
	if e.Address.IsValid() {
		d.Address = e.Address.String()
	}
	switch {
	case e.Kind == config.AuditAuthFailed, e.Kind == config.AuditDenied:
		d.Verdict = Denied
	case e.Phase == audit.Intent, e.Outcome == "":
		d.Verdict = Unknown
	case e.Outcome == audit.OK:
		d.Verdict = Allowed
	case e.Outcome == audit.Cut:
		d.Verdict = Cut
	default:
		d.Verdict = Broken
	}
	row := reference.ErrorOf(e.Code)
	d.Meaning = reference.Text(row.Meaning)
	if d.Verdict != Allowed && row.Do != "" {
		d.Fix = append(d.Fix, whatToDo(row))
	}
	if d.Verdict == Denied && d.Code == "" && strings.HasPrefix(d.Reason, "-32") { // an error of JSON-RPC, which has no code of ours
		d.Fix = append(d.Fix, "the message is not as MCP wants it: that is for whoever wrote the client, or for what is between it and here and changes headers or bodies. Compare with another client: gatehouse check URL")
	}
	if d.Verdict == Denied {
		d.Saw.Can = d.can()
	}
	return d
}

// elsewhere is what the page about errors says of the log and of the answer: here both
// stand above.
var elsewhere = regexp.MustCompile(`(?:^|; )the (?:log|description) (?:says|names|tells|has)[^;.]*`)

// whatToDo is what the page says is to be done about an error.
func whatToDo(row reference.Error) string {
	all := reference.Text(row.Do)
	if here := strings.TrimLeft(elsewhere.ReplaceAllString(all, ""), "; ."); here != "" {
		return here
	}
	return all
}

// can says what a client makes of a refusal.
func (d *Decision) can() string {
	c := d.Saw.Challenge
	switch {
	case strings.Contains(c, `error="insufficient_scope"`):
		return "a client that steps up asks the person for the scopes that the challenge names, and calls again"
	case strings.Contains(c, `error="insufficient_user_authentication"`):
		return "a client that knows this challenge has the person sign in again, and calls again"
	case strings.Contains(c, `error="use_dpop_nonce"`):
		return "a client repeats the call with the nonce by itself"
	case c != "" && (d.Key != "" || d.Code == "GH-1010" || d.Code == "GH-1012"):
		return "it came with a key, and no client can have another by itself: whoever set it up has to"
	case strings.Contains(c, "resource_metadata=") && strings.Contains(c, `error="`):
		return "a client that speaks OAuth refreshes its token, or signs in anew, by the metadata that the challenge names"
	case strings.Contains(c, "resource_metadata="):
		return "a client that speaks OAuth begins to sign in by the metadata that the challenge names; the first call of each does so"
	case c != "":
		return "the challenge names no metadata: a client cannot sign in by itself here, and needs a key"
	}
	return d.silent()
}

// silent says what a client makes of a refusal without a challenge.
func (d *Decision) silent() string {
	switch {
	case d.Saw.Status == 429:
		return "a client waits for as long as Retry-After says"
	case d.Saw.Status >= 500:
		return "a client may try again later"
	case d.Code == "GH-1202" || d.Code == "GH-1210":
		return "a client cannot ask for permissions, roles or groups, so it was offered no step-up. Its model reads the error"
	case d.Saw.Status == 403:
		return "a client can do nothing about it by itself"
	case d.Saw.Status == 404 && d.Code == "GH-1303":
		return "a client begins a new session by itself"
	}
	return ""
}

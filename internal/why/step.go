package why

import (
	"fmt"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// stepOf is what one event says of a login. flow is the id of that.
func stepOf(e *audit.Event, flow string) Step {
	s := Step{Step: stepName(e), Time: e.Time, Outcome: orElse(e.Outcome, audit.OK), Code: e.Code, Status: e.Status, Count: max(e.Count, 1), reason: e.Reason}
	if s.Count == 1 {
		s.Count = 0
	}
	if e.Kind == config.AuditDenied || e.Kind == config.AuditAuthFailed {
		s.Outcome = audit.Refused
	}
	if e.Address.IsValid() {
		s.Address = e.Address.String()
	}
	if e.Request != flow {
		s.Request = e.Request
	}
	s.Text = told(e, s.Step)
	if s.Outcome != audit.OK && s.Step != StepChallenge { // that is how every client begins
		s.Text += refusedBecause(e)
	}
	return s
}

// stepName is which step of a login an event is.
func stepName(e *audit.Event) string {
	if e.Kind != config.AuditSignIn {
		if e.Kind == config.AuditAuthFailed && e.Code == codeNone {
			return StepChallenge
		}
		return StepCall
	}
	switch e.Action {
	case "discovery", "push", "device", "consent", "provider", "callback", "code", "token", "refresh":
		return e.Action
	case "enrol":
		return StepEnrolment
	case "register":
		return StepRegistration
	case "authorize":
		return StepAuthorization
	case "revoke":
		return StepRevocation
	case "login":
		if e.Detail["session"] == "" && e.Detail["provider"] != "" {
			return StepProvider
		}
		return StepSignIn
	}
	return orElse(e.Action, "step") // of an exchange, an assertion or an account: called as the trail does
}

// told says in words what an event is.
func told(e *audit.Event, step string) string {
	d := e.Detail
	switch step {
	case StepDiscovery:
		return "fetched " + d["document"] + by(e.Client)
	case StepChallenge:
		return "called " + orElse(e.Server, "a server") + " without a credential, and was told where to sign in"
	case StepRegistration:
		return registered(e)
	case StepPush:
		return "pushed its request"
	case StepDevice:
		return "a device asked for a code, or its code was typed" + of("for", d["resource"])
	case StepAuthorization:
		return "the browser came with the request" + of("for", d["resource"]) + of("answers go to", d["redirect"])
	case StepConsent:
		if e.Rights != nil {
			return "the person allowed " + scopes(e.Rights.Scopes)
		}
		return "the consent page"
	case StepEnrolment:
		return "how the person signs in was set up here" + of("with", d["what"])
	case StepProvider:
		return "the browser was sent to " + d["provider"]
	case StepCallback:
		return "the browser came back from " + orElse(d["provider"], "a provider") + of("as", d["subject"])
	case StepSignIn:
		if d["session"] == "" {
			return "signing in here"
		}
		return "signed in as " + e.Subject + of("with", d["methods"])
	case StepCode:
		return "a code was given to the client" + granted(e)
	case StepToken:
		return "the client came for its token" + granted(e)
	case StepRefresh:
		return "the client came with its refresh token" + granted(e)
	case StepRevocation:
		return "it was given up" + of("because", e.Reason)
	case StepCall:
		return called(e)
	}
	return strings.TrimSpace(step + of("for", d["resource"]))
}

func called(e *audit.Event) string {
	what := e.Method
	if e.Name != "" {
		what += " " + e.Name
	}
	if e.Server != "" {
		what += " on " + e.Server
	}
	return "called " + orElse(what, "a server") + by(e.Client)
}

// registered says what a client registered, and what of that was left out.
func registered(e *audit.Event) string {
	text := "the client registered itself" + of("for", e.Detail["redirect_uris"])
	for i := 1; e.Detail[fmt.Sprintf("dropped_%d", i)] != ""; i++ {
		text += "; left out: " + e.Detail[fmt.Sprintf("dropped_%d", i)]
	}
	return text
}

func granted(e *audit.Event) string {
	if e.Outcome != audit.OK || e.Rights == nil {
		return ""
	}
	return " for " + scopes(e.Rights.Scopes)
}

func scopes(all []string) string {
	if len(all) == 0 {
		return "no scopes"
	}
	return strings.Join(all, " ")
}

func of(word, what string) string {
	if what == "" {
		return ""
	}
	return ", " + word + " " + what
}

func by(agent string) string {
	if agent == "" {
		return ""
	}
	return " (" + agent + ")"
}

func refusedBecause(e *audit.Event) string {
	if e.Action == "consent" && e.Code == "" {
		return ": the person said no"
	}
	return ": " + orElse(e.Reason, "refused")
}

package why

import (
	"slices"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
)

// judge says how far a login came.
func (l *Login) judge(v View) {
	now := v.Now
	switch {
	case l.last(StepRefresh, audit.Refused, audit.Failed): // it was connected, and is no more
		l.refusedAt(StepRefresh)
	case l.came(StepCall):
		l.State = Connected
	case l.last(StepCall, audit.Refused, audit.Failed, audit.Cut):
		l.refusedAt(StepCall)
	case l.outcomes[StepUnsigned] != nil:
		l.refusedAt(StepUnsigned)
	case l.came(StepToken), l.came("exchange"), l.came("assertion"):
		l.waits(StepCall, now, callTime, StepToken, "exchange", "assertion")
		if l.State == Unfinished && v.Blind {
			l.State, l.Causes = UnderWay, append(l.Causes, "audit.include leaves calls out of the trail: whether the token was used cannot be told")
		}
	case l.last(StepToken, audit.Refused, audit.Failed):
		l.refusedAt(StepToken)
	case l.came(StepCode):
		l.waits(StepToken, now, codeTime, StepCode)
	default:
		l.early(now)
	}
	if l.State == Unfinished {
		l.Steps = append(l.Steps, Step{Step: l.Stopped, Outcome: Missing, Text: never[l.Stopped]})
	}
}

// never says of a step that it did not come.
var never = map[string]string{
	StepAuthorization: "no browser came with the request",
	StepConsent:       "the person did not answer the consent page",
	StepSignIn:        "the person did not sign in",
	StepCallback:      "the browser did not come back from the provider",
	StepCode:          "no code was given out",
	StepToken:         "the client has a code, and never came to exchange it for a token",
	StepCall:          "the client has a token, and never called a server with it",
}

// last says whether a step's last event has one of these outcomes.
func (l *Login) last(step string, outcomes ...string) bool {
	s := l.outcomes[step]
	return s != nil && slices.Contains(outcomes, s.Outcome)
}

// refusedAt ends a login at a step that was refused.
func (l *Login) refusedAt(step string) {
	l.State, l.Stopped = Refused, step
	l.Code, l.Reason = l.outcomes[step].Code, l.outcomes[step].reason
}

// waits ends a login before a step: it may still come for some time after the last of others.
func (l *Login) waits(step string, now time.Time, long time.Duration, after ...string) {
	var at time.Time
	for _, one := range after {
		if t := l.at(one); t.After(at) {
			at = t
		}
	}
	l.State, l.Stopped = Unfinished, step
	if now.Sub(at) < long {
		l.State = UnderWay // and this is the step that is waited for
	}
}

// early judges a login of which no code came.
func (l *Login) early(now time.Time) {
	last := l.own[len(l.own)-1]
	step := stepName(last)
	switch {
	case last.Detail["next"] != "", step == StepSignIn && last.ClientID == "" && last.Outcome == audit.OK:
		l.State = Connected // somebody signed in to their account page, and no client has to come
		if step != StepSignIn || last.Detail["session"] == "" {
			l.waits(StepSignIn, now, flowTime, step)
		}
	case last.Outcome != audit.OK:
		l.refusedAt(step)
	case step == StepConsent:
		l.waits(StepSignIn, now, flowTime, step)
	case step == StepProvider:
		l.waits(StepCallback, now, flowTime, step)
	case step == StepCallback, step == StepEnrolment && last.ClientID+l.ClientID != "":
		l.waits(StepSignIn, now, flowTime, step)
	case step == StepSignIn:
		l.waits(StepCode, now, flowTime, step)
	case step == StepPush:
		l.waits(StepAuthorization, now, flowTime, step)
	case step == StepAuthorization, step == StepDevice:
		l.waits(StepConsent, now, flowTime, step)
	default:
		l.State = Connected // a step by itself, and it was done
	}
}

// Failed says whether a login came to nothing.
func (l *Login) Failed() bool { return l.State == Refused || l.State == Unfinished }

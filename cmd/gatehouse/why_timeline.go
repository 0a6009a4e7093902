package main

import (
	"fmt"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/why"
)

// states are those of logins in words.
var states = map[string]string{why.Connected: "CONNECTED", why.UnderWay: "UNDER WAY", why.Refused: "REFUSED", why.Unfinished: "UNFINISHED"}

// showTimeline writes a login as a timeline, and what it stopped at.
func (a *app) showTimeline(l *why.Login, u *whyUser) {
	sign := map[string]string{why.Connected: "✓", why.UnderWay: "!"}[l.State]
	a.print("%s %s%s  login %s  %s\n", a.mark(a.out, orElse(sign, "✗")), states[l.State], said(" at ", l.Stopped), plainly(l.Request), l.Began.UTC().Format("2006-01-02 15:04:05 UTC"))
	a.row("Client", "%s", strings.TrimSpace(plainly(l.ClientID)+parenthesis(l.Client)))
	a.row("Who", "%s", plainly(l.Subject+alias(u)))
	a.row("For", "%s", plainly(l.Resource))
	a.print("\n")
	width := len("15:04:05")
	for i := range l.Steps {
		if !l.Steps[i].Time.IsZero() {
			width = max(width, len(clock(l.Steps[i].Time, l.Began)))
		}
	}
	for i := range l.Steps {
		s := &l.Steps[i]
		at := "–"
		if !s.Time.IsZero() {
			at = clock(s.Time, l.Began)
		}
		more := ""
		if s.Count > 1 {
			more = fmt.Sprintf(" ×%d", s.Count)
		}
		a.print("  %-*s  %s %-13s %s%s%s%s\n", width, at, a.mark(a.out, map[bool]string{true: "✓", false: "✗"}[s.Outcome == audit.OK || s.Step == why.StepChallenge]), plainly(s.Step), said("", s.Code), map[bool]string{true: " "}[s.Code != ""], plainly(s.Text), more)
	}
	if len(l.Causes)+len(l.Fix) == 0 {
		return
	}
	a.print("\n")
	for i, cause := range l.Causes {
		a.row([]string{"Usually", ""}[min(i, 1)], "%s", plainly(cause))
	}
	a.fixes(l.Fix)
}

// showLogins writes a list, and the newest login that came to nothing.
func (a *app) showLogins(out *whyAnswer) {
	rows := [][]string{{"BEGAN", "STATE", "STOPPED AT", "CODE", "CLIENT", "USER", "ID"}}
	for i := range out.Logins {
		l := &out.Logins[i]
		rows = append(rows, []string{
			l.Began.UTC().Format("2006-01-02 15:04:05"), l.State, orElse(plainly(l.Stopped), "-"), orElse(plainly(l.Code), "-"),
			orElse(audit.Plain(orElse(l.Client, l.ClientID), 48), "-"), orElse(plainly(l.Subject), "-"), plainly(l.Request),
		})
	}
	_ = a.table(rows)
	if out.Cut {
		a.say("There are more; see them with --limit, or ask for less with --since.\n")
	}
	if out.Login != nil {
		a.print("\n")
		a.showTimeline(out.Login, out.User)
	}
}

// showAnswers writes what the rules say of a call that nobody has made.
func (a *app) showAnswers(out *whyAnswer) {
	u := out.User
	a.print("User %s%s  tenant %s, %s%s%s\n", plainly(u.ID), parenthesis(orElse(u.Username, u.Email)), plainly(u.Tenant), u.State,
		said(", roles ", strings.Join(u.Roles, " ")), said(", groups ", strings.Join(u.Groups, " ")))
	for i := range out.Answers {
		one := &out.Answers[i]
		switch one.By {
		case "grant":
			a.print("\nBy grant %s of client %s, scopes %s\n", one.Grant, plainly(one.ClientID), orElse(plainly(strings.Join(one.Scopes, " ")), "none"))
		case "trail":
			a.print("\nWith the token that they came with last%s, scopes %s\n", said(", of client ", one.ClientID), orElse(plainly(strings.Join(one.Scopes, " ")), "none"))
		default:
			a.print("\nThey have no grant for this server. If they allow every scope on the consent page (%s):\n", orElse(plainly(strings.Join(one.Scopes, " ")), "there are none"))
		}
		a.showExplanation(one.Answer, one.who)
		if u.State == "disabled" {
			a.print("  Account the account is disabled, so the rules are not asked. gatehouse user enable%s %s\n", a.place(), quoted(orElse(u.Username, u.ID)))
		}
	}
}

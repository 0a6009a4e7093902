package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/unit"
	"github.com/gatehouse-mcp/gatehouse/internal/why"
)

// showWhy writes an answer for people. Whatever strangers wrote is made harmless.
func (a *app) showWhy(f *whyFlags, out *whyAnswer) {
	switch out.Kind {
	case "decision":
		for i, d := range out.Decisions {
			if i > 0 {
				a.print("\n")
			}
			a.showDecision(f, d, out.User)
		}
	case "change":
		for i := range out.Changes {
			a.showChange(&out.Changes[i])
		}
	case "login":
		a.showTimeline(out.Login, out.User)
	case "logins":
		a.showLogins(out)
	default:
		a.showAnswers(out)
	}
}

// plainly is a text of the trail as a line can have it.
func plainly(text string) string { return audit.Plain(text, 1024) }

// row writes one line of an explanation, unless there is nothing to say.
func (a *app) row(name, format string, args ...any) {
	if text := fmt.Sprintf(format, args...); text != "" {
		a.print("  %-8s %s\n", name, text)
	}
}

// forDevelopers is what a challenge says for developers: a line above says it, and more.
var forDevelopers = regexp.MustCompile(`, error_description="(?:[^"\\]|\\.)*"`)

func (a *app) showDecision(f *whyFlags, d *why.Decision, u *whyUser) {
	sign := map[string]string{why.Allowed: "✓", why.Unknown: "!"}[d.Verdict]
	what := strings.TrimSpace(plainly(d.Method + " " + d.Name))
	if what != "" {
		what = "  " + what
	}
	a.print("%s %s%s%s", a.mark(a.out, orElse(sign, "✗")), strings.ToUpper(d.Verdict), what, said("  on ", d.Server))
	a.print("  %s%s%s\n", d.Time.UTC().Format("2006-01-02 15:04:05 UTC"), said("  from ", d.Address), parenthesis(d.Agent))
	a.row("Who", "%s", whoCalled(d, u))
	a.row("Token", "%s", rightsOf(d))
	if d.Code != "" {
		a.row("Code", "%s  %s", plainly(d.Code), plainly(d.Meaning))
	}
	a.row("Why", "%s", plainly(d.Reason))
	if len(d.Rules) > 0 && d.Reason == "" {
		a.row("Rule", "%s", plainly(strings.Join(d.Rules, ", ")))
	}
	for i, one := range d.Missing {
		a.row([]string{"Missing", "or"}[min(i, 1)], "%s", plainly(one))
	}
	a.showNow(f, d)
	a.fixes(d.Fix)
	if d.Saw.Status != 0 {
		saw := "without a challenge"
		if d.Saw.Challenge != "" {
			saw = "with the challenge " + plainly(forDevelopers.ReplaceAllString(d.Saw.Challenge, ""))
		}
		if d.Verdict == why.Allowed {
			saw = ""
		}
		a.row("Client", "%s", strings.TrimSpace(fmt.Sprintf("saw %d %s%s", d.Saw.Status, saw, said(": ", d.Saw.Can))))
	}
	if d.Count > 1 {
		a.row("", "it stands for %d alike", d.Count)
	}
	if d.Login != "" {
		a.row("Login", "gatehouse why%s %s tells how the client came by its token", a.place(), plainly(d.Login))
	}
}

// fixes says what to do. A command is given as it has to be typed here.
func (a *app) fixes(all []string) {
	for i, fix := range all {
		a.row([]string{"Fix", ""}[min(i, 1)], "%s", strings.ReplaceAll(plainly(fix), "gatehouse why ", "gatehouse why"+a.place()+" "))
	}
}

// said is a word and a text, or nothing.
func said(word, text string) string {
	if text == "" {
		return ""
	}
	return word + plainly(text)
}

func parenthesis(text string) string {
	if text == "" {
		return ""
	}
	return " (" + plainly(text) + ")"
}

// whoCalled names a caller, as far as anybody knows.
func whoCalled(d *why.Decision, u *whyUser) string {
	var parts []string
	add := func(word, text string) {
		if text != "" {
			parts = append(parts, word+plainly(text))
		}
	}
	if d.Key == "" {
		add("", d.Subject+alias(u))
	} else {
		add("key ", d.Key)
		add("called ", d.KeyName)
	}
	add("tenant ", d.Tenant)
	add("client ", d.ClientID)
	text := strings.Join(parts, " · ")
	if !d.Proven && text != "" {
		text += "  (so it claims: the credential was not accepted)"
	}
	return orElse(text, "nobody: no credential was accepted")
}

// alias is what a user is called beside their id.
func alias(u *whyUser) string {
	if u == nil || u.Username+u.Email == "" {
		return ""
	}
	return " (" + strings.TrimSpace(u.Username+" "+u.Email) + ")"
}

// rightsOf says what the caller's token had.
func rightsOf(d *why.Decision) string {
	if d.Issuer == "" {
		return ""
	}
	text := "of " + plainly(d.Issuer)
	if d.Rights != nil {
		for _, l := range [...]struct {
			name string
			list []string
		}{{"scopes", d.Rights.Scopes}, {"permissions", d.Rights.Permissions}, {"roles", d.Rights.Roles}, {"groups", d.Rights.Groups}} {
			if l.list != nil {
				text += " · " + l.name + ": " + orElse(plainly(strings.Join(l.list, " ")), "none")
			}
		}
		if d.Rights.GroupsOmitted {
			text += " · groups left out"
		}
	}
	if d.AuthAge != nil {
		text += " · signed in " + unit.FormatSeconds(*d.AuthAge) + " before"
	}
	return text
}

// showNow says what the rules would decide at present, if that is worth a word.
func (a *app) showNow(f *whyFlags, d *why.Decision) {
	switch n := d.Now; {
	case n == nil && f.inForceNot != "" && d.Verdict == why.Denied:
		a.row("Now", "%s", f.inForceNot)
	case n == nil:
	case n.Decision == "unknown":
		a.row("Now", "what %s would decide cannot be told: %s", n.File, plainly(n.Reason))
	case !n.Same && n.Decision == "allow":
		a.row("Now", "%s allows it: %s", n.File, orElse(plainly(n.Reason), "no rule is about it, and the default is allow"))
	case !n.Same:
		a.row("Now", "%s denies it: %s", n.File, plainly(n.Reason))
	}
}

func (a *app) showChange(c *whyChange) {
	sign := "✓"
	if c.Outcome != "" && c.Outcome != audit.OK {
		sign = "✗"
	}
	a.print("%s %s%s  %s%s%s\n", a.mark(a.out, sign), plainly(c.Action), said(" ", c.Phase), c.Time.UTC().Format("2006-01-02 15:04:05 UTC"), said("  by ", c.By), said("  ", c.Outcome))
	a.row("Why", "%s", plainly(strings.TrimSpace(c.Code+" "+c.Reason)))
	var names []string
	for name := range c.Detail {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		a.row(plainly(name), "%s", plainly(c.Detail[name]))
	}
}

// clock writes a time of day, and the day when it is another than that of from.
func clock(at, from time.Time) string {
	at, from = at.UTC(), from.UTC()
	if at.YearDay() == from.YearDay() && at.Year() == from.Year() {
		return at.Format("15:04:05")
	}
	return at.Format("2006-01-02 15:04:05")
}

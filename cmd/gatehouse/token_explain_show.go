package main

import (
	"bytes"
	"encoding/json"
	"strings"
)

func (a *app) showExplained(out *explained, q *explaining) {
	sign, verdict := "✓", "would be accepted"
	switch {
	case !out.Accepted:
		sign, verdict = "✗", orElse(out.Code, "GH-1101")+" would be refused"
	case q.jwks == "" && !q.fetch:
		sign, verdict = "!", "would be accepted if its signature is right, which was not verified: --jwks FILE or --fetch"
	}
	by := ""
	if out.Issuer != "" {
		by = ", by issuer " + out.Issuer
	}
	a.print("%s %s%s\n", a.mark(a.out, sign), verdict, by)
	for _, part := range []struct {
		name string
		raw  json.RawMessage
	}{{"header", out.Header}, {"claims", out.Claims}} {
		if part.raw == nil {
			continue
		}
		var pretty bytes.Buffer
		if json.Indent(&pretty, part.raw, "    ", "  ") == nil {
			a.print("  %s\n    %s\n", part.name, printableText(pretty.String()))
		}
	}
	a.print("  checks\n")
	for _, c := range out.Checks {
		mark := map[string]string{"ok": "✓", "fail": "✗", "skipped": "–"}[c.Result]
		a.print("    %s %-9s %s\n", a.mark(a.out, mark), c.Check, printableText(strings.TrimSpace(c.Code+" "+c.Text)))
		if c.Fix != "" {
			a.print("                %s\n", c.Fix)
		}
	}
	if out.Identity != nil {
		a.showUnproven(out.Identity)
	}
	if !q.fetch {
		a.say("  Nothing was sent anywhere.\n")
	}
}

// showUnproven writes who the claims say it is.
func (a *app) showUnproven(i *unproven) {
	a.print("  who the claims say it is\n")
	said := func(list []string) string {
		if list == nil {
			return "not told"
		}
		return "[" + strings.Join(list, " ") + "]"
	}
	groups := said(i.Groups)
	if i.GroupsOmitted {
		groups = "left out of the token: rules that ask for a group deny (GH-1210)"
	}
	for _, row := range [][2]string{
		{"subject", i.Subject}, {"kind", orElse(i.Kind, "not told")}, {"client", orElse(i.Client, "not told")}, {"tenant", orElse(i.Tenant, "not told")},
		{"scopes", said(i.Scopes)}, {"permissions", said(i.Permissions)}, {"roles", said(i.Roles)}, {"groups", groups},
	} {
		a.print("    %-11s %s\n", row[0], printableText(row[1]))
	}
}

// printableText keeps what a stranger wrote from commanding the terminal.
func printableText(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' || r == 0x7f || r >= 0x80 && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return '\ufffd'
		}
		return r
	}, text)
}

package federation

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/idp"
)

// Allow says who of those whom a provider knows may come in.
type Allow = idp.Allow

// Admit implements Provider.
func (b *base) Admit(who *Profile) error {
	a := &b.settings.Allow
	if listed(a, who) {
		return nil
	}
	if a.Empty() && (a.Everyone || b.login.Public == "") {
		return nil
	}
	if len(a.Groups) > 0 && who.GroupsOmitted {
		r := b.refuse(CodeMembership, "%s did not say which groups you are in, because there are too many of them. Ask your administrator to let you in by a role.",
			errors.New("the groups are left out of the ID token, and allow.groups asks for one"))
		r.Account = account(who)
		return r
	}
	missing, others := "", 0
	for _, l := range a.Lists() {
		if l.Name == idp.ListUsers || len(l.Entries) == 0 {
			continue
		}
		others++
		if missing == "" && !who.matches(l) {
			missing = l.Name
		}
	}
	if others > 0 && missing == "" {
		return nil
	}
	r := &Refusal{Code: CodeAllow, Account: account(who), Cause: fmt.Errorf("subject %q is not in allow.%s", who.Subject, orText(missing, idp.ListUsers))}
	r.Text = fmt.Sprintf("You signed in to %s%s. %s allows %s.", b.title, as(r.Account), b.settings.House, words(a, missing))
	if missing == idp.ListDomains && who.Email == "" && who.Domain == "" {
		r.Text = fmt.Sprintf("You signed in to %s%s, but it does not say that your address is verified. %s allows %s.", b.title, as(r.Account), b.settings.House, words(a, missing))
	}
	return r
}

func orText(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func as(account string) string {
	if account == "" {
		return ""
	}
	return " as " + account
}

// account is who somebody is, for their own eyes.
func account(who *Profile) string {
	for _, text := range []string{who.Email, who.Username, who.Name} {
		if text != "" {
			return text
		}
	}
	return ""
}

// user says whether somebody is listed by name.
func listed(a *Allow, who *Profile) bool {
	return slices.ContainsFunc(a.Users, func(u string) bool {
		if strings.Contains(u, "@") { // never a subject, which may be a text that its owner chose
			return who.Email != "" && idp.Lower(u) == idp.Lower(who.Email)
		}
		return u == who.Subject
	})
}

// matches says whether somebody has an entry of a list.
func (p *Profile) matches(l idp.List) bool {
	have := map[string][]string{
		idp.ListDomains: {p.Domain}, idp.ListOrgs: p.Orgs, idp.ListTeams: p.Teams, idp.ListGroups: p.Groups, idp.ListRoles: p.Roles,
	}[l.Name]
	return slices.ContainsFunc(have, func(h string) bool { return h != "" && slices.Contains(l.Entries, h) })
}

// words say who is allowed, as far as strangers may know: the names of groups,
// roles, teams and people are the house's own business.
func words(a *Allow, missing string) string {
	switch missing {
	case idp.ListDomains:
		return strings.Join(a.Domains, ", ") + " addresses"
	case idp.ListOrgs:
		return "members of the organization " + strings.Join(a.Orgs, " or ")
	case idp.ListTeams:
		return "members of certain teams"
	case idp.ListGroups:
		return "members of certain groups"
	case idp.ListRoles:
		return "people with certain roles"
	}
	return "certain people only"
}

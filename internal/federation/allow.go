package federation

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/idp"
)

// Allow says who of those whom a provider knows may come in. Users may, whatever
// else is written; everybody else has to match one entry of each of the other
// lists that are there. With no list at all whoever the provider lets in may,
// unless that is anybody.
type Allow struct {
	Everyone bool     // that anybody may is meant; no list goes with it
	Domains  []string // of verified addresses, exactly; of accounts, where the provider tells that
	Users    []string // verified addresses, or subjects
	Orgs     []string // GitHub
	Teams    []string // GitHub, as "acme/platform"
	Groups   []string
	Roles    []string
}

// list is one of an allow-list's lists.
type list struct {
	name    string
	entries []string
}

func (a *Allow) lists() []list {
	return []list{
		{idp.ListDomains, a.Domains}, {idp.ListUsers, a.Users}, {idp.ListOrgs, a.Orgs}, {idp.ListTeams, a.Teams}, {idp.ListGroups, a.Groups}, {idp.ListRoles, a.Roles},
	}
}

func (a *Allow) empty() bool {
	return !slices.ContainsFunc(a.lists(), func(l list) bool { return len(l.entries) > 0 })
}

// memberships says whether more is asked than who somebody is.
func (a *Allow) memberships() bool { return len(a.Orgs)+len(a.Teams)+len(a.Groups)+len(a.Roles) > 0 }

var (
	domainForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$`)
	orgForm    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)
	teamForm   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}/[A-Za-z0-9_.-]{1,255}$`)
)

// open are domains where anybody can have an address.
var open = []string{
	"aol.com", "gmail.com", "gmx.com", "gmx.de", "gmx.net", "googlemail.com", "hotmail.com", "icloud.com", "live.com", "mail.ru", "me.com", "msn.com",
	"outlook.com", "proton.me", "protonmail.com", "qq.com", "web.de", "yahoo.com", "yandex.ru", "163.com",
}

// check says what is wrong with an allow-list.
func (a *Allow) check(name string, p *idp.Preset, l *idp.Login) Problems {
	var all Problems
	wrong := func(code, setting, format string, args ...any) {
		all = append(all, Problem{code, setting, fmt.Sprintf(format, args...)})
	}
	switch {
	case a.Everyone && !a.empty():
		wrong("GH-2001", "allow", "says everyone, and lists beside it: one of the two is not meant")
	case !a.Everyone && a.empty() && l.Public != "":
		wrong("GH-2003", "allow", `is missing: login %s has no "allow": %s could sign in. Set allow.%s, or allow: everyone to say that you mean it`,
			name, l.Public, strings.Join(l.Lists, ", allow."))
	}
	for _, one := range a.lists() {
		if len(one.entries) > 0 && !slices.Contains(l.Lists, one.name) {
			wrong("GH-2001", "allow."+one.name, "cannot be: %s does not tell. It tells: %s", p.Title, strings.Join(l.Lists, ", "))
			continue
		}
		for _, e := range one.entries {
			if why := entry(one.name, e, l); why != "" {
				wrong("GH-2001", "allow."+one.name, "%.120q %s", e, why)
			}
		}
	}
	for _, d := range a.Domains {
		if slices.Contains(open, d) {
			wrong("GH-2003", "allow.domains", "%s: anybody can have an address there. Take it out, list people under allow.users, or say allow: everyone", d)
		}
	}
	return all
}

// entry says why an entry of a list can never match, or "".
func entry(list, e string, l *idp.Login) string {
	switch list {
	case idp.ListDomains:
		if !domainForm.MatchString(e) {
			return "is no domain like acme.com, in lower case; those below it are others"
		}
	case idp.ListUsers:
		if _, _, ok := address(e); strings.Contains(e, "@") && !ok {
			return "is no address like ada@acme.com"
		}
		if l.Kind == idp.LoginGitHub && !strings.Contains(e, "@") && (e == "" || strings.Trim(e, "0123456789") != "") {
			return "is a login, which can be renamed and registered by somebody else: write a verified address, or the numeric id that `gh api users/LOGIN --jq .id` tells"
		}
	case idp.ListOrgs:
		if !orgForm.MatchString(e) {
			return "is no organization like acme"
		}
	case idp.ListTeams:
		if !teamForm.MatchString(e) {
			return "is no team like acme/platform"
		}
	}
	if e == "" || strings.TrimSpace(e) != e {
		return "is empty, or has blanks around it"
	}
	return ""
}

// address takes an address apart. Its domain is in lower case. There are no
// tricks in one that is ok: ASCII, one "@", and no quotes, blanks or lists. What
// is compared by people's eyes must not be something else.
func address(text string) (local, domain string, ok bool) {
	local, domain, ok = strings.Cut(text, "@")
	domain = lower(domain)
	ok = ok && local != "" && len(text) <= 254 && domainForm.MatchString(domain) &&
		!strings.ContainsFunc(local, func(c rune) bool { return c <= ' ' || c > '~' || strings.ContainsRune(`"(),:;<>[\]`, c) })
	return local, domain, ok
}

// lower is strings.ToLower for ASCII alone: others fold into it.
func lower(s string) string {
	return strings.Map(func(c rune) rune {
		if 'A' <= c && c <= 'Z' {
			return c | 0x20
		}
		return c
	}, s)
}

// Admit implements Provider.
func (b *base) Admit(who *Profile) error {
	a := &b.settings.Allow
	if a.user(who) {
		return nil
	}
	if a.empty() && (a.Everyone || b.login.Public == "") {
		return nil
	}
	if len(a.Groups) > 0 && who.GroupsOmitted {
		r := b.refuse(CodeMembership, "%s did not say which groups you are in, because there are too many of them. Ask your administrator to let you in by a role.",
			errors.New("the groups are left out of the ID token, and allow.groups asks for one"))
		r.Account = account(who)
		return r
	}
	missing, others := "", 0
	for _, l := range a.lists() {
		if l.name == idp.ListUsers || len(l.entries) == 0 {
			continue
		}
		others++
		if missing == "" && !who.matches(l) {
			missing = l.name
		}
	}
	if others > 0 && missing == "" {
		return nil
	}
	r := &Refusal{Code: CodeAllow, Account: account(who), Cause: fmt.Errorf("subject %q is not in allow.%s", who.Subject, orText(missing, idp.ListUsers))}
	r.Text = fmt.Sprintf("You signed in to %s%s. %s allows %s.", b.title, as(r.Account), b.settings.House, a.words(missing))
	if missing == idp.ListDomains && who.Email == "" && who.Domain == "" {
		r.Text = fmt.Sprintf("You signed in to %s%s, but it does not say that your address is verified. %s allows %s.", b.title, as(r.Account), b.settings.House, a.words(missing))
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
func (a *Allow) user(who *Profile) bool {
	return slices.ContainsFunc(a.Users, func(u string) bool {
		if strings.Contains(u, "@") { // never a subject, which may be a text that its owner chose
			return who.Email != "" && lower(u) == lower(who.Email)
		}
		return u == who.Subject
	})
}

// matches says whether somebody has an entry of a list.
func (p *Profile) matches(l list) bool {
	have := map[string][]string{
		idp.ListDomains: {p.Domain}, idp.ListOrgs: p.Orgs, idp.ListTeams: p.Teams, idp.ListGroups: p.Groups, idp.ListRoles: p.Roles,
	}[l.name]
	return slices.ContainsFunc(have, func(h string) bool { return h != "" && slices.Contains(l.entries, h) })
}

// words say who is allowed, as far as strangers may know: the names of groups,
// roles, teams and people are the house's own business.
func (a *Allow) words(missing string) string {
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

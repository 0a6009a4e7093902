package idp

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/pattern"
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

// List is one of an allow-list's lists.
type List struct {
	Name    string // as in the configuration
	Entries []string
}

// Lists returns all lists, in the order of the reference.
func (a *Allow) Lists() []List {
	return []List{
		{ListDomains, a.Domains}, {ListUsers, a.Users}, {ListOrgs, a.Orgs}, {ListTeams, a.Teams}, {ListGroups, a.Groups}, {ListRoles, a.Roles},
	}
}

// Empty says whether no list has an entry.
func (a *Allow) Empty() bool {
	return !slices.ContainsFunc(a.Lists(), func(l List) bool { return len(l.Entries) > 0 })
}

// Memberships says whether more is asked than who somebody is.
func (a *Allow) Memberships() bool { return len(a.Orgs)+len(a.Teams)+len(a.Groups)+len(a.Roles) > 0 }

var (
	domainForm = pattern.Lazy(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$`)
	orgForm    = pattern.Lazy(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)
	teamForm   = pattern.Lazy(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}/[A-Za-z0-9_.-]{1,255}$`)
)

// IsDomain says whether a text is a domain like acme.com, in lower case.
func IsDomain(text string) bool { return domainForm().MatchString(text) }

// openDomains are domains where anybody can have an address.
var openDomains = []string{
	"aol.com", "gmail.com", "gmx.com", "gmx.de", "gmx.net", "googlemail.com", "hotmail.com", "icloud.com", "live.com", "mail.ru", "me.com", "msn.com",
	"outlook.com", "proton.me", "protonmail.com", "qq.com", "web.de", "yahoo.com", "yandex.ru", "163.com",
}

// CheckAllow says what is wrong with an allow-list for an expanded Login: which
// entries can never match, and what cannot be meant.
func (p *Preset) CheckAllow(l *Login, a *Allow) []Problem {
	var all []Problem
	wrong := func(setting, format string, args ...any) {
		all = append(all, Problem{setting, fmt.Sprintf(format, args...)})
	}
	if a.Everyone && !a.Empty() {
		wrong("allow", "says everyone, and lists beside it: one of the two is not meant")
	}
	for _, one := range a.Lists() {
		if len(one.Entries) > 0 && !slices.Contains(l.Lists, one.Name) {
			wrong("allow."+one.Name, "cannot be: %s does not tell. It tells: %s", p.Title, strings.Join(l.Lists, ", "))
			continue
		}
		for _, e := range one.Entries {
			if why := entry(one.Name, e, l); why != "" {
				wrong("allow."+one.Name, "%.120q %s", e, why)
			}
		}
	}
	return all
}

// OpenToAll says how anybody could sign in by an expanded Login though nobody
// said that it is meant (GH-2003); nil: they cannot. name is that of the login.
func (l *Login) OpenToAll(name string, a *Allow) []Problem {
	if a.Everyone {
		return nil
	}
	if a.Empty() && l.Public != "" {
		return []Problem{{"allow", fmt.Sprintf(`is missing: login %s has no "allow": %s could sign in. Set allow.%s, or allow: {everyone: true} to say that you mean it`,
			name, l.Public, strings.Join(l.Lists, ", allow."))}}
	}
	var all []Problem
	for _, d := range a.Domains {
		if slices.Contains(openDomains, d) {
			all = append(all, Problem{"allow.domains", d + ": anybody can have an address there. Take it out, list people under allow.users, or say allow: {everyone: true}"})
		}
	}
	return all
}

// entry says why an entry of a list can never match, or "".
func entry(list, e string, l *Login) string {
	switch list {
	case ListDomains:
		if !domainForm().MatchString(e) {
			return "is no domain like acme.com, in lower case; those below it are others"
		}
	case ListUsers:
		if _, _, ok := Address(e); strings.Contains(e, "@") && !ok {
			return "is no address like ada@acme.com"
		}
		if l.Kind == LoginGitHub && !strings.Contains(e, "@") && (e == "" || strings.Trim(e, "0123456789") != "") {
			return "is a login, which can be renamed and registered by somebody else: write a verified address, or the numeric id that `gh api users/LOGIN --jq .id` tells"
		}
	case ListOrgs:
		if !orgForm().MatchString(e) {
			return "is no organization like acme"
		}
	case ListTeams:
		if !teamForm().MatchString(e) {
			return "is no team like acme/platform"
		}
	}
	if e == "" || strings.TrimSpace(e) != e {
		return "is empty, or has blanks around it"
	}
	return ""
}

// Address takes an address apart. Its domain is in lower case. There are no
// tricks in one that is ok: ASCII, one "@", and no quotes, blanks or lists. What
// is compared by people's eyes must not be something else.
func Address(text string) (local, domain string, ok bool) {
	local, domain, ok = strings.Cut(text, "@")
	domain = Lower(domain)
	ok = ok && local != "" && len(text) <= 254 && domainForm().MatchString(domain) &&
		!strings.ContainsFunc(local, func(c rune) bool { return c <= ' ' || c > '~' || strings.ContainsRune(`"(),:;<>[\]`, c) })
	return local, domain, ok
}

// Lower is strings.ToLower for ASCII alone: others fold into it.
func Lower(s string) string {
	return strings.Map(func(c rune) rune {
		if 'A' <= c && c <= 'Z' {
			return c | 0x20
		}
		return c
	}, s)
}

package authserver

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/client"
	"github.com/gatehouse-mcp/gatehouse/internal/grant"
	"github.com/gatehouse-mcp/gatehouse/internal/login"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

const maxTools = 6 // of a scope that are named on the page

// asking is what the consent page shows. Names of clients are their own claims:
// they never stand without what vouches for them, or the word that nothing does.
type asking struct {
	Flow, Wrong string
	Again       string // why it is shown a second time, though nothing is wrong
	Who         string // empty: nobody is signed in

	Name     string
	Domain   string // of the URL that is the client's id; empty: nothing vouches for its name
	Vouched  string // stands beside the name
	Approved bool

	Returns           string // host of the redirect URI
	Loopback, Private bool
	Code              string // of a device

	Resource           *Resource
	Required, Optional []choice
	Lasts              string
}

type choice struct {
	Name, Title string
	Number      int
	Ticked      bool
	Refused     bool // the last time
	Tools       []string
	More        int // how many tools are not named
}

// Described are the ids of what describes the box of a choice; empty: nothing does.
func (c choice) Described() string {
	var ids []string
	if c.Refused {
		ids = append(ids, "refused-"+strconv.Itoa(c.Number))
	}
	if c.Tools != nil {
		ids = append(ids, "tools-"+strconv.Itoa(c.Number))
	}
	return strings.Join(ids, " ")
}

// consentPage asks a person. who is signed in; nil: nobody is, and they sign in
// after it. wrong is why it is shown again; empty: it is not.
func (s *Server) consentPage(w http.ResponseWriter, r *http.Request, f *flow, c *client.Client, who *login.Person, wrong string) {
	page, err := s.asking(r.Context(), f, c, who)
	if e, ok := errors.AsType[*oauth.Error](err); ok && e.Ref == refNothing && who != nil {
		s.tellRefused(w, r, &audit.Event{Action: "consent", ClientID: f.Client, Client: c.Name, Subject: who.ID, TenantID: string(who.Tenant)}, err, func() {
			s.offerAnother(w, r, f, c, e)
		})
		return
	}
	if err != nil {
		s.refused(w, r, "consent", err)
		return
	}
	page.Wrong = wrong
	if f.Left != nil {
		page.Again = "You have used this app before. This is what it had, and what it asks for now."
	}
	s.page(w, r, http.StatusOK, "consent", page)
}

// offerAnother shows the page to somebody whose account may do nothing of what is
// asked for: another one of theirs may.
func (s *Server) offerAnother(w http.ResponseWriter, r *http.Request, f *flow, c *client.Client, e *oauth.Error) {
	f.MaxAge, f.Since, f.Left = -1, s.now(), nil
	page, err := s.asking(r.Context(), f, c, nil)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	page.Wrong = sentence(e.Description) + " You can sign in with another one. " + e.Ref
	s.page(w, r, badStatus(e), "consent", page)
}

// asking makes the page. It writes into the flow what the page shows and to whom.
func (s *Server) asking(ctx context.Context, f *flow, c *client.Client, who *login.Person) (*asking, error) {
	res := s.resourceAt(f.Resource)
	if res == nil {
		return nil, &oauth.Error{Code: oauth.InvalidTarget, Ref: "GH-1404", Description: "this server is not served here any more"}
	}
	p := &asking{
		Name: c.Name, Domain: c.Domain, Vouched: vouched(c), Approved: c.State == client.Approved,
		Code: f.Device, Resource: res, Lasts: s.lasts(f),
	}
	if shown(p.Name) == "" {
		p.Name = "An app without a name"
	}
	if f.Redirect != "" {
		kind, _ := oauth.KindOfRedirect(f.Redirect)
		p.Returns, p.Loopback, p.Private = oauth.RedirectHost(f.Redirect), kind == oauth.RedirectLoopback, kind == oauth.RedirectPrivate
	}
	f.Session = ""
	if f.Asked == nil {
		f.Asked = f.Scopes
	}
	f.Scopes = slices.Clone(f.Asked) // what the last page added or left out was somebody else's, or is again
	before := &grant.Consent{}
	var err error
	if who != nil {
		if before, err = s.narrow(ctx, f, res, c, who); err != nil {
			return nil, err
		}
		f.Session, p.Who = who.Session.ID, nameOf(&who.User)
	}
	s.choices(ctx, p, f, res, before)
	p.Flow, err = s.sealFlow(f)
	return p, err
}

// before is what a person has decided about a client before; never nil.
func (s *Server) before(ctx context.Context, f *flow, res *Resource, c *client.Client, who *login.Person) (*grant.Consent, error) {
	known, err := s.Consents.Allowed(ctx, consentKey(f, who))
	switch {
	case errors.Is(err, grant.ErrNotFound):
		return &grant.Consent{}, nil
	case err != nil:
		return nil, err
	}
	known.Scopes = offeredOnly(res, c, known.Scopes)
	return known, nil
}

// narrow leaves in the flow what this person can be given, and adds what they
// allowed the client before: clients forget what they were given when they ask
// for one thing more. It returns what they decided.
func (s *Server) narrow(ctx context.Context, f *flow, res *Resource, c *client.Client, who *login.Person) (before *grant.Consent, err error) {
	if before, err = s.before(ctx, f, res, c, who); err != nil {
		return nil, err
	}
	if f.Device == "" { // a device gets what it asked for, or less
		f.Scopes = inOrder(res, append(slices.Clone(f.Scopes), before.Scopes...))
	}
	may, err := s.grantable(ctx, f, res, who)
	switch {
	case err != nil:
		return nil, err
	case len(f.Scopes) > 0 && len(may) == 0:
		return nil, nothingFor(who)
	}
	f.Scopes = may
	return before, nil
}

// choices says what is always given, and what can be chosen. An app gets ticked
// what it asks for by name. What it asks for only because it asks for everything,
// as many do, is left to the person, if there is a default that makes it work.
// Whom they allowed less before asks for what it lacked since then: where there
// are few scopes a step-up is for all of them, and Allow has to bring it on. What
// they refused is for them to tick.
func (s *Server) choices(ctx context.Context, p *asking, f *flow, res *Resource, before *grant.Consent) {
	f.Blank = f.All && len(before.Scopes) == 0 && slices.ContainsFunc(f.Scopes, res.required)
	for i, one := range res.Scopes {
		if !slices.Contains(f.Scopes, one.Name) {
			continue
		}
		ch := choice{Name: one.Name, Title: one.Title, Number: i, Refused: slices.Contains(before.Refused, one.Name)}
		ch.Ticked = !f.Blank && !ch.Refused && !slices.Contains(f.Left, one.Name)
		if ch.Title == "" {
			ch.Title = one.Name
		}
		if s.Settings.ShowTools && res.Tools != nil {
			ch.Tools = res.Tools(ctx, one.Name)
			if len(ch.Tools) > maxTools {
				ch.Tools, ch.More = ch.Tools[:maxTools], len(ch.Tools)-maxTools
			}
		}
		if one.Default {
			p.Required = append(p.Required, ch)
		} else {
			p.Optional = append(p.Optional, ch)
		}
	}
}

// lasts says how long access lasts.
func (s *Server) lasts(f *flow) string {
	if !f.Offline || s.Settings.RefreshMax == 0 {
		return "Access lasts for some minutes."
	}
	text := "Access ends after " + days(s.Settings.RefreshMax)
	if d := s.Settings.RefreshIdle; d > 0 && d < s.Settings.RefreshMax {
		text += ", or after " + days(d) + " without use"
	}
	return text + "."
}

// days says a time as people do.
func days(d time.Duration) string {
	n, unit := int(d/time.Minute), "minute"
	switch {
	case d >= 48*time.Hour:
		n, unit = int(d/(24*time.Hour)), "day"
	case d >= 2*time.Hour:
		n, unit = int(d/time.Hour), "hour"
	}
	if n != 1 {
		unit += "s"
	}
	return strconv.Itoa(n) + " " + unit
}

// nameOf is how a person recognizes their own account.
func nameOf(u *login.User) string {
	for _, text := range [...]string{u.Email, u.Username, u.Name} {
		if text != "" {
			return text
		}
	}
	return u.ID
}

// offeredOnly returns those of scopes that there are and that the client may have.
func offeredOnly(res *Resource, c *client.Client, scopes []string) []string {
	return slices.DeleteFunc(inOrder(res, scopes), func(one string) bool {
		return c.Scopes != nil && !slices.Contains(c.Scopes, one)
	})
}

// inOrder returns those of scopes that there are, each once, in the order of the
// configuration.
func inOrder(res *Resource, scopes []string) []string {
	out := []string{}
	for _, one := range res.Scopes {
		if slices.Contains(scopes, one.Name) {
			out = append(out, one.Name)
		}
	}
	return out
}

// vouched says what vouches for a client's name.
func vouched(c *client.Client) string {
	switch {
	case c.Domain != "":
		return c.Domain
	case c.Kind == client.Static:
		return "added by your administrator"
	}
	return "unverified"
}

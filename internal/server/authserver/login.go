package authserver

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"slices"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
)

// choosing is what the page "login" shows.
type choosing struct {
	Flow, Wrong string
	Opens       string // what is signed in to, for people; empty: the account
	For         string // the client; empty: none
	Providers   []way
	Local       bool
	Passkey     *ceremony // nil: there are no passkeys here
	Switch      bool      // another account is wanted
}

type way struct {
	Name, Title string
	First       bool
}

// login answers GET /auth/login: in how many ways somebody can sign in. If there
// is but one, and it is a provider's, the browser goes there by itself, once: who
// wants another account, or comes back with an error, sees the page.
func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	f, err := s.flowOf(r)
	if err != nil {
		s.refused(w, r, "login", err)
		return
	}
	only := len(s.Providers) == 1 && s.Accounts == nil
	if only && r.FormValue("switch") == "" {
		s.sendTo(w, r, s.Issuer+"/auth/login/"+url.PathEscape(s.Providers[0].Name())+"?"+url.Values{flowField: {r.FormValue(flowField)}}.Encode(), s.Providers[0].Title())
		return
	}
	s.choose(w, r, f, http.StatusOK, "")
}

// choose offers the ways to sign in. wrong is why the last one did not work; empty:
// there was none.
func (s *Server) choose(w http.ResponseWriter, r *http.Request, f *flow, status int, wrong string) {
	sealed, err := s.sealFlow(f)
	var ask *ceremony
	if err == nil {
		ask, err = s.askPasskey(f)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	page := choosing{
		Flow: sealed, Wrong: wrong, Providers: s.ways(r), Local: s.Accounts != nil, Passkey: ask, Switch: f.MaxAge < 0 || r.FormValue("switch") != "",
	}
	if res := s.resourceAt(f.Resource); res != nil && f.Next == "" {
		page.Opens = res.Name
	}
	if f.Client != "" {
		if c, err := s.Clients.Find(r.Context(), f.Client); err == nil {
			page.For = c.Name
		}
	}
	s.page(w, r, status, "login", page)
}

// ways are the providers, the one that was used last in this browser first.
func (s *Server) ways(r *http.Request) []way {
	last := ""
	if c, err := r.Cookie(s.cookieName(wayCookie)); err == nil {
		last = c.Value
	}
	var all []way
	for _, p := range s.Providers {
		one := way{Name: p.Name(), Title: p.Title()}
		if one.Name == last {
			all = slices.Insert(all, 0, one)
		} else {
			all = append(all, one)
		}
	}
	if len(all) > 0 {
		all[0].First = true
	}
	return all
}

// loginURL is where somebody goes on to sign in. What is in the URL is of no use
// without the browser's cookie.
func (s *Server) loginURL(sealed string, another bool) string {
	v := url.Values{flowField: {sealed}}
	if another {
		v.Set("switch", "1")
	}
	return "/auth/login?" + v.Encode()
}

// beginAt has somebody sign in who came without a client, and go on to next, a
// path of ours.
func (s *Server) beginAt(w http.ResponseWriter, r *http.Request, next string) {
	f := &flow{ID: rand.Text(), Began: s.now(), Next: next}
	mark(r, f.ID)
	s.bind(w, r, f)
	sealed, err := s.sealFlow(f)
	if err == nil {
		err = s.note(r, &audit.Event{Action: "login", Request: f.ID, Outcome: audit.OK, Detail: map[string]string{"next": next}})
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.seeOther(w, r, s.loginURL(sealed, false))
}

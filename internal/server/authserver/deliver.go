package authserver

import (
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/client"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

// How an answer gets to the client.
type delivery int

const (
	direct   delivery = iota // by a redirect: no page was shown, and no form sent
	byPage                   // by a page that goes on by itself: a form was sent, or somebody comes back from a provider
	byPerson                 // by a link that somebody has to follow: nobody has acted yet, or nobody vouches for the client
)

// answerURL adds an authorization response to a redirect URI, which stays as it
// is, byte for byte. OAuth 2.1 §4.1.2, RFC 9207 §2
func (s *Server) answerURL(f *flow, pairs ...string) string {
	var b strings.Builder
	b.WriteString(f.Redirect)
	sep := byte('?')
	if strings.Contains(f.Redirect, "?") {
		sep = '&'
	}
	pairs = append(pairs, "state", f.State, "iss", s.Issuer)
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			continue // state is there only if it was asked for
		}
		b.WriteByte(sep)
		b.WriteString(pairs[i] + "=" + url.QueryEscape(pairs[i+1]))
		sep = '&'
	}
	return b.String()
}

// leaving is what the page "leave" shows.
type leaving struct {
	Title, Text, Button, Host string
	To                        template.URL // the template itself knows http and https only
	Auto                      bool

	status int // 0: 200
}

// deliver sends the browser to the client of a flow with an answer.
func (s *Server) deliver(w http.ResponseWriter, r *http.Request, f *flow, to string, c *client.Client, how delivery, page leaving) {
	kind, err := oauth.KindOfRedirect(f.Redirect)
	if err != nil || !strings.HasPrefix(to, f.Redirect) { // it was judged before: this is a mistake of ours
		s.fail(w, r, fmt.Errorf("an answer for %s: %w", oauth.RedirectHost(f.Redirect), err))
		return
	}
	if how == direct && kind != oauth.RedirectPrivate {
		s.seeOther(w, r, to)
		return
	}
	page.To, page.Auto = template.URL(to), how != byPerson //nolint:gosec // a redirect URI of the client, with our parameters
	page.Button, page.Host = "Return to "+shown(c.Name), oauth.RedirectHost(f.Redirect)
	if kind == oauth.RedirectPrivate {
		page.Button, page.Host = "Open "+shown(c.Name), ""
	}
	s.page(w, r, page.code(), "leave", page)
}

func (p *leaving) code() int {
	if p.status == 0 {
		return http.StatusOK
	}
	return p.status
}

// sendTo answers a form with a page that goes on to another place, such as a
// provider: an https URL, or one of ours. No redirect does: in Chromium
// form-action 'self' holds for where a form is redirected to. who is what people
// call that place.
func (s *Server) sendTo(w http.ResponseWriter, r *http.Request, to, who string) {
	u, err := url.Parse(to)
	switch {
	case err != nil:
		s.fail(w, r, errors.New("the place to go on to is not a URL")) // err repeats it
		return
	case u.Scheme != "https" && !(u.Scheme == "http" && strings.HasPrefix(to, s.Issuer+"/")):
		s.fail(w, r, errors.New("the place to go on to is not an https URL"))
		return
	}
	s.page(w, r, http.StatusOK, "leave", leaving{
		Title: "One moment", Text: "You are being sent to " + shown(who) + ".", Button: "Continue with " + shown(who), To: template.URL(to), Auto: true, //nolint:gosec // judged above
	})
}

// refuseClient answers a request that cannot be granted. The redirect URI is the
// client's, but anybody may have registered that: before a person has acted the
// browser only goes there by itself if somebody vouches for the client, else
// we would lead people wherever a link wants. OAuth 2.1 §7.12.2
func (s *Server) refuseClient(w http.ResponseWriter, r *http.Request, q *request, e *oauth.Error) {
	s.tellRefused(w, r, &audit.Event{Action: "authorize", Request: q.ID, ClientID: q.Client, Client: q.client.Name}, e, func() {
		how := byPerson
		if q.client.State == client.Approved {
			how = direct
		}
		s.deliver(w, r, q.flow, s.answerURL(q.flow, "error", e.Code, "error_description", e.Description), q.client, how, leaving{
			Title:  "This app asks for something that does not work",
			Text:   "“" + shown(q.client.Name) + "” sent a request that cannot be granted: " + e.Description + ". Nothing was granted. You can go back, so that it learns why.",
			status: http.StatusBadRequest,
		})
	})
}

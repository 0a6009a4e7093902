package authserver

import (
	"errors"
	"net/http"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/client"
	"github.com/gatehouse-mcp/gatehouse/internal/federation"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

// refusal is what the page "refused" shows.
type refusal struct {
	Title, Text, Code string
	Facts             []fact
	Advice            []string
	Account           string // who the provider says they are; empty: not to be shown
	Retry             string // a path of ours; empty: there is nothing to try again
	RetryText         string
	Wait              int // seconds after which the page looks again; 0: it does not
}

type fact struct {
	Name   string
	Values []string
}

// explanation is what a code means to the person who sees it.
type explanation struct {
	title  string
	advice []string
}

var startAgain = []string{"Go back to your app and connect again."}

// explanations are by our code, for pages. What is not here says that it did not
// work, and what the refusal says.
var explanations = map[string]explanation{
	"GH-1400": {title: "This request cannot be read", advice: []string{"Start again from your app. If it happens again, tell its developer what this page says."}},
	"GH-1401": {title: "This server does not know your app any more", advice: resetSteps},
	"GH-1402": {title: "This app wants you to be sent where it has not registered"},
	"GH-1405": {title: "What this app says about itself cannot be used", advice: []string{"Tell the app's developer what this page says."}},
	"GH-1406": {title: "This app may not be used here"},
	"GH-1407": {title: "This app waits for approval"},
	"GH-1420": {title: "Start again from your app", advice: startAgain},
	"GH-1421": {title: "This was begun in another browser", advice: []string{
		"Go back to your app and connect again, and stay in one browser until you are done.", "Allow cookies for this site.",
	}},
	"GH-1422": {title: "This was decided before", advice: []string{"If your app is not connected, connect again from there."}},
	"GH-1423": {title: "This did not come from our page", advice: []string{"Open the page again and repeat what you did.", "Browsers older than 2023 do not work here."}},
	"GH-1424": {title: "This request cannot be read", advice: startAgain},
	"GH-1425": {title: "Your account may not use this", advice: []string{"Sign in with another account, or ask whoever runs this server."}},
	"GH-1426": {title: "There is nothing here"},
	"GH-1427": {title: "This code is not known", advice: []string{"Look at the code on your device again. A code is good for some minutes."}},
	"GH-1430": {title: "That was not accepted", advice: startAgain},
	"GH-1431": {title: "Too many attempts", advice: []string{"Nobody is locked out for good. A browser in which you signed in before, or a passkey, need not wait."}},
	"GH-1432": {title: "This link is used up", advice: []string{"If you have set up how you sign in, sign in from your app.", "Else ask whoever runs this server for a new invitation."}},
	"GH-1435": {title: "This account is disabled"},
	"GH-1436": {title: "Too many people at once", advice: []string{"Wait a moment, then try again."}},
	"GH-1437": {title: "This passkey cannot be added"},
	"GH-1438": {title: "Sign in again", advice: []string{"Whoever changes how they sign in has to have signed in just before."}},
	"GH-1439": {title: "You are known here in another organization"},
	"GH-1501": {title: "Too many attempts", advice: []string{"Wait a minute, then try again."}},
	"GH-1429": {title: "Something here does not work", advice: []string{"Nothing was granted. Try again in a minute."}},
}

// resetSteps have a client register anew. Most of them never do it by themselves.
var resetSteps = []string{
	"Claude, ChatGPT: remove the connector in the settings and add it again.",
	"Claude Code: run “/mcp”, choose the server, clear its authentication, and connect again.",
	"VS Code: run the command “Authentication: Remove Dynamic Authentication Providers”, then start the server again.",
	"Cursor: log out of the server in the settings under MCP, then connect again.",
	"mcp-remote: delete the folder “.mcp-auth” in your home directory.",
	"Others: remove the server and add it again.",
}

// fail answers a person with what went wrong. What is no refusal is told to the
// operator only.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	if provider, ok := errors.AsType[*federation.Refusal](err); ok {
		s.refuseAccount(w, r, nil, provider)
		return
	}
	e := s.refusalOf(err)
	if e.Ref == "GH-1429" {
		s.Log.Error("a page cannot be answered", "request", requestID(r), "path", r.URL.Path, "error", err.Error())
		w.Header().Set("Retry-After", "5")
	}
	s.refusePage(w, r, e)
}

// refusalOf returns the refusal that an error stands for.
func (s *Server) refusalOf(err error) *oauth.Error {
	if e, ok := errors.AsType[*oauth.Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[*federation.Refusal](err); ok {
		return &oauth.Error{Code: oauth.AccessDenied, Ref: e.Code, Status: statuses[e.Code], Description: e.Text, Cause: err}
	}
	if e := localRefusal(err); e != nil {
		return e
	}
	switch {
	case errors.Is(err, client.ErrUnknown):
		return &oauth.Error{Code: oauth.InvalidClient, Ref: "GH-1401", Description: "The app uses a registration that has ended, or that this server never had", Cause: err}
	case errors.Is(err, client.ErrBlocked):
		return &oauth.Error{Code: oauth.UnauthorizedClient, Ref: "GH-1406", Status: http.StatusForbidden, Description: "Whoever runs this server has blocked this app", Cause: err}
	case errors.Is(err, client.ErrPending):
		return &oauth.Error{Code: oauth.UnauthorizedClient, Ref: "GH-1407", Status: http.StatusForbidden, Description: "Whoever runs this server has to approve this app first. This page looks again by itself", Cause: err}
	case errors.Is(err, client.ErrFetch):
		return &oauth.Error{Code: oauth.Unavailable, Ref: "GH-1405", Status: http.StatusServiceUnavailable, Description: "The document in which the app describes itself cannot be fetched at the moment", Cause: err}
	case errors.Is(err, client.ErrInvalid):
		return &oauth.Error{Code: oauth.InvalidClient, Ref: "GH-1405", Description: "The document in which the app describes itself is not valid", Cause: err}
	}
	return &oauth.Error{Code: oauth.ServerError, Ref: "GH-1429", Status: http.StatusServiceUnavailable, Description: "Something of ours does not answer", Cause: err}
}

// refusePage answers a person with a refusal, and with what they can do.
func (s *Server) refusePage(w http.ResponseWriter, r *http.Request, e *oauth.Error) {
	s.page(w, r, badStatus(e), "refused", explain(e))
}

func explain(e *oauth.Error) refusal {
	why, ok := explanations[e.Ref]
	if !ok {
		why.title = "This did not work"
	}
	page := refusal{Title: why.title, Text: sentence(e.Description), Code: e.Ref, Advice: why.advice}
	switch {
	case errors.Is(e, client.ErrPending):
		page.Wait = 15
	case errors.Is(e, client.ErrFetch):
		page.Advice = []string{"Try again in a minute: open the page again, or connect again from your app."}
	}
	return page
}

// sentence makes a description, which is written for protocols, fit for a page.
func sentence(text string) string {
	if text == "" || text[len(text)-1] == '.' {
		return text
	}
	if c := text[0]; 'a' <= c && c <= 'z' && !isParameter(text) {
		text = string(c-'a'+'A') + text[1:]
	}
	return text + "."
}

// isParameter says whether a text begins with the name of a parameter, which is
// spelled as it is.
func isParameter(text string) bool {
	for i := range len(text) {
		switch text[i] {
		case '_':
			return true
		case ' ':
			return false
		}
	}
	return false
}

// redirectPage explains a redirect URI that is not registered: to the person that
// nothing happened, to the developer what differs. The hosts that are registered
// are public for every client but those of an administrator.
func (s *Server) redirectPage(w http.ResponseWriter, r *http.Request, c *client.Client, asked string, e *oauth.Error) {
	page := explain(e)
	page.Text = "“" + shown(c.Name) + "” asked for you to be sent to an address that is not registered for it. Nothing was granted, and you stay here."
	page.Facts = []fact{{"Asked for", []string{long(asked)}}}
	var hosts []string
	for i, one := range c.RedirectURIs {
		if i == 5 {
			hosts = append(hosts, "…")
			break
		}
		hosts = append(hosts, long(oauth.RedirectHost(one)))
	}
	if c.Kind != client.Static && len(hosts) > 0 {
		page.Facts = append(page.Facts, fact{"Registered", hosts})
	}
	page.Advice = []string{
		"Start again from your app. If it happens again, remove the server there and add it again.",
		"For the app's developer: register this redirect_uri exactly as it is sent. Only the port of a loopback address may differ.",
	}
	s.page(w, r, badStatus(e), "refused", page)
}

// refuseRequest answers an authorization request that must not be answered to anybody else.
func (s *Server) refuseRequest(w http.ResponseWriter, r *http.Request, id string, err error) {
	s.tellRefused(w, r, &audit.Event{Action: "authorize", ClientID: id}, err, func() {
		s.fail(w, r, err)
	})
}

// tellRefused writes down a refusal, and answers it then.
func (s *Server) tellRefused(w http.ResponseWriter, r *http.Request, ev *audit.Event, err error, answer func()) {
	e := s.refusalOf(err)
	ev.Outcome, ev.Code, ev.Reason = audit.Refused, e.Ref, err.Error()
	if err := s.tell(r, ev); err != nil {
		s.fail(w, r, err)
		return
	}
	answer()
}

// notFound answers where there is nothing, or not by this method.
func (s *Server) notFound(w http.ResponseWriter, r *http.Request, status int) {
	text := "There is no such page."
	if status == http.StatusMethodNotAllowed {
		text = "This page is not opened in this way."
	} else {
		status = http.StatusNotFound
	}
	s.refusePage(w, r, &oauth.Error{Code: oauth.InvalidRequest, Ref: "GH-1426", Status: status, Description: text})
}

// long shortens a text that is shown letter by letter, such as a URL: nothing of
// it is taken away but its end, and what could not be seen.
func long(text string) string {
	out := make([]rune, 0, len(text))
	for _, c := range text {
		if c < 0x21 || c > 0x7e {
			c = '·' // no URL has it
		}
		if out = append(out, c); len(out) == 256 {
			return string(out) + "…"
		}
	}
	return string(out)
}

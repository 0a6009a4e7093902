package authserver

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/login"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

const (
	knownCookie = "gatehouse-known" // of a browser in which somebody signed in with an account of ours
	knownTime   = 365 * 24 * time.Hour
)

// codePage is what the page "code" shows.
type codePage struct{ Flow, Ticket, Wrong string }

// localPassword answers POST /auth/local: a name and a password.
func (s *Server) localPassword(w http.ResponseWriter, r *http.Request) {
	f, err := s.localFlow(w, r)
	if err != nil {
		s.refused(w, r, "login", err)
		return
	}
	p, err := s.Accounts.Password(r.Context(), s.try(r, f))
	if err != nil {
		s.again(w, r, f, err, func(wrong string, status int) { s.choose(w, r, f, status, wrong) })
		return
	}
	s.proceed(w, r, f, p, nil)
}

// localCode answers POST /auth/local/code: a code of an authenticator, or a recovery code.
func (s *Server) localCode(w http.ResponseWriter, r *http.Request) {
	f, err := s.localFlow(w, r)
	if err != nil {
		s.refused(w, r, "login", err)
		return
	}
	ticket := r.PostForm.Get("ticket")
	from, _ := s.Address(r)
	p, err := s.Accounts.Second(r.Context(), ticket, f.ID, r.PostForm.Get("code"), from)
	switch {
	case err != nil && s.pressedAgain(w, r, f, err):
		return
	case err != nil:
		s.again(w, r, f, err, func(wrong string, status int) {
			s.page(w, r, status, "code", codePage{Flow: r.PostForm.Get(flowField), Ticket: ticket, Wrong: wrong})
		})
		return
	}
	s.proceed(w, r, f, p, nil)
}

// localFlow returns the flow that a form of somebody who signs in goes on with.
func (s *Server) localFlow(w http.ResponseWriter, r *http.Request) (*flow, error) {
	if err := s.sameSite(w, r); err != nil {
		return nil, err
	}
	if s.Accounts == nil {
		return nil, errNoAccounts()
	}
	return s.flowOf(r)
}

func errNoAccounts() error {
	return &oauth.Error{Code: oauth.InvalidRequest, Ref: "GH-1426", Status: http.StatusNotFound, Description: "Nobody has an account of ours here"}
}

// try is what somebody gives who signs in with an account of ours.
func (s *Server) try(r *http.Request, f *flow) *login.Try {
	t := &login.Try{Username: r.PostForm.Get("username"), Password: r.PostForm.Get("password"), Code: r.PostForm.Get("code"), Row: f.ID}
	t.From, _ = s.Address(r)
	if c, err := r.Cookie(s.cookieName(knownCookie)); err == nil {
		t.Browser = c.Value
	}
	return t
}

// proceed goes on with somebody who has proved something: to what is left to do,
// or in. codes are recovery codes that they were given just now.
func (s *Server) proceed(w http.ResponseWriter, r *http.Request, f *flow, p *login.Proof, codes []string) {
	sealed, err := s.sealFlow(f)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	switch p.Next {
	case login.Code:
		s.page(w, r, http.StatusOK, "code", codePage{Flow: sealed, Ticket: p.Ticket})
		return
	case login.SetUp:
		s.setupPage(w, r, http.StatusOK, login.Right{Ticket: p.Ticket, Row: f.ID}, f, "")
		return
	case login.Done:
	}
	s.setCookie(w, knownCookie, p.Browser, knownTime)
	who, err := s.openSession(w, r, f, &login.Entry{User: p.User, Methods: p.Methods})
	if err != nil {
		s.refused(w, r, "login", err)
		return
	}
	if codes == nil {
		s.signedIn(w, r, f, who)
		return
	}
	s.codesPage(w, r, f, who, codes)
}

// again counts what was not accepted, writes it down, and lets somebody try
// again by a page that says why. Whatever no other try would change is a page of its own.
func (s *Server) again(w http.ResponseWriter, r *http.Request, f *flow, err error, page func(wrong string, status int)) {
	e := localRefusal(err)
	if e == nil {
		s.fail(w, r, err)
		return
	}
	if s.Failed != nil && (e.Ref == "GH-1430" || e.Ref == "GH-1431") {
		s.Failed(r, e.Ref)
	}
	ev := &audit.Event{Action: "login", Request: f.ID, ClientID: f.Client}
	s.tellRefused(w, r, ev, e, func() {
		if wait, ok := errors.AsType[*login.Wait](err); ok {
			w.Header().Set("Retry-After", strconv.Itoa(seconds(wait)))
		}
		if inline[e.Ref] {
			page(sentence(e.Description), e.Status)
			return
		}
		s.fail(w, r, e)
	})
}

// inline are the refusals after which the same form may be sent again.
var inline = map[string]bool{"GH-1430": true, "GH-1431": true, "GH-1433": true, "GH-1434": true, "GH-1436": true}

func seconds(w *login.Wait) int { return int(math.Ceil(w.For.Seconds())) }

// localRefusal is what somebody is told of what did not work with their account;
// nil: it is nothing that they are told of.
func localRefusal(err error) *oauth.Error {
	refuse := func(ref string, status int, text string) *oauth.Error {
		return &oauth.Error{Code: oauth.AccessDenied, Ref: ref, Status: status, Description: text, Cause: err}
	}
	wait, waits := errors.AsType[*login.Wait](err)
	switch {
	case waits:
		return refuse("GH-1431", http.StatusTooManyRequests, "Too many attempts were made. Wait "+forPeople(seconds(wait))+", then try again")
	case errors.Is(err, login.ErrWrong):
		return refuse("GH-1430", http.StatusForbidden, "That was not accepted. Check what you typed, and try again")
	case errors.Is(err, login.ErrSpent):
		return refuse("GH-1432", http.StatusGone, "The link or page that you came by was used, replaced by another, or is too old")
	case errors.Is(err, login.ErrWeak):
		return refuse("GH-1433", http.StatusUnprocessableEntity, fmt.Sprintf("This password is too easy to guess. Take a longer one of at least %d characters, such as a few words that do not belong together", login.MinPassword))
	case errors.Is(err, login.ErrInvalid):
		return refuse("GH-1433", http.StatusUnprocessableEntity, fmt.Sprintf("A password of at most %d bytes is needed, and the code of an authenticator", login.MaxPassword))
	case errors.Is(err, login.ErrCode):
		return refuse("GH-1434", http.StatusUnprocessableEntity, "The code does not fit the key that your authenticator was given. Wait for its next code, and see that the clocks are right")
	case errors.Is(err, login.ErrDisabled):
		return refuse("GH-1435", http.StatusForbidden, "This account is disabled. Ask whoever runs this server")
	case errors.Is(err, login.ErrBusy):
		return refuse("GH-1436", http.StatusServiceUnavailable, "Too many people sign in at this moment. Try again")
	case errors.Is(err, login.ErrFull), errors.Is(err, login.ErrExists), errors.Is(err, login.ErrNoPasskeys):
		return refuse("GH-1437", http.StatusConflict, "This passkey cannot be added: it is there already, there are too many, or this server cannot have any")
	}
	return nil
}

func forPeople(seconds int) string {
	switch {
	case seconds == 1:
		return "a second"
	case seconds < 120:
		return fmt.Sprintf("%d seconds", seconds)
	}
	return fmt.Sprintf("%d minutes", (seconds+59)/60)
}

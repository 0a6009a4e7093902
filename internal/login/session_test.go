package login_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/login"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

func (h *house) open(t testing.TB, u *login.User) (*login.Person, string) {
	t.Helper()
	cookie, p, err := h.Open(t.Context(), &login.Entry{User: u, Methods: []string{"pwd", "otp"}, From: here, Agent: "Firefox\x00\u202e"})
	must(t, err)
	return p, cookie
}

func TestSessionLastsAndEnds(t *testing.T) {
	h := newHouse(t)
	u := h.user(t, "ada")
	p, cookie := h.open(t, u)
	if p.ID != u.ID || p.State != login.Active || p.Session.Address != "2001:db8:1::7" || p.Session.Agent != "Firefox" || strings.Contains(p.Session.ID, cookie) {
		t.Errorf("got %+v", p)
	}
	for range 7 { // of 12 hours
		h.pass(100 * time.Minute)
		_, err := h.Session(t.Context(), cookie)
		must(t, err)
	}
	h.pass(30 * time.Minute)
	_, err := h.Session(t.Context(), cookie)
	wantErr(t, "after twelve hours", err, login.ErrNotFound)

	_, cookie = h.open(t, u)
	h.pass(2 * time.Hour)
	_, err = h.Session(t.Context(), cookie)
	wantErr(t, "not used for two hours", err, login.ErrNotFound)
	for _, bad := range []string{"", cookie + "x", strings.ToLower(cookie), strings.Repeat("x", 1000)} {
		_, err = h.Session(t.Context(), bad)
		wantErr(t, bad, err, login.ErrNotFound)
	}
}

// Whoever knows the cookie that a browser had before somebody signed in there
// knows nothing of use: the cookie is another one, and the session of the old one
// is over.
func TestSignInChangesTheCookie(t *testing.T) {
	h := newHouse(t)
	attacker, victim := h.user(t, "eve"), h.user(t, "ada")
	_, planted := h.open(t, attacker)
	cookie, p, err := h.Open(t.Context(), &login.Entry{User: victim, Had: planted})
	must(t, err)
	if cookie == planted || p.ID != victim.ID {
		t.Errorf("got %s, %+v", cookie, p)
	}
	_, err = h.Session(t.Context(), planted)
	wantErr(t, "the planted cookie", err, login.ErrNotFound)
}

func TestSessionsAreListedAndEnded(t *testing.T) {
	h := newHouse(t)
	ada, bob := h.user(t, "ada"), h.user(t, "bob")
	one, c1 := h.open(t, ada)
	h.pass(time.Second)
	two, c2 := h.open(t, ada)
	other, c3 := h.open(t, bob)
	list, err := h.Sessions(t.Context(), h.def, ada.ID)
	must(t, err)
	if len(list) != 2 || list[0].ID != two.Session.ID || list[1].ID != one.Session.ID {
		t.Errorf("got %+v", list)
	}
	_, err = h.End(t.Context(), h.def, ada.ID, other.Session.ID)
	wantErr(t, "somebody else's", err, login.ErrNotFound)
	_, err = h.End(t.Context(), h.def, ada.ID, one.Session.ID)
	must(t, err)
	_, err = h.Session(t.Context(), c1)
	wantErr(t, "ended", err, login.ErrNotFound)
	if n, err := h.EndAll(t.Context(), h.def, ada.ID); err != nil || n != 1 {
		t.Errorf("got %d, %v", n, err)
	}
	_, err = h.Session(t.Context(), c2)
	wantErr(t, "all ended", err, login.ErrNotFound)
	_, err = h.Session(t.Context(), c3)
	must(t, err)
	must(t, h.Leave(t.Context(), c3))
	must(t, h.Leave(t.Context(), c3))
	_, err = h.Session(t.Context(), c3)
	wantErr(t, "left", err, login.ErrNotFound)
}

func TestDisableEndsEverything(t *testing.T) {
	h := newHouse(t)
	u := h.user(t, "ada")
	_, cookie := h.open(t, u)
	e, err := h.Disable(t.Context(), h.def, u.ID, "root", "left")
	must(t, err)
	if e.User.State != login.Disabled || e.Sessions != 1 || e.Grants != 2 || strings.Join(h.ended, ",") != "grants "+u.ID+",tokens "+u.ID {
		t.Errorf("got %+v, %v", e, h.ended)
	}
	_, err = h.Session(t.Context(), cookie)
	wantErr(t, "the session", err, login.ErrNotFound)
	_, _, err = h.Open(t.Context(), &login.Entry{User: u})
	wantErr(t, "a new one", err, login.ErrDisabled)
	_, err = h.Current(t.Context(), h.def, u.ID, "", "")
	wantErr(t, "as they are now", err, login.ErrDisabled)
	_, err = h.Disable(t.Context(), "other", u.ID, "root", "")
	wantErr(t, "of another tenant", err, login.ErrNotFound)
	on, err := h.Enable(t.Context(), h.def, u.ID)
	must(t, err)
	if on.State != login.Active {
		t.Errorf("got %+v", on)
	}
	h.open(t, u)
}

// What cannot be ended as a whole is not begun, and what fails halfway says so.
func TestDisableIsWhole(t *testing.T) {
	h := newHouse(t)
	u := h.user(t, "ada")
	_, cookie := h.open(t, u)
	end := h.EndTokens
	h.EndTokens = nil
	_, err := h.Disable(t.Context(), h.def, u.ID, "root", "")
	wantErr(t, "whose tokens is not known", err, login.ErrIssuer)
	_, err = h.RevokeAll(t.Context(), h.def, u.ID, "root", "")
	wantErr(t, "whose tokens is not known", err, login.ErrIssuer)
	_, err = h.Session(t.Context(), cookie)
	must(t, err)

	h.EndTokens = end
	away := errors.New("away")
	h.EndGrants = func(context.Context, tenant.ID, string, string, string) (int, error) { return 0, away }
	_, err = h.Disable(t.Context(), h.def, u.ID, "root", "")
	wantErr(t, "halfway", err, away)
	_, err = h.Session(t.Context(), cookie)
	wantErr(t, "they are out all the same", err, login.ErrNotFound)
}

package login_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/login"
)

// invited makes a user with an invitation, and returns what is in its link.
func (h *house) invited(t testing.TB, name string, reset bool) (*login.User, string) {
	t.Helper()
	u, err := h.User(t.Context(), h.def, name)
	if errors.Is(err, login.ErrNotFound) {
		u, err = h.Create(t.Context(), &login.NewUser{Tenant: h.def, Username: name})
	}
	must(t, err)
	link, i, err := h.Invite(t.Context(), h.def, u.ID, "root", reset)
	must(t, err)
	code, ok := strings.CutPrefix(link, issuer+"/auth/invite?code=")
	if !ok || len(code) < 50 || strings.Contains(i.Hash, code) {
		t.Fatalf("got %s, %+v", link, i)
	}
	return u, code
}

// offer has somebody take an authenticator, and returns its code.
func (h *house) offer(t testing.TB, u *login.User) (*login.Offer, string) {
	t.Helper()
	o, err := h.OfferCodes(u)
	must(t, err)
	return o, take(t, o).shows(h.clock())
}

func TestInvitationIsGoodOnce(t *testing.T) {
	h := newHouse(t)
	u, code := h.invited(t, "ada", false)
	r := login.Right{Invitation: code}
	o, digits := h.offer(t, u)
	_, _, err := h.SetPassword(t.Context(), r, "password1234", o.Sealed, digits)
	wantErr(t, "a weak password spends nothing", err, login.ErrWeak)
	_, _, err = h.SetPassword(t.Context(), r, good, o.Sealed, "000000")
	wantErr(t, "a wrong code spends nothing", err, login.ErrCode)
	_, _, err = h.SetPassword(t.Context(), r, good, "", "")
	wantErr(t, "one factor", err, login.ErrInvalid)
	other, _ := h.offer(t, h.user(t, "bob"))
	_, _, err = h.SetPassword(t.Context(), r, good, other.Sealed, digits)
	wantErr(t, "somebody else's offer", err, login.ErrSpent)

	p, codes, err := h.SetPassword(t.Context(), r, good, o.Sealed, digits)
	must(t, err)
	if p.Next != login.Done || p.User.ID != u.ID || len(codes) != 10 || len(codes[0]) != 19 {
		t.Errorf("got %+v, %v", p, codes)
	}
	_, _, err = h.SetPassword(t.Context(), r, good, o.Sealed, digits)
	wantErr(t, "again", err, login.ErrSpent)
	_, err = h.Who(t.Context(), r)
	wantErr(t, "looked at again", err, login.ErrSpent)
	q, err := h.try(t, "ada", good)
	must(t, err)
	_, err = h.Second(t.Context(), q.Ticket, "flow", digits, here)
	wantErr(t, "the code that confirmed it, again", err, login.ErrWrong)
}

func TestInvitationEnds(t *testing.T) {
	h := newHouse(t)
	u, first := h.invited(t, "ada", false)
	_, second := h.invited(t, "ada", false)
	_, err := h.Who(t.Context(), login.Right{Invitation: first})
	wantErr(t, "replaced", err, login.ErrSpent)
	h.pass(72*time.Hour - time.Second)
	_, err = h.Who(t.Context(), login.Right{Invitation: second})
	must(t, err)
	h.pass(time.Second)
	_, err = h.Who(t.Context(), login.Right{Invitation: second})
	wantErr(t, "after 72 hours", err, login.ErrSpent)

	_, third := h.invited(t, "ada", false)
	_, err = h.Disable(t.Context(), h.def, u.ID, "root", "")
	must(t, err)
	_, err = h.Who(t.Context(), login.Right{Invitation: third})
	wantErr(t, "disabled", err, login.ErrSpent)
	for _, bad := range []string{"", "x", strings.Repeat("x", 300)} {
		_, err = h.Who(t.Context(), login.Right{Invitation: bad})
		wantErr(t, bad, err, login.ErrSpent)
	}
}

// An invitation that resets takes everything away that somebody else may have.
func TestInvitationResets(t *testing.T) {
	h := newHouse(t)
	h.user(t, "ada")
	h.codes(t, "ada")
	h.invited(t, "ada", true)
	_, err := h.try(t, "ada", good)
	wantErr(t, "the old password", err, login.ErrWrong)
	u, err := h.User(t.Context(), h.def, "ada")
	must(t, err)
	if has, err := h.Has(t.Context(), u.ID); err != nil || has.Password != "" || has.TOTP != "" || has.Recovery != 0 {
		t.Errorf("got %+v, %v, want nothing left", has, err)
	}
}

// TestA067PasswordChange: a password that is changed ends what came of the one before.
func TestA067PasswordChange(t *testing.T) {
	h := newHouse(t)
	u := h.user(t, "ada")
	h.codes(t, "ada")
	_, cookie := h.open(t, u)
	_, code := h.invited(t, "ada", false)
	o, digits := h.offer(t, u)
	_, _, err := h.SetPassword(t.Context(), login.Right{Invitation: code}, "another tangled kettle", o.Sealed, digits)
	must(t, err)
	_, err = h.Session(t.Context(), cookie)
	wantErr(t, "the session", err, login.ErrNotFound)
	if len(h.ended) != 2 || h.ended[0] != "grants "+u.ID || h.ended[1] != "tokens "+u.ID {
		t.Errorf("got %v ended", h.ended)
	}
}

// Who changes how they sign in has signed in a moment ago.
func TestChangesNeedAFreshSession(t *testing.T) {
	h := newHouse(t)
	u := h.user(t, "ada")
	h.codes(t, "ada")
	p, _ := h.open(t, u)
	codes, err := h.NewRecovery(t.Context(), login.Right{Person: p})
	must(t, err)
	if len(codes) != 10 {
		t.Errorf("got %v", codes)
	}
	h.pass(login.Fresh + time.Second)
	_, err = h.NewRecovery(t.Context(), login.Right{Person: p})
	wantErr(t, "later", err, login.ErrSpent)
}

// A ticket for a code sets up nothing, and one for setting up is no proof.
func TestTicketsAreForOneThing(t *testing.T) {
	h := newHouse(t)
	u := h.user(t, "ada")
	p, err := h.try(t, "ada", good)
	must(t, err)
	_, err = h.Second(t.Context(), p.Ticket, "flow", "123456", here)
	wantErr(t, "a ticket for setting up", err, login.ErrSpent)
	h.codes(t, "ada")
	q, err := h.try(t, "ada", good)
	must(t, err)
	o, digits := h.offer(t, u)
	_, _, err = h.SetPassword(t.Context(), login.Right{Ticket: q.Ticket, Row: "flow"}, "", o.Sealed, digits)
	wantErr(t, "a ticket for a code", err, login.ErrSpent)
	_, _, err = h.SetPassword(t.Context(), login.Right{Ticket: p.Ticket, Row: "another"}, "", o.Sealed, digits)
	wantErr(t, "for another flow", err, login.ErrSpent)
}

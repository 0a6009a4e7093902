package admin_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/login"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

const secret = "four olives walk home"

// signsIn opens a session of a user.
func (f *fixture) signsIn(user string) (cookie string) {
	f.t.Helper()
	u, err := f.people.User(f.t.Context(), "", user)
	if err != nil {
		f.t.Fatal(err)
	}
	cookie, _, err = f.people.Open(f.t.Context(), &login.Entry{User: u, Methods: []string{"pwd", "otp"}, Agent: "Firefox"})
	if err != nil {
		f.t.Fatal(err)
	}
	return cookie
}

func TestUsersAreEnded(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	ada, err := f.CreateUser(ctx, adminapi.NewUser{Username: "ada", Password: secret, Groups: []string{"staff"}})
	if err != nil {
		t.Fatal(err)
	}
	one, two := f.signsIn("ada"), f.signsIn("ada")
	shown, err := f.User(ctx, "ada")
	if err != nil || *shown.Sessions != 2 || !shown.Means.Password || shown.State != "active" {
		t.Errorf("got %+v, %v", shown, err)
	}
	list, err := f.Sessions(ctx, "ada")
	if err != nil || len(list) != 2 || list[0].Username != "ada" || list[0].User != ada.ID {
		t.Fatalf("got %+v, %v", list, err)
	}
	if s, err := f.dry().EndSession(ctx, list[0].ID); err != nil || !s.DryRun {
		t.Errorf("got %+v, %v", s, err)
	}
	if s, err := f.EndSession(ctx, list[0].ID); err != nil || s.ID != list[0].ID {
		t.Errorf("got %+v, %v", s, err)
	}
	alive := 0
	for _, cookie := range []string{one, two} {
		if _, err := f.people.Session(ctx, cookie); err == nil {
			alive++
		}
	}
	if alive != 1 {
		t.Errorf("got %d sessions left, want one", alive)
	}
	if u, err := f.dry().DisableUser(ctx, "ada", adminapi.EndUser{}); err != nil || !u.DryRun || len(f.ended) > 0 {
		t.Errorf("got %+v, %v, ended %v", u, err, f.ended)
	}
	u, err := f.DisableUser(ctx, "ada", adminapi.EndUser{Reason: "left"})
	if err != nil || u.State != "disabled" || u.Ended.Sessions != 1 || u.Ended.Grants != 3 || fmt.Sprint(f.ended) != fmt.Sprintf("[grants %s by ada: left tokens %[1]s by ada: left]", ada.ID) {
		t.Errorf("got %+v, %v, ended %v", u, err, f.ended)
	}
	last := f.events[len(f.events)-1]
	if last.Action != "user.disable" || last.Outcome != audit.OK || last.Subject != ada.ID || last.Detail["sessions"] != "1" || last.Detail["reason"] != "left" {
		t.Errorf("got %+v", last)
	}
	if text := fmt.Sprint(f.events) + f.log.String(); strings.Contains(text, secret) || strings.Contains(text, one) {
		t.Error("a secret is in the trail or the log")
	}
	_, err = f.EndSession(ctx, "ses_nobodys")
	want(t, err, "GH-2401", 404)
	_, err = f.InviteUser(ctx, "ada", adminapi.Invite{})
	want(t, err, "GH-2405", 409)
}

// The trail never has the link of an invitation, and a dry run makes none.
func TestInvitations(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	if _, err := f.CreateUser(ctx, adminapi.NewUser{Username: "ada"}); err != nil {
		t.Fatal(err)
	}
	if i, err := f.dry().InviteUser(ctx, "ada", adminapi.Invite{}); err != nil || i.Link != "" || !i.DryRun {
		t.Errorf("got %+v, %v", i, err)
	}
	i, err := f.InviteUser(ctx, "ada", adminapi.Invite{Reset: true})
	code, ok := strings.CutPrefix(i.Link, "https://mcp.acme.example/auth/invite?code=")
	if err != nil || !ok || i.Expires.Sub(f.now).Round(time.Hour) != 72*time.Hour {
		t.Fatalf("got %+v, %v", i, err)
	}
	if strings.Contains(fmt.Sprint(f.events)+f.log.String(), code) {
		t.Error("the link is in the trail or the log")
	}
}

// Where it is not known whose tokens are ours, nobody is ended by half.
func TestUsersWithoutAConfiguration(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	if _, err := f.CreateUser(ctx, adminapi.NewUser{Username: "ada", Password: secret}); err != nil {
		t.Fatal(err)
	}
	cookie := f.signsIn("ada")
	f.people.Issuer, f.people.EndTokens = "", nil
	_, err := f.DisableUser(ctx, "ada", adminapi.EndUser{})
	want(t, err, "GH-2405", 409)
	_, err = f.RevokeUser(ctx, "ada", adminapi.EndUser{})
	want(t, err, "GH-2405", 409)
	_, err = f.InviteUser(ctx, "ada", adminapi.Invite{})
	want(t, err, "GH-2405", 409)
	if _, err := f.people.Session(ctx, cookie); err != nil {
		t.Errorf("got %v, want nothing ended", err)
	}
}

// newPeople returns those who sign in, with what was ended noted.
func (f *fixture) newPeople() *login.Service {
	return &login.Service{
		Store: f.db.Login(), Issuer: "https://mcp.acme.example", Now: func() time.Time { return f.now },
		EndGrants: func(_ context.Context, _ tenant.ID, user, by, reason string) (int, error) {
			f.ended = append(f.ended, fmt.Sprintf("grants %s by %s: %s", user, by, reason))
			return 3, nil
		},
		EndTokens: func(_ context.Context, user, by, reason string) error {
			f.ended = append(f.ended, fmt.Sprintf("tokens %s by %s: %s", user, by, reason))
			return nil
		},
	}
}

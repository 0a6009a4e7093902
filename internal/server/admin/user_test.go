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

func TestUsersAreChangedAndDeleted(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	ada, err := f.CreateUser(ctx, adminapi.NewUser{Username: "ada", Password: secret, Groups: []string{"staff"}, Email: "ada@acme.test"})
	if err != nil {
		t.Fatal(err)
	}
	cookie := f.signsIn("ada")
	groups, none, name := []string{"staff", "editors"}, []string{}, "Ada L."
	if u, err := f.dry().UpdateUser(ctx, "ada", adminapi.UserChange{Groups: &none}); err != nil || !u.DryRun || len(u.Groups) != 0 {
		t.Errorf("got %+v, %v", u, err)
	}
	u, err := f.UpdateUser(ctx, "ada", adminapi.UserChange{Groups: &groups, Name: &name})
	if err != nil || fmt.Sprintf("%s, %s, %s", u.Groups, u.Name, u.Email) != "[editors staff], Ada L., ada@acme.test" {
		t.Errorf("got %+v, %v", u, err)
	}
	if e := f.events[len(f.events)-1]; e.Action != "user.update" || e.Subject != ada.ID || e.Outcome != audit.OK {
		t.Errorf("got %+v", e)
	}
	if _, err := f.people.Session(ctx, cookie); err != nil || len(f.ended) > 0 {
		t.Errorf("the session: %v, ended %v", err, f.ended)
	}
	bad, address, empty := []string{"a\nb"}, "a@b@c", ""
	for what, c := range map[string]adminapi.UserChange{"nothing": {}, "a group that is none": {Groups: &bad}, "a role that is none": {Roles: &bad}, "an address": {Email: &address}} {
		if _, err := f.UpdateUser(ctx, "ada", c); err == nil || !strings.Contains(err.Error(), "GH-2403") {
			t.Errorf("%s: got %v", what, err)
		}
	}
	if u, err := f.UpdateUser(ctx, "ada", adminapi.UserChange{Name: &empty, Email: &empty, Groups: &none}); err != nil || u.Name != "ada" || u.Email != "" || len(u.Groups) != 0 {
		t.Errorf("got %+v, %v", u, err)
	}
	if u, err := f.dry().DeleteUser(ctx, "ada", adminapi.EndUser{}); err != nil || !u.DryRun || len(f.ended) > 0 {
		t.Errorf("got %+v, %v, ended %v", u, err, f.ended)
	}
	u, err = f.DeleteUser(ctx, "ada", adminapi.EndUser{Reason: "left"})
	if err != nil || u.Ended.Sessions != 1 || u.Ended.Grants != 3 || len(f.ended) != 2 {
		t.Errorf("got %+v, %v, ended %v", u, err, f.ended)
	}
	if e := f.events[len(f.events)-1]; e.Action != "user.delete" || e.Subject != ada.ID || e.Detail["sessions"] != "1" {
		t.Errorf("got %+v", e)
	}
	for _, do := range []func() error{
		func() error { _, err := f.User(ctx, "ada"); return err }, func() error { _, err := f.DeleteUser(ctx, ada.ID, adminapi.EndUser{}); return err },
		func() error { _, err := f.UpdateUser(ctx, "ada", adminapi.UserChange{Name: &name}); return err },
	} {
		if err := do(); err == nil || !strings.Contains(err.Error(), "GH-2401") {
			t.Errorf("afterwards: got %v", err)
		}
	}
	if _, err := f.CreateUser(ctx, adminapi.NewUser{Username: "ada"}); err != nil {
		t.Errorf("the name is not free: %v", err)
	}
}

package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/grant"
	"github.com/gatehouse-mcp/gatehouse/internal/login"
	"github.com/gatehouse-mcp/gatehouse/internal/store"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// session is the n-th of a user, by a local account.
func session(u string, n int) *login.SessionRecord {
	return &login.SessionRecord{Hash: fmt.Sprint("hash", n), Session: login.Session{
		ID: fmt.Sprintf("ses_%03d", n), User: u, Methods: []string{"pwd", "otp"}, SignedIn: at(n), LastSeen: at(n), Expires: at(n + 100), Address: "2001:db8::1", Agent: "Firefox ü",
	}}
}

func sessionLife(t *testing.T, d *store.DB) {
	s, ctx := d.Login(), t.Context()
	u := newPerson(t, d, 1)
	one, two := session(u.ID, 1), session(u.ID, 2)
	must(t, s.OpenSession(ctx, one, 10))
	p := get(s.Session(ctx, one.Hash, at(2), at(0)))(t)
	wantSame(t, "session", p.Session, one.Session)
	if p.ID != u.ID || p.State != login.Active || !p.LastSeen.Equal(at(1)) {
		t.Errorf("got %+v, want the user, active", p.User)
	}
	for what, at2 := range map[string][2]time.Time{"ended": {at(101), at(0)}, "idle": {at(2), at(1)}} {
		_, err := s.Session(ctx, one.Hash, at2[0], at2[1])
		wantErr(t, what, err, login.ErrNotFound)
	}
	must(t, s.SeeSession(ctx, one.Hash, at(50)))
	if p := get(s.Session(ctx, one.Hash, at(51), at(49)))(t); !p.Session.LastSeen.Equal(at(50)) {
		t.Errorf("got %v, want it seen", p.Session.LastSeen)
	}
	must(t, s.OpenSession(ctx, two, 10))
	one.LastSeen = at(50)
	wantSame(t, "list", get(s.Sessions(ctx, "", u.ID, at(3)))(t), []login.Session{two.Session, one.Session})
	wantSame(t, "everybody's", len(get(s.Sessions(ctx, u.Tenant, "", at(3)))(t)), 2)
	three := session(u.ID, 3)
	three.Replaces = one.Hash
	must(t, s.OpenSession(ctx, three, 10))
	_, err := s.Session(ctx, one.Hash, at(4), at(0))
	wantErr(t, "replaced", err, login.ErrNotFound)
	must(t, s.OpenSession(ctx, session(u.ID, 4), 2))
	wantSame(t, "the oldest went", len(get(s.Sessions(ctx, "", u.ID, at(3)))(t)), 2)
	_, err = s.EndSession(ctx, "other", "ses_004")
	wantErr(t, "of another tenant", err, login.ErrNotFound)
	wantSame(t, "ended", get(s.EndSession(ctx, u.Tenant, "ses_004"))(t).ID, "ses_004")
	wantSame(t, "all ended", get(s.EndSessions(ctx, u.Tenant, u.ID))(t), 1)
	_, err = s.EndSessions(ctx, "other", u.ID)
	wantErr(t, "all of another tenant's", err, login.ErrNotFound)
}

// Whoever may not come in has no session, however it came to be.
func sessionRefused(t *testing.T, d *store.DB) {
	s, ctx := d.Login(), t.Context()
	def := defaultID(t, d)
	must(t, d.Tenants().Create(ctx, &tenant.Tenant{ID: "other", Name: "other", State: tenant.Active, Created: at(0), Changed: at(0)}))
	u := person("other", 1)
	must(t, s.CreateUser(ctx, "other", u, ""))
	alive := func(hash string) error { _, err := s.Session(ctx, hash, at(5), at(0)); return err }
	must(t, s.OpenSession(ctx, session(u.ID, 1), 10))
	must(t, alive("hash1"))

	get(d.Tenants().SetState(ctx, "other", tenant.Suspended, at(2), "ada"))(t)
	wantErr(t, "the tenant is suspended", alive("hash1"), login.ErrNotFound)
	wantErr(t, "opened in a suspended tenant", s.OpenSession(ctx, session(u.ID, 2), 10), login.ErrDisabled)
	get(d.Tenants().SetState(ctx, "other", tenant.Active, at(3), "ada"))(t)
	must(t, alive("hash1"))

	_, n, err := s.SetState(ctx, "", u.ID, login.Disabled)
	must(t, err)
	wantSame(t, "ended", n, 1)
	wantErr(t, "disabled", alive("hash1"), login.ErrNotFound)
	wantErr(t, "opened when disabled", s.OpenSession(ctx, session(u.ID, 3), 10), login.ErrDisabled)
	wantErr(t, "set up when disabled", s.Enrol(ctx, &login.Enrolment{User: u.ID, Password: "x", At: at(3)}, 9), login.ErrDisabled)
	wantErr(t, "invited when disabled", s.Invite(ctx, &login.Invitation{ID: "inv", Hash: "i", User: u.ID, Expires: at(9), Created: at(1)}, false), login.ErrDisabled)
	_, _, err = s.SetState(ctx, "", u.ID, login.Active)
	must(t, err)
	wantErr(t, "enabled again", alive("hash1"), login.ErrNotFound)
	enabled(t, d)

	by := get(s.Arrive(ctx, identity("s1"), &login.User{ID: "usr_f", Tenant: def, Name: "F", State: login.Active, Created: at(1)}, false))(t)
	r := session(by.ID, 7)
	r.Issuer, r.Subject, r.Provider = idp, "s1", "acme-idp"
	must(t, s.OpenSession(ctx, r, 10))
	wantSame(t, "identity", get(s.Session(ctx, "hash7", at(8), at(0)))(t).Identity.Subject, "s1")
	r = session(by.ID, 8)
	r.Issuer, r.Subject = idp, "somebody else's"
	must(t, s.OpenSession(ctx, r, 10))
	wantErr(t, "by an identity that is not theirs", alive("hash8"), login.ErrNotFound)
}

// Whoever is let in again is what they would be if they had never been disabled:
// invited, if there is nothing yet that they could sign in with.
func enabled(t *testing.T, d *store.DB) {
	s, ctx := d.Login(), t.Context()
	seen, unseen, invited := newPerson(t, d, 21), newPerson(t, d, 22), person(defaultID(t, d), 23)
	must(t, s.CreateUser(ctx, invited.Tenant, invited, ""))
	must(t, s.OpenSession(ctx, session(seen.ID, 21), 10))
	for u, want := range map[*login.User]login.State{seen: login.Active, unseen: login.Active, invited: login.Invited} {
		_, _, err := s.SetState(ctx, "", u.ID, login.Disabled)
		must(t, err)
		now, _, err := s.SetState(ctx, "", u.ID, login.Active)
		must(t, err)
		wantSame(t, u.ID, now.State, want)
	}
}

// However many open sessions while a user is disabled, none is left.
func sessionRace(t *testing.T, d *store.DB) {
	s, ctx := d.Login(), t.Context()
	for round := range 4 {
		u := newPerson(t, d, round)
		race(t, 12, func(i int) error {
			if i == 6 {
				_, _, err := s.SetState(ctx, "", u.ID, login.Disabled)
				return err
			}
			return s.OpenSession(ctx, session(u.ID, 100*round+i), 100)
		}, login.ErrDisabled)
		if left := get(s.Sessions(ctx, "", u.ID, at(0)))(t); len(left) != 0 {
			t.Errorf("got %d sessions of a disabled user", len(left))
		}
	}
}

func userChange(t *testing.T, d *store.DB) {
	s, ctx := d.Login(), t.Context()
	u := newPerson(t, d, 1)
	next := *u
	next.Name, next.Email, next.Vouched, next.Groups, next.Roles = "Eve", "", false, []string{"a"}, nil
	to := func(*login.User) (*login.User, error) { return &next, nil }
	wantSame(t, "changed", get(s.UpdateUser(ctx, u.Tenant, u.ID, to))(t), &next)
	wantSame(t, "as it is kept", get(s.User(ctx, "", u.ID))(t), &next)
	_, err := s.UpdateUser(ctx, "other", u.ID, to)
	wantErr(t, "of another tenant", err, login.ErrNotFound)
	_, err = s.UpdateUser(ctx, u.Tenant, u.ID, func(*login.User) (*login.User, error) { return nil, login.ErrInvalid })
	wantErr(t, "one that is no change", err, login.ErrInvalid)
	wantSame(t, "nothing of it is kept", get(s.User(ctx, "", u.ID))(t), &next)
}

// However many change something at once, nothing of any of them is lost.
func userChangeRace(t *testing.T, d *store.DB) {
	u := newPerson(t, d, 1)
	people := &login.Service{Store: d.Login()}
	name, mail, groups, roles := "Eve", "eve@acme.example", []string{"a"}, []string{"b"}
	changes := []login.UserChange{{Name: &name}, {Email: &mail}, {Groups: &groups}, {Roles: &roles}}
	race(t, len(changes), func(i int) error {
		_, err := people.Update(t.Context(), u.Tenant, u.ID, &changes[i], false)
		return err
	})
	want := *u
	want.Name, want.Email, want.Vouched, want.Groups, want.Roles = name, mail, true, groups, roles
	wantSame(t, "all of them", get(d.Login().User(t.Context(), "", u.ID))(t), &want)
}

// Whoever is deleted has nothing left, and their name and identities are free.
func userDeleted(t *testing.T, d *store.DB) {
	s, ctx := d.Login(), t.Context()
	u, other := newPerson(t, d, 1), newPerson(t, d, 2)
	known := get(s.Arrive(ctx, identity("s1"), &login.User{ID: "usr_x", Tenant: u.Tenant, Name: "X", State: login.Active, Created: at(1)}, false))(t)
	must(t, s.Enrol(ctx, &login.Enrolment{User: u.ID, Password: "h", TOTP: "t", Recovery: []string{"r"}, At: at(2), Passkey: &login.Passkey{
		ID: "pky_1", Credential: "c1", User: u.ID, Name: "phone", Record: "{}", Created: at(2),
	}}, 5))
	must(t, s.Invite(ctx, &login.Invitation{ID: "inv_1", Hash: "h1", User: u.ID, Expires: at(50), Created: at(2), By: "ada"}, false))
	must(t, s.OpenSession(ctx, &login.SessionRecord{Hash: "s", Session: login.Session{ID: "ses_1", User: u.ID, SignedIn: at(3), LastSeen: at(3), Expires: at(50)}}, 5))
	key := grant.ConsentKey{Tenant: u.Tenant, User: u.ID, Client: "cli", Resource: "https://mcp.test/mcp"}
	must(t, d.Consents().Remember(ctx, &grant.Consent{ConsentKey: key, Scopes: []string{"a"}, Refused: []string{"b"}, Created: at(0), Expires: at(50)}))
	wantErr(t, "of another tenant", s.DeleteUser(ctx, "other", u.ID), login.ErrNotFound)
	for _, id := range []string{u.ID, known.ID} {
		must(t, s.DeleteUser(ctx, u.Tenant, id))
		wantErr(t, "again", s.DeleteUser(ctx, "", id), login.ErrNotFound)
	}
	_, err := s.Passkey(ctx, "c1")
	wantErr(t, "a passkey", err, login.ErrNotFound)
	_, err = s.Session(ctx, "s", at(4), at(0))
	wantErr(t, "a session", err, login.ErrNotFound)
	_, err = s.Invitation(ctx, "h1", at(4))
	wantErr(t, "an invitation", err, login.ErrSpent)
	_, err = d.Consents().Allowed(ctx, key, at(4))
	wantErr(t, "what they allowed", err, grant.ErrNotFound)
	wantSame(t, "who is left", get(s.Users(ctx, "", "", 9))(t), []login.User{*other})
	must(t, s.CreateUser(ctx, u.Tenant, &login.User{ID: "usr_new", Tenant: u.Tenant, Username: u.Username, Name: "N", State: login.Invited, Created: at(9)}, ""))
	again := get(s.Arrive(ctx, identity("s1"), &login.User{ID: "usr_y", Tenant: u.Tenant, Name: "Y", State: login.Active, Created: at(9)}, false))(t)
	if again.ID != "usr_y" {
		t.Errorf("got %s, want somebody new", again.ID)
	}
}

package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/login"
	"github.com/gatehouse-mcp/gatehouse/internal/store"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

const idp = "https://idp.example/ü"

// defaultID is the default tenant's.
func defaultID(t *testing.T, d *store.DB) tenant.ID {
	t.Helper()
	return get(d.Tenants().ByName(t.Context(), tenant.Default))(t).ID
}

// person is the n-th user of a tenant, of a local account.
func person(of tenant.ID, n int) *login.User {
	return &login.User{
		ID: fmt.Sprintf("usr_%03d", n), Tenant: of, Name: fmt.Sprint("Ada \"'ü ", n), Email: fmt.Sprintf("ada%d@acme.example", n), Vouched: true,
		Username: fmt.Sprint("ada", n), Groups: []string{"staff", "ü,\"'"}, Roles: []string{"admin"}, State: login.Invited, Created: at(n),
	}
}

// newPerson adds one.
func newPerson(t *testing.T, d *store.DB, n int) *login.User {
	t.Helper()
	u := person(defaultID(t, d), n)
	must(t, d.Login().CreateUser(t.Context(), u.Tenant, u, "hash"))
	return u
}

func userRoundTrip(t *testing.T, d *store.DB) {
	s, ctx := d.Login(), t.Context()
	a, b := newPerson(t, d, 1), newPerson(t, d, 2)
	other := get(d.Tenants().Get(ctx, a.Tenant))(t)
	must(t, d.Tenants().Create(ctx, &tenant.Tenant{ID: "other", Name: "other", State: tenant.Active, Created: at(0), Changed: at(0)}))
	c := person("other", 3)
	c.Username, c.Email, c.Groups, c.Roles = "", "", nil, nil
	must(t, s.CreateUser(ctx, c.Tenant, c, ""))
	for _, handle := range []string{a.ID, a.Username} {
		wantSame(t, handle, get(s.User(ctx, "", handle))(t), a)
		wantSame(t, handle, get(s.User(ctx, other.ID, handle))(t), a)
		_, err := s.User(ctx, "other", handle)
		wantErr(t, "of another tenant", err, login.ErrNotFound)
	}
	wantSame(t, "all", get(s.Users(ctx, "", "", 10))(t), []login.User{*a, *b, *c})
	wantSame(t, "of one tenant", get(s.Users(ctx, "other", "", 10))(t), []login.User{*c})
	wantSame(t, "a page", get(s.Users(ctx, "", a.ID, 1))(t), []login.User{*b})
	wantSame(t, "secrets", get(s.Secrets(ctx, a.ID))(t), &login.Secrets{Password: "hash"})
	wantSame(t, "no secrets", get(s.Secrets(ctx, c.ID))(t), &login.Secrets{})
	_, err := s.Secrets(ctx, "nobody")
	wantErr(t, "secrets of nobody", err, login.ErrNotFound)

	twin := person("other", 9)
	twin.Username = a.Username
	wantErr(t, "a username twice", s.CreateUser(ctx, "other", twin, ""), login.ErrExists)
	wantErr(t, "of no tenant", s.CreateUser(ctx, "nobody", person("nobody", 8), ""), tenant.ErrNotFound)
	get(d.Tenants().SetState(ctx, "other", tenant.Deleted, at(9), "ada"))(t)
	_, err = s.User(ctx, "", c.ID)
	wantErr(t, "of a deleted tenant", err, login.ErrNotFound)
	wantErr(t, "into a deleted tenant", s.CreateUser(ctx, "other", person("other", 7), ""), tenant.ErrNotFound)
}

// A deleted tenant's usernames and identities are free; its users' ids never are.
func userOfDeletedTenant(t *testing.T, d *store.DB) {
	s, ctx := d.Login(), t.Context()
	must(t, d.Tenants().Create(ctx, &tenant.Tenant{ID: "other", Name: "other", State: tenant.Active, Created: at(0), Changed: at(0)}))
	old := person("other", 1)
	must(t, s.CreateUser(ctx, "other", old, ""))
	known := get(s.Arrive(ctx, identity("s1"), &login.User{ID: "usr_x", Tenant: "other", Name: "X", State: login.Active, Created: at(1)}, false))(t)
	get(d.Tenants().SetState(ctx, "other", tenant.Deleted, at(9), "ada"))(t)

	def := defaultID(t, d)
	again := person(def, 2)
	again.Username = old.Username
	must(t, s.CreateUser(ctx, def, again, ""))
	fresh := get(s.Arrive(ctx, identity("s1"), &login.User{ID: "usr_y", Tenant: def, Name: "Y", State: login.Active, Created: at(10)}, false))(t)
	if fresh.ID == known.ID || len(fresh.Links) != 1 {
		t.Errorf("got %+v, want somebody new", fresh)
	}
	again.ID = old.ID
	again.Username = "free"
	wantErr(t, "an id again", s.CreateUser(ctx, def, again, ""), login.ErrExists)
}

func identity(subject string) *login.Link {
	return &login.Link{
		Provider: "acme-idp", Issuer: idp, Subject: subject, Email: "ada@acme.example", Groups: []string{"team"}, Roles: []string{"r"}, Created: at(1), LastUsed: at(1),
	}
}

func userArrives(t *testing.T, d *store.DB) {
	s, ctx, def := d.Login(), t.Context(), defaultID(t, d)
	arrive := func(l *login.Link, id string, link bool) (*login.User, error) {
		return s.Arrive(ctx, l, &login.User{ID: id, Tenant: def, Name: "Ada", Email: l.Email, Vouched: true, State: login.Active, Created: at(1)}, link)
	}
	first := get(arrive(identity("s1"), "usr_1", false))(t)
	wantSame(t, "made", first, &login.User{
		ID: "usr_1", Tenant: def, Name: "Ada", Email: "ada@acme.example", Vouched: true, State: login.Active, Created: at(1), Links: []login.Link{*identity("s1")},
	})
	later := identity("s1")
	later.Groups, later.LastUsed = []string{"other"}, at(5)
	back := get(arrive(later, "usr_2", false))(t)
	later.Created = at(1)
	wantSame(t, "back", back.Links, []login.Link{*later})
	if back.ID != "usr_1" {
		t.Errorf("got %s, want the same user", back.ID)
	}
	if u := get(arrive(identity("s2"), "usr_3", false))(t); u.ID != "usr_3" {
		t.Errorf("another subject with the same address, without linking: got %s", u.ID)
	}
	if u := get(arrive(identity("s3"), "usr_4", true))(t); u.ID != "usr_4" {
		t.Errorf("two have the address: got %s, want somebody new", u.ID)
	}
	must(t, d.Tenants().Create(ctx, &tenant.Tenant{ID: "other", Name: "other", State: tenant.Active, Created: at(0), Changed: at(0)}))
	_, err := s.Arrive(ctx, identity("s1"), &login.User{ID: "usr_5", Tenant: "other", Name: "Ada", State: login.Active, Created: at(1)}, true)
	wantErr(t, "in another tenant", err, login.ErrTenant)
	_, _, err = s.SetState(ctx, def, "usr_1", login.Disabled)
	must(t, err)
	_, err = arrive(identity("s1"), "usr_6", true)
	wantErr(t, "disabled", err, login.ErrDisabled)
}

// An identity is linked to the one account that has its address from somebody who
// may say so, and to no other.
func userLinks(t *testing.T, d *store.DB) {
	s, ctx := d.Login(), t.Context()
	u := newPerson(t, d, 1)
	arrive := func(subject, email string) (*login.User, error) {
		l := identity(subject)
		l.Email = email
		return s.Arrive(ctx, l, &login.User{ID: "usr_" + subject, Tenant: u.Tenant, Name: "A", Email: email, Vouched: true, State: login.Active, Created: at(1)}, true)
	}
	if got := get(arrive("s1", u.Email))(t); got.ID != u.ID || len(got.Links) != 1 || got.Name != u.Name {
		t.Errorf("got %+v, want the account with the address, as it is", got)
	}
	squat := person(u.Tenant, 5)
	squat.Vouched = false
	must(t, s.CreateUser(ctx, u.Tenant, squat, ""))
	if got := get(arrive("s2", squat.Email))(t); got.ID == squat.ID {
		t.Error("an address that nobody vouched for was linked")
	}
	for _, subject := range []string{"s3", "s4"} {
		if got := get(arrive(subject, ""))(t); got.ID != "usr_"+subject {
			t.Errorf("no address: got %+v", got)
		}
	}
	_, _, err := s.SetState(ctx, "", u.ID, login.Disabled)
	must(t, err)
	_, err = arrive("s5", u.Email)
	wantErr(t, "a disabled user by another door", err, login.ErrDisabled)
}

func userArrivesRace(t *testing.T, d *store.DB) {
	s, ctx, def := d.Login(), t.Context(), defaultID(t, d)
	ids := make([]string, 16)
	race(t, len(ids), func(i int) error {
		u, err := s.Arrive(ctx, identity("s1"), &login.User{ID: fmt.Sprint("usr_r", i), Tenant: def, Name: "A", State: login.Active, Created: at(1)}, false)
		if err == nil {
			ids[i] = u.ID
		}
		return err
	})
	slices.Sort(ids)
	if ids = slices.Compact(ids); len(ids) != 1 {
		t.Errorf("got users %v of one identity", ids)
	}
	if all := get(s.Users(ctx, "", "", 100))(t); len(all) != 1 {
		t.Errorf("got %d users, want one", len(all))
	}
}

func enrolment(t *testing.T, d *store.DB) {
	s, ctx := d.Login(), t.Context()
	u := newPerson(t, d, 1)
	key := &login.Passkey{ID: "pky_1", Credential: "cred1", User: u.ID, Name: "phone ü", Record: `{"n":1}`, Created: at(2)}
	must(t, s.Enrol(ctx, &login.Enrolment{User: u.ID, TOTP: "sealed", Step: 7, Passkey: key, Recovery: []string{"r1", "r2"}, At: at(2)}, 2))
	want := &login.Secrets{Password: "hash", TOTP: "sealed", Recovery: 2, Passkeys: []login.Passkey{*key}}
	wantSame(t, "what is not given stays", get(s.Secrets(ctx, u.ID))(t), want)
	for step, fresh := range map[int64]bool{7: false, 6: false} {
		wantSame(t, fmt.Sprint("step ", step), get(s.SpendStep(ctx, u.ID, step))(t), fresh)
	}
	wantSame(t, "step 8", get(s.SpendStep(ctx, u.ID, 8))(t), true)
	must(t, s.Enrol(ctx, &login.Enrolment{User: u.ID, Password: "other", At: at(3)}, 2))
	want.Password = "other"
	wantSame(t, "another password", get(s.Secrets(ctx, u.ID))(t), want)
	wantSame(t, "the step stays", get(s.SpendStep(ctx, u.ID, 8))(t), false)

	other := newPerson(t, d, 2)
	stolen := *key
	stolen.ID, stolen.User = "pky_2", other.ID
	wantErr(t, "somebody else's passkey", s.Enrol(ctx, &login.Enrolment{User: other.ID, Passkey: &stolen, Password: "never", At: at(3)}, 2), login.ErrExists)
	wantSame(t, "nothing of it stays", get(s.Secrets(ctx, other.ID))(t).Password, "hash")
	stolen.Credential, stolen.User = "cred2", u.ID
	must(t, s.Enrol(ctx, &login.Enrolment{User: u.ID, Passkey: &stolen, At: at(3)}, 2))
	stolen.Credential, stolen.ID = "cred3", "pky_3"
	wantErr(t, "a third", s.Enrol(ctx, &login.Enrolment{User: u.ID, Passkey: &stolen, At: at(3)}, 2), login.ErrFull)

	used := *key
	used.Record, used.LastUsed = `{"n":2}`, at(4)
	wantSame(t, "used", get(s.UsePasskey(ctx, &used, key.Record))(t), true)
	wantSame(t, "used by an old counter", get(s.UsePasskey(ctx, &used, key.Record))(t), false)
	wantSame(t, "passkey", get(s.Passkey(ctx, "cred1"))(t), &used)
	_, err := s.Passkey(ctx, "nobody's")
	wantErr(t, "nobody's passkey", err, login.ErrNotFound)
	wantErr(t, "removed by another", s.RemovePasskey(ctx, other.ID, "pky_1"), login.ErrNotFound)
	must(t, s.RemovePasskey(ctx, u.ID, "pky_1"))

	wantSame(t, "has a code", get(s.HasRecovery(ctx, u.ID, "r1"))(t), true)
	wantSame(t, "another has not", get(s.SpendRecovery(ctx, other.ID, "r1"))(t), false)
	won := race(t, 8, func(int) error {
		ok, err := s.SpendRecovery(ctx, u.ID, "r1")
		if err == nil && !ok {
			err = login.ErrWrong
		}
		return err
	}, login.ErrWrong)
	wantSame(t, "a code once", won, 1)
}

func invitation(t *testing.T, d *store.DB) {
	s, ctx := d.Login(), t.Context()
	u := newPerson(t, d, 1)
	must(t, s.OpenSession(ctx, session(u.ID, 1), 9))
	i := &login.Invitation{ID: "inv_1", Hash: "i1", User: u.ID, Expires: at(10), Created: at(1), By: "ada"}
	must(t, s.Invite(ctx, i, false))
	wantSame(t, "invitation", get(s.Invitation(ctx, "i1", at(9)))(t), i)
	_, err := s.Invitation(ctx, "i1", at(10))
	wantErr(t, "ended", err, login.ErrSpent)
	wantErr(t, "spent when it has ended", s.Enrol(ctx, &login.Enrolment{User: u.ID, Invitation: "i1", Password: "x", At: at(10)}, 9), login.ErrSpent)
	j := *i
	j.ID, j.Hash = "inv_2", "i2"
	must(t, s.Invite(ctx, &j, true))
	_, err = s.Invitation(ctx, "i1", at(2))
	wantErr(t, "replaced", err, login.ErrSpent)
	wantSame(t, "reset", get(s.Secrets(ctx, u.ID))(t), &login.Secrets{})
	wantSame(t, "reset ends sessions", len(get(s.Sessions(ctx, "", u.ID, at(2)))(t)), 0)

	other := newPerson(t, d, 2)
	wantErr(t, "of somebody else", s.Enrol(ctx, &login.Enrolment{User: other.ID, Invitation: "i2", Password: "x", At: at(2)}, 9), login.ErrSpent)
	won := race(t, 8, func(n int) error {
		return s.Enrol(ctx, &login.Enrolment{User: u.ID, Invitation: "i2", Password: fmt.Sprint("p", n), At: at(2)}, 9)
	}, login.ErrSpent)
	wantSame(t, "one of many is let in", won, 1)
}

func attempts(t *testing.T, d *store.DB) {
	s, ctx := d.Login(), t.Context()
	pace := login.Pace{Free: 3, First: time.Second, Most: 10 * time.Second, Calm: time.Hour}
	try := func(at time.Time) time.Duration { t.Helper(); return get(s.Attempt(ctx, "b", at, pace))(t) }
	now := at(0)
	for range 3 {
		wantSame(t, "free", try(now), time.Duration(0))
	}
	for _, seconds := range []int{1, 2, 4, 8, 10, 10} {
		wait := time.Duration(seconds) * time.Second
		wantSame(t, "the one that makes the next wait", try(now), time.Duration(0))
		wantSame(t, "too early", try(now), wait)
		wantSame(t, "too early, still", try(now.Add(wait-time.Microsecond)), time.Second)
		now = now.Add(wait)
	}
	now = now.Add(time.Hour + time.Minute)
	for range 3 {
		wantSame(t, "calm", try(now), time.Duration(0))
	}
	must(t, s.Forgive(ctx, "b", 1))
	wantSame(t, "one forgiven", try(now), time.Duration(0))
	wantSame(t, "one forgiven: this makes the next wait", try(now), time.Duration(0))
	if try(now) == 0 {
		t.Error("no wait after too many")
	}
	must(t, s.Forgive(ctx, "b", 0))
	wantSame(t, "forgiven", try(now), time.Duration(0))

	errEarly := errors.New("too early")
	won := race(t, 32, func(int) error {
		wait, err := s.Attempt(context.WithoutCancel(ctx), "c", now, pace)
		if err == nil && wait > 0 {
			err = errEarly
		}
		return err
	}, errEarly)
	wantSame(t, "of many at once", won, 4)
	must(t, s.SweepLogin(ctx, now.Add(time.Minute)))
	wantSame(t, "swept", get(s.Attempt(ctx, "c", now, pace))(t), time.Duration(0))
}

func challenges(t *testing.T, d *store.DB) {
	s, ctx := d.Login(), t.Context()
	errMet := errors.New("met before")
	won := race(t, 16, func(int) error {
		ok, err := s.SpendChallenge(ctx, "c1", at(5))
		if err == nil && !ok {
			err = errMet
		}
		return err
	}, errMet)
	wantSame(t, "once", won, 1)
	must(t, s.SweepLogin(ctx, at(5)))
	wantSame(t, "while it lasts", get(s.SpendChallenge(ctx, "c1", at(5)))(t), false)
}

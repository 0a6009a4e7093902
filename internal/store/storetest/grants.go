package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/grant"
	"github.com/gatehouse-mcp/gatehouse/internal/store"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
	"github.com/gatehouse-mcp/gatehouse/internal/token"
)

// granted is the n-th grant of a tenant, with every attribute set.
func granted(tn tenant.ID, n int) *grant.Record {
	return &grant.Record{
		Authorization: grant.Authorization{
			Grant: grant.Grant{
				ID: fmt.Sprintf("grant%07d", n), Tenant: tn, Client: "https://app.test/ü", Subject: "usr_ada", Resource: "https://mcp.test/mcp",
				Scopes: []string{"notes:read", `a"b\`}, Offline: true, Redirect: "http://127.0.0.1:1/cb", Flow: "flow", AuthTime: at(-5),
				Identity: grant.Identity{Issuer: "https://idp.test", Subject: "a'1"}, Created: at(n), Expires: at(n + 1),
			},
			Challenge: "challenge", Bound: "jkt",
		},
		Code: [32]byte{1, 31: byte(n)}, CodeExpires: at(n + 1),
	}
}

func newGrant(t *testing.T, d *store.DB, tn tenant.ID, n int) *grant.Record {
	t.Helper()
	r := granted(tn, n)
	must(t, d.Grants().Create(t.Context(), tn, r))
	return r
}

func grantLife(t *testing.T, d *store.DB) {
	s, ctx, tn, other := d.Grants(), t.Context(), newTenant(t, d, "acme"), newTenant(t, d, "bolt")
	r := newGrant(t, d, tn, 1)
	wantSame(t, "found", get(s.Find(ctx, r.ID))(t), r)
	_, err := s.Find(ctx, "nobody")
	wantErr(t, "of nobody", err, grant.ErrNotFound)
	wantErr(t, "a tenant that there is not", s.Create(ctx, "nobody", granted("nobody", 2)), tenant.ErrNotFound)

	_, err = s.Rotate(ctx, tn, r.ID, 0, at(1), time.Time{})
	wantErr(t, "rotated before it is redeemed", err, grant.ErrRaced)
	start := grant.Start{At: at(1), Expires: at(500), Idle: at(100), Key: "jkt"}
	_, err = s.Redeem(ctx, other, r.ID, start)
	wantErr(t, "redeemed by another tenant", err, grant.ErrSpent)
	late := start
	late.At = at(2)
	_, err = s.Redeem(ctx, tn, r.ID, late)
	wantErr(t, "redeemed when its code has expired", err, grant.ErrSpent)
	g := get(s.Redeem(ctx, tn, r.ID, start))(t)
	want := r.Grant
	want.Generation, want.Rotated, want.LastUsed, want.Expires, want.Idle, want.Key = 1, at(1), at(1), at(500), at(100), "jkt"
	wantSame(t, "redeemed", *g, want)
	_, err = s.Redeem(ctx, tn, r.ID, start)
	wantErr(t, "redeemed twice", err, grant.ErrSpent)

	want.Generation, want.Rotated, want.LastUsed, want.Idle = 2, at(9), at(9), at(109)
	wantSame(t, "rotated", *get(s.Rotate(ctx, tn, r.ID, 1, at(9), at(109)))(t), want)
	for name, rotate := range map[string]func() (*grant.Grant, error){
		"an old generation": func() (*grant.Grant, error) { return s.Rotate(ctx, tn, r.ID, 1, at(9), at(109)) },
		"when it is idle":   func() (*grant.Grant, error) { return s.Rotate(ctx, tn, r.ID, 2, at(109), at(209)) },
		"when it is over":   func() (*grant.Grant, error) { return s.Rotate(ctx, tn, r.ID, 2, at(500), at(900)) },
		"another tenant":    func() (*grant.Grant, error) { return s.Rotate(ctx, other, r.ID, 2, at(9), at(109)) },
	} {
		_, err := rotate()
		wantErr(t, name, err, grant.ErrRaced)
	}
	online := granted(tn, 3)
	online.Offline = false
	must(t, s.Create(ctx, tn, online))
	get(s.Redeem(ctx, tn, online.ID, grant.Start{At: at(3), Expires: at(13)}))(t)
	_, err = s.Rotate(ctx, tn, online.ID, 1, at(4), time.Time{})
	wantErr(t, "without a refresh token", err, grant.ErrRaced)
}

// Access tokens end in the same transaction, or nothing does.
func grantRevoke(t *testing.T, d *store.DB) {
	s, ctx, tn, other := d.Grants(), t.Context(), newTenant(t, d, "acme"), newTenant(t, d, "bolt")
	var ids []string
	for n := range 3 {
		ids = append(ids, newGrant(t, d, tn, n).ID)
	}
	foreign := newGrant(t, d, other, 9)
	end := grant.End{At: at(5), Reason: "lost", By: "ada", Issuer: "https://mcp.test", Tokens: at(20)}
	ended := get(s.Revoke(ctx, tn, append(ids, foreign.ID, "nobody"), end))(t)
	if len(ended) != 3 || !ended[0].Revoked.Equal(at(5)) || ended[0].Reason != "lost" || ended[0].By != "ada" {
		t.Errorf("got %+v, want the three of the tenant", ended)
	}
	revision := get(d.Revocations().Revision(ctx))(t)
	if again := get(s.Revoke(ctx, tn, ids, end))(t); len(again) != 0 {
		t.Errorf("again: got %+v, want nothing", again)
	}
	if now := get(d.Revocations().Revision(ctx))(t); now != revision {
		t.Errorf("again: got revision %d, want it still at %d, for nobody has to look", now, revision)
	}
	list, total, err := d.Revocations().Revocations(ctx, token.Filter{Kind: token.KindGrant})
	if err != nil || total != 3 || list[0].Issuer != "https://mcp.test" || !list[0].Before.IsZero() || !list[0].Expires.Equal(at(20)) {
		t.Errorf("got %+v, %v, want a revocation of each", list, err)
	}
	_, err = s.Redeem(ctx, tn, ids[0], grant.Start{At: at(0), Expires: at(99)})
	wantErr(t, "redeemed afterwards", err, grant.ErrSpent)

	count := func(what string, f grant.Filter, want int) {
		t.Helper()
		f.Limit = 10
		if all := get(s.List(ctx, f))(t); len(all) != want {
			t.Errorf("%s: got %d, want %d", what, len(all), want)
		}
	}
	count("all", grant.Filter{}, 4)
	count("of a tenant", grant.Filter{Tenant: tn}, 3)
	count("of a user", grant.Filter{Subject: "usr_ada", Tenant: other}, 1)
	count("of a client", grant.Filter{Client: "nobody"}, 0)
	count("that hold", grant.Filter{Active: at(5)}, 1)
	count("that hold later", grant.Filter{Active: at(50)}, 0)
	if n := get(s.Sweep(ctx, at(20), at(4)))(t); n != 4 { // no code of them was redeemed
		t.Errorf("swept %d, want all", n)
	}
}

func grantRace(t *testing.T, d *store.DB) {
	s, tn := d.Grants(), newTenant(t, d, "acme")
	for n := range 5 {
		r := newGrant(t, d, tn, n)
		if won := race(t, 16, func(int) error {
			_, err := s.Redeem(context.Background(), tn, r.ID, grant.Start{At: at(n), Expires: at(500)})
			return err
		}, grant.ErrSpent); won != 1 {
			t.Fatalf("%d redeemed one code", won)
		}
		if won := race(t, 16, func(int) error {
			_, err := s.Rotate(context.Background(), tn, r.ID, 1, at(n), time.Time{})
			return err
		}, grant.ErrRaced); won != 1 {
			t.Fatalf("%d rotated one token", won)
		}
		// Whatever comes first, nothing is rotated once a revocation was reported.
		race(t, 8, func(i int) error {
			if i%2 == 0 {
				_, err := s.Revoke(context.Background(), tn, []string{r.ID}, grant.End{At: at(n), Issuer: "x", Tokens: at(n + 9)})
				return err
			}
			_, err := s.Rotate(context.Background(), tn, r.ID, 2, at(n), time.Time{})
			return err
		}, grant.ErrRaced)
		_, err := s.Rotate(t.Context(), tn, r.ID, get(s.Find(t.Context(), r.ID))(t).Generation, at(n), time.Time{})
		wantErr(t, "rotated afterwards", err, grant.ErrRaced)
	}
}

func onceRace(t *testing.T, d *store.DB) {
	s, ctx := d.Once(), context.Background()
	for n := range byte(5) {
		if won := race(t, 16, func(int) error { return s.Mark(ctx, [32]byte{n}, at(0), at(10)) }, grant.ErrReplay); won != 1 {
			t.Fatalf("%d were first", won)
		}
	}
	wantErr(t, "as long as it lasts", s.Mark(ctx, [32]byte{1}, at(9), at(20)), grant.ErrReplay)
	if won := race(t, 16, func(int) error { return s.Mark(ctx, [32]byte{1}, at(10), at(20)) }, grant.ErrReplay); won != 1 {
		t.Errorf("when it has ended: %d were first", won)
	}
	if n := get(s.Sweep(ctx, at(11)))(t); n != 4 {
		t.Errorf("swept %d, want those that have ended", n)
	}
	if got := get(s.Ending(ctx, [32]byte{1}, at(11)))(t); got != "" {
		t.Errorf("got %q before anything came of it", got)
	}
	must(t, s.Settle(ctx, [32]byte{1}, "an end"))
	must(t, s.Settle(ctx, [32]byte{99}, "of nothing"))
	if got := get(s.Ending(ctx, [32]byte{1}, at(19)))(t); got != "an end" {
		t.Errorf("got %q", got)
	}
	for key, moment := range map[byte]time.Time{1: at(20), 99: at(11)} {
		_, err := s.Ending(ctx, [32]byte{key}, moment)
		wantErr(t, "no mark", err, grant.ErrNotFound)
	}
	must(t, s.Mark(ctx, [32]byte{1}, at(20), at(30)))
	if got := get(s.Ending(ctx, [32]byte{1}, at(21)))(t); got != "" {
		t.Errorf("got %q, of the mark before", got)
	}

	q := d.Requests()
	must(t, q.Push(ctx, [32]byte{1}, "cli", `a=b&c="\`, at(5)))
	_, err := q.Take(ctx, [32]byte{1}, "evil", at(1))
	wantErr(t, "another client", err, grant.ErrNotFound)
	_, err = q.Take(ctx, [32]byte{1}, "cli", at(5))
	wantErr(t, "late", err, grant.ErrNotFound)
	if won := race(t, 16, func(int) error {
		text, err := q.Take(ctx, [32]byte{1}, "cli", at(1))
		if err == nil && text != `a=b&c="\` {
			return errors.New(text)
		}
		return err
	}, grant.ErrNotFound); won != 1 {
		t.Errorf("%d took one request", won)
	}
	must(t, q.Push(ctx, [32]byte{2}, "cli", "x=y", at(5)))
	if n := get(q.Sweep(ctx, at(6)))(t); n != 1 {
		t.Errorf("swept %d", n)
	}
}

func consentLife(t *testing.T, d *store.DB) {
	s, ctx, tn := d.Consents(), t.Context(), newTenant(t, d, "acme")
	key := grant.ConsentKey{Tenant: tn, User: "usr_ada", Client: "cli", Version: "1", Resource: "https://mcp.test/mcp", Host: "app.test"}
	must(t, s.Remember(ctx, &grant.Consent{ConsentKey: key, Scopes: []string{"b"}, Created: at(0), Expires: at(10)}))
	must(t, s.Remember(ctx, &grant.Consent{ConsentKey: key, Scopes: []string{"a", "b"}, Created: at(1), Expires: at(20)}))
	want := &grant.Consent{ConsentKey: key, Scopes: []string{"a", "b"}, Created: at(1), Expires: at(20)}
	wantSame(t, "allowed", get(s.Allowed(ctx, key, at(19)))(t), want)
	must(t, s.Remember(ctx, &grant.Consent{ConsentKey: key, Scopes: []string{"a"}, Created: at(2), Expires: at(15)}))
	wantSame(t, "never for less long", get(s.Allowed(ctx, key, at(19)))(t).Scopes, want.Scopes)
	_, err := s.Allowed(ctx, key, at(20))
	wantErr(t, "late", err, grant.ErrNotFound)
	other := key
	other.Client = "a client"
	must(t, s.Remember(ctx, &grant.Consent{ConsentKey: other, Scopes: []string{"z"}, Created: at(0), Expires: at(5)}))
	if all := get(s.Consents(ctx, tn, "usr_ada", at(1)))(t); len(all) != 2 || all[0].Client != "a client" || len(all[1].Scopes) != 2 {
		t.Errorf("got %+v, want both", all)
	}
	if n := get(s.Sweep(ctx, at(6)))(t); n != 1 {
		t.Errorf("swept %d, want the one that ended", n)
	}
	if n := get(s.Forget(ctx, tn, "usr_ada", "nobody"))(t); n != 0 {
		t.Errorf("forgot %d of another client", n)
	}
	if n := get(s.Forget(ctx, tn, "usr_ada", ""))(t); n != 2 {
		t.Errorf("forgot %d, want every scope", n)
	}
}

func refusalLife(t *testing.T, d *store.DB) {
	s, ctx, tn := d.Consents(), t.Context(), newTenant(t, d, "acme")
	key := grant.ConsentKey{Tenant: tn, User: "usr_ada", Client: "cli", Version: "1", Resource: "https://mcp.test/mcp", Host: "app.test"}
	decide := func(scopes, refused []string, until int) {
		must(t, s.Remember(ctx, &grant.Consent{ConsentKey: key, Scopes: scopes, Refused: refused, Created: at(0), Expires: at(until)}))
	}
	decide([]string{"a", "b"}, []string{"c"}, 10)
	want := &grant.Consent{ConsentKey: key, Scopes: []string{"a", "b"}, Refused: []string{"c"}, Created: at(0), Expires: at(10)}
	wantSame(t, "allowed and refused", get(s.Allowed(ctx, key, at(9)))(t), want)
	other := key
	other.Host = "evil.test"
	must(t, s.Remember(ctx, &grant.Consent{ConsentKey: other, Scopes: []string{"a"}, Created: at(0), Expires: at(10)}))
	wantSame(t, "of another key", get(s.Allowed(ctx, other, at(1)))(t).Refused, []string(nil))
	decide([]string{"a", "c"}, []string{"b"}, 20)
	want = &grant.Consent{ConsentKey: key, Scopes: []string{"a", "c"}, Refused: []string{"b"}, Created: at(0), Expires: at(20)}
	wantSame(t, "the other way round", get(s.Allowed(ctx, key, at(19)))(t), want)
	decide(nil, []string{"a", "c"}, 20)
	_, err := s.Allowed(ctx, key, at(1))
	wantErr(t, "nothing is left", err, grant.ErrNotFound)
	if n := get(s.Sweep(ctx, at(30)))(t); n != 4 {
		t.Errorf("swept %d, want the refusals and the consent of the other key", n)
	}
	decide([]string{"a"}, []string{"b"}, 40)
	if n := get(s.Forget(ctx, tn, "usr_ada", ""))(t); n != 1 {
		t.Errorf("forgot %d, want what was allowed", n)
	}
	decide([]string{"a"}, nil, 40)
	wantSame(t, "a refusal that was forgotten", get(s.Allowed(ctx, key, at(31)))(t).Refused, []string(nil))
}

func deviceLife(t *testing.T, d *store.DB) {
	s, ctx, tn := d.Devices(), t.Context(), newTenant(t, d, "acme")
	r := &grant.DeviceRecord{
		Device: grant.Device{ID: "dev", Client: "tv", Scopes: []string{"a"}, Resource: "https://mcp.test/mcp", Offline: true, Flow: "f", Created: at(0), Expires: at(10)},
		Code:   [32]byte{1}, UserCode: [32]byte{2}, Interval: 5 * time.Second, Asked: time.UnixMicro(0).UTC(),
	}
	must(t, s.Begin(ctx, r))
	again := *r
	again.ID = "another"
	wantErr(t, "a user code that is taken", s.Begin(ctx, &again), grant.ErrRaced)
	wantSame(t, "found", get(s.Device(ctx, "dev"))(t), r)
	wantSame(t, "by its user code", get(s.ByUserCode(ctx, r.UserCode))(t), &r.Device)
	_, err := s.ByUserCode(ctx, [32]byte{3})
	wantErr(t, "another user code", err, grant.ErrNotFound)
	for i, early := range []bool{false, true, true} {
		if got := get(s.Ask(ctx, "dev", at(1).Add(time.Duration(i)*time.Second), 5*time.Second))(t); got != early {
			t.Errorf("question %d: got %v", i, got)
		}
	}
	if got := get(s.Ask(ctx, "dev", at(1).Add(15*time.Second), 5*time.Second))(t); got {
		t.Error("after the longer interval: too early")
	}
	wantErr(t, "late", s.Decide(ctx, "dev", at(10), nil), grant.ErrSpent)
	wantErr(t, "for a tenant that there is not", s.Decide(ctx, "dev", at(2), granted("nobody", 1)), tenant.ErrNotFound)
	if won := race(t, 8, func(i int) error { return s.Decide(context.Background(), "dev", at(2), granted(tn, i)) }, grant.ErrSpent); won != 1 {
		t.Errorf("%d decided", won)
	}
	now := get(s.Device(ctx, "dev"))(t)
	if all := get(d.Grants().List(ctx, grant.Filter{Limit: 9}))(t); len(all) != 1 || all[0].ID != now.Grant || !now.Decided.Equal(at(2)) {
		t.Errorf("got %+v and grants %+v, want one", now, all)
	}
	if n := get(d.Grants().Sweep(ctx, at(99), at(99)))(t); n != 1 {
		t.Errorf("swept %d grants, want the one of the device too", n)
	}
	if n := get(s.Sweep(ctx, at(11)))(t); n != 1 {
		t.Errorf("swept %d", n)
	}
}

func sealedSecret(t *testing.T, d *store.DB) {
	s, ctx := d.Secrets(), context.Background()
	if got := get(s.Sealed(ctx, "x", "", ""))(t); got != "" {
		t.Errorf("got %q, want none", got)
	}
	race(t, 8, func(i int) error { _, err := s.Sealed(ctx, "x", "", fmt.Sprint("v", i)); return err })
	first := get(s.Sealed(ctx, "x", "", "late"))(t)
	if first == "" || first == "late" {
		t.Errorf("got %q, want the first", first)
	}
	if got := get(s.Sealed(ctx, "x", "wrong", "next"))(t); got != first {
		t.Errorf("got %q, want it kept by who does not know it", got)
	}
	if got := get(s.Sealed(ctx, "x", first, "next"))(t); got != "next" {
		t.Errorf("got %q, want it exchanged", got)
	}
}

// Statements that share a transaction stand or fall by themselves.
func alone(t *testing.T, d *store.DB) {
	q, ctx := d.Requests(), context.Background()
	const n = 64
	var same atomic.Int64
	if won := race(t, n, func(i int) error {
		hash := [32]byte{1, byte(i)}
		if i%2 == 0 { // these break a rule, all but one
			hash = [32]byte{2}
		}
		err := q.Push(ctx, hash, "cli", fmt.Sprint(i), at(5))
		if err != nil && i%2 == 0 {
			same.Add(1)
			return grant.ErrReplay
		}
		return err
	}, grant.ErrReplay); won != n/2+1 || same.Load() != n/2-1 {
		t.Errorf("%d were kept, and %d refused", won, same.Load())
	}
	for i := 1; i < n; i += 2 {
		if got := get(q.Take(ctx, [32]byte{1, byte(i)}, "cli", at(1)))(t); got != fmt.Sprint(i) {
			t.Errorf("got %q, want %d", got, i)
		}
	}
	gone, leave := context.WithCancel(ctx)
	leave()
	wantErr(t, "who has left", q.Push(gone, [32]byte{3}, "cli", "x", at(5)), context.Canceled)
	must(t, d.Close())
	race(t, 8, func(i int) error {
		if q.Push(ctx, [32]byte{4, byte(i)}, "cli", "x", at(5)) == nil {
			return errors.New("it was kept by a database that is closed")
		}
		return grant.ErrReplay
	}, grant.ErrReplay)
}

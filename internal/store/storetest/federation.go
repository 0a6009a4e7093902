package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/federation"
	"github.com/gatehouse-mcp/gatehouse/internal/login"
	"github.com/gatehouse-mcp/gatehouse/internal/store"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

func upstreamLogin(n int) *federation.LoginRow {
	return &federation.LoginRow{Key: fmt.Sprint("key-", n), Provider: "google", Browser: "ada's", Sealed: "s1.sealed", Expires: at(10)}
}

func loginLife(t *testing.T, d *store.DB) {
	s, ctx := d.Federation(), t.Context()
	must(t, s.AddLogin(ctx, upstreamLogin(1), 10, at(0)))
	must(t, s.AddLogin(ctx, upstreamLogin(2), 10, at(0)))
	_, err := s.TakeLogin(ctx, "key-1", "google", "eve's")
	wantErr(t, "another browser", err, federation.ErrBrowser)
	_, err = s.TakeLogin(ctx, "key-1", "github", "ada's")
	wantErr(t, "another provider", err, federation.ErrNotFound)
	_, err = s.TakeLogin(ctx, "key-3", "google", "ada's")
	wantErr(t, "no such state", err, federation.ErrNotFound)
	wantSame(t, "taken", get(s.TakeLogin(ctx, "key-1", "google", "ada's"))(t), upstreamLogin(1))
	_, err = s.TakeLogin(ctx, "key-1", "google", "ada's")
	wantErr(t, "taken again", err, federation.ErrNotFound)
	wantSame(t, "the other one", get(s.TakeLogin(ctx, "key-2", "google", "ada's"))(t), upstreamLogin(2))
}

func loginRace(t *testing.T, d *store.DB) {
	s := d.Federation()
	must(t, s.AddLogin(t.Context(), upstreamLogin(1), 10, at(0)))
	if won := race(t, 16, func(int) error {
		_, err := s.TakeLogin(t.Context(), "key-1", "google", "ada's")
		return err
	}, federation.ErrNotFound); won != 1 {
		t.Errorf("%d got it, want one", won)
	}
}

func loginBound(t *testing.T, d *store.DB) {
	s, ctx := d.Federation(), t.Context()
	for n := range 3 {
		must(t, s.AddLogin(ctx, upstreamLogin(n), 3, at(0)))
	}
	wantErr(t, "one too many", s.AddLogin(ctx, upstreamLogin(3), 3, at(9)), federation.ErrFull)
	must(t, s.AddLogin(ctx, upstreamLogin(4), 3, at(10)))
	_, err := s.TakeLogin(ctx, "key-0", "google", "ada's")
	wantErr(t, "one that has ended", err, federation.ErrNotFound)
}

func tokenLife(t *testing.T, d *store.DB) {
	s, ctx := d.Federation(), t.Context()
	acme, bolt := newTenant(t, d, "acme"), newTenant(t, d, "bolt")
	newPerson(t, d, 1)
	r := &federation.TokenRow{User: "usr_001", Provider: "google", Sealed: "s1.a", Expires: at(60), Changed: at(0)}
	must(t, s.PutTokens(ctx, acme, r))
	must(t, s.PutTokens(ctx, acme, &federation.TokenRow{User: "usr_001", Provider: "entra", Sealed: "s1.b", Changed: at(0)}))
	_, err := s.Tokens(ctx, bolt, "usr_001", "google")
	wantErr(t, "another tenant", err, federation.ErrNotFound)
	r.Version = 1
	wantSame(t, "kept", get(s.Tokens(ctx, acme, "usr_001", "google"))(t), r)

	lease := func(who string, now int) bool {
		return get(s.LeaseTokens(ctx, acme, r, who, at(now), at(now+1)))(t)
	}
	wantSame(t, "leases", []bool{lease("a", 0), lease("b", 0), lease("b", 1), lease("a", 1)}, []bool{true, false, true, false})
	next := &federation.TokenRow{User: "usr_001", Provider: "google", Sealed: "s1.c", Expires: at(120), Version: 1, Changed: at(1)}
	wantSame(t, "renewed by whoever had the lease before", get(s.RenewTokens(ctx, acme, next, "a"))(t), false)
	wantSame(t, "renewed", get(s.RenewTokens(ctx, acme, next, "b"))(t), true)
	wantSame(t, "renewed twice", get(s.RenewTokens(ctx, acme, next, "b"))(t), false)
	next.Version = 2
	wantSame(t, "after it was renewed", get(s.Tokens(ctx, acme, "usr_001", "google"))(t), next)
	wantSame(t, "a lease of what was there before", lease("a", 5), false)
	r = next
	wantSame(t, "a lease", lease("a", 5), true)
	must(t, s.ReleaseTokens(ctx, acme, r, "b")) // not its own
	wantSame(t, "a lease that is not released", lease("b", 5), false)
	must(t, s.ReleaseTokens(ctx, acme, r, "a"))
	wantSame(t, "a lease that is", lease("b", 5), true)
	must(t, s.PutTokens(ctx, acme, r)) // they sign in anew
	wantSame(t, "renewed after a new sign-in", get(s.RenewTokens(ctx, acme, next, "b"))(t), false)
	wantSame(t, "its version", get(s.Tokens(ctx, acme, "usr_001", "google"))(t).Version, int64(3))

	var each []string
	must(t, s.EachTokens(ctx, func(tn tenant.ID, r *federation.TokenRow) error {
		each = append(each, string(tn)+" "+r.User+" "+r.Provider+" "+r.Sealed)
		return nil
	}))
	wantSame(t, "every row", each, []string{string(acme) + " usr_001 entra s1.b", string(acme) + " usr_001 google s1.c"})
	wantErr(t, "an error of whoever looks", s.EachTokens(ctx, func(tenant.ID, *federation.TokenRow) error { return errNotMine }), errNotMine)
	must(t, s.ResealTokens(ctx, acme, &federation.TokenRow{User: "usr_001", Provider: "google", Sealed: "s1.old"}, "s1.d"))
	wantSame(t, "sealed anew, of what is not there any more", get(s.Tokens(ctx, acme, "usr_001", "google"))(t).Sealed, "s1.c")
	must(t, s.ResealTokens(ctx, acme, r, "s1.d"))
	wantSame(t, "sealed anew", get(s.Tokens(ctx, acme, "usr_001", "google"))(t).Sealed, "s1.d")

	wantSame(t, "forgotten in another tenant", get(s.ForgetTokens(ctx, bolt, "usr_001", ""))(t), int64(0))
	wantSame(t, "forgotten of one provider", get(s.ForgetTokens(ctx, acme, "usr_001", "google"))(t), int64(1))
	wantSame(t, "forgotten", get(s.ForgetTokens(ctx, acme, "usr_001", ""))(t), int64(1))
	_, _, err = d.Login().SetState(ctx, "", "usr_001", login.Disabled)
	must(t, err)
	wantErr(t, "of somebody who is disabled", s.PutTokens(ctx, acme, r), federation.ErrNotFound)
	must(t, d.Login().DeleteUser(ctx, "", "usr_001"))
	wantErr(t, "of somebody who is deleted", s.PutTokens(ctx, acme, r), federation.ErrNotFound)
}

var errNotMine = errors.New("somebody else has it")

func tokenRace(t *testing.T, d *store.DB) {
	s, ctx := d.Federation(), t.Context()
	acme := newTenant(t, d, "acme")
	newPerson(t, d, 1)
	must(t, s.PutTokens(ctx, acme, &federation.TokenRow{User: "usr_001", Provider: "google", Sealed: "s1.a", Changed: at(0)}))
	r := get(s.Tokens(ctx, acme, "usr_001", "google"))(t)
	if won := race(t, 16, func(i int) error {
		mine, err := s.LeaseTokens(ctx, acme, r, fmt.Sprint(i), at(0), at(0).Add(time.Minute))
		if err == nil && !mine {
			err = errNotMine
		}
		return err
	}, errNotMine); won != 1 {
		t.Errorf("%d got it, want one", won)
	}
}

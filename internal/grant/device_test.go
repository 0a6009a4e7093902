package grant_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/grant"
	"github.com/gatehouse-mcp/gatehouse/internal/token"
)

func (h *house) devices(s *grant.Service) *grant.Devices {
	return &grant.Devices{Store: h.db.Devices(), Service: s, Now: h.now}
}

func (h *house) device(d *grant.Devices) (*grant.Device, *grant.Started) {
	h.t.Helper()
	one := &grant.Device{Client: "tv", Scopes: []string{"notes:read", "notes:write"}, Resource: resource, Offline: true, Flow: "flow2"}
	started, err := d.Begin(h.t.Context(), one)
	if err != nil {
		h.t.Fatal(err)
	}
	return one, started
}

func (h *house) allowed() *grant.Authorization {
	a := h.authorization()
	a.Client, a.Challenge, a.Redirect, a.Scopes = "tv", "", "", []string{"notes:read"}
	return a
}

func TestADeviceIsGivenWhatAPersonAllows(t *testing.T) {
	h := newHouse(t)
	s := h.service()
	d, ctx := h.devices(s), t.Context()
	one, started := h.device(d)
	poll := func(want error) *grant.Grant {
		t.Helper()
		h.pass(started.Interval)
		g, err := h.devices(h.service()).Poll(ctx, started.DeviceCode, "tv", "")
		if !errors.Is(err, want) {
			t.Fatalf("got %v, want %v", err, want)
		}
		return g
	}
	poll(grant.ErrPending)
	if _, err := d.Poll(ctx, started.DeviceCode, "tv", ""); !errors.Is(err, grant.ErrSlowDown) {
		t.Errorf("at once: got %v, want ErrSlowDown", err)
	}
	h.pass(started.Interval) // it has to wait for five seconds more now
	if _, err := d.Poll(ctx, started.DeviceCode, "tv", ""); !errors.Is(err, grant.ErrSlowDown) {
		t.Errorf("after the first interval: got %v, want ErrSlowDown", err)
	}
	h.pass(15 * time.Second)
	poll(grant.ErrPending)
	started.Interval = 20 * time.Second
	for _, typed := range []string{started.UserCode, strings.ToLower(started.UserCode), " " + strings.ReplaceAll(started.UserCode, "-", " – ")} {
		if got, err := d.ByUserCode(ctx, typed); err != nil || got.ID != one.ID || got.Client != "tv" || len(got.Scopes) != 2 {
			t.Errorf("%q: got %+v, %v", typed, got, err)
		}
	}
	if err := d.Decide(ctx, one.ID, h.allowed()); err != nil {
		t.Fatal(err)
	}
	if err := d.Decide(ctx, one.ID, nil); !errors.Is(err, grant.ErrSpent) {
		t.Errorf("a second decision: got %v, want ErrSpent", err)
	}
	if _, err := d.ByUserCode(ctx, started.UserCode); !errors.Is(err, grant.ErrExpired) {
		t.Errorf("a code that was decided on: got %v, want ErrExpired", err)
	}
	g := poll(nil)
	if g.Subject != "usr_ada" || g.Client != "tv" || len(g.Scopes) != 1 || g.Generation != 1 || !g.Expires.After(h.now().Add(time.Hour)) {
		t.Errorf("got %+v", g)
	}
	q := refresh(s.RefreshTokenOf(g))
	q.Client = "tv"
	if _, _, err := s.Refresh(ctx, q); err != nil {
		t.Error(err)
	}
	poll(grant.ErrSpent)
}

// What somebody allowed a device before everything of theirs was revoked is
// nothing to it afterwards, if it has not fetched it yet.
func TestA076AMarkEndsWhatADeviceWasAllowed(t *testing.T) {
	h := newHouse(t)
	s := h.service()
	d, ctx := h.devices(s), t.Context()
	one, started := h.device(d)
	if err := d.Decide(ctx, one.ID, h.allowed()); err != nil {
		t.Fatal(err)
	}
	h.pass(started.Interval)
	revoke := &token.Service{Store: h.db.Revocations(), Now: h.now, Changed: s.Changed}
	if _, err := revoke.Revoke(ctx, token.Spec{Target: token.Target{Kind: token.KindSubject, Issuer: issuer, Value: "usr_ada"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Poll(ctx, started.DeviceCode, "tv", ""); !errors.Is(err, grant.ErrRevoked) {
		t.Errorf("got %v, want ErrRevoked", err)
	}
}

func TestADeviceIsRefused(t *testing.T) {
	h := newHouse(t)
	d, ctx := h.devices(h.service()), t.Context()
	one, started := h.device(d)
	_, foreign := h.device(d)
	for name, tt := range map[string]struct {
		code, client string
		want         error
	}{
		"another client":       {started.DeviceCode, "evil", grant.ErrMismatch},
		"another's secret":     {started.DeviceCode[:18] + foreign.DeviceCode[18:], "tv", grant.ErrNotFound},
		"a code that is short": {started.DeviceCode[:20], "tv", grant.ErrNotFound},
		"the user's code":      {started.UserCode, "tv", grant.ErrNotFound},
	} {
		if _, err := d.Poll(ctx, tt.code, tt.client, ""); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", name, err, tt.want)
		}
	}
	for _, typed := range []string{"", "AAAA-AAAA", "BCDF-GHJ", started.UserCode + "B", strings.Repeat("B", 1000)} {
		if _, err := d.ByUserCode(ctx, typed); !errors.Is(err, grant.ErrNotFound) {
			t.Errorf("%.20q: got %v, want ErrNotFound", typed, err)
		}
	}
	for name, edit := range map[string]func(*grant.Authorization){
		"another client":   func(a *grant.Authorization) { a.Client = "evil" },
		"more scopes":      func(a *grant.Authorization) { a.Scopes = []string{"notes:read", "admin"} },
		"another resource": func(a *grant.Authorization) { a.Resource = "https://mcp.acme.test/other" },
	} {
		a := h.allowed()
		edit(a)
		if err := d.Decide(ctx, one.ID, a); !errors.Is(err, grant.ErrMismatch) {
			t.Errorf("%s: got %v, want ErrMismatch", name, err)
		}
	}
	if err := d.Decide(ctx, one.ID, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Poll(ctx, started.DeviceCode, "tv", ""); !errors.Is(err, grant.ErrDenied) {
		t.Errorf("denied: got %v", err)
	}
	h.pass(10 * time.Minute)
	if _, err := d.Poll(ctx, foreign.DeviceCode, "tv", ""); !errors.Is(err, grant.ErrExpired) {
		t.Errorf("late: got %v", err)
	}
	if _, err := d.ByUserCode(ctx, foreign.UserCode); !errors.Is(err, grant.ErrExpired) {
		t.Errorf("late: got %v", err)
	}
}

func TestA003OneDecisionOnADevice(t *testing.T) {
	h := newHouse(t)
	d := h.devices(h.service())
	for range 20 {
		one, started := h.device(d)
		won := 0
		for _, err := range together(8, func(i int) error {
			if i%2 == 0 {
				return d.Decide(context.Background(), one.ID, nil)
			}
			return d.Decide(context.Background(), one.ID, h.allowed())
		}) {
			if err == nil {
				won++
			} else if !errors.Is(err, grant.ErrSpent) {
				t.Fatal(err)
			}
		}
		if won != 1 {
			t.Fatalf("got %d decisions", won)
		}
		h.pass(time.Minute)
		won = 0
		for _, err := range together(8, func(int) error {
			_, err := d.Poll(context.Background(), started.DeviceCode, "tv", "")
			return err
		}) {
			switch {
			case err == nil:
				won++
			case !errors.Is(err, grant.ErrDenied) && !errors.Is(err, grant.ErrSlowDown) && !errors.Is(err, grant.ErrSpent):
				t.Fatal(err)
			}
		}
		if won > 1 {
			t.Fatalf("got %d grants of one device", won)
		}
	}
}

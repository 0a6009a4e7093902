package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
)

const (
	fewKeys  = 6
	manyKeys = 40
)

func (p *plan) createKey(ctx context.Context) (string, error) {
	if p.w.ledger.count() > manyKeys {
		return "enough keys", nil
	}
	door, err := p.w.house.door(ctx)
	if err != nil {
		return "", err
	}
	var tools []string
	if p.dice.IntN(3) == 0 {
		tools = []string{"echo", []string{"read_a", "write_a", "big"}[p.dice.IntN(3)]}
	}
	t := p.w.ledger.tenants[p.dice.IntN(len(p.w.ledger.tenants))]
	k, err := p.w.newKey(ctx, door, t, tools)
	if err != nil {
		return "", err
	}
	p.w.ledger.add(k)
	return fmt.Sprintf("key %s of %s, tools %v", k.id, t, tools), nil
}

// revokeKey ends a key, through the door or by the command.
func (p *plan) revokeKey(ctx context.Context) (string, error) {
	if p.w.ledger.count() < fewKeys {
		return p.createKey(ctx)
	}
	k := p.w.ledger.pick(p.dice)
	if p.dice.IntN(4) == 0 {
		if err := p.w.command(ctx, "key", "revoke", k.id, "--yes", "--reason", "soak"); err != nil {
			p.w.ledger.drop(k)
			return "", err
		}
	} else if err := p.w.revoke(ctx, k); err != nil {
		return "", err
	}
	p.w.over(k, true)
	return fmt.Sprintf("key %s of %s", k.id, k.tenant), nil
}

// revoke asks the door to; an error leaves unknown what became of it.
func (w *world) revoke(ctx context.Context, k *key) error {
	door, err := w.house.door(ctx)
	if err == nil {
		_, err = door.RevokeKey(ctx, k.id, adminapi.Revoke{Reason: "soak"})
	}
	if err != nil {
		w.ledger.drop(k)
	}
	return err
}

// over notes that it was acknowledged that a key is.
func (w *world) over(k *key, revoked bool) {
	w.book.forbid("key " + k.id)
	w.ledger.end(k, revoked)
	if revoked {
		w.trail.expectChange("key.revoke", k.id)
	}
	w.leave("key "+k.id, func(o *opened) bool { return o.key == k })
}

// leave sees to it that streams of those who may no longer be here end.
func (w *world) leave(what string, whose func(*opened) bool) {
	since := time.Now()
	time.AfterFunc(promise+w.s.slack, func() {
		if !w.book.forbidden(what) {
			return
		}
		for _, o := range w.streams.of(whose) {
			if o.since.Before(since) || w.book.forbidden(what) {
				w.report.fail("a stream of %s is open %s after it was acknowledged that %q is over", o.server, time.Since(since).Round(time.Millisecond), what)
			}
		}
	})
}

// rotateKey has a successor made. Both are good for a while; then the old one is not.
func (p *plan) rotateKey(ctx context.Context) (string, error) {
	w := p.w
	k := w.ledger.pick(p.dice)
	door, err := w.house.door(ctx)
	if err != nil {
		return "", err
	}
	overlap := time.Duration(1+p.dice.IntN(4)) * time.Second
	n, err := door.RotateKey(ctx, k.id, adminapi.Rotate{Overlap: overlap.String()})
	if err != nil {
		w.ledger.drop(k)
		return "", err
	}
	w.trail.expectChange("key.rotate", k.id)
	next := &key{id: n.ID, secret: n.Key, tenant: k.tenant, tools: k.tools}
	w.ledger.add(next)
	w.ledger.drop(k) // it is no longer "active"
	was, err := door.Key(ctx, k.id)
	if err != nil {
		return "", err
	}
	if was.RetireAt == nil {
		return "", fmt.Errorf("key %s was rotated and has no end", k.id)
	}
	for _, one := range []*key{k, next} { // exactly these two are good in the overlap
		if time.Until(*was.RetireAt) < overlap/2 {
			break // too late to tell
		}
		if err := w.worth(ctx, door, one, true); err != nil {
			return "", err
		}
	}
	end := *was.RetireAt
	time.AfterFunc(time.Until(end), func() {
		w.book.forbidFrom("key "+k.id, end.Add(50*time.Millisecond))
		w.over(k, false)
	})
	return fmt.Sprintf("key %s of %s to %s, overlap %s", k.id, k.tenant, n.ID, overlap), nil
}

// worth asks whether a key is good.
func (w *world) worth(ctx context.Context, door *adminapi.Client, k *key, want bool) error {
	v, err := door.VerifyKey(ctx, k.secret)
	if err != nil {
		return err
	}
	if got := v.Valid || v.Code == "GH-1013"; got != want { // a suspension is the tenant's
		return fmt.Errorf("key %s is valid: %t (%s %s), want %t", k.id, v.Valid, v.Code, v.Reason, want)
	}
	return nil
}

func (p *plan) suspend(ctx context.Context) (string, error) {
	w := p.w
	free := w.ledger.suspended(false)
	if len(free) < 2 { // somebody has to call
		return p.resume(ctx)
	}
	t := free[p.dice.IntN(len(free))]
	door, err := w.house.door(ctx)
	if err != nil {
		return "", err
	}
	if _, err := door.SuspendTenant(ctx, t); err != nil {
		return "", err
	}
	w.book.forbid("tenant " + t)
	w.ledger.suspend(t, true)
	w.trail.expectChange("tenant.suspend", t)
	w.leave("tenant "+t, func(o *opened) bool { return o.key.tenant == t })
	return t, nil
}

func (p *plan) resume(ctx context.Context) (string, error) {
	away := p.w.ledger.suspended(true)
	if len(away) == 0 {
		return p.suspend(ctx)
	}
	t := away[p.dice.IntN(len(away))]
	return t, p.w.resume(ctx, t)
}

func (w *world) resume(ctx context.Context, t string) error {
	door, err := w.house.door(ctx)
	if err != nil {
		return err
	}
	w.book.permit("tenant " + t)
	if _, err := door.ResumeTenant(ctx, t); err != nil {
		return err
	}
	w.ledger.suspend(t, false)
	w.trail.expectChange("tenant.resume", t)
	return nil
}

// limitKey has a key with a limit of its own called as fast as it goes.
func (p *plan) limitKey(ctx context.Context) (string, error) {
	const most = 20
	w := p.w
	door, err := w.house.door(ctx)
	if err != nil {
		return "", err
	}
	made, err := door.CreateKey(ctx, adminapi.NewKey{Name: "limited", Tenant: "canary", Limit: fmt.Sprintf("%d/min", most)})
	if err != nil {
		return "", err
	}
	w.trail.expectChange("key.create", made.ID)
	k := &key{id: made.ID, secret: made.Key, tenant: "canary"}
	began, good, limited := time.Now(), 0, 0
	for range 2 * most {
		ok, a, err := w.canary.callIn(ctx, nil, k, []string{notes, local}[p.dice.IntN(2)], "echo", arguments{})
		switch {
		case err != nil:
			return "", errors.Join(err, w.revoke(ctx, k))
		case ok:
			good++
		case a.code == "GH-1501":
			limited++
		}
	}
	if err := w.revoke(ctx, k); err != nil {
		return "", err
	}
	w.over(k, true)
	said := fmt.Sprintf("%d of %d calls passed in %s, %d were refused", good, 2*most, time.Since(began).Round(time.Millisecond), limited)
	if allowed := most + 1 + int(time.Since(began).Minutes()*most); good > allowed || good < most/2 || limited == 0 {
		return "", fmt.Errorf("a limit of %d/min was not kept: %s", most, said)
	}
	return said, nil
}

// ban keeps a hostile address out, and lets it in again.
func (p *plan) ban(ctx context.Context) (string, error) {
	door, err := p.w.house.door(ctx)
	if err != nil {
		return "", err
	}
	address := "127.0.3.7"
	if _, err := door.AddBan(ctx, adminapi.NewBan{Address: address, For: "1m", Reason: "soak"}); err != nil {
		return "", err
	}
	c := &caller{w: p.w, n: -2, http: p.w.client(true, address), dice: p.w.dice()}
	defer c.http.CloseIdleConnections()
	x := c.newCall(nil, notes, "echo") // whoever is banned may do nothing, with a good key either
	body, header := c.callOf(true, x, arguments{})
	a, err := c.ask(ctx, "/notes", p.w.good.secret, body, header)
	switch {
	case err != nil:
		return "", err
	case a.code != "GH-1502":
		return "", fmt.Errorf("a banned address was answered with %d %s", a.status, a.code)
	}
	_, err = door.LiftBan(ctx, adminapi.LiftBan{Address: address})
	return address, err
}

package probe

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	atOnce   = 2 * time.Second  // in which a change has to take effect: a second, and some for the way
	tidyWait = 10 * time.Second // for one thing that is made or ended, though the check was stopped
)

// rotation makes a key, rotates and revokes it.
var rotation = &Rule{
	Code: "GH-2153", Name: "rotation", Title: "Keys are rotated and revoked at once, without a restart",
	Group: Limits, Point: 7, Severity: High,
	Why:   "A key that leaked has to end now, and a new one has to work now. Where that needs a restart nobody does it in time.",
	Fix:   "Look keys up on every request, and tell every replica of a change.",
	Links: []Link{{"OWASP, key management", "https://cheatsheetseries.owasp.org/cheatsheets/Key_Management_Cheat_Sheet.html"}},
	Check: func(r *run, t *tally) {
		if r.o.Keys == nil {
			t.unknown(nil, "needs a key that may be rotated and revoked: --rotate, for servers of this installation")
			return
		}
		if err := r.lifecycle(t); err != nil {
			t.unknown(nil, "%s", r.mask.text(err.Error()))
			return
		}
		t.pass(nil, "a new key works, its successor replaces it and a revoked one ends, each within a second")
	},
}

func (r *run) lifecycle(t *tally) (err error) {
	id, first, err := r.makeKey()
	if err != nil {
		return err
	}
	alive := id
	defer func() {
		if alive != "" {
			err = errors.Join(err, r.revoke(alive))
		}
	}()
	a, x := r.servedWith(first)
	if k := x.kind(); k.refuses() {
		t.fail(x, "a new key is not accepted")
		return nil
	} else if k != served {
		t.unknown(x, "a new key: %s", sight(x))
		return nil
	}
	ctx, stop := lasting(r.ctx)
	defer stop()
	next, second, err := r.o.Keys.Rotate(ctx, id)
	if err != nil {
		return err
	}
	alive = next
	r.mask.hide(second)
	if x := r.until(a, second, true); x.kind().refuses() {
		t.fail(x, "the successor of a key is not accepted")
	} else if x.kind() != served {
		t.unknown(x, "the successor of a key: %s", sight(x))
	}
	r.ended(t, a, first, "a key that was replaced")
	alive = ""
	if err := r.revoke(next); err != nil {
		return err
	}
	r.ended(t, a, second, "a revoked key")
	return nil
}

// lasting is a context for what has to be finished though the check is not:
// what was made has to be known, and ended.
func lasting(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), tidyWait)
}

// makeKey makes a key, which nobody is shown.
func (r *run) makeKey() (id, key string, err error) {
	ctx, stop := lasting(r.ctx)
	defer stop()
	if id, key, err = r.o.Keys.Make(ctx); err == nil {
		r.mask.hide(key)
	}
	return id, key, err
}

// revoke ends a key that was made, even when the check was told to stop. That it
// could not is said at once, for there may be no report.
func (r *run) revoke(id string) error {
	ctx, stop := lasting(r.ctx)
	defer stop()
	err := r.o.Keys.Revoke(ctx, id)
	if err == nil {
		return nil
	}
	if r.o.Left != nil {
		r.o.Left(id, err)
	}
	return fmt.Errorf("the key %s that was made for this could not be revoked: %w", id, err)
}

// ended wants a key to be refused, after a request with it that was served.
func (r *run) ended(t *tally, a ask, key, what string) {
	switch x := r.until(a, key, false); {
	case x.kind() == served:
		t.fail(x, "%s is still accepted after %s", what, atOnce)
	case !x.kind().refuses():
		t.unknown(x, "%s: %s", what, sight(x))
	}
}

// until asks with a key until it is accepted, or is refused, for a short while.
func (r *run) until(a ask, key string, accepted bool) *Exchange {
	for end := r.now().Add(atOnce); ; {
		q := a.with(bearer(key))
		q.url, q.fresh = r.target.String(), true
		x := r.ask(q)
		if k := x.kind(); accepted && k == served || !accepted && k.refuses() || r.now().After(end) || !pause(r.ctx, 100*time.Millisecond) {
			return x
		}
	}
}

// servedWith finds the request that is served with a credential in its header, in
// one era or the other. A new one is given a while to be known. If none is served
// the exchange says how it was met.
func (r *run) servedWith(credential string) (ask, *Exchange) {
	for end := r.now().Add(atOnce); ; {
		var first *Exchange
		for _, a := range []ask{modern("tools/list", nil), initialize()} {
			q := a.with(bearer(credential))
			q.fresh = credential != r.o.Credential // that one was asked before
			x := r.ask(q)
			if x.kind() == served {
				return a, x
			}
			if first == nil || x.kind().refuses() {
				first = x
			}
		}
		if credential == r.o.Credential || r.now().After(end) || !pause(r.ctx, 100*time.Millisecond) {
			return ask{}, first
		}
	}
}

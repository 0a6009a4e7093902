package probe

import (
	"errors"
	"time"
)

const atOnce = 2 * time.Second // in which a change has to take effect: a second, and some for the way

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
	id, first, err := r.o.Keys.Make(r.ctx)
	if err != nil {
		return err
	}
	alive := id
	defer func() {
		if alive != "" {
			err = errors.Join(err, r.o.Keys.Revoke(r.ctx, alive))
		}
	}()
	r.mask.known = append(r.mask.known, first)
	if x := r.until(first, true); x.kind() != served {
		t.fail(x, "a new key is not accepted")
		return nil
	}
	next, second, err := r.o.Keys.Rotate(r.ctx, id)
	if err != nil {
		return err
	}
	alive = next
	r.mask.known = append(r.mask.known, second)
	if x := r.until(second, true); x.kind() != served {
		t.fail(x, "the successor of a key is not accepted")
	}
	if x := r.until(first, false); x.kind() == served {
		t.fail(x, "a key that was replaced is still accepted after %s", atOnce)
	}
	alive = ""
	if err := r.o.Keys.Revoke(r.ctx, next); err != nil {
		return err
	}
	if x := r.until(second, false); x.kind() == served {
		t.fail(x, "a revoked key is still accepted after %s", atOnce)
	}
	return nil
}

// until asks with a key until it is accepted, or is not any more, for a short while.
func (r *run) until(key string, accepted bool) *Exchange {
	for end := r.now().Add(atOnce); ; {
		a := modern("tools/list", nil, bearer(key))
		if r.facts.session != nil && r.facts.session.era == "legacy" {
			a = initialize(bearer(key))
		}
		a.fresh = true
		x := r.ask(a)
		if (x.kind() == served) == accepted || r.now().After(end) || !pause(r.ctx, 100*time.Millisecond) {
			return x
		}
	}
}

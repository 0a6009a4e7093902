package gateway

import (
	"context"
	"sync"
)

// attendance is who has used something that runs on its own, and still may. It
// outlives requests, so a right that ends between two of them must end it too.
type attendance struct {
	ctx   context.Context // ends every watch
	empty func()          // called once, when nobody is left; it must not block

	mu    sync.Mutex
	users map[string]user // by owner
	over  bool
}

type user struct {
	right any    // the credential that was used last: what the watch is over
	stop  func() // ends the watch over it
}

// note has the caller of an exchange among the users from now on; false when
// the last one has just gone.
func (a *attendance) note(x *exchange) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.over {
		return false
	}
	name, right := owner(x), x.caller.Right()
	before, known := a.users[name]
	if known && before.right == right {
		return true
	}
	ctx, release := x.g.guard().Watch(a.ctx, x.caller)
	undo := context.AfterFunc(ctx, func() { a.lost(name, right) })
	if a.users == nil {
		a.users = map[string]user{}
	}
	a.users[name] = user{right, func() { undo(); release(nil) }}
	if known {
		before.stop()
	}
	return true
}

// lost is called when the right of a user has ended.
func (a *attendance) lost(name string, right any) {
	a.mu.Lock()
	u, ok := a.users[name]
	if !ok || u.right != right {
		a.mu.Unlock()
		return
	}
	delete(a.users, name)
	last := len(a.users) == 0 && !a.over
	a.over = a.over || last
	a.mu.Unlock()
	u.stop()
	if last {
		a.empty()
	}
}

// close ends every watch; nobody is noted afterwards.
func (a *attendance) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.over = true
	for _, u := range a.users {
		u.stop()
	}
	a.users = nil
}

package gateway

import "sync"

const (
	maxOwned  = 256  // tasks of one caller that are known at once
	maxOwners = 4096 // callers whose tasks are known, twice
)

// owned knows the tasks that callers have begun or asked for, by their handles.
// It only adds to what a handle proves by itself: a server that lists tasks, or
// tells of one, does not say whose it is. What is forgotten is known again once
// its owner asks for it. The zero value is ready for use.
type owned struct {
	mu         sync.Mutex
	young, old map[string]*handles // by owner; the old are those who did nothing since the young began
}

// handles are one caller's, of which the first known are the first forgotten.
type handles struct {
	known map[string]struct{}
	order []string
	next  int // place in order of the next one
}

// add notes that a task is the owner's.
func (o *owned) add(owner, handle string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	h := o.of(owner)
	if h == nil {
		h = &handles{known: map[string]struct{}{}}
		o.young[owner] = h
	}
	if _, known := h.known[handle]; known {
		return
	}
	if len(h.order) < maxOwned {
		h.order = append(h.order, handle)
	} else {
		delete(h.known, h.order[h.next])
		h.order[h.next] = handle
		h.next = (h.next + 1) % maxOwned
	}
	h.known[handle] = struct{}{}
}

// has says whether a task is known to be the owner's.
func (o *owned) has(owner, handle string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	h := o.of(owner)
	if h == nil {
		return false
	}
	_, known := h.known[handle]
	return known
}

// of returns what is known of an owner, who is young from now on; nil: nothing.
// It is called with the lock held.
func (o *owned) of(owner string) *handles {
	if o.young == nil || len(o.young) >= maxOwners {
		o.old, o.young = o.young, map[string]*handles{}
	}
	h := o.young[owner]
	if h == nil {
		if h = o.old[owner]; h != nil {
			o.young[owner] = h
			delete(o.old, owner)
		}
	}
	return h
}

package signing

import (
	"cmp"
	"slices"
	"time"
)

// timeline is the keys that are not removed, in the order in which they sign.
type timeline []Record

func lay(all []Record) timeline {
	var t timeline
	for i := range all {
		if all[i].Removed.IsZero() {
			t = append(t, all[i])
		}
	}
	slices.SortFunc(t, func(a, b Record) int {
		return cmp.Or(a.Signs.Compare(b.Signs), a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
	})
	return t
}

// current returns the index of the key that signs: of those whose time has come
// the last. When a clock was set back that may be none; then the first signs,
// which is published like all. It returns -1 when there are no keys.
func (t timeline) current(now time.Time) int {
	for i := len(t) - 1; i > 0; i-- {
		if !t[i].Signs.After(now) {
			return i
		}
	}
	return min(0, len(t)-1)
}

// next returns the key that will sign after the current one, or nil.
func (t timeline) next(now time.Time) *Record {
	if i := t.current(now) + 1; i > 0 && i < len(t) {
		return &t[i]
	}
	return nil
}

// find returns the key with this id, or nil.
func (t timeline) find(id string) *Record {
	for i := range t {
		if t[i].ID == id {
			return &t[i]
		}
	}
	return nil
}

// after returns a time after all keys were made: of two that begin to sign at
// one moment the younger signs, though the clock may have stood still.
func (t timeline) after(at time.Time) time.Time {
	for i := range t {
		at = later(at, t[i].Created.Add(time.Microsecond))
	}
	return at
}

// atOnce returns when a key begins to sign that does so now: not before another
// has begun, though the clock may have been set back.
func (t timeline) atOnce(now time.Time, id string) time.Time {
	for i := range t {
		if t[i].ID != id {
			now = later(now, t[i].Signs)
		}
	}
	return now
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// keys says how the keys stand, for people.
func (t timeline) keys(now time.Time, rotateEvery, keepOld time.Duration) []Key {
	out := make([]Key, len(t))
	current := t.current(now)
	for i := range t {
		k := Key{ID: t[i].ID, Alg: t[i].Alg, Created: t[i].Created, Signs: t[i].Signs, State: Next}
		switch {
		case i < current:
			k.State = Retiring
		case i == current:
			k.State = Current
		}
		switch {
		case i+1 < len(t):
			k.Stops = t[i+1].Signs
		case i == current:
			k.Stops = t[i].Signs.Add(rotateEvery)
		}
		if !k.Stops.IsZero() {
			k.Gone = k.Stops.Add(keepOld)
		}
		out[i] = k
	}
	return out
}

// due returns what the schedule wants done now: keys to remove, and whether one
// is wanted that signs from a moment on.
func (t timeline) due(now time.Time, s *schedule) (remove []string, wanted bool, signs time.Time) {
	current := t.current(now)
	if current < 0 {
		return nil, true, now
	}
	for i := range current {
		if !t[i+1].Signs.Add(s.keepOld).After(now) {
			remove = append(remove, t[i].ID)
		}
	}
	if t.next(now) != nil {
		return remove, false, time.Time{}
	}
	turn := t[current].Signs.Add(s.rotateEvery)
	if now.Before(turn.Add(-s.publishNext)) {
		return remove, false, time.Time{}
	}
	if soonest := now.Add(s.publishNext); turn.Before(soonest) { // we were down: it is published first all the same
		turn = soonest
	}
	return remove, true, turn
}

// schedule is when keys change.
type schedule struct{ rotateEvery, publishNext, keepOld time.Duration }

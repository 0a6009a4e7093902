package signing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// decide returns what the schedule wants changed, but for the key to be made:
// Add is then set and has no private half yet.
func (k *Keys) decide(t timeline, now time.Time) *Change {
	c := &Change{At: now}
	remove, wanted, signs := t.due(now, k.schedule())
	c.Remove = remove
	if wanted {
		c.Add = &Record{Created: now, Signs: signs}
	}
	for i := range t {
		if k.Seal.Stale(t[i].Sealed) && !slices.Contains(remove, t[i].ID) {
			if c.Reseal == nil {
				c.Reseal = map[string]string{}
			}
			c.Reseal[t[i].ID] = ""
		}
	}
	return c
}

// maintain does what the schedule wants.
func (k *Keys) maintain(ctx context.Context) error {
	_, err := k.change(ctx, false, func(t timeline, now time.Time) (*Change, error) {
		c := k.decide(t, now)
		for id := range c.Reseal {
			r := t.find(id)
			private, err := k.Seal.Open(purpose, id, r.Sealed)
			if err != nil {
				return nil, fmt.Errorf("signing key %s: %w", id, err)
			}
			if c.Reseal[id], err = k.Seal.Seal(purpose, id, private); err != nil {
				return nil, fmt.Errorf("signing key %s: %w", id, err)
			}
		}
		return c, nil
	})
	return err
}

// change loads the keys, has somebody decide upon them, and makes the change
// that comes of it; from the beginning when another process was faster. It
// returns the change, which a dry run has not made.
func (k *Keys) change(ctx context.Context, dry bool, decide func(t timeline, now time.Time) (*Change, error)) (*Change, error) {
	for range maxRaces {
		set, err := k.Store.Load(ctx)
		if err != nil {
			return nil, fmt.Errorf("signing keys: %w", err)
		}
		t := lay(set.Records)
		c, err := decide(t, k.now())
		if err != nil || c.empty() {
			return c, err
		}
		if c.Add != nil {
			if c.Add, err = fresh(k.alg(), k.bits(), k.Seal, t.after(c.Add.Created), c.Add.Signs); err != nil {
				return nil, err
			}
		}
		if dry {
			return c, nil
		}
		c.Generation = set.Generation
		err = k.Store.Change(ctx, *c)
		if errors.Is(err, ErrRaced) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("change signing keys: %w", err)
		}
		k.tell(c)
		return c, nil
	}
	return nil, fmt.Errorf("change signing keys: %w", ErrRaced)
}

// tell writes a change to the log: ids and times only.
func (k *Keys) tell(c *Change) {
	if c.Add != nil {
		k.log().Info("signing key made", "kid", c.Add.ID, "alg", c.Add.Alg, "signs", c.Add.Signs)
	}
	for _, id := range c.Remove {
		k.log().Info("signing key retired", "kid", id)
	}
	for id := range c.Reseal {
		k.log().Info("signing key sealed under the new key", "kid", id)
	}
}

// List returns the keys in the order in which they sign, those that are gone
// first. It needs no Seal.
func (k *Keys) List(ctx context.Context) ([]Key, error) {
	set, err := k.Store.Load(ctx)
	if err != nil {
		return nil, fmt.Errorf("signing keys: %w", err)
	}
	var out []Key
	for i := range set.Records {
		if r := &set.Records[i]; !r.Removed.IsZero() {
			out = append(out, Key{ID: r.ID, Alg: r.Alg, State: Retired, Created: r.Created, Signs: r.Signs, Gone: r.Removed})
		}
	}
	slices.SortFunc(out, func(a, b Key) int { return a.Gone.Compare(b.Gone) })
	s := k.schedule()
	return append(out, lay(set.Records).keys(k.now(), s.rotateEvery, s.keepOld)...), nil
}

// Rotation says how to rotate.
type Rotation struct {
	Now    bool // the next key signs at once: verifiers that do not know it yet refuse it for a while
	DryRun bool // say what would happen
}

// Rotate publishes the next key, which signs once verifiers have had the time
// to learn of it, and returns it. It returns ErrRotating when there is one
// already, unless that is to sign now.
func (k *Keys) Rotate(ctx context.Context, r Rotation) (*Key, error) {
	var id string
	c, err := k.change(ctx, r.DryRun, func(t timeline, now time.Time) (*Change, error) {
		next := t.next(now)
		switch {
		case next != nil && !r.Now:
			return nil, fmt.Errorf("%w: %s signs from %s on", ErrRotating, next.ID, next.Signs.Format(time.RFC3339))
		case next != nil:
			id = next.ID
			return &Change{At: now, Signs: map[string]time.Time{id: t.atOnce(now, id)}}, nil
		case len(t) == 0 || r.Now:
			return &Change{At: now, Add: &Record{Created: now, Signs: t.atOnce(now, "")}}, nil
		}
		return &Change{At: now, Add: &Record{Created: now, Signs: now.Add(k.schedule().publishNext)}}, nil
	})
	if err != nil {
		return nil, err
	}
	if c.Add != nil {
		id = c.Add.ID
	}
	return k.after(ctx, c, id, r.DryRun)
}

// Retire removes a key at once, and returns it: what it has signed is worth
// nothing as soon as verifiers look again. When it signs, the next one does
// from now on, which is made if there is none; that one is returned too.
func (k *Keys) Retire(ctx context.Context, id string, dry bool) (gone, successor *Key, err error) {
	var heir string
	var before Key
	c, err := k.change(ctx, dry, func(t timeline, now time.Time) (*Change, error) {
		r := t.find(id)
		if r == nil {
			return nil, k.absent(ctx, id)
		}
		before = Key{ID: r.ID, Alg: r.Alg, Created: r.Created, Signs: r.Signs, Gone: now, State: Retired}
		c := &Change{At: now, Remove: []string{id}}
		if t[t.current(now)].ID != id {
			return c, nil
		}
		if next := t.next(now); next != nil {
			heir = next.ID
			c.Signs = map[string]time.Time{heir: t.atOnce(now, heir)}
			return c, nil
		}
		c.Add = &Record{Created: now, Signs: t.atOnce(now, "")}
		return c, nil
	})
	if err != nil {
		return nil, nil, err
	}
	if c.Add != nil {
		heir = c.Add.ID
	}
	if successor, err = k.after(ctx, c, heir, dry); err != nil {
		return nil, nil, err
	}
	return &before, successor, nil
}

// Abandon removes every key, for good, when what they are sealed under is lost.
// It needs no Seal, and makes no other key.
func (k *Keys) Abandon(ctx context.Context, dry bool) (gone []Key, err error) {
	_, err = k.change(ctx, dry, func(t timeline, now time.Time) (*Change, error) {
		gone = nil
		c := &Change{At: now}
		for i := range t {
			gone = append(gone, Key{ID: t[i].ID, Alg: t[i].Alg, State: Retired, Created: t[i].Created, Signs: t[i].Signs, Gone: now})
			c.Remove = append(c.Remove, t[i].ID)
		}
		return c, nil
	})
	return gone, err
}

// absent says why there is no key of this id that could be retired.
func (k *Keys) absent(ctx context.Context, id string) error {
	all, err := k.List(ctx)
	if err != nil {
		return err
	}
	for i := range all {
		if all[i].ID == id && all[i].State == Retired {
			return ErrRetired
		}
	}
	return ErrNotFound
}

// after returns a key as it is after a change, nil for the empty id, and has
// the change take effect here.
func (k *Keys) after(ctx context.Context, c *Change, id string, dry bool) (*Key, error) {
	if dry {
		if c.Add != nil { // its id means nothing: another would be made
			return &Key{Alg: c.Add.Alg, State: stateAt(c.Add.Signs, c.At), Created: c.Add.Created, Signs: c.Add.Signs}, nil
		}
	} else if err := k.refresh(ctx); err != nil {
		return nil, err
	}
	if id == "" {
		return nil, nil //nolint:nilnil // no key is asked for
	}
	all, err := k.List(ctx)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].ID == id {
			if signs, moved := c.Signs[id]; moved {
				all[i].Signs, all[i].State = signs, Current
			}
			return &all[i], nil
		}
	}
	return nil, ErrNotFound // somebody was faster
}

func stateAt(signs, now time.Time) State {
	if signs.After(now) {
		return Next
	}
	return Current
}

package apikey_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
)

func digest(text string) [32]byte { return sha256.Sum256([]byte(text)) }

// A record that was read before a change must not be kept after it.
func TestRaceOfReadAndChange(t *testing.T) {
	m := &memory{}
	id, text := m.mint(t, nil)
	v := &apikey.Verifier{Source: m}
	v.Changed()
	var once sync.Once
	m.between = func() {
		once.Do(func() { // the key is revoked between the reading and the keeping
			m.change(id, func(k *apikey.Key) { k.RevokedAt = time.Now() })
			v.Changed()
		})
	}
	a, err := v.Verify(t.Context(), &gatehouse.Credential{Text: text})
	if err == nil { // it came before the change: so far so good, but it ends there
		watched, stop := v.Watch(t.Context(), a)
		defer stop(nil)
		wantRefusal(t, context.Cause(watched), "GH-1011", "revoked")
	}
	_, err = v.Verify(t.Context(), &gatehouse.Credential{Text: text})
	wantRefusal(t, err, "GH-1011", "revoked")
}

// A key nobody knew is known as soon as it is made.
func TestUnknownKeyIsSeenOnceMade(t *testing.T) {
	m := &memory{}
	id, secret, err := apikey.Mint(nil)
	must(t, err)
	v := &apikey.Verifier{Source: m}
	for range 3 {
		_, err = v.Verify(t.Context(), &gatehouse.Credential{Text: secret.Reveal()})
		wantRefusal(t, err, "GH-1011", "no key has the id")
	}
	m.set(apikey.Record{Key: apikey.Key{ID: id, Family: id}, Digest: digest(secret.Reveal())})
	v.Changed()
	_, err = v.Verify(t.Context(), &gatehouse.Credential{Text: secret.Reveal()})
	must(t, err)
}

// A change that nobody can read ends everything that was in memory.
func TestChangedWithoutAnAnswer(t *testing.T) {
	m := &memory{}
	_, text := m.mint(t, nil)
	v := &apikey.Verifier{Source: m}
	watched, stop := watching(t, v, text)
	defer stop(nil)
	m.fail(errors.New("disk on fire"))
	v.Changed()
	wantRefusal(t, context.Cause(watched), "GH-1902", "disk on fire")
	_, err := v.Verify(t.Context(), &gatehouse.Credential{Text: text})
	wantRefusal(t, err, "GH-1902", "disk on fire")
	m.fail(nil)
	_, err = v.Verify(t.Context(), &gatehouse.Credential{Text: text})
	must(t, err)
}

func TestWatchOfNobody(t *testing.T) {
	v := &apikey.Verifier{Source: &memory{}}
	watched, stop := v.Watch(t.Context(), &apikey.Active{})
	defer stop(nil)
	wantRefusal(t, context.Cause(watched), "GH-1011", "no key was verified")
	v.Used(&apikey.Active{}, netip.Addr{}, "", "")
}

// More keys than memory has room for are all served, and all ended in time.
func TestSmallCapacity(t *testing.T) {
	m := &memory{}
	v := &apikey.Verifier{Source: m, Capacity: 100}
	var ids, texts []string
	var watches []context.Context
	for range 2000 {
		id, text := m.mint(t, nil)
		ids, texts = append(ids, id), append(texts, text)
		w, stop := watching(t, v, text)
		t.Cleanup(func() { stop(nil) })
		watches = append(watches, w)
	}
	v.Changed() // nothing that was minted is news from here on
	for _, text := range texts {
		_, err := v.Verify(t.Context(), &gatehouse.Credential{Text: text})
		must(t, err)
	}
	before, _ := v.KeptForTest()
	if before == 0 || before > 400 {
		t.Errorf("got %d keys in memory, want about 100", before)
	}
	for range 20000 { // strangers do not push them out
		_, s, err := apikey.Mint(nil)
		must(t, err)
		_, err = v.Verify(t.Context(), &gatehouse.Credential{Text: s.Reveal()})
		wantRefusal(t, err, "GH-1011", "")
	}
	if known, unknown := v.KeptForTest(); known != before || unknown > 8192+128 {
		t.Errorf("got %d keys and %d ids of none in memory, want %d and about 8192", known, unknown, before)
	}
	for i, id := range ids {
		if i%2 == 0 {
			m.change(id, func(k *apikey.Key) { k.RevokedAt = time.Now() })
		}
	}
	v.Changed()
	for i, w := range watches {
		_, err := v.Verify(t.Context(), &gatehouse.Credential{Text: texts[i]})
		if want := i%2 == 1; (w.Err() == nil) != want || (err == nil) != want {
			t.Fatalf("key %d: got %v and %v, want it valid: %v", i, w.Err(), err, want)
		}
	}
}

// crowd is callers of one key at full speed, and what they hold on to.
type crowd struct {
	h       *house
	text    string
	revoked atomic.Bool // the revocation has returned

	mu   sync.Mutex
	open []context.Context // watches that are never stopped
}

// call verifies and watches until it is refused, or until the revocation unless
// it is stubborn. It keeps its first watch.
func (c *crowd) call(ctx context.Context, t *testing.T, stubborn bool) {
	for first := true; stubborn || !c.revoked.Load(); first = false {
		late := c.revoked.Load()
		a, err := c.h.v.Verify(ctx, &gatehouse.Credential{Text: c.text})
		if err != nil {
			return
		}
		if late {
			t.Error("accepted after the revocation returned")
			return
		}
		w, stop := c.h.v.Watch(ctx, a)
		if first {
			c.mu.Lock()
			c.open = append(c.open, w)
			c.mu.Unlock()
			continue
		}
		c.h.v.Used(a, netip.Addr{}, "c", "t")
		stop(nil)
	}
}

// While keys are verified, watched and evicted at full speed, a revocation that
// returned is a revocation: nobody gets in after it, and nobody stays.
func TestConcurrentRevocation(t *testing.T) {
	h := newHouse(t)
	h.v.Capacity = 128 // one young entry per shard: eviction is in the game
	h.v.Now, h.keys.Now = nil, nil
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { h.v.Run(ctx) })
	for range 30 {
		k, text := h.create(t, apikey.Spec{Tools: []string{"*"}})
		c := &crowd{h: h, text: text}
		var wg sync.WaitGroup
		for i := range 6 {
			wg.Go(func() { c.call(ctx, t, i%2 == 0) })
		}
		wg.Go(func() { // another key's life goes on meanwhile
			other, _ := h.create(t, apikey.Spec{})
			if _, _, _, err := h.keys.Rotate(ctx, h.def, other.ID, time.Hour); err != nil {
				t.Error(err)
			}
		})
		if _, err := h.keys.Revoke(ctx, h.def, k.ID, "", ""); err != nil {
			t.Error(err)
		}
		c.revoked.Store(true)
		c.mu.Lock()
		for _, w := range c.open {
			if w.Err() == nil {
				t.Error("still connected after the revocation returned")
			}
		}
		c.mu.Unlock()
		wg.Wait()
	}
	cancel()
	running.Wait()
}

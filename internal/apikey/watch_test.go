package apikey_test

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// memory is a source whose answers a test can change, delay and withhold.
type memory struct {
	mu       sync.Mutex
	revision int64
	records  map[string]apikey.Record
	changed  map[string]int64 // revisions of keys
	uses     []apikey.Use
	err      error  // what every method answers
	between  func() // called in Lookup after reading, before returning
}

// set stores a record as a change.
func (m *memory) set(r apikey.Record) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put(r)
}

func (m *memory) put(r apikey.Record) {
	m.revision++
	if m.records == nil {
		m.records, m.changed = map[string]apikey.Record{}, map[string]int64{}
	}
	r.TenantState = tenant.Active
	m.records[r.Key.ID], m.changed[r.Key.ID] = r, m.revision
}

// change alters a stored key, and loses nothing that is written beside it.
func (m *memory) change(id string, do func(*apikey.Key)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.records[id]
	do(&r.Key)
	m.put(r)
}

func (m *memory) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}

func (m *memory) Lookup(_ context.Context, id string) (*apikey.Record, error) {
	m.mu.Lock()
	r, ok := m.records[id]
	err, between := m.err, m.between
	m.mu.Unlock()
	if between != nil {
		between()
	}
	if err == nil && !ok {
		err = apikey.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return &r, nil
}

func (m *memory) Changes(_ context.Context, since int64) (*apikey.Changes, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := &apikey.Changes{Revision: m.revision}
	for id, n := range m.changed {
		if n > since {
			c.Keys = append(c.Keys, id)
		}
	}
	return c, m.err
}

func (m *memory) Use(_ context.Context, u []apikey.Use) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	m.uses = append(m.uses, u...)
	for _, one := range u {
		r := m.records[one.KeyID]
		r.Key.LastUsed = one
		m.records[one.KeyID] = r
	}
	return nil
}

// mint stores a key and returns its text.
func (m *memory) mint(t testing.TB, do func(*apikey.Key)) (id, text string) {
	t.Helper()
	id, secret, err := apikey.Mint(nil)
	must(t, err)
	r := apikey.Record{Key: apikey.Key{ID: id, Family: id, Tenant: "t", Name: "n", Tools: []string{"a"}}, Digest: digest(secret.Reveal())}
	if do != nil {
		do(&r.Key)
	}
	m.set(r)
	return id, secret.Reveal()
}

// watching verifies a key and watches it.
func watching(t testing.TB, v *apikey.Verifier, text string) (context.Context, func(error)) {
	t.Helper()
	a, err := v.Verify(context.Background(), &gatehouse.Credential{Text: text})
	must(t, err)
	return v.Watch(context.Background(), a)
}

func TestWatchEndsWhenTheRightDoes(t *testing.T) {
	in := func(d time.Duration) time.Time { return time.Now().Add(d) }
	tests := []struct {
		name string
		do   func(*apikey.Key)
		code string // empty: it goes on
	}{
		{"revoked", func(k *apikey.Key) { k.RevokedAt = in(0) }, "GH-1011"},
		{"other tools", func(k *apikey.Key) { k.Tools = []string{"b"} }, "GH-1014"},
		{"more tools", func(k *apikey.Key) { k.Tools = []string{"a", "b"} }, "GH-1014"},
		{"other networks", func(k *apikey.Key) { k.Networks = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} }, "GH-1014"},
		{"another tenant", func(k *apikey.Key) { k.Tenant = "u" }, "GH-1014"},
		{"expired at once", func(k *apikey.Key) { k.Expires = in(-1) }, "GH-1011"},
		{"replaced at once", func(k *apikey.Key) { k.ReplacedBy, k.RetireAt = "x", in(0) }, "GH-1012"},
		{"renamed", func(k *apikey.Key) { k.Name = "other" }, ""},
		{"rotated with overlap", func(k *apikey.Key) { k.ReplacedBy, k.RetireAt = "x", in(time.Hour) }, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := &memory{}
			id, text := m.mint(t, nil)
			_, other := m.mint(t, nil)
			v := &apikey.Verifier{Source: m}
			watched, stop := watching(t, v, text)
			second, stop2 := watching(t, v, text)
			beside, stop3 := watching(t, v, other)
			released, stop4 := watching(t, v, text)
			stop4(nil)
			stop4(nil) // twice is fine
			m.change(id, tt.do)
			v.Changed() // what it promises holds when it returns
			for _, w := range []context.Context{watched, second} {
				if tt.code == "" {
					must(t, w.Err())
				} else if tt.code == "GH-1014" {
					if err := context.Cause(w); err == nil || err.Error()[:7] != tt.code {
						t.Errorf("got %v, want %s", err, tt.code)
					}
				} else {
					wantRefusal(t, context.Cause(w), tt.code, "")
				}
			}
			must(t, beside.Err())
			if err := context.Cause(released); !errors.Is(err, context.Canceled) {
				t.Errorf("released: got %v", err)
			}
			for _, s := range []func(error){stop, stop2, stop3} {
				s(nil)
			}
			if watched.Err() == nil || beside.Err() == nil {
				t.Error("stop does not end the context")
			}
		})
	}
}

func TestWatchEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		_, expiring := m.mint(t, func(k *apikey.Key) { k.Expires = time.Now().Add(time.Minute) })
		_, retiring := m.mint(t, func(k *apikey.Key) { k.ReplacedBy, k.RetireAt = "x", time.Now().Add(2*time.Minute) })
		later, extended := m.mint(t, func(k *apikey.Key) { k.Expires = time.Now().Add(time.Minute) })
		v := &apikey.Verifier{Source: m}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { v.Run(ctx); close(done) }()
		one, stop := watching(t, v, expiring)
		defer stop(nil)
		two, stop := watching(t, v, retiring)
		defer stop(nil)
		three, stop := watching(t, v, extended)
		defer stop(nil)
		m.change(later, func(k *apikey.Key) { k.Expires = time.Time{} }) // another process's doing

		time.Sleep(time.Minute - time.Millisecond)
		must(t, one.Err())
		time.Sleep(time.Second)
		wantRefusal(t, context.Cause(one), "GH-1011", "expired")
		must(t, two.Err())
		must(t, three.Err())
		time.Sleep(time.Minute)
		wantRefusal(t, context.Cause(two), "GH-1012", "replaced")
		must(t, three.Err())
		m.change(later, func(k *apikey.Key) { k.RevokedAt = time.Now() })
		time.Sleep(time.Second)
		wantRefusal(t, context.Cause(three), "GH-1011", "revoked")
		cancel()
		<-done
	})
}

// A right that ended between being verified and being watched is not watched.
func TestWatchComesTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		_, text := m.mint(t, func(k *apikey.Key) { k.Expires = time.Now().Add(time.Minute) })
		v := &apikey.Verifier{Source: m}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { v.Run(ctx); close(done) }()
		a, err := v.Verify(ctx, &gatehouse.Credential{Text: text})
		must(t, err)
		_, stop := v.Watch(ctx, a)
		defer stop(nil)
		time.Sleep(time.Minute + time.Second)
		late, stop := v.Watch(ctx, a)
		defer stop(nil)
		wantRefusal(t, context.Cause(late), "GH-1011", "expired")
		cancel()
		<-done
	})
}

// A213: without its store a verifier goes on for ten seconds and no longer.
func TestA213StoreAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		_, text := m.mint(t, nil)
		_, unseen := m.mint(t, nil)
		v := &apikey.Verifier{Source: m}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { v.Run(ctx); close(done) }()
		watched, stop := watching(t, v, text)
		defer stop(nil)
		m.fail(errors.New("connection refused"))
		time.Sleep(9 * time.Second)
		_, err := v.Verify(ctx, &gatehouse.Credential{Text: text})
		must(t, err)
		must(t, watched.Err())
		_, err = v.Verify(ctx, &gatehouse.Credential{Text: unseen})
		wantRefusal(t, err, "GH-1902", "connection refused")
		time.Sleep(2 * time.Second)
		_, err = v.Verify(ctx, &gatehouse.Credential{Text: text})
		wantRefusal(t, err, "GH-1902", "")
		wantRefusal(t, context.Cause(watched), "GH-1902", "")
		m.fail(nil)
		time.Sleep(time.Second)
		_, err = v.Verify(ctx, &gatehouse.Credential{Text: text})
		must(t, err)
		again, stop := watching(t, v, text)
		defer stop(nil)
		time.Sleep(time.Minute)
		must(t, again.Err())
		cancel()
		<-done
	})
}

// Without Run a verifier asks for changes by itself.
func TestVerifyWithoutRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		id, text := m.mint(t, nil)
		v := &apikey.Verifier{Source: m}
		_, err := v.Verify(t.Context(), &gatehouse.Credential{Text: text})
		must(t, err)
		m.change(id, func(k *apikey.Key) { k.RevokedAt = time.Now() })
		time.Sleep(time.Second)
		_, err = v.Verify(t.Context(), &gatehouse.Credential{Text: text})
		wantRefusal(t, err, "GH-1011", "revoked")
		m.fail(errors.New("gone"))
		time.Sleep(11 * time.Second)
		_, err = v.Verify(t.Context(), &gatehouse.Credential{Text: text})
		wantRefusal(t, err, "GH-1902", "")
	})
}

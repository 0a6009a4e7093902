package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/client"
	"github.com/gatehouse-mcp/gatehouse/internal/grant"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
	"github.com/gatehouse-mcp/gatehouse/internal/store"
)

const issuer = "https://auth.test"

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// marks is what may be seen once, as far as a test needs it.
type marks struct {
	mu   sync.Mutex
	seen map[[32]byte]bool
	err  error
}

func (m *marks) Once(_ context.Context, key [32]byte, _ time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.seen == nil {
		m.seen = map[[32]byte]bool{}
	}
	if m.err != nil {
		return m.err
	}
	if m.seen[key] {
		return grant.ErrReplay
	}
	m.seen[key] = true
	return nil
}

// house is a registry over a real store.
type house struct {
	*client.Registry
	clock *clock
	once  *marks
	ended []string // ids of clients whose grants were ended
}

func newHouse(t *testing.T, change ...func(*client.Registry)) *house {
	t.Helper()
	d, err := store.Open(t.Context(), store.Config{SQLite: filepath.Join(t.TempDir(), "state", "gatehouse.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	h := &house{clock: &clock{at: time.Date(2026, 11, 27, 23, 30, 0, 0, time.UTC)}, once: &marks{}}
	h.Registry = &client.Registry{
		Store: d.Clients(), Secret: make([]byte, 32), Issuer: issuer, Once: h.once, Now: h.clock.now,
		Settings: client.Settings{Documents: true, Registration: true, Unused: 30 * 24 * time.Hour, Others: client.Warn},
		Ended: func(_ context.Context, id, _, _ string) error {
			h.ended = append(h.ended, id)
			return nil
		},
	}
	for _, c := range change {
		c(h.Registry)
	}
	return h
}

// again is another process over the same rows, which has fetched nothing.
func (h *house) again(change ...func(*client.Registry)) *house {
	g := &client.Registry{
		Store: h.Store, Secret: h.Secret, Issuer: h.Issuer, Settings: h.Settings, Once: h.once, Ended: h.Ended, Now: h.clock.now,
	}
	for _, c := range change {
		c(g)
	}
	return &house{Registry: g, clock: h.clock, once: h.once}
}

// register registers a client, or ends the test.
func (h *house) register(t *testing.T, body string) *client.Registration {
	t.Helper()
	r, err := h.Register(t.Context(), []byte(body))
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return r
}

// find finds a client, or ends the test.
func (h *house) find(t *testing.T, id string) *client.Client {
	t.Helper()
	c, err := h.Find(t.Context(), id)
	if err != nil {
		t.Fatalf("find %.60s: %v", id, err)
	}
	return c
}

// wantCode checks which refusal an error is.
func wantCode(t *testing.T, what string, err error, code, ref string) {
	t.Helper()
	var e *oauth.Error
	if !errors.As(err, &e) {
		t.Errorf("%s: got %v, want %s", what, err, code)
		return
	}
	if e.Code != code || e.Ref != ref {
		t.Errorf("%s: got %s %s (%s), want %s %s", what, e.Code, e.Ref, e.Error(), code, ref)
	}
	for _, r := range e.Description {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			t.Errorf("%s: the description %q cannot be sent", what, e.Description)
		}
	}
}

func wantErr(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: got %v, want %v", what, err, want)
	}
}

func form(t *testing.T, encoded string) *oauth.Params {
	t.Helper()
	p, err := oauth.ParseParams(encoded)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func marshal(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

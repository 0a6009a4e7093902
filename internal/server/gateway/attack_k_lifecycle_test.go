package gateway_test

import (
	"bufio"
	"context"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// What ends a stream in the process where the change is made is A115's test.
// Here the change is made by another process, that tells nobody.

// TestA165ChangesOfAnotherProcess makes changes on the store alone.
func TestA165ChangesOfAnotherProcess(t *testing.T) {
	s := besiege(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { tell(w, r, nil) }))
	keys, tenants := &apikey.Service{Store: s.keys.Store}, &tenant.Service{Store: s.tenants.Store}
	own, err := tenants.Create(t.Context(), "own")
	if err != nil {
		t.Fatal(err)
	}
	update := func(id string, c apikey.Change) error {
		_, err := keys.Update(t.Context(), "", id, c)
		return err
	}
	tests := []struct {
		name   string
		change func(id string) error
		then   int // status of the next request
	}{
		{"revoked", func(id string) error { _, err := keys.Revoke(t.Context(), "", id, "ada", "leaked"); return err }, 401},
		{"rotated without overlap", func(id string) error { _, _, _, err := keys.Rotate(t.Context(), "", id, 0); return err }, 401},
		{"expired", func(id string) error {
			past := time.Now().Add(-time.Second)
			return update(id, apikey.Change{Expires: &past})
		}, 401},
		{"moved to another network", func(id string) error {
			return update(id, apikey.Change{Networks: &[]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
		}, 401},
		{"deprived of tools", func(id string) error { return update(id, apikey.Change{Tools: &[]string{"get_*"}}) }, 200},
		{"suspended with its tenant", func(string) error { _, err := tenants.Suspend(t.Context(), own.ID, "ada"); return err }, 401},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k, key := s.keyOf(own.ID)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			res := s.open(ctx, http.MethodGet, key, "")
			defer res.Body.Close()
			began := time.Now()
			if err := tt.change(k.ID); err != nil {
				t.Fatal(err)
			}
			for in := bufio.NewScanner(res.Body); in.Scan(); {
			}
			if ctx.Err() != nil {
				t.Fatal("the stream does not end")
			}
			t.Logf("the stream ended %s after the change", time.Since(began))
			if got := s.post(key, ping); got.status != tt.then {
				t.Errorf("got %d for the next request, want %d: %s", got.status, tt.then, got.body)
			}
		})
	}
}

// TestA165RightsChange takes a tool away and gives it back.
func TestA165RightsChange(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo))
	k, key := s.fixture.key("get_a", "drop_b")
	for _, tools := range [][]string{{"get_a"}, nil, {"get_a", "drop_*"}, {"drop_b"}} {
		if _, err := s.keys.Update(t.Context(), "", k.ID, apikey.Change{Tools: &tools}); err != nil {
			t.Fatal(err)
		}
		for _, tool := range []string{"get_a", "drop_b"} {
			allowed := strings.Contains(strings.Join(tools, " "), tool[:4])
			if !allowed {
				s.run(t, key, []attack{{name: tool, body: call(tool), status: 403, code: mcp.CodeInvalidParams}})
			} else if got := s.post(key, call(tool)); got.status != 200 {
				t.Errorf("%s with %q: got %d, want 200", tool, tools, got.status)
			}
		}
	}
}

// TestA165Rotation follows two keys through an overlap, its end, and its undoing.
func TestA165Rotation(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo))
	status := func(key string) int { return s.post(key, ping).status }
	k, old := s.fixture.key()
	_, _, next, err := s.keys.Rotate(t.Context(), "", k.ID, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := status(old), status(next.Reveal()); a != 200 || b != 200 {
		t.Errorf("got %d and %d during the overlap, want both 200", a, b)
	}
	if _, err := s.keys.CancelRotation(t.Context(), "", k.ID, "ada"); err != nil {
		t.Fatal(err)
	}
	s.refuses(t, 401, "GH-1011", func() reply { return s.post(next.Reveal(), ping) })
	if got := status(old); got != 200 {
		t.Errorf("got %d for the key whose rotation was undone, want 200", got)
	}
	if _, _, next, err = s.keys.Rotate(t.Context(), "", k.ID, 0); err != nil {
		t.Fatal(err)
	}
	s.refuses(t, 401, "GH-1012", func() reply { return s.post(old, ping) })
	if got := status(next.Reveal()); got != 200 {
		t.Errorf("got %d for the new key, want 200", got)
	}
}

// TestA165Networks uses a key from where it may not be used. Only the address
// of the connection counts.
func TestA165Networks(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo))
	key := s.elsewhere(t)
	for _, headers := range [][]string{
		nil, {"X-Forwarded-For", "10.0.0.1"}, {"Forwarded", "for=10.0.0.1"}, {"X-Real-IP", "10.0.0.1"}, {"CF-Connecting-IP", "10.0.0.1"},
		{"True-Client-IP", "10.0.0.1"}, {"X-Client-IP", "10.0.0.1"}, {"X-Forwarded-For", "10.0.0.1, 127.0.0.1"}, {"Via", "1.1 10.0.0.1"},
	} {
		s.refuses(t, 401, "GH-1011", func() reply { return s.post(key, ping, headers...) })
		s.refuses(t, 401, "GH-1011", func() reply { return s.do(http.MethodGet, key, "", headers...) })
	}
	_, here, err := s.keys.Create(t.Context(), s.tenant, apikey.Spec{
		Name: "here", Tools: []string{"*"}, Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.post(here.Reveal(), ping, "X-Forwarded-For", "203.0.113.1"); got.status != 200 {
		t.Errorf("got %d for a key of this network, want 200", got.status)
	}
}

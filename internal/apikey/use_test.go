package apikey_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
)

func TestUsesAreKeptByTheMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		id, text := m.mint(t, nil)
		v := &apikey.Verifier{Source: m}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { v.Run(ctx); close(done) }()
		from := netip.MustParseAddr("::ffff:198.51.100.7")
		var a *apikey.Active
		use := func() {
			if next, err := v.Verify(ctx, &gatehouse.Credential{Text: text, From: from}); err == nil {
				a = next
			}
			v.Used(a, from, "claude\x1b-code\u202e", strings.Repeat("ü", 100))
		}
		for range 240 { // two minutes
			use()
			m.change(id, func(k *apikey.Key) { k.Note += "." }) // the entry is read anew each time
			v.Changed()
			time.Sleep(500 * time.Millisecond)
		}
		m.fail(errors.New("away"))
		use() // the store does not take it now
		time.Sleep(time.Minute)
		m.fail(nil)
		cancel()
		<-done
		if len(m.uses) != 3 {
			t.Fatalf("got %d uses in two minutes and a bit, want 3: %+v", len(m.uses), m.uses)
		}
		u := m.uses[0]
		if u.KeyID != id || u.Address != from.Unmap() || u.Client != "claude-code" || !utf8.ValidString(u.Tool) || len(u.Tool) != 128 {
			t.Errorf("got %+v", u)
		}
	})
}

func TestUsesSurviveARestart(t *testing.T) {
	h := newHouse(t)
	k, text := h.create(t, apikey.Spec{})
	a, err := h.v.Verify(t.Context(), &gatehouse.Credential{Text: text})
	must(t, err)
	h.v.Used(a, netip.MustParseAddr("10.2.0.9"), "node", "echo")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	h.v.Run(ctx) // ends at once, and writes on its way out
	got, err := h.keys.Get(t.Context(), h.def, k.ID)
	want := apikey.Use{KeyID: k.ID, At: h.clock, Address: netip.MustParseAddr("10.2.0.9"), Client: "node", Tool: "echo"}
	if err != nil || got.LastUsed != want {
		t.Errorf("got %+v, %v, want %+v", got.LastUsed, err, want)
	}
}

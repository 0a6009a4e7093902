package apikey_test

import (
	"context"
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
)

// wantRefusal checks a refusal: its code, that strangers learn nothing from it
// and what operators learn.
func wantRefusal(t *testing.T, err error, code, cause string) {
	t.Helper()
	e, ok := errors.AsType[*gatehouse.Error](err)
	if !ok || e.Code != code {
		t.Fatalf("got %v, want %s", err, code)
	}
	if e.Cause == nil || !strings.Contains(e.Cause.Error(), cause) {
		t.Errorf("got cause %v, want %q in it", e.Cause, cause)
	}
	status := 401
	if code == "GH-1902" {
		status = 503
	} else if e.Challenge == nil || e.Challenge.Error != "invalid_token" {
		t.Errorf("got challenge %v, want invalid_token", e.Challenge)
	}
	if e.Status != status {
		t.Errorf("got status %d, want %d", e.Status, status)
	}
	if (code == "GH-1011" || code == "GH-1013") && e.Description != "Credential not accepted." {
		t.Errorf("got %q for strangers", e.Description)
	}
}

// respell returns text with the character at i replaced and the checksum right.
func respell(text string, i int) string {
	c := "0"
	if text[i] == '0' {
		c = "1"
	}
	body := text[:i] + c + text[i+1:61]
	return body + sum(body)
}

func TestVerifyAccepts(t *testing.T) {
	h := newHouse(t)
	expires := h.clock.Add(time.Hour)
	k, text := h.create(t, apikey.Spec{Name: "ci", Tools: []string{"get_*"}, Expires: expires})
	a, err := h.v.Verify(t.Context(), &gatehouse.Credential{Text: text, From: netip.MustParseAddr("198.51.100.7")})
	if err != nil {
		t.Fatal(err)
	}
	want := gatehouse.Identity{Tenant: string(h.def), Subject: "key:" + k.ID, KeyID: k.ID, Name: "ci", Expires: expires}
	if !reflect.DeepEqual(a.Identity, want) || a.TenantName != "default" || !a.Tools.Allows("get_x") || a.Tools.Allows("delete_x") {
		t.Errorf("got %+v, want %+v", a, want)
	}
	if again, err := h.v.Verify(t.Context(), &gatehouse.Credential{Text: text}); err != nil || again != a {
		t.Errorf("got %p, %v, want the one in memory, %p", again, err, a)
	}
	if got, err := h.v.Identify(t.Context(), text); err != nil || got.ID != k.ID {
		t.Errorf("identify: got %+v, %v", got, err)
	}
}

func TestA159VerifyRefusesShapes(t *testing.T) {
	h := newHouse(t)
	_, text := h.create(t, apikey.Spec{})
	for name, bad := range damaged(text) {
		a, err := h.v.Verify(t.Context(), &gatehouse.Credential{Text: bad})
		if a != nil {
			t.Errorf("%s: got an identity", name)
		}
		wantRefusal(t, err, "GH-1010", "not a key's text")
	}
	_, err := h.v.Verify(t.Context(), &gatehouse.Credential{Text: text[:66]})
	wantRefusal(t, err, "GH-1010", "67 characters expected, got 66")
	for _, foreign := range []string{"", "eyJhbGciOiJub25lIn0.e30.", " " + text, "GTHK_" + text[5:]} {
		if _, err := h.v.Verify(t.Context(), &gatehouse.Credential{Text: foreign}); !errors.Is(err, gatehouse.ErrNotMine) {
			t.Errorf("%.10q: got %v, want ErrNotMine", foreign, err)
		}
	}
}

// Unknown ids and wrong secrets are answered alike; nobody learns which ids exist.
func TestA158RefusalsAreAlike(t *testing.T) {
	h := newHouse(t)
	_, one := h.create(t, apikey.Spec{})
	_, two := h.create(t, apikey.Spec{})
	mixed := one[:18] + two[18:61]
	answers := map[string]bool{}
	for _, bad := range []string{respell(one, 10), respell(one, 18), respell(one, 60), mixed + sum(mixed)} {
		a, err := h.v.Verify(t.Context(), &gatehouse.Credential{Text: bad})
		if a != nil {
			t.Error("got an identity")
		}
		wantRefusal(t, err, "GH-1011", "")
		if e, ok := errors.AsType[*gatehouse.Error](err); ok {
			answers[e.Error()+e.Challenge.String()] = true
		}
		if _, err := h.v.Identify(t.Context(), bad); err == nil {
			t.Error("identify: got no error")
		}
	}
	if len(answers) != 1 {
		t.Errorf("got different answers: %v", answers)
	}
}

// Every character of a key counts: nothing is cut off before it is hashed.
func TestA160EveryCharacterCounts(t *testing.T) {
	for _, pepper := range []string{"", "a pepper of a good length"} {
		h := newHouse(t)
		h.keys.Pepper, h.v.Pepper = []byte(pepper), []byte(pepper)
		_, text := h.create(t, apikey.Spec{})
		if _, err := h.v.Verify(t.Context(), &gatehouse.Credential{Text: text}); err != nil {
			t.Fatal(err)
		}
		for i := 5; i < 61; i++ {
			if i == 17 { // the underscore
				continue
			}
			_, err := h.v.Verify(t.Context(), &gatehouse.Credential{Text: respell(text, i)})
			wantRefusal(t, err, "GH-1011", "")
		}
	}
}

const day = 24 * time.Hour

// chapter is something that happens in a key's life, and how the key is judged after.
type chapter struct {
	name  string
	do    func(t *testing.T, h *house, k *apikey.Key)
	code  string // empty: accepted
	cause string
}

// life is what can happen to a key that expires in ten days.
func life() []chapter {
	return []chapter{
		{"a key in its time", func(_ *testing.T, h *house, _ *apikey.Key) { h.clock = h.clock.Add(10*day - 1) }, "", ""},
		{"an expired key", func(_ *testing.T, h *house, _ *apikey.Key) { h.clock = h.clock.Add(13 * day) }, "GH-1011", "expired 3 days ago"},
		{"a revoked key", func(t *testing.T, h *house, k *apikey.Key) {
			_, err := h.keys.Revoke(t.Context(), h.def, k.ID, "ada", "service deleted")
			must(t, err)
		}, "GH-1011", `revoked 2026-11-23 by ada ("service deleted"); last used never`},
		{"an old key in its overlap", func(t *testing.T, h *house, k *apikey.Key) { h.rotate(t, k, time.Hour) }, "", ""},
		{"an old key after its overlap", func(t *testing.T, h *house, k *apikey.Key) {
			h.rotate(t, k, time.Hour)
			h.clock = h.clock.Add(time.Hour + 4*time.Minute)
		}, "GH-1012", "was replaced; its overlap ended 4 min ago; deploy the new key (id "},
		{"an old key without overlap", func(t *testing.T, h *house, k *apikey.Key) { h.rotate(t, k, 0) }, "GH-1012", "deploy the new key"},
		{"an old key whose rotation was cancelled", func(t *testing.T, h *house, k *apikey.Key) {
			h.rotate(t, k, time.Hour)
			_, err := h.keys.CancelRotation(t.Context(), h.def, k.ID, "ada")
			must(t, err)
			h.clock = h.clock.Add(2 * time.Hour)
		}, "", ""},
		{"a key of a suspended tenant", func(t *testing.T, h *house, _ *apikey.Key) {
			_, err := h.tenants.Suspend(t.Context(), h.def, "ada")
			must(t, err)
		}, "GH-1013", "is suspended"},
		{"a key of a resumed tenant", func(t *testing.T, h *house, _ *apikey.Key) {
			_, err := h.tenants.Suspend(t.Context(), h.def, "ada")
			must(t, err)
			_, err = h.tenants.Resume(t.Context(), h.def, "ada")
			must(t, err)
		}, "", ""},
		{"a key that now expires sooner", func(t *testing.T, h *house, k *apikey.Key) {
			soon := h.clock.Add(time.Minute)
			_, err := h.keys.Update(t.Context(), h.def, k.ID, apikey.Change{Expires: &soon})
			must(t, err)
			h.clock = soon
		}, "GH-1011", "expired"},
		{"a key from another network", func(t *testing.T, h *house, k *apikey.Key) {
			nets := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
			_, err := h.keys.Update(t.Context(), h.def, k.ID, apikey.Change{Networks: &nets})
			must(t, err)
		}, "GH-1011", "used from 198.51.100.7, which is in none of its networks"},
	}
}

func TestA165Lifecycle(t *testing.T) {
	for _, tt := range life() {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t)
			k, text := h.create(t, apikey.Spec{Tools: []string{"a"}, Expires: h.clock.Add(10 * day)})
			from := netip.MustParseAddr("198.51.100.7")
			if _, err := h.v.Verify(t.Context(), &gatehouse.Credential{Text: text, From: from}); err != nil {
				t.Fatalf("before: %v", err)
			}
			tt.do(t, h, k)
			a, err := h.v.Verify(t.Context(), &gatehouse.Credential{Text: text, From: from})
			if tt.code == "" {
				must(t, err)
				return
			}
			if a != nil {
				t.Error("an identity came beside the error")
			}
			wantRefusal(t, err, tt.code, tt.cause)
			if got, err := h.v.Identify(t.Context(), text); err != nil || got.ID != k.ID {
				t.Errorf("identify: got %+v, %v, want the key in its state", got, err)
			}
		})
	}
}

// rotate rotates a key, and checks that the new one is accepted.
func (h *house) rotate(t *testing.T, k *apikey.Key, overlap time.Duration) {
	t.Helper()
	_, next, text, err := h.keys.Rotate(t.Context(), h.def, k.ID, overlap)
	must(t, err)
	a, err := h.v.Verify(t.Context(), &gatehouse.Credential{Text: text.Reveal(), From: netip.MustParseAddr("198.51.100.7")})
	must(t, err)
	if a.Subject != "key:"+k.ID || a.KeyID != next.ID {
		t.Errorf("got %+v, want the old key's subject under the new id", a.Identity)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestA165Networks(t *testing.T) {
	h := newHouse(t)
	var nets []netip.Prefix
	for _, n := range []string{"203.0.113.0/24", "2001:db8::/32", "fe80::/10"} {
		nets = append(nets, netip.MustParsePrefix(n))
	}
	_, text := h.create(t, apikey.Spec{Networks: nets})
	for addr, want := range map[string]bool{
		"203.0.113.9": true, "::ffff:203.0.113.9": true, "2001:db8::1": true, "fe80::1%eth0": true,
		"203.0.114.1": false, "::203.0.113.9": false, "2001:db9::1": false, "127.0.0.1": false,
	} {
		_, err := h.v.Verify(t.Context(), &gatehouse.Credential{Text: text, From: netip.MustParseAddr(addr)})
		if (err == nil) != want {
			t.Errorf("%s: got %v, want accepted: %v", addr, err, want)
		}
	}
	_, err := h.v.Verify(t.Context(), &gatehouse.Credential{Text: text})
	wantRefusal(t, err, "GH-1011", "in none of its networks")
}

func TestPeppers(t *testing.T) {
	h := newHouse(t)
	other := func(pepper string) *apikey.Verifier {
		return &apikey.Verifier{Source: h.Source(), Pepper: []byte(pepper), Now: h.v.Now}
	}
	_, plain := h.create(t, apikey.Spec{})
	h.keys.Pepper = []byte("the first pepper, 24 long")
	_, peppered := h.create(t, apikey.Spec{})
	tests := []struct {
		name, pepper, text, cause string // no cause: accepted
	}{
		{"a plain key without a pepper", "", plain, ""},
		{"a plain key after a pepper was configured", "the first pepper, 24 long", plain, ""},
		{"a peppered key", "the first pepper, 24 long", peppered, ""},
		{"a peppered key under another pepper", "the second pepper, 25 long", peppered, "under the pepper with fingerprint"},
		{"a peppered key without a pepper", "", peppered, "this server has none"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := other(tt.pepper).Verify(t.Context(), &gatehouse.Credential{Text: tt.text})
			if tt.cause == "" {
				must(t, err)
				return
			}
			wantRefusal(t, err, "GH-1011", tt.cause)
			if strings.Contains(errors.Unwrap(err).Error(), "pepper,") {
				t.Error("the pepper is in the error")
			}
		})
	}
	if _, err := other("short").Verify(t.Context(), &gatehouse.Credential{Text: plain}); err == nil {
		t.Error("a short pepper: got no error")
	}
}

func TestA121RecycledTenantRefusesOldKeys(t *testing.T) {
	h := newHouse(t)
	ctx := context.Background()
	first, err := h.tenants.Create(ctx, "acme")
	must(t, err)
	h.def = first.ID
	_, text := h.create(t, apikey.Spec{Tools: []string{"*"}})
	a, err := h.v.Verify(ctx, &gatehouse.Credential{Text: text})
	must(t, err)
	watched, stop := h.v.Watch(ctx, a)
	defer stop(nil)
	_, err = h.tenants.Delete(ctx, first.ID, "ada")
	must(t, err)
	wantRefusal(t, context.Cause(watched), "GH-1011", "deleted")
	second, err := h.tenants.Create(ctx, "acme")
	must(t, err)
	if second.ID == first.ID {
		t.Error("the id was given out again")
	}
	_, err = h.v.Verify(ctx, &gatehouse.Credential{Text: text})
	wantRefusal(t, err, "GH-1011", "tenant deleted")
}

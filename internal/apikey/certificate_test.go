package apikey_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
	"github.com/gatehouse-mcp/gatehouse/internal/unit"
)

func TestParseThumbprint(t *testing.T) {
	sum := sha256.Sum256([]byte("a certificate"))
	digits := fmt.Sprintf("%x", sum)
	pairs := make([]string, len(sum))
	for i := range pairs {
		pairs[i] = strings.ToUpper(digits[2*i : 2*i+2])
	}
	for _, text := range []string{"sha256:" + digits, "sha256:" + strings.ToUpper(digits), "sha256:" + strings.Join(pairs, ":")} {
		if p, err := apikey.ParseThumbprint(text); err != nil || p != sum || p.String() != "sha256:"+digits {
			t.Errorf("%s: got %s, %v", text, p, err)
		}
	}
	if p, err := apikey.ParseThumbprint("off"); err != nil || !p.Zero() || p.String() != "off" {
		t.Errorf("off: got %s, %v", p, err)
	}
	for _, text := range []string{
		"", "sha256:", digits, "sha256:" + digits[1:], "sha256:" + digits + "00", "SHA256:" + digits, "sha1:" + digits, "sha256:" + digits[:62] + "zz",
		"sha256:" + digits[:32] + ":" + digits[32:], "sha256:" + strings.Repeat("0", 64), "none", "sha256:" + strings.Join(pairs, "::"), "sha256:" + strings.Repeat(":", 95),
	} {
		if p, err := apikey.ParseThumbprint(text); !errors.Is(err, apikey.ErrInvalid) || !p.Zero() {
			t.Errorf("%q: got %s, %v, want ErrInvalid", text, p, err)
		}
	}
}

func FuzzParseThumbprint(f *testing.F) {
	f.Add("sha256:" + strings.Repeat("ab", 32))
	f.Add("sha256:" + strings.TrimSuffix(strings.Repeat("AB:", 32), ":"))
	f.Add("off")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := apikey.ParseThumbprint(text)
		if err != nil {
			if !p.Zero() {
				t.Error("a value beside an error")
			}
			return
		}
		if again, err := apikey.ParseThumbprint(p.String()); err != nil || again != p {
			t.Errorf("%q: %s does not come back", text, p)
		}
	})
}

func TestA165AKeyWithACertificateNeedsIt(t *testing.T) {
	h := newHouse(t)
	der, other := []byte("the client's certificate"), []byte("somebody else's")
	k, text := h.create(t, apikey.Spec{Certificate: apikey.ThumbprintOf(der)})
	_, plain := h.create(t, apikey.Spec{})
	tests := []struct {
		name, text  string
		certificate []byte
		cause       string // empty: accepted
	}{
		{"its certificate", text, der, ""},
		{"none", text, nil, "key id " + k.ID + " needs its client certificate, and the connection has none that was verified"},
		{"an empty one", text, []byte{}, "needs its client certificate"},
		{"another one", text, other, "it came with " + apikey.ThumbprintOf(other).String()},
		{"any, where none is needed", plain, other, ""},
		{"none, where none is needed", plain, nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, err := h.v.Verify(t.Context(), &gatehouse.Credential{Text: tt.text, Certificate: tt.certificate})
			if tt.cause != "" {
				wantRefusal(t, err, "GH-1011", tt.cause)
				return
			}
			must(t, err)
			if want := tt.text == text; a.Certificate.Zero() == want {
				t.Errorf("got certificate %s", a.Certificate)
			}
		})
	}
	// What is wrong with the key itself comes first, and so do its networks.
	_, err := h.v.Verify(t.Context(), &gatehouse.Credential{Text: respell(text, 40), Certificate: der})
	wantRefusal(t, err, "GH-1011", "the secret does not belong")

	_, next, secret, err := h.keys.Rotate(t.Context(), h.def, k.ID, time.Hour)
	must(t, err)
	if next.Certificate != k.Certificate {
		t.Error("the successor needs no certificate")
	}
	_, err = h.v.Verify(t.Context(), &gatehouse.Credential{Text: secret.Reveal()})
	wantRefusal(t, err, "GH-1011", "needs its client certificate")
	_, err = h.v.Verify(t.Context(), &gatehouse.Credential{Text: secret.Reveal(), Certificate: der})
	must(t, err)

	_, err = h.keys.Update(t.Context(), h.def, next.ID, apikey.Change{Certificate: &apikey.Thumbprint{}})
	must(t, err)
	_, err = h.v.Verify(t.Context(), &gatehouse.Credential{Text: secret.Reveal()})
	must(t, err)
}

func TestA165AChangedCertificateCutsStreams(t *testing.T) {
	h := newHouse(t)
	first, second := []byte("first"), []byte("second")
	k, text := h.create(t, apikey.Spec{Certificate: apikey.ThumbprintOf(first)})
	watch := func(der []byte) (context.Context, func(error)) {
		a, err := h.v.Verify(t.Context(), &gatehouse.Credential{Text: text, Certificate: der})
		must(t, err)
		return h.v.Watch(t.Context(), a)
	}
	change := func(p apikey.Thumbprint) {
		_, err := h.keys.Update(t.Context(), h.def, k.ID, apikey.Change{Certificate: &p})
		must(t, err)
	}
	old, stop := watch(first)
	defer stop(nil)
	change(apikey.ThumbprintOf(second))
	if err := context.Cause(old); err == nil || !strings.Contains(err.Error(), "rights of this key have changed") {
		t.Errorf("got %v, want the stream cut", err)
	}
	_, err := h.v.Verify(t.Context(), &gatehouse.Credential{Text: text, Certificate: first})
	wantRefusal(t, err, "GH-1011", "needs its client certificate")
	now, stop := watch(second)
	defer stop(nil)
	limit := unit.Rate{Count: 1, Per: time.Minute}
	_, err = h.keys.Update(t.Context(), h.def, k.ID, apikey.Change{Limit: &limit})
	must(t, err)
	if now.Err() != nil {
		t.Error("another limit cut a stream")
	}
	a, err := h.v.Verify(t.Context(), &gatehouse.Credential{Text: text, Certificate: second})
	must(t, err)
	if a.Limit != limit {
		t.Errorf("limit: got %s, want %s at once", a.Limit, limit)
	}
}

func TestALimitIsARate(t *testing.T) {
	h := newHouse(t)
	for _, bad := range []unit.Rate{{Count: -1, Per: time.Minute}, {Count: 5}, {Count: 5, Per: -time.Second}, {Count: 5, Per: time.Millisecond}, {Count: 1 << 40, Per: time.Second}, {Per: time.Second}} {
		if _, _, err := h.keys.Create(t.Context(), h.def, apikey.Spec{Name: "x", Limit: bad}); !errors.Is(err, apikey.ErrInvalid) {
			t.Errorf("%+v: got %v, want ErrInvalid", bad, err)
		}
	}
	k, text := h.create(t, apikey.Spec{Limit: unit.Rate{Count: 60, Per: time.Minute}})
	_, next, _, err := h.keys.Rotate(t.Context(), h.def, k.ID, 0)
	must(t, err)
	if next.Limit != k.Limit {
		t.Errorf("after a rotation: got %s, want %s", next.Limit, k.Limit)
	}
	_ = text
}

func TestVerifyOfAWarmKeyAllocatesNothing(t *testing.T) {
	h := newHouse(t)
	der := make([]byte, 1200)
	_, text := h.create(t, apikey.Spec{Certificate: apikey.ThumbprintOf(der), Limit: unit.Rate{Count: 60, Per: time.Minute}, Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}})
	p := &gatehouse.Credential{Text: text, From: netip.MustParseAddr("192.0.2.1"), Certificate: der}
	ctx := context.Background()
	if n := testing.AllocsPerRun(100, func() {
		if _, err := h.v.Verify(ctx, p); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}

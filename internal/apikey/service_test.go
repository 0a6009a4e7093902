package apikey_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
	"github.com/gatehouse-mcp/gatehouse/internal/store"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// house is a database with everything over it.
type house struct {
	*store.DB
	keys    *apikey.Service
	tenants *tenant.Service
	v       *apikey.Verifier
	def     tenant.ID
	clock   time.Time // what everything takes for now
}

// newHouse opens a database of the test's own.
func newHouse(t testing.TB) *house {
	t.Helper()
	ctx := context.Background()
	d, err := store.Open(ctx, store.Config{SQLite: filepath.Join(t.TempDir(), "private", "gatehouse.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	h := &house{DB: d, clock: time.Date(2026, 11, 23, 19, 0, 0, 0, time.UTC)}
	now := func() time.Time { return h.clock }
	h.v = &apikey.Verifier{Source: d.Source(), Now: now}
	h.keys = &apikey.Service{Store: d.Keys(), Now: now, Changed: h.v.Changed}
	h.tenants = &tenant.Service{Store: d.Tenants(), Now: now, Changed: h.v.Changed}
	def, err := h.tenants.Find(ctx, tenant.Default)
	if err != nil {
		t.Fatal(err)
	}
	h.def = def.ID
	return h
}

// create makes a key of the default tenant.
func (h *house) create(t testing.TB, s apikey.Spec) (*apikey.Key, string) {
	t.Helper()
	if s.Name == "" {
		s.Name = "dev"
	}
	k, text, err := h.keys.Create(context.Background(), h.def, s)
	if err != nil {
		t.Fatal(err)
	}
	return k, text.Reveal()
}

func TestSpecIsValidated(t *testing.T) {
	h := newHouse(t)
	prefix := netip.MustParsePrefix
	tests := []struct {
		name string
		spec apikey.Spec
		want error
	}{
		{"a plain key", apikey.Spec{Name: "ci nightly ü"}, nil},
		{"everything", apikey.Spec{Name: strings.Repeat("ü", 64), Note: "n", Tools: []string{"get_*"}, Expires: h.clock.Add(time.Hour),
			Networks: []netip.Prefix{prefix("10.0.0.0/8"), prefix("::1/128"), prefix("0.0.0.0/0")}}, nil},
		{"no name", apikey.Spec{}, apikey.ErrInvalid},
		{"a name of 65", apikey.Spec{Name: strings.Repeat("ü", 65)}, apikey.ErrInvalid},
		{"a name with a line feed", apikey.Spec{Name: "a\nb"}, apikey.ErrInvalid},
		{"a name with an escape", apikey.Spec{Name: "a\x1b[31m"}, apikey.ErrInvalid},
		{"a name that turns the line around", apikey.Spec{Name: "a\u202eb"}, apikey.ErrInvalid},
		{"a name of spaces", apikey.Spec{Name: "  "}, apikey.ErrInvalid},
		{"a name that is not UTF-8", apikey.Spec{Name: "a\xff"}, apikey.ErrInvalid},
		{"a long note", apikey.Spec{Name: "a", Note: strings.Repeat("n", 501)}, apikey.ErrInvalid},
		{"a bad pattern", apikey.Spec{Name: "a", Tools: []string{"a b"}}, apikey.ErrInvalid},
		{"a past expiry", apikey.Spec{Name: "a", Expires: h.clock}, apikey.ErrInvalid},
		{"a network with bits to spare", apikey.Spec{Name: "a", Networks: []netip.Prefix{prefix("10.0.0.1/8")}}, apikey.ErrInvalid},
		{"a network within another kind's", apikey.Spec{Name: "a", Networks: []netip.Prefix{prefix("::ffff:10.0.0.0/104")}}, apikey.ErrInvalid},
		{"no network", apikey.Spec{Name: "a", Networks: []netip.Prefix{{}}}, apikey.ErrInvalid},
		{"101 networks", apikey.Spec{Name: "a", Networks: make([]netip.Prefix, 101)}, apikey.ErrInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k, text, err := h.keys.Create(t.Context(), h.def, tt.spec)
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if err != nil {
				if k != nil || text.Reveal() != "" {
					t.Error("a key came beside the error")
				}
				return
			}
			stored, err := h.keys.Get(t.Context(), h.def, k.ID)
			if err != nil || stored.Name != tt.spec.Name || !stored.Expires.Equal(tt.spec.Expires) {
				t.Errorf("got %+v, %v", stored, err)
			}
			c := apikey.Change{Name: &tt.spec.Name, Note: &tt.spec.Note, Tools: &tt.spec.Tools, Networks: &tt.spec.Networks}
			if _, err := h.keys.Update(t.Context(), h.def, k.ID, c); err != nil {
				t.Errorf("update: %v", err)
			}
		})
	}
	if _, _, err := h.keys.Create(t.Context(), "nobody", apikey.Spec{Name: "a"}); !errors.Is(err, tenant.ErrNotFound) {
		t.Errorf("got %v, want tenant.ErrNotFound", err)
	}
}

func TestServiceRefusesBadArguments(t *testing.T) {
	h := newHouse(t)
	k, _ := h.create(t, apikey.Spec{})
	ctx, bad := t.Context(), "a\nb"
	calls := map[string]func() error{
		"update":           func() error { _, err := h.keys.Update(ctx, h.def, k.ID, apikey.Change{Name: &bad}); return err },
		"negative overlap": func() error { _, _, _, err := h.keys.Rotate(ctx, h.def, k.ID, -1); return err },
		"reason":           func() error { _, err := h.keys.Revoke(ctx, h.def, k.ID, "ada", bad); return err },
		"by":               func() error { _, err := h.keys.Revoke(ctx, h.def, k.ID, bad, ""); return err },
		"cancel by":        func() error { _, err := h.keys.CancelRotation(ctx, h.def, k.ID, bad); return err },
	}
	for name, call := range calls {
		if err := call(); !errors.Is(err, apikey.ErrInvalid) {
			t.Errorf("%s: got %v, want ErrInvalid", name, err)
		}
	}
	h.keys.Pepper = []byte("short")
	if _, _, err := h.keys.Create(ctx, h.def, apikey.Spec{Name: "a"}); err == nil {
		t.Error("a short pepper: got no error")
	}
}

func TestImport(t *testing.T) {
	h := newHouse(t)
	mint := func() string {
		_, s, err := apikey.Mint(nil)
		if err != nil {
			t.Fatal(err)
		}
		return s.Reveal()
	}
	hash := func(text string) string { return "sha256:" + hex(sha256.Sum256([]byte(text))) }
	whole, hashed := mint(), mint()
	weak := "gthk_7Qm2Vx9KtB4c_EXAMPLEonlyNotARealSecret0000000000000000000"[:61]
	tests := []struct {
		name string
		give apikey.Foreign
		want error
	}{
		{"a key's text", apikey.Foreign{Text: whole}, nil},
		{"it again", apikey.Foreign{Text: whole}, apikey.ErrExists},
		{"its id with another hash", apikey.Foreign{ID: whole[5:17], Hash: hash("x")}, apikey.ErrExists},
		{"an id and a hash", apikey.Foreign{ID: hashed[5:17], Hash: hash(hashed)}, nil},
		{"a damaged text", apikey.Foreign{Text: whole[:66]}, apikey.ErrMalformed},
		{"another product's key", apikey.Foreign{Text: "ghp_0123456789"}, apikey.ErrMalformed},
		{"nothing", apikey.Foreign{}, apikey.ErrMalformed},
		{"a short id", apikey.Foreign{ID: "short", Hash: hash("x")}, apikey.ErrMalformed},
		{"an id with other characters", apikey.Foreign{ID: "abc_efghijk-", Hash: hash("x")}, apikey.ErrMalformed},
		{"a hash of another kind", apikey.Foreign{ID: "abcdefghijkl", Hash: "md5:" + hash("x")[7:]}, apikey.ErrMalformed},
		{"a hash cut short", apikey.Foreign{ID: "abcdefghijkl", Hash: hash("x")[:60]}, apikey.ErrMalformed},
		{"a hash that is none", apikey.Foreign{ID: "abcdefghijkl", Hash: "sha256:" + strings.Repeat("g", 64)}, apikey.ErrMalformed},
		{"the hash of nothing", apikey.Foreign{ID: "abcdefghijkl", Hash: hash("")}, apikey.ErrWeak},
		{"a hash of zeros", apikey.Foreign{ID: "abcdefghijkl", Hash: "sha256:" + strings.Repeat("0", 64)}, apikey.ErrWeak},
		{"the documentation's example", apikey.Foreign{Text: weak + sum(weak)}, apikey.ErrWeak},
		{"both ways at once", apikey.Foreign{Text: mint(), ID: "abcdefghijkl"}, apikey.ErrInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k, err := h.keys.Import(t.Context(), h.def, tt.give, apikey.Spec{Name: "imported", Tools: []string{"*"}})
			if !errors.Is(err, tt.want) || (err == nil) != (k != nil) {
				t.Errorf("got %+v, %v, want %v", k, err, tt.want)
			}
		})
	}
	for _, text := range []string{whole, hashed} {
		if _, err := h.v.Verify(t.Context(), &gatehouse.Credential{Text: text}); err != nil {
			t.Errorf("an imported key: %v", err)
		}
	}
	if _, err := h.keys.Import(t.Context(), h.def, apikey.Foreign{Text: mint()}, apikey.Spec{}); !errors.Is(err, apikey.ErrInvalid) {
		t.Errorf("without a name: got %v, want ErrInvalid", err)
	}
}

func hex(b [32]byte) string {
	const digits = "0123456789abcdef"
	var s strings.Builder
	for _, c := range b {
		s.WriteByte(digits[c>>4])
		s.WriteByte(digits[c&15])
	}
	return s.String()
}

func FuzzImport(f *testing.F) {
	f.Add("gthk_7Qm2Vx9KtB4c_cut", "", "")
	f.Add("", "abcdefghijkl", "sha256:"+strings.Repeat("ab", 32))
	f.Add("", "abcdefghijkl", "sha256:"+strings.Repeat("AB", 32))
	h := newHouse(f)
	f.Fuzz(func(t *testing.T, text, id, hash string) {
		k, err := h.keys.Import(t.Context(), h.def, apikey.Foreign{Text: text, ID: id, Hash: hash}, apikey.Spec{Name: "a"})
		if err == nil && len(k.ID) != 12 {
			t.Errorf("got id %q", k.ID)
		}
		if e, ok := errors.AsType[*gatehouse.Error](err); ok {
			t.Errorf("got %v (%v) from the store, want a refusal before it", e, e.Cause)
		}
	})
}

package admin_test

import (
	"crypto/sha256"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

func TestImport(t *testing.T) {
	f := newFixture(t)
	_, text, err := apikey.Mint(nil)
	if err != nil {
		t.Fatal(err)
	}
	hashed, text2, err := apikey.Mint(nil)
	if err != nil {
		t.Fatal(err)
	}
	keys := []adminapi.ImportKey{
		{Key: text.Reveal()},
		{ID: hashed, Hash: fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(text2.Reveal()))), NewKey: adminapi.NewKey{Name: "h", Expires: "never"}},
		{Key: text.Reveal()[:66]},
	}
	for _, dry := range []bool{true, false} {
		c := &adminapi.Client{Transport: f.Transport, DryRun: dry}
		got, err := c.ImportKeys(t.Context(), keys)
		if err != nil || len(got) != 3 {
			t.Fatalf("got %v, %v", got, err)
		}
		if got[0].Error != nil || got[0].Key.Name != "imported" || got[1].Error != nil || got[1].Key.ID != hashed {
			t.Errorf("dry=%v: got %+v", dry, got)
		}
		if got[2].Error == nil || got[2].Error.Code != "GH-2403" {
			t.Errorf("dry=%v, cut key: got %+v", dry, got[2])
		}
	}
	for _, k := range []string{text.Reveal(), text2.Reveal()} {
		if v, err := f.VerifyKey(t.Context(), k); err != nil || !v.Valid {
			t.Errorf("imported key: got %+v, %v", v, err)
		}
	}
	again, err := f.ImportKeys(t.Context(), keys[:1])
	if err != nil || again[0].Error == nil || again[0].Error.Code != "GH-2402" {
		t.Errorf("again: got %+v, %v, want GH-2402", again, err)
	}
}

func TestTenants(t *testing.T) {
	f := newFixture(t)
	if _, err := f.CreateTenant(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	_, err := f.CreateTenant(t.Context(), "acme")
	want(t, err, "GH-2402", 409)
	_, err = f.CreateTenant(t.Context(), "Not A Name")
	want(t, err, "GH-2403", 400)
	_, err = f.DeleteTenant(t.Context(), tenant.Default)
	want(t, err, "GH-2405", 409)
	k := f.key(adminapi.NewKey{Tenant: "acme"})
	s, err := f.SuspendTenant(t.Context(), "acme")
	if err != nil || s.State != "suspended" || s.Keys != 1 {
		t.Fatalf("got %+v, %v", s, err)
	}
	_, err = f.SuspendTenant(t.Context(), "acme")
	want(t, err, "GH-2405", 409)
	if v, err := f.VerifyKey(t.Context(), k.Key); err != nil || v.Valid || v.Code != "GH-1013" {
		t.Errorf("suspended: got %+v, %v, want GH-1013", v, err)
	}
	if list, err := f.Keys(t.Context(), "acme"); err != nil || len(list) != 1 || list[0].TenantState != "suspended" {
		t.Errorf("got %+v, %v", list, err)
	}
	if _, err := f.ResumeTenant(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	if v, err := f.VerifyKey(t.Context(), k.Key); err != nil || !v.Valid {
		t.Errorf("resumed: got %+v, %v", v, err)
	}
	id := s.ID
	if d, err := f.DeleteTenant(t.Context(), "acme"); err != nil || d.State != "deleted" || d.Keys != 1 {
		t.Errorf("got %+v, %v", d, err)
	}
	_, err = f.ResumeTenant(t.Context(), id)
	want(t, err, "GH-2405", 409)
	_, err = f.CreateKey(t.Context(), adminapi.NewKey{Name: "x", Tenant: id})
	want(t, err, "GH-2405", 409)
	if got, err := f.Key(t.Context(), k.ID); err != nil || got.State != "revoked" || got.Tenant != "acme" {
		t.Errorf("key of a deleted tenant: got %+v, %v", got, err)
	}
}

func TestBackup(t *testing.T) {
	f := newFixture(t)
	_, err := f.Backup(t.Context(), adminapi.Backup{Path: "relative"})
	want(t, err, "GH-2403", 400)
	if d, err := f.Backup(t.Context(), adminapi.Backup{Path: "/b"}); err != nil || d.Path != "/b" {
		t.Errorf("got %+v, %v", d, err)
	}
	_, err = f.Backup(t.Context(), adminapi.Backup{Path: "/b"})
	want(t, err, "GH-2402", 409)
}

// TestA178_RequestsAreReadStrictly: what is not understood is not obeyed.
func TestA178_RequestsAreReadStrictly(t *testing.T) {
	f := newFixture(t)
	tests := []struct {
		name, method, path, body string
		want                     int
	}{
		{"an unknown member", "POST", "/v1/keys", `{"name":"x","expire":"1h"}`, 400},
		{"a member of another type", "POST", "/v1/keys", `{"name":1}`, 400},
		{"two values", "POST", "/v1/keys", `{"name":"x"}{}`, 400},
		{"nothing", "POST", "/v1/keys", ``, 400},
		{"no JSON", "POST", "/v1/keys", `name=x`, 400},
		{"an unknown path", "GET", "/v1/secrets", ``, 404},
		{"an unknown method", "PUT", "/v1/keys", ``, 404},
		{"a path into another noun", "GET", "/v1/keys/..%2Ftenants", ``, 404},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			f.door.ServeHTTP(w, httptest.NewRequest(tt.method, tt.path, strings.NewReader(tt.body)))
			if w.Code != tt.want || !strings.Contains(w.Body.String(), `"code":"GH-24`) {
				t.Errorf("got %d %s, want %d with a code", w.Code, w.Body, tt.want)
			}
		})
	}
	if list, err := f.Keys(t.Context(), ""); err != nil || len(list) != 0 {
		t.Errorf("got %v, %v, want no key made", list, err)
	}
	if s, err := f.Client.Status(t.Context()); err != nil || s.PID != 7 {
		t.Errorf("status: got %+v, %v", s, err)
	}
}

package admin_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
	"github.com/gatehouse-mcp/gatehouse/internal/server/admin"
)

func TestLimitAndCertificateOfAKey(t *testing.T) {
	f := newFixture(t)
	thumb := "sha256:" + strings.Repeat("ab", 32)
	k := f.key(adminapi.NewKey{Limit: "60/min", Certificate: thumb})
	if k.Limit != "60/min" || k.Certificate != thumb {
		t.Fatalf("got %+v", k)
	}
	off, empty, rate := "off", "", "5/d"
	k, err := f.UpdateKey(t.Context(), k.ID, adminapi.KeyChange{Limit: &rate})
	if err != nil || k.Limit != rate || k.Certificate != thumb {
		t.Errorf("got %+v, %v", k, err)
	}
	for name, c := range map[string]adminapi.KeyChange{"limit": {Limit: &empty}, "certificate": {Certificate: &empty}} {
		_, err := f.UpdateKey(t.Context(), k.ID, c)
		want(t, err, "GH-2403", 400)
		if now, err := f.Key(t.Context(), k.ID); err != nil || now.Limit != rate || now.Certificate != thumb {
			t.Errorf("an empty %s changed the key: %+v, %v", name, now, err)
		}
	}
	next, err := f.RotateKey(t.Context(), k.ID, adminapi.Rotate{})
	if err != nil || next.Limit != rate || next.Certificate != thumb {
		t.Errorf("rotated: got %+v, %v", next, err)
	}
	next, err = f.UpdateKey(t.Context(), next.ID, adminapi.KeyChange{Limit: &off, Certificate: &off})
	if err != nil || next.Limit != "" || next.Certificate != "" {
		t.Errorf("off: got %+v, %v", next, err)
	}
	for _, bad := range []adminapi.NewKey{{Name: "x", Limit: "60"}, {Name: "x", Limit: "-1/s"}, {Name: "x", Certificate: "ab"}, {Name: "x", Certificate: "sha256:00"}} {
		_, err := f.CreateKey(t.Context(), bad)
		want(t, err, "GH-2403", 400)
	}
}

func TestDefaultsAreTheConfigurations(t *testing.T) {
	f := newFixture(t)
	f.made = admin.Defaults{TTL: 7 * 24 * time.Hour, Overlap: time.Hour}
	k := f.key(adminapi.NewKey{})
	if d := k.Expires.Sub(f.now).Round(time.Minute); d != 7*24*time.Hour {
		t.Errorf("life of a new key: got %s, want 7 days", d)
	}
	if k = f.key(adminapi.NewKey{Expires: "never"}); k.Expires != nil {
		t.Errorf("said otherwise: got %v", k.Expires)
	}
	next, err := f.RotateKey(t.Context(), k.ID, adminapi.Rotate{})
	if err != nil || next.RetireAt.Sub(f.now).Round(time.Minute) != time.Hour {
		t.Errorf("overlap: got %v, %v, want an hour", next.RetireAt, err)
	}
	f.made = admin.Defaults{} // a reload takes them away
	if k = f.key(adminapi.NewKey{}); k.Expires.Sub(f.now).Round(time.Hour) != adminapi.DefaultLifetime {
		t.Errorf("after a reload: got %v", k.Expires)
	}
}

func TestATenantThatIsFullIsToldWhatToDo(t *testing.T) {
	f := newFixture(t)
	f.db.BoundKeys(2)
	old := f.key(adminapi.NewKey{Expires: "1h"})
	k := f.key(adminapi.NewKey{})
	if _, err := f.RotateKey(t.Context(), k.ID, adminapi.Rotate{}); err != nil {
		t.Errorf("a rotation counts twice: %v", err)
	}
	for name, c := range map[string]*adminapi.Client{"create": f.Client, "dry run": f.dry()} {
		_, err := c.CreateKey(t.Context(), adminapi.NewKey{Name: "third"})
		want(t, err, "GH-2408", 409)
		for _, words := range []string{"Tenant default may have 2 keys", "max_per_tenant", "gatehouse key list --tenant default"} {
			if err == nil || !strings.Contains(err.Error(), words) {
				t.Errorf("%s: got %v, want %q in it", name, err, words)
			}
		}
	}
	_, text, err := apikey.Mint(nil)
	if err != nil {
		t.Fatal(err)
	}
	in, err := f.ImportKeys(t.Context(), []adminapi.ImportKey{{Key: text.Reveal()}})
	if err != nil || in[0].Error == nil || in[0].Error.Code != "GH-2408" {
		t.Errorf("import: got %+v, %v", in, err)
	}
	f.now = f.now.Add(2 * time.Hour) // the first expires, and makes room
	f.key(adminapi.NewKey{})
	if _, err := f.RotateKey(t.Context(), old.ID, adminapi.Rotate{}); err == nil {
		t.Error("an expired key came back beyond the bound")
	} else {
		want(t, err, "GH-2408", 409)
	}
}

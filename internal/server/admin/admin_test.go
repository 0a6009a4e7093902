package admin_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
	"github.com/gatehouse-mcp/gatehouse/internal/login"
	"github.com/gatehouse-mcp/gatehouse/internal/ratelimit"
	"github.com/gatehouse-mcp/gatehouse/internal/server/admin"
	"github.com/gatehouse-mcp/gatehouse/internal/store"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
	"github.com/gatehouse-mcp/gatehouse/internal/token"
	"github.com/gatehouse-mcp/gatehouse/internal/unit"
)

// file is a database that counts backups and does none.
type file struct{ exists bool }

func (f *file) Status(context.Context) (*adminapi.Database, error) {
	return &adminapi.Database{Engine: "sqlite"}, nil
}

func (f *file) Backup(_ context.Context, path string) (*adminapi.Database, error) {
	if f.exists {
		return nil, fs.ErrExist
	}
	f.exists = true
	return &adminapi.Database{Path: path}, nil
}

// fixture is a door over a real store, with a clock of its own.
type fixture struct {
	*adminapi.Client
	t    *testing.T
	door http.Handler
	now  time.Time
	log  *bytes.Buffer
	file *file
	*trail
	db   *store.DB
	bans *ratelimit.Bans
	made admin.Defaults // as configured

	issuers []admin.Issuer // as configured

	people *login.Service
	ended  []string // of users
}

type direct struct{ h http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	d.h.ServeHTTP(w, r)
	return w.Result(), nil
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	dir := t.TempDir()
	db, err := store.Open(t.Context(), store.Config{SQLite: filepath.Join(dir, "state", "g.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	f := &fixture{t: t, now: time.Now().UTC(), log: &bytes.Buffer{}, file: &file{}, trail: &trail{}, db: db}
	clock := func() time.Time { return f.now }
	v := &apikey.Verifier{Source: db.Source(), Now: clock}
	f.bans = &ratelimit.Bans{Rate: unit.Rate{Count: 1, Per: time.Minute}, Now: clock}
	f.people = f.newPeople()
	f.door = (&admin.Admin{
		People: func() *login.Service { return f.people },
		Tokens: &token.Service{Store: db.Revocations(), Now: clock}, Issuers: func() []admin.Issuer { return f.issuers },
		Bans: f.bans, Defaults: func() admin.Defaults { return f.made },
		Keys:  &apikey.Service{Store: db.Keys(), Now: clock, Changed: v.Changed},
		Judge: v, Tenants: &tenant.Service{Store: db.Tenants(), Now: clock, Changed: v.Changed},
		Audit:    f.trail,
		Database: f.file, Status: func() adminapi.Status { return adminapi.Status{PID: 7} }, By: "ada", Now: clock, Log: slog.New(slog.NewTextHandler(f.log, nil)),
	}).Handler()
	f.Client = &adminapi.Client{Transport: direct{f.door}}
	return f
}

func (f *fixture) dry() *adminapi.Client {
	return &adminapi.Client{Transport: f.Transport, DryRun: true}
}

// key makes one.
func (f *fixture) key(in adminapi.NewKey) *adminapi.Key {
	f.t.Helper()
	if in.Name == "" {
		in.Name = "k"
	}
	k, err := f.CreateKey(f.t.Context(), in)
	if err != nil {
		f.t.Fatal(err)
	}
	return k
}

// want checks a refusal's code and status.
func want(t *testing.T, err error, code string, status int) {
	t.Helper()
	var e *adminapi.Error
	if !errors.As(err, &e) || e.Code != code || e.Status != status {
		t.Errorf("got %v (%+v), want %s with status %d", err, e, code, status)
	}
}

func TestCreateShowsTheSecretOnceAndOnlyThere(t *testing.T) {
	f := newFixture(t)
	k := f.key(adminapi.NewKey{Name: "ci", Tools: []string{"get_*"}, Networks: []string{"10.0.0.0/8", "192.0.2.7"}, Note: "n"})
	if !strings.HasPrefix(k.Key, "gthk_"+k.ID+"_") {
		t.Fatalf("got id %s and a key that is not its own", k.ID)
	}
	if k.Expires == nil || k.Expires.Sub(f.now).Round(time.Hour) != adminapi.DefaultLifetime {
		t.Errorf("expires: got %v, want 90 days from now", k.Expires)
	}
	if k.Tenant != tenant.Default || k.State != "active" || strings.Join(k.Networks, " ") != "10.0.0.0/8 192.0.2.7/32" {
		t.Errorf("got %+v", k)
	}
	shown, err := f.Key(t.Context(), k.ID)
	if err != nil || shown.Key != "" || shown.Name != "ci" {
		t.Errorf("show: got %+v, %v", shown, err)
	}
	list, err := f.Keys(t.Context(), "")
	if err != nil || len(list) != 1 || list[0].Key != "" {
		t.Errorf("list: got %+v, %v", list, err)
	}
	if secret := k.Key[18:]; strings.Contains(f.log.String(), secret) {
		t.Error("the log holds the secret")
	}
}

func TestKeysAreRefused(t *testing.T) {
	f := newFixture(t)
	k := f.key(adminapi.NewKey{Name: "laptop"})
	tests := []struct {
		name   string
		do     func() error
		code   string
		status int
	}{
		{"without a name", func() error { _, err := f.CreateKey(t.Context(), adminapi.NewKey{}); return err }, "GH-2403", 400},
		{"with a past end", func() error {
			_, err := f.CreateKey(t.Context(), adminapi.NewKey{Name: "x", Expires: "2001-01-01"})
			return err
		}, "GH-2403", 400},
		{"with a network that is none", func() error {
			_, err := f.CreateKey(t.Context(), adminapi.NewKey{Name: "x", Networks: []string{"ten"}})
			return err
		}, "GH-2403", 400},
		{"with a pattern that is none", func() error {
			_, err := f.CreateKey(t.Context(), adminapi.NewKey{Name: "x", Tools: []string{"a b"}})
			return err
		}, "GH-2403", 400},
		{"of an unknown tenant", func() error {
			_, err := f.CreateKey(t.Context(), adminapi.NewKey{Name: "x", Tenant: "acme"})
			return err
		}, "GH-2401", 404},
		{"listed of an unknown tenant", func() error { _, err := f.Keys(t.Context(), "acme"); return err }, "GH-2401", 404},
		{"that do not exist", func() error { _, err := f.Key(t.Context(), "nope"); return err }, "GH-2401", 404},
		{"by name, with the id", func() error {
			_, err := f.Key(t.Context(), "laptop")
			if err != nil && !strings.Contains(err.Error(), k.ID) {
				return fmt.Errorf("no id in %w", err)
			}
			return err
		}, "GH-2401", 404},
		{"when nothing is to change", func() error { _, err := f.UpdateKey(t.Context(), k.ID, adminapi.KeyChange{}); return err }, "GH-2403", 400},
		{"with an overlap that is none", func() error {
			_, err := f.RotateKey(t.Context(), k.ID, adminapi.Rotate{Overlap: "soon"})
			return err
		}, "GH-2403", 400},
		{"a cancellation of nothing", func() error { _, err := f.CancelRotation(t.Context(), k.ID); return err }, "GH-2405", 409},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { want(t, tt.do(), tt.code, tt.status) })
	}
}

func TestRotationAndItsEnd(t *testing.T) {
	f := newFixture(t)
	k := f.key(adminapi.NewKey{Name: "app", Expires: "never"})
	next, err := f.RotateKey(t.Context(), k.ID, adminapi.Rotate{Overlap: "1h"})
	if err != nil {
		t.Fatal(err)
	}
	if next.Replaces != k.ID || next.Key == "" || next.Expires != nil || next.RetireAt == nil {
		t.Errorf("got %+v, want a successor that never expires and the old one's end", next)
	}
	old, err := f.Key(t.Context(), k.ID)
	if err != nil || old.State != "retiring" || old.ReplacedBy != next.ID {
		t.Errorf("old: got %+v, %v", old, err)
	}
	_, err = f.RotateKey(t.Context(), k.ID, adminapi.Rotate{})
	want(t, err, "GH-2405", 409)
	if _, err := f.dry().CancelRotation(t.Context(), k.ID); err != nil {
		t.Errorf("dry cancel: %v", err)
	}
	if v, err := f.VerifyKey(t.Context(), k.Key); err != nil || !v.Valid {
		t.Errorf("within the overlap: got %+v, %v", v, err)
	}
	f.now = f.now.Add(time.Hour)
	v, err := f.VerifyKey(t.Context(), k.Key)
	if err != nil || v.Valid || v.Code != "GH-1012" || !strings.Contains(v.Reason, next.ID) {
		t.Errorf("after it: got %+v, %v, want GH-1012 naming the successor", v, err)
	}
	_, err = f.CancelRotation(t.Context(), k.ID)
	want(t, err, "GH-2405", 409)
}

func TestVerifyExplains(t *testing.T) {
	f := newFixture(t)
	k := f.key(adminapi.NewKey{Name: "app", Expires: "1h"})
	other := f.key(adminapi.NewKey{Name: "other"})
	if _, err := f.RevokeKey(t.Context(), other.ID, adminapi.Revoke{Reason: "lost"}); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, key, code, says string }{
		{"a revoked key", other.Key, "GH-1011", "by ada. Reason: lost"},
		{"a cut key", k.Key[:60], "GH-1010", "67"},
		{"somebody else's", "sk-123", "GH-1010", "gthk_"},
		{"an unknown one", "gthk_0000000000AA_" + strings.Repeat("0", 43) + "000000", "GH-1010", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v, err := f.VerifyKey(t.Context(), tt.key)
			if err != nil || v.Valid || v.Code != tt.code || !strings.Contains(v.Reason, tt.says) {
				t.Errorf("got %+v, %v, want %s saying %q", v, err, tt.code, tt.says)
			}
		})
	}
	f.now = f.now.Add(2 * time.Hour)
	if v, err := f.VerifyKey(t.Context(), k.Key); err != nil || v.Valid || !strings.Contains(v.Reason, "expired") {
		t.Errorf("expired: got %+v, %v", v, err)
	}
}

func TestRevokeIsFinal(t *testing.T) {
	f := newFixture(t)
	k := f.key(adminapi.NewKey{})
	r, err := f.RevokeKey(t.Context(), k.ID, adminapi.Revoke{Reason: "r"})
	if err != nil || r.State != "revoked" || r.RevokedBy != "ada" || r.Reason != "r" {
		t.Fatalf("got %+v, %v", r, err)
	}
	_, err = f.RevokeKey(t.Context(), k.ID, adminapi.Revoke{Reason: "again"})
	want(t, err, "GH-2405", 409)
	note := "x"
	_, err = f.UpdateKey(t.Context(), k.ID, adminapi.KeyChange{Note: &note})
	want(t, err, "GH-2405", 409)
}

func TestUpdateChangesOnlyWhatItNames(t *testing.T) {
	f := newFixture(t)
	k := f.key(adminapi.NewKey{Name: "a", Note: "keep"})
	tools, never := []string{"get_*"}, "never"
	got, err := f.UpdateKey(t.Context(), k.ID, adminapi.KeyChange{Tools: &tools, Expires: &never})
	if err != nil || got.Note != "keep" || got.Name != "a" || got.Expires != nil || got.Tools[0] != "get_*" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestDryRunsChangeNothing(t *testing.T) {
	f := newFixture(t)
	k := f.key(adminapi.NewKey{Name: "a"})
	if _, err := f.CreateTenant(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	before := f.state()
	name := "b"
	for what, do := range map[string]func() (bool, error){
		"create": func() (bool, error) {
			k, err := f.dry().CreateKey(t.Context(), adminapi.NewKey{Name: "c"})
			return k != nil && k.DryRun && k.Key == "" && k.ID == "", err
		},
		"update": func() (bool, error) {
			k, err := f.dry().UpdateKey(t.Context(), k.ID, adminapi.KeyChange{Name: &name})
			return k != nil && k.DryRun && k.Name == "b", err
		},
		"rotate": func() (bool, error) {
			k, err := f.dry().RotateKey(t.Context(), k.ID, adminapi.Rotate{})
			return k != nil && k.DryRun && k.Key == "", err
		},
		"revoke": func() (bool, error) {
			k, err := f.dry().RevokeKey(t.Context(), k.ID, adminapi.Revoke{})
			return k != nil && k.DryRun, err
		},
		"tenant create": func() (bool, error) {
			t2, err := f.dry().CreateTenant(t.Context(), "new")
			return t2 != nil && t2.DryRun, err
		},
		"tenant suspend": func() (bool, error) {
			t2, err := f.dry().SuspendTenant(t.Context(), "acme")
			return t2 != nil && t2.DryRun && t2.State == "suspended", err
		},
		"tenant delete": func() (bool, error) {
			t2, err := f.dry().DeleteTenant(t.Context(), "acme")
			return t2 != nil && t2.DryRun, err
		},
		"backup": func() (bool, error) {
			d, err := f.dry().Backup(t.Context(), adminapi.Backup{Path: "/x"})
			return d != nil && d.DryRun && !f.file.exists, err
		},
	} {
		if ok, err := do(); !ok || err != nil {
			t.Errorf("%s: got ok=%v, %v", what, ok, err)
		}
	}
	if after := f.state(); after != before {
		t.Errorf("changed:\n%s\nwas:\n%s", after, before)
	}
	_, err := f.dry().CreateTenant(t.Context(), "acme")
	want(t, err, "GH-2402", 409)
	_, err = f.dry().CreateKey(t.Context(), adminapi.NewKey{})
	want(t, err, "GH-2403", 400)
}

// state is everything that listings show.
func (f *fixture) state() string {
	f.t.Helper()
	keys, err := f.Keys(f.t.Context(), "")
	if err != nil {
		f.t.Fatal(err)
	}
	tenants, err := f.Tenants(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	return fmt.Sprintf("%+v %+v", keys, tenants)
}

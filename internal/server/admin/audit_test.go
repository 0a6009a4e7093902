package admin_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/audit"
)

// trail keeps what is audited, or refuses to.
type trail struct {
	mu     sync.Mutex
	events []audit.Event
	fails  func(e *audit.Event) error // nil: never
}

func (l *trail) Durable(_ context.Context, e *audit.Event) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fails != nil {
		if err := l.fails(e); err != nil {
			return err
		}
	}
	l.events = append(l.events, *e)
	return nil
}

func (l *trail) Write(ctx context.Context, e *audit.Event) error { return l.Durable(ctx, e) }

// take returns the events since the last time, and forgets them.
func (l *trail) take() []audit.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := l.events
	l.events = nil
	return out
}

func TestA169EveryChangeIsAnIntentAndAResult(t *testing.T) {
	f := newFixture(t)
	ctx, name := t.Context(), "renamed"
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	k := f.key(adminapi.NewKey{Name: "laptop", Tools: []string{"read_*", "list"}})
	if got := f.take(); len(got) != 2 || got[0].Detail["name"] != "laptop" || got[0].Tenant != "default" || got[1].KeyID != k.ID || got[1].Detail["tools"] != "read_* list" || got[1].Detail["expires"] == "" {
		t.Errorf("got %+v", got)
	}
	next, err := f.RotateKey(ctx, k.ID, adminapi.Rotate{Overlap: "1h"})
	must(next, err)
	if got := f.take(); len(got) != 2 || got[0].KeyID != k.ID || got[0].Detail["overlap"] != "1h" || got[1].KeyID != k.ID || got[1].Detail["new_key"] != next.ID {
		t.Errorf("got %+v", got)
	}
	for action, do := range map[string]func() error{
		"key.cancel":    func() error { _, err := f.CancelRotation(ctx, k.ID); return err },
		"tenant.create": func() error { _, err := f.CreateTenant(ctx, "acme"); return err },
		"db.backup":     func() error { _, err := f.Backup(ctx, adminapi.Backup{Path: "/b"}); return err },
		"key.update":    func() error { _, err := f.UpdateKey(ctx, k.ID, adminapi.KeyChange{Name: &name}); return err },
		"key.import":    func() error { _, err := f.ImportKeys(ctx, nil); return err },
		"tenant.suspend": func() error {
			_, _ = f.CreateTenant(ctx, "b")
			f.take()
			_, err := f.SuspendTenant(ctx, "b")
			return err
		},
		"tenant.resume": func() error {
			_, _ = f.CreateTenant(ctx, "c")
			_, _ = f.SuspendTenant(ctx, "c")
			f.take()
			_, err := f.ResumeTenant(ctx, "c")
			return err
		},
		"tenant.delete": func() error {
			_, _ = f.CreateTenant(ctx, "d")
			f.take()
			_, err := f.DeleteTenant(ctx, "d")
			return err
		},
	} {
		must(nil, do())
		got := f.take()
		if len(got) != 2 || got[0].Action != action || got[0].Phase != audit.Intent || got[0].Outcome != "" || got[1].Action != action || got[1].Phase != audit.Result ||
			got[1].Outcome != audit.OK || got[0].Request == "" || got[0].Request != got[1].Request || got[0].By != "ada" || got[0].Time.IsZero() {
			t.Errorf("%s: got %+v", action, got)
		}
	}
	_, err = f.RevokeKey(ctx, k.ID, adminapi.Revoke{Reason: "lost"})
	must(nil, err)
	_, err = f.RevokeKey(ctx, k.ID, adminapi.Revoke{})
	want(t, err, "GH-2405", 409)
	got := f.take()
	if len(got) != 4 || got[1].Detail["reason"] != "lost" || got[1].KeyID != k.ID || got[3].Outcome != audit.Refused || got[3].Code != "GH-2405" || got[3].Status != 409 {
		t.Errorf("got %+v", got)
	}
}

func TestReadsAndDryRunsLeaveNoTrace(t *testing.T) {
	f := newFixture(t)
	k := f.key(adminapi.NewKey{})
	f.take()
	_, _ = f.Keys(t.Context(), "")
	_, _ = f.Key(t.Context(), k.ID)
	_, _ = f.VerifyKey(t.Context(), k.Key)
	_, _ = f.Tenants(t.Context())
	_, _ = f.dry().RevokeKey(t.Context(), k.ID, adminapi.Revoke{})
	_, _ = f.dry().CreateTenant(t.Context(), "x")
	if got := f.take(); len(got) != 0 {
		t.Errorf("got %+v", got)
	}
}

func TestA171NothingIsChangedThatCannotBeRecorded(t *testing.T) {
	f := newFixture(t)
	k := f.key(adminapi.NewKey{})
	before := f.state()
	f.fails = func(*audit.Event) error { return fmt.Errorf("%w: no space left on device", audit.ErrUnwritable) }
	note := "x"
	for what, do := range map[string]func() error{
		"create":  func() error { _, err := f.CreateKey(t.Context(), adminapi.NewKey{Name: "x"}); return err },
		"update":  func() error { _, err := f.UpdateKey(t.Context(), k.ID, adminapi.KeyChange{Note: &note}); return err },
		"rotate":  func() error { _, err := f.RotateKey(t.Context(), k.ID, adminapi.Rotate{}); return err },
		"cancel":  func() error { _, err := f.CancelRotation(t.Context(), k.ID); return err },
		"revoke":  func() error { _, err := f.RevokeKey(t.Context(), k.ID, adminapi.Revoke{}); return err },
		"import":  func() error { _, err := f.ImportKeys(t.Context(), nil); return err },
		"tenant":  func() error { _, err := f.CreateTenant(t.Context(), "acme"); return err },
		"suspend": func() error { _, err := f.SuspendTenant(t.Context(), "default"); return err },
		"resume":  func() error { _, err := f.ResumeTenant(t.Context(), "default"); return err },
		"delete":  func() error { _, err := f.DeleteTenant(t.Context(), "default"); return err },
		"backup":  func() error { _, err := f.Backup(t.Context(), adminapi.Backup{Path: "/x"}); return err },
	} {
		err := do()
		want(t, err, "GH-1903", http.StatusServiceUnavailable)
		if err == nil || !strings.Contains(err.Error(), "no space left") {
			t.Errorf("%s: got %v, want the cause", what, err)
		}
	}
	if after := f.state(); after != before || f.file.exists {
		t.Errorf("changed:\n%s\nwas:\n%s", after, before)
	}
}

func TestChangeWhoseResultCannotBeRecordedStands(t *testing.T) {
	f := newFixture(t)
	f.fails = func(e *audit.Event) error {
		if e.Phase == audit.Result {
			return errors.New("disk on fire")
		}
		return nil
	}
	if k := f.key(adminapi.NewKey{}); k.Key == "" {
		t.Error("the secret is lost")
	}
	if !strings.Contains(f.log.String(), "disk on fire") {
		t.Errorf("nothing in the log: %s", f.log)
	}
}

func TestA168NoSecretOfAnImportIsAudited(t *testing.T) {
	f := newFixture(t)
	made := newFixture(t).key(adminapi.NewKey{})
	hash := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(made.Key+"other")))
	if _, err := f.ImportKeys(t.Context(), []adminapi.ImportKey{
		{NewKey: adminapi.NewKey{Name: "a"}, Key: made.Key}, {NewKey: adminapi.NewKey{Name: "b"}, ID: "000000000000", Hash: hash}, {Key: "canary"},
	}); err != nil {
		t.Fatal(err)
	}
	got := f.take()
	text := fmt.Sprintf("%+v", got)
	for _, secret := range []string{made.Key, made.Key[20:50], hash, "canary"} {
		if strings.Contains(text, secret) {
			t.Errorf("%s is in %s", secret, text)
		}
	}
	outcomes := []string{}
	for _, e := range got {
		outcomes = append(outcomes, e.Outcome)
	}
	if !slices.Equal(outcomes, []string{"", audit.OK, audit.OK, audit.Refused, audit.OK}) || got[4].Detail["imported"] != "2" || got[1].KeyID != made.ID {
		t.Errorf("got %v, %s", outcomes, text)
	}
	// A member that is none of ours may hold anything.
	w := httptest.NewRecorder()
	f.door.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/v1/tenants", strings.NewReader(`{"name":"x","api_key":"canary","hash":"canary","key":"canary"}`)))
	if text := fmt.Sprintf("%+v", f.take()); strings.Contains(text, "canary") || !strings.Contains(text, "api_key") {
		t.Errorf("got %s", text)
	}
}

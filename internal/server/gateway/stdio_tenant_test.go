package gateway_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/server/gateway"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// houses is a gateway that gives each of two tenants children of their own.
type houses struct {
	*fixture
	a, b       tenant.ID
	keyA, keyB string
}

func perTenant(t *testing.T, kind string, edits ...func(*gateway.Stdio)) *houses {
	t.Helper()
	h := &houses{fixture: overStdio(t, kind, append([]func(*gateway.Stdio){func(s *gateway.Stdio) { s.PerTenant = true }}, edits...)...)}
	for name, id := range map[string]*tenant.ID{"acme": &h.a, "beta": &h.b} {
		own, err := h.tenants.Create(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		*id = own.ID
	}
	_, h.keyA = h.keyOf(h.a)
	_, h.keyB = h.keyOf(h.b)
	return h
}

// pid returns the number of the child that answers a key in the newer era.
func (h *houses) pid(t *testing.T, key string) int {
	t.Helper()
	n, err := strconv.Atoi(textOf(t, h.tool(key, "1", "whoami", "")))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func gone(pid int) func() bool { return func() bool { return syscall.Kill(pid, 0) != nil } }

func TestA192TenantsShareNoChild(t *testing.T) {
	h := perTenant(t, "modern", func(s *gateway.Stdio) {
		s.Process.Env["WHO"] = "{tenant} {tenant_id}"
		s.Tenants = map[string]gateway.Place{"beta": {Env: map[string]string{"TOKEN": "of beta"}}}
	})
	_, colleague := h.keyOf(h.a)
	a, b := h.pid(t, h.keyA), h.pid(t, h.keyB)
	if a == b || h.pid(t, colleague) != a {
		t.Errorf("got children %d and %d, and %d for a colleague of the first", a, b, h.pid(t, colleague))
	}
	for key, want := range map[string]string{h.keyA: "acme " + string(h.a), h.keyB: "beta " + string(h.b)} {
		if got := textOf(t, h.tool(key, "1", "env", "WHO")); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if a, b := textOf(t, h.tool(h.keyA, "1", "env", "TOKEN")), textOf(t, h.tool(h.keyB, "1", "env", "TOKEN")); a != "" || b != "of beta" {
		t.Errorf("got %q and %q, want a token for the second only", a, b)
	}
	// What the child remembers, and what it says to all, stays in the house.
	if textOf(t, h.tool(h.keyA, "1", "keep", "secret of acme")); textOf(t, h.tool(h.keyB, "1", "kept", "")) != "" {
		t.Error("one tenant's state has reached another")
	}
	if got := textOf(t, h.tool(colleague, "1", "kept", "")); got != "secret of acme" {
		t.Errorf("got %q for a colleague, want what was kept", got)
	}
	held := h.modern(t.Context(), h.keyB, "1", "", "subscriptions/listen", `"notifications":{"toolsListChanged":true}`)
	text := make(chan string, 1)
	go func() {
		all, _ := io.ReadAll(held.Body)
		text <- string(all)
	}()
	if got := textOf(t, h.tool(h.keyA, "1", "fire", "")); got != "0" {
		t.Errorf("got %s subscriptions in the house of another, want none", got)
	}
	if got := textOf(t, h.tool(h.keyB, "1", "fire", "")); got != "1" {
		t.Errorf("got %s subscriptions, want one", got)
	}
	_ = held.Body.Close()
	if n := strings.Count(<-text, "list_changed"); n > 1 {
		t.Errorf("got %d changes, want one", n)
	}
}

func TestA192SessionsLiveInTheirTenantsHouse(t *testing.T) {
	h := perTenant(t, "legacy", func(s *gateway.Stdio) { s.Process.Env["WHO"] = "{tenant}" })
	a, b := h.session(h.keyA), h.session(h.keyB)
	for session, who := range map[string][2]string{a: {h.keyA, "acme"}, b: {h.keyB, "beta"}} {
		if got := textOf(t, h.older(who[0], session, "1", "env", "WHO")); got != who[1] {
			t.Errorf("got %q, want %q", got, who[1])
		}
	}
	if got := h.older(h.keyB, a, "1", "whoami", ""); got.status != http.StatusNotFound {
		t.Errorf("got %d for a session of another tenant, want 404", got.status)
	}
	c := h.dial(h.keyA)
	c.begin(t)
	if got := c.ask(t, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{`+tool("env", "WHO")+`}}`); !strings.Contains(got, "acme") {
		t.Errorf("got %s on an old stream", got)
	}
}

func TestChildrenEndWithTheirTenant(t *testing.T) {
	for name, end := range map[string]func(h *houses) error{
		"suspended": func(h *houses) error { _, err := h.tenants.Suspend(t.Context(), h.a, "test"); return err },
		"deleted":   func(h *houses) error { _, err := h.tenants.Delete(t.Context(), h.a, "test"); return err },
	} {
		t.Run(name, func(t *testing.T) {
			h := perTenant(t, "modern")
			h.t = t
			a, b := h.pid(t, h.keyA), h.pid(t, h.keyB)
			if err := end(h); err != nil {
				t.Fatal(err)
			}
			eventually(t, "its child ends, though nobody calls", gone(a))
			if got := h.pid(t, h.keyB); got != b {
				t.Errorf("got child %d for the other tenant, want %d still", got, b)
			}
		})
	}
	t.Run("sessions, in every house", func(t *testing.T) {
		f := overStdio(t, "legacy")
		k, key := f.key()
		_, other := f.key()
		var pids [2]int
		for i, key := range []string{key, other} {
			pids[i], _ = strconv.Atoi(textOf(t, f.older(key, f.session(key), "1", "whoami", "")))
		}
		if _, err := f.keys.Revoke(t.Context(), k.Tenant, k.ID, "test", "x"); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the child of the revoked key's session ends", gone(pids[0]))
		if gone(pids[1])() {
			t.Error("another key's child is gone too")
		}
	})
}

func TestSharedChildStaysAsLongAsAnybodyMayUseIt(t *testing.T) {
	h := perTenant(t, "modern")
	first, one := h.keyOf(h.a)
	second, two := h.keyOf(h.a)
	pid := h.pid(t, one)
	if got := h.pid(t, two); got != pid {
		t.Errorf("got child %d, want %d", got, pid)
	}
	if _, err := h.keys.Revoke(t.Context(), h.a, first.ID, "test", "x"); err != nil {
		t.Fatal(err)
	}
	if got := h.pid(t, two); got != pid {
		t.Errorf("got child %d for the key that is left, want %d", got, pid)
	}
	if _, err := h.keys.Revoke(t.Context(), h.a, second.ID, "test", "x"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the child ends with the last key that used it", gone(pid))
	if got := h.pid(t, h.keyA); got == pid {
		t.Error("got the child that has ended")
	}
}

func TestNoTenantTakesAllChildren(t *testing.T) {
	h := perTenant(t, "legacy", func(s *gateway.Stdio) { s.MaxPerTenant, s.MaxPerCaller = 2, 10 })
	h.session(h.keyA)
	id := h.session(h.keyA)
	_, colleague := h.keyOf(h.a)
	for _, key := range []string{h.keyA, colleague} {
		if got := h.post(key, initialize); got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, "GH-1503") {
			t.Errorf("got %d %s for a third child, want 503 GH-1503", got.status, got.body)
		}
	}
	h.session(h.keyB)
	if got := h.do(http.MethodDelete, h.keyA, "", sessionHeader, id); got.status != http.StatusNoContent {
		t.Fatalf("got %d", got.status)
	}
	eventually(t, "there is room again", func() bool { return h.post(colleague, initialize).status == http.StatusOK })
}

func TestIdleTenantsChildEnds(t *testing.T) {
	h := perTenant(t, "modern", func(s *gateway.Stdio) { s.Idle = 50 * time.Millisecond })
	eventually(t, "it ends", gone(h.pid(t, h.keyA)))
}

// TestBrokenPlaceIsItsTenantsTrouble: one tenant's missing directory costs the
// others nothing, no pause either.
func TestBrokenPlaceIsItsTenantsTrouble(t *testing.T) {
	dir := t.TempDir()
	h := perTenant(t, "legacy", func(s *gateway.Stdio) {
		s.Process.Dir, s.Backoff = filepath.Join(dir, "{tenant}"), time.Hour
	})
	if err := os.Mkdir(filepath.Join(dir, "beta"), 0o700); err != nil {
		t.Fatal(err)
	}
	if got := h.post(h.keyA, initialize); got.status != http.StatusBadGateway || strings.Contains(got.body, dir) {
		t.Errorf("got %d %s, want 502 without the directory", got.status, got.body)
	}
	if got := textOf(t, h.older(h.keyB, h.session(h.keyB), "1", "cwd", "")); got != filepath.Join(dir, "beta") {
		t.Errorf("got directory %q", got)
	}
}

// TestA192AccountsOfTenants has children of two tenants run as two accounts.
func TestA192AccountsOfTenants(t *testing.T) {
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("only root can run a server as somebody else")
		}
		t.Skip("only root can run a server as somebody else")
	}
	dir, err := os.MkdirTemp("", "gatehouse")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	exe := filepath.Join(dir, "server")
	if err := os.WriteFile(exe, text, 0o755); err != nil { //nolint:gosec // every account runs it
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // as above
		t.Fatal(err)
	}
	for name, uid := range map[string]int{"acme": 65534, "beta": 1} {
		at := filepath.Join(dir, name)
		if err := os.Mkdir(at, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(at, uid, -1); err != nil {
			t.Fatal(err)
		}
	}
	h := perTenant(t, "modern", func(s *gateway.Stdio) {
		s.Process.Command, s.Process.Dir = []string{exe}, filepath.Join(dir, "{tenant}")
		s.Tenants = map[string]gateway.Place{"acme": {User: "nobody", Env: map[string]string{"TOKEN": "secret of acme"}}, "beta": {User: "daemon"}}
	})
	if a, b := textOf(t, h.tool(h.keyA, "1", "uid", "")), textOf(t, h.tool(h.keyB, "1", "uid", "")); a != "65534" || b != "1" {
		t.Errorf("got accounts %s and %s", a, b)
	}
	if got := textOf(t, h.tool(h.keyA, "1", "write", "notes")); got != "written" {
		t.Fatalf("got %q", got)
	}
	if got := textOf(t, h.tool(h.keyA, "1", "read", filepath.Join(dir, "acme", "notes"))); got != "notes" {
		t.Errorf("got %q for its own file", got)
	}
	of := "/proc/" + strconv.Itoa(h.pid(t, h.keyA))
	for _, file := range []string{filepath.Join(dir, "acme", "notes"), of + "/environ", of + "/cwd/notes", of + "/fd/0"} {
		if got := textOf(t, h.tool(h.keyB, "1", "read", file)); !strings.Contains(got, "permission denied") {
			t.Errorf("got %q of %s in another house, want a refusal", got, file)
		}
	}
}

// TestTenantCalledRoot does not get its child run as root.
func TestTenantCalledRoot(t *testing.T) {
	h := perTenant(t, "legacy", func(s *gateway.Stdio) { s.Process.User = "{tenant}" })
	own, err := h.tenants.Create(t.Context(), "root")
	if err != nil {
		t.Fatal(err)
	}
	_, key := h.keyOf(own.ID)
	if got := h.post(key, initialize); got.status != http.StatusBadGateway {
		t.Errorf("got %d %s, want 502", got.status, got.body)
	}
	if log := h.log.String(); os.Geteuid() == 0 && !strings.Contains(log, "root's account") {
		t.Errorf("got %s in the log, want why", log)
	}
}

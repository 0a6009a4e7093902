package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/e2e/secretservice"
)

const ringShut = 1 // what a command ends with that would have to do without the keyring

// TestSignInsAreUnderTheKeyringOfTheDesktop signs in once and starts two bridges
// at a time; then the keyring is locked, and ends, and comes back.
func TestSignInsAreUnderTheKeyringOfTheDesktop(t *testing.T) {
	t.Parallel()
	f := reserved(t)
	f.openOwn(t, goServer(t, true))
	d, s := newDesktop(t, f, settle(t, f, "ada")), secretservice.Start(t)
	d.env = append(d.env, s.Env...)
	gatehouse := func(want int, args ...string) string {
		t.Helper()
		out, errs, code := runWith(t, d.env, patience, gatehouseBinary(t), append(args, "--state", d.state)...)
		if code != want {
			t.Errorf("%s: got %d, want %d\n%s%s", args, code, want, out, errs)
		}
		return out + errs
	}
	s.Keyring(true)
	if said := gatehouse(0, "bridge", "login", f.url); !strings.Contains(said, "under a key in the system's keyring") {
		t.Errorf("login says %s", said)
	}
	var both [2]*talker
	for i := range both {
		both[i] = talk(t, d.env, gatehouseBinary(t), "bridge", f.url, "--state", d.state)
	}
	var all sync.WaitGroup
	for _, l := range both {
		all.Go(l.hello)
	}
	all.Wait()
	s.Lock()
	for _, args := range [][]string{{"bridge", "status"}, {"bridge", "login", f.url}} {
		if said := gatehouse(ringShut, args...); !strings.Contains(said, "GH-2239") || !strings.Contains(said, "Unlock it") {
			t.Errorf("with a locked keyring %s says %s", args, said)
		}
	}
	s.Kill()
	if said := gatehouse(ringShut, "bridge", "status"); !strings.Contains(said, "GH-2239") || !strings.Contains(said, "one that was here before") {
		t.Errorf("without the keyring status says %s", said)
	}
	for _, l := range both { // which have the key
		if m, err := l.ask(1, "tools/list", `{}`); err != nil || m.Error != nil {
			t.Errorf("a bridge that was there before: %+v, %v", m, err)
		}
		l.bye()
	}
	if said := gatehouse(0, "bridge", "status", "--keychain", "file"); !strings.Contains(said, "in the system's keyring too: --keychain auto") {
		t.Errorf("status of the file says %s", said)
	}
	s.Keyring(true)
	if said := gatehouse(0, "bridge", "status"); !strings.Contains(said, f.url) {
		t.Errorf("with the keyring back, status says %s", said)
	}
	gatehouse(0, "bridge", "logout", f.url)
	if n := d.visits.Load(); n != 1 {
		t.Errorf("the user signed in %d times", n)
	}
}

// TestAKeyIsUnderTheKeyringOfTheDesktop has the client of `connect --via bridge`
// find what `key create --out` put there, and says where it is when it does not.
func TestAKeyIsUnderTheKeyringOfTheDesktop(t *testing.T) {
	t.Parallel()
	g, s := up(t, "--demo"), secretservice.Start(t)
	s.Keyring(true)
	env := append(os.Environ(), s.Env...)
	gatehouse := func(want int, args ...string) string {
		t.Helper()
		out, errs, code := runWith(t, env, patience, gatehouseBinary(t), args...)
		if code != want {
			t.Errorf("%s: got %d, want %d\n%s%s", args, code, want, out, errs)
		}
		return out + errs
	}
	gatehouse(0, "key", "create", "--name", "desk", "--out", "keychain:desk", "--state", g.State)
	gatehouse(0, "connect", "cursor", g.URL, "--via", "bridge", "--key-from", "keychain:desk", "--yes", "--no-wait", "--name", "files")
	entry, err := os.ReadFile(filepath.Join(s.Dir, ".cursor", "mcp.json"))
	if err != nil || !strings.Contains(string(entry), `"--key-from", "keychain:desk"`) {
		t.Errorf("got %s, %v", entry, err)
	}
	bridge := talk(t, env, gatehouseBinary(t), "bridge", g.URL, "--key-from", "keychain:desk")
	bridge.hello()
	bridge.bye()
	if said := gatehouse(4, "bridge", g.URL, "--key-from", "keychain:desk", "--keychain", "file"); !strings.Contains(said, "GH-2231") || !strings.Contains(said, "in the system's keyring too: --keychain auto") {
		t.Errorf("got %s", said)
	}
	s.Lock()
	if said := gatehouse(ringShut, "key", "create", "--name", "other", "--out", "keychain:other", "--state", g.State); !strings.Contains(said, "GH-2239") || !strings.Contains(said, "--out file:PATH") {
		t.Errorf("with a locked keyring key create says %s", said)
	}
	if said := gatehouse(0, "key", "list", "--state", g.State); strings.Contains(said, "other") {
		t.Errorf("a key was made that is nowhere:\n%s", said)
	}
}

package main

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAKeyIsNoName: what may be the key itself is refused, and not repeated.
func TestAKeyIsNoName(t *testing.T) {
	for name, ok := range map[string]bool{
		"acme": true, "mcp-example-com": true, "a.b_c": true, "skills": true, "mcp-server-of-a-long-name-example-com": true,
		"gthk_7Qm2Vx9KtB4c": false, "sk-proj-abc": false, "sk_live_abc": false, "ghp_abcdef": false, "github_pat_11": false, "glpat-abc": false,
		"xoxb-1-2": false, "AKIAIOSFODNN7": false, "AIzaSyA": false, "eyJhbGciOiJFUzI1NiJ9": false, "hf_abc": false,
		"0123456789abcdef0123456789abcdef0": false, "a b": false, "": false, strings.Repeat("a-", 33): false,
	} {
		err := keyName(name)
		if (err == nil) != ok || err != nil && len(name) > 3 && strings.Contains(err.Error(), name) {
			t.Errorf("%q: got %v", name, err)
		}
	}
}

// TestLookingAtKeysMakesNoKeychain: neither a dry run nor taking out what is not there.
func TestLookingAtKeysMakesNoKeychain(t *testing.T) {
	for _, remove := range []bool{true, false} {
		a, out := atHome(t, "sk-hunter2")
		a.dry = !remove
		err := a.keepKey(t.Context(), &keeping{reach: reach{keychain: "file"}, remove: remove}, "acme")
		var f *fault
		if remove && (!errors.As(err, &f) || f.code != "GH-2401") || !remove && (err != nil || !strings.Contains(out.String(), "would keep a key as acme")) {
			t.Errorf("remove %v: got %v\n%s", remove, err, out)
		}
		if _, err := os.Lstat(filepath.Join(a.getenv("HOME"), ".local")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("remove %v: a keychain was made: %v", remove, err)
		}
	}
}

// TestCompletionAsksNoKeyring: it might ask the person who presses Tab for a password.
func TestCompletionAsksNoKeyring(t *testing.T) {
	a, _ := atHome(t, "")
	bus, err := net.Listen("unix", filepath.Join(a.getenv("HOME"), "bus"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = bus.Close() }()
	address := "DBUS_SESSION_BUS_ADDRESS=unix:path=" + bus.Addr().String()
	a.environ = append(a.environ, address)
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", strings.TrimPrefix(address, "DBUS_SESSION_BUS_ADDRESS="))
	asked := make(chan struct{})
	go func() {
		if c, err := bus.Accept(); err == nil {
			close(asked)
			_ = c.Close()
		}
	}()
	c := a.bridgeLogout()
	all, _ := a.completeSignedIn(c, nil, "")
	if _, err := os.Lstat(filepath.Join(a.getenv("HOME"), ".local")); len(all) > 0 || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %q and a keychain: %v", all, err)
	}
	used := filepath.Join(a.getenv("HOME"), ".local/share/gatehouse/keychain/keyring")
	if err := errors.Join(os.MkdirAll(used, 0o700), os.WriteFile(filepath.Join(used, "x.sealed"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{nil, {"https://mcp.acme.com/mcp"}} {
		if all, _ := a.completeSignedIn(c, args, ""); len(all) > 0 {
			t.Errorf("got %q", all)
		}
	}
	select {
	case <-asked:
		t.Error("the keyring was asked")
	default:
	}
}

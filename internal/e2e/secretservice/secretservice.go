// Package secretservice runs a session bus of a test's own, and gnome-keyring on it.
package secretservice

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

const (
	name  = "org.freedesktop.secrets"
	path  = "/org/freedesktop/secrets"
	iface = "org.freedesktop.Secret.Service"
	// Nobody starts anything on the bus by asking for it, a window for passwords neither.
	config = `<busconfig><type>session</type><listen>unix:dir=%s</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>`
)

// Session is somebody's desktop, as far as secrets go.
type Session struct {
	Dir     string // its home, which ends with the test
	Env     []string
	Address string // of the bus

	t      testing.TB
	bus    *dbus.Conn
	daemon *exec.Cmd
}

// Start starts a bus that the test's end stops, and no keyring yet. Without the
// programs the test is skipped, and fails where everything has to run.
func Start(t testing.TB) *Session {
	t.Helper()
	for _, program := range []string{"dbus-daemon", "gnome-keyring-daemon"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skip("no real keyring is tried: ", err)
		}
	}
	s := &Session{t: t}
	var err error
	if s.Dir, err = os.MkdirTemp("", "ring"); err != nil { // t.TempDir may be too long for a socket
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(s.Dir) })
	file := filepath.Join(s.Dir, "bus.conf")
	if err := os.WriteFile(file, fmt.Appendf(nil, config, s.Dir), 0o600); err != nil {
		t.Fatal(err)
	}
	bus := exec.Command("dbus-daemon", "--nofork", "--nosyslog", "--print-address", "--config-file="+file)
	out, err := bus.StdoutPipe()
	if err == nil {
		err = bus.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end(bus) })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	s.Address = strings.TrimSpace(line)
	s.Env = []string{"DBUS_SESSION_BUS_ADDRESS=" + s.Address}
	for _, dir := range []string{"HOME", "XDG_RUNTIME_DIR", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"} {
		s.Env = append(s.Env, dir+"="+s.Dir)
	}
	if s.bus, err = dbus.Connect(s.Address); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.bus.Close() })
	return s
}

func end(c *exec.Cmd) { _ = c.Process.Kill(); _ = c.Wait() }

// Keyring starts gnome-keyring, in the place of one that ended. One that is
// unlocked has the collection of the login, one that is not has none.
func (s *Session) Keyring(unlocked bool) {
	s.t.Helper()
	args := []string{"--foreground", "--components=secrets"}
	if unlocked {
		args = append(args, "--unlock")
	}
	daemon := exec.Command("gnome-keyring-daemon", args...)
	daemon.Env = append(os.Environ(), s.Env...)
	daemon.Stdin = strings.NewReader("correct horse")
	if err := daemon.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.daemon = daemon
	s.t.Cleanup(func() { end(daemon) })
	for limit := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		var there bool
		if err := s.bus.BusObject().Call("org.freedesktop.DBus.NameHasOwner", 0, name).Store(&there); err != nil {
			s.t.Fatal(err)
		}
		if there {
			return
		}
		if time.Now().After(limit) {
			s.t.Fatal("gnome-keyring does not come to the bus")
		}
	}
}

// Lock locks the collection of the login, as its owner does from a menu. Nobody
// is there to unlock it: whoever asks for that is told that the prompt was dismissed.
func (s *Session) Lock() {
	s.t.Helper()
	var locked []dbus.ObjectPath
	var prompt dbus.ObjectPath
	login := []dbus.ObjectPath{path + "/collection/login"}
	if err := s.bus.Object(name, path).Call(iface+".Lock", 0, login).Store(&locked, &prompt); err != nil || len(locked) != 1 {
		s.t.Fatalf("lock the keyring: %v, %v", locked, err)
	}
}

// Kill ends the keyring without a word.
func (s *Session) Kill() { end(s.daemon) }

// Signal sends the keyring a signal.
func (s *Session) Signal(how os.Signal) {
	s.t.Helper()
	if err := s.daemon.Process.Signal(how); err != nil {
		s.t.Fatal(err)
	}
}

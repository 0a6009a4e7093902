package keychain

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/gatehouse-mcp/gatehouse/internal/e2e/secretservice"
)

// desktop is a session whose keyring this process uses. The library has one
// connection, to the bus that the environment names: these tests are not parallel.
func desktop(t *testing.T) (*secretservice.Session, Options) {
	t.Helper()
	s := secretservice.Start(t)
	for _, kv := range s.Env {
		name, value, _ := strings.Cut(kv, "=")
		t.Setenv(name, value)
	}
	t.Cleanup(func() {
		if conn, err := dbus.SessionBus(); err == nil {
			_ = conn.Close()
		}
	})
	return s, Options{Dir: filepath.Join(s.Dir, "keychain")}
}

func TestARealKeyringKeepsTheKey(t *testing.T) {
	d, o := desktop(t)
	d.Keyring(true)
	s := open(t, o)
	if s.part != keyringPart {
		t.Fatalf("it is kept in %s", s.Where())
	}
	for _, value := range []string{"old", "new"} {
		if err := s.Save(t.Context(), "token", []byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	// The key outlives the daemon.
	d.Kill()
	d.Keyring(true)
	again := open(t, o)
	if got, err := again.Load(t.Context(), "token"); string(got) != "new" || err != nil {
		t.Errorf("got %q, %v of another daemon", got, err)
	}
	if err := again.Delete(t.Context(), "token"); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Load(t.Context(), "token"); got != nil || err != nil {
		t.Errorf("got %q, %v after it was deleted", got, err)
	}
}

func TestALockedKeyringIsNoMissingOne(t *testing.T) {
	d, o := desktop(t)
	d.Keyring(true)
	d.Lock() // nobody is there to unlock it: its prompt is dismissed
	if s, err := Open(t.Context(), o); !errors.Is(err, ErrShut) || errors.Is(err, ErrNoRing) {
		t.Fatalf("got %+v, %v; want ErrShut", s, err)
	}
	if _, err := os.Lstat(filepath.Join(o.Dir, machinePart)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a key of the machine stands in: %v", err)
	}
}

func TestWithoutAKeyringAKeyOfTheMachineStandsIn(t *testing.T) {
	for name, start := range map[string]func(*secretservice.Session){
		"nobody keeps secrets":       func(*secretservice.Session) {},
		"there is no collection":     func(d *secretservice.Session) { d.Keyring(false) },
		"the keyring has just ended": func(d *secretservice.Session) { d.Keyring(true); d.Kill() },
	} {
		t.Run(name, func(t *testing.T) {
			d, o := desktop(t)
			start(d)
			s, err := Open(t.Context(), o)
			if err != nil || s.part != machinePart {
				t.Fatalf("got %+v, %v", s, err)
			}
		})
	}
}

func TestAKeyringThatWasUsedIsMissed(t *testing.T) {
	d, o := desktop(t)
	d.Keyring(true)
	s := open(t, o)
	if err := s.Save(t.Context(), "token", []byte("x")); err != nil {
		t.Fatal(err)
	}
	d.Kill()
	// Who has the key goes on; who comes is told, and finds it all when the keyring is back.
	if got, err := s.Load(t.Context(), "token"); string(got) != "x" || err != nil {
		t.Errorf("got %q, %v while the keyring is away", got, err)
	}
	if s, err := Open(t.Context(), o); !errors.Is(err, ErrNoRing) {
		t.Fatalf("got %+v, %v; want ErrNoRing", s, err)
	}
	said := o
	said.NoRing = true // by the user
	file := open(t, said)
	if got, err := file.Load(t.Context(), "token"); got != nil || err != nil {
		t.Errorf("got %q, %v in another part", got, err)
	}
	if others := file.Elsewhere(); len(others) != 1 || others[0] != partOf(keyringPart) {
		t.Errorf("got %+v, want the keyring", others)
	}
	d.Keyring(true)
	if got, err := open(t, o).Load(t.Context(), "token"); string(got) != "x" || err != nil {
		t.Errorf("got %q, %v with the keyring back", got, err)
	}
}

func TestAKeyringThatHangsIsNotWaitedForEver(t *testing.T) {
	d, o := desktop(t)
	d.Keyring(true)
	d.Signal(syscall.SIGSTOP)
	short, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer stop()
	if s, err := Open(short, o); !errors.Is(err, ErrShut) {
		t.Fatalf("got %+v, %v; want ErrShut", s, err)
	}
	d.Signal(syscall.SIGCONT)
	if s := open(t, o); s.part != keyringPart {
		t.Errorf("it is kept in %s", s.Where())
	}
}

// TestManyWhoStartAtOnceMakeOneKeyInARealKeyring has them ask over one connection:
// only the lock on disk keeps them apart.
func TestManyWhoStartAtOnceMakeOneKeyInARealKeyring(t *testing.T) {
	d, o := desktop(t)
	d.Keyring(true)
	ctx := t.Context()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			s, err := Open(t.Context(), o)
			if err == nil {
				err = s.Save(ctx, fmt.Sprint(i), []byte("x"))
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if names, err := open(t, o).Names(ctx); len(names) != 8 || err != nil {
		t.Errorf("got %q, %v", names, err)
	}
}

func TestABusThatIsGoneIsNoKeyring(t *testing.T) {
	_, o := desktop(t)
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path="+filepath.Join(o.Dir, "gone"))
	if s := open(t, o); s.part != machinePart {
		t.Errorf("it is kept in %s", s.Where())
	}
}

package keychain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// ring is a keyring in memory.
type ring struct {
	mu  sync.Mutex
	has map[string]string
}

func (r *ring) Get(_ context.Context, name string) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s, ok := r.has[name]; ok {
		return s, nil
	}
	return "", errNotThere
}

func (r *ring) Set(_ context.Context, name, secret string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.has[name] = secret
	return nil
}

// broken is what a machine without a keyring has.
type broken struct{}

func (broken) Get(context.Context, string) (string, error) {
	return "", fmt.Errorf("%w: no bus", ErrNoRing)
}
func (broken) Set(context.Context, string, string) error { return fmt.Errorf("%w: no bus", ErrNoRing) }

func open(t *testing.T, o Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestWhatIsKeptIsThereForTheNext(t *testing.T) {
	system := &ring{has: map[string]string{}}
	for _, o := range []Options{{Ring: system}, {Ring: broken{}}, {NoRing: true}, {Passphrase: "correct horse", Ring: system}} {
		o.Dir = t.TempDir()
		ctx := t.Context()
		s := open(t, o)
		if got, err := s.Load(ctx, "token"); got != nil || err != nil {
			t.Fatalf("%s: got %q, %v before anything was kept", s.Where(), got, err)
		}
		const secret = "very secret"
		for _, value := range []string{"old", secret} {
			if err := s.Save(ctx, "token", []byte(value)); err != nil {
				t.Fatal(err)
			}
		}
		again := open(t, o)
		if got, err := again.Load(ctx, "token"); string(got) != secret || err != nil {
			t.Errorf("%s: got %q, %v", s.Where(), got, err)
		}
		if names, err := again.Names(ctx); err != nil || !slices.Equal(names, []string{"token"}) {
			t.Errorf("%s: got %q, %v", s.Where(), names, err)
		}
		hidden(t, o.Dir, secret)
		if err := errors.Join(again.Delete(ctx, "token"), again.Delete(ctx, "token")); err != nil {
			t.Error(err)
		}
		if got, err := s.Load(ctx, "token"); got != nil || err != nil {
			t.Errorf("%s: got %q, %v after it was deleted", s.Where(), got, err)
		}
	}
}

// hidden looks for a secret in all files, and for files that others may read.
func hidden(t *testing.T, dir, secret string) {
	t.Helper()
	_ = filepath.Walk(dir, func(p string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		text, err := os.ReadFile(p)
		if err != nil {
			t.Error(err)
		}
		if bytes.Contains(text, []byte(secret)) {
			t.Errorf("%s has the secret in it", p)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %04o", p, info.Mode().Perm())
		}
		return nil
	})
}

func TestAnotherKeyOpensNothingAndHarmsNothing(t *testing.T) {
	dir, ctx := t.TempDir(), t.Context()
	right := open(t, Options{Dir: dir, Passphrase: "right"})
	if err := right.Save(ctx, "token", []byte("x")); err != nil {
		t.Fatal(err)
	}
	wrong := open(t, Options{Dir: dir, Passphrase: "wrong"})
	if got, err := wrong.Load(ctx, "token"); got != nil || !errors.Is(err, ErrSealed) {
		t.Errorf("got %q, %v with another passphrase", got, err)
	}
	if names, err := wrong.Names(ctx); len(names) != 0 || err != nil {
		t.Errorf("got %q, %v", names, err)
	}
	machine := open(t, Options{Dir: dir, NoRing: true})
	if got, err := machine.Load(ctx, "token"); got != nil || err != nil {
		t.Errorf("got %q, %v in another part", got, err)
	}
	if got, err := right.Load(ctx, "token"); string(got) != "x" || err != nil {
		t.Errorf("got %q, %v afterwards", got, err)
	}
}

func TestRecordsCannotBeExchanged(t *testing.T) {
	dir, ctx := t.TempDir(), t.Context()
	s := open(t, Options{Dir: dir, NoRing: true})
	if err := errors.Join(s.Save(ctx, "mine", []byte("a")), s.Save(ctx, "theirs", []byte("b"))); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(s.files, fileOf("theirs")+suffix), filepath.Join(s.files, fileOf("mine")+suffix)); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Load(ctx, "mine"); got != nil || !errors.Is(err, ErrSealed) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestOnlyOneHasALock(t *testing.T) {
	dir := t.TempDir()
	a, b := open(t, Options{Dir: dir, NoRing: true}), open(t, Options{Dir: dir, NoRing: true})
	unlock, err := a.Lock(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	short, stop := context.WithTimeout(t.Context(), 3*lockEvery)
	defer stop()
	if _, err := b.Lock(short, "x"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v while another has it", err)
	}
	if other, err := b.Lock(t.Context(), "y"); err != nil {
		t.Errorf("another lock: %v", err)
	} else {
		other()
	}
	time.AfterFunc(lockEvery, unlock)
	if again, err := b.Lock(t.Context(), "x"); err != nil {
		t.Error(err)
	} else {
		again()
	}
}

func TestTwoThatStartAtOnceMakeOneKey(t *testing.T) {
	system, dir := &ring{has: map[string]string{}}, t.TempDir()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			s, err := Open(t.Context(), Options{Dir: dir, Ring: system})
			if err != nil {
				t.Error(err)
				return
			}
			if err := s.Save(context.Background(), fmt.Sprint(i), []byte("x")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if names, err := open(t, Options{Dir: dir, Ring: system}).Names(t.Context()); len(names) != 8 || err != nil {
		t.Errorf("got %q, %v", names, err)
	}
}

// shut is a keyring that its owner does not unlock.
type shut struct{}

func (shut) Get(context.Context, string) (string, error) {
	return "", fmt.Errorf("%w: dismissed", ErrShut)
}
func (shut) Set(context.Context, string, string) error { return fmt.Errorf("%w: dismissed", ErrShut) }

// forgetful takes a key, and does not have it afterwards.
type forgetful struct{}

func (forgetful) Get(context.Context, string) (string, error) { return "", errNotThere }
func (forgetful) Set(context.Context, string, string) error   { return nil }

func TestNothingStandsInForAKeyringThatGivesNothing(t *testing.T) {
	for _, r := range []Ring{shut{}, forgetful{}} {
		dir := t.TempDir()
		if s, err := Open(t.Context(), Options{Dir: dir, Ring: r}); !errors.Is(err, ErrShut) {
			t.Errorf("got %+v, %v; want ErrShut", s, err)
		}
	}
}

// hung is a keyring that does not answer.
type hung struct{ asked chan struct{} }

func (h hung) Get(ctx context.Context, _ string) (string, error) {
	close(h.asked)
	<-ctx.Done()
	return "", ErrShut
}
func (hung) Set(context.Context, string, string) error { return ErrShut }

// TestNobodyQueuesForEverBehindAKeyringThatHangs: who waits for the one that asks it is
// told too, and who does without a keyring does not wait.
func TestNobodyQueuesForEverBehindAKeyringThatHangs(t *testing.T) {
	first, end := context.WithCancel(t.Context())
	defer end()
	o, ended := Options{Dir: t.TempDir(), Ring: hung{make(chan struct{})}}, make(chan error)
	go func() {
		_, err := Open(first, o)
		ended <- err
	}()
	<-o.Ring.(hung).asked
	open(t, Options{Dir: o.Dir, NoRing: true})
	short, stop := context.WithTimeout(t.Context(), 3*lockEvery)
	defer stop()
	if s, err := Open(short, o); !errors.Is(err, ErrShut) {
		t.Errorf("got %+v, %v; want ErrShut", s, err)
	}
	end()
	if err := <-ended; !errors.Is(err, ErrShut) {
		t.Errorf("the first: got %v", err)
	}
}

// TestAKeyringThatEndsWhileItIsAskedIsShut: the library panics then.
func TestAKeyringThatEndsWhileItIsAskedIsShut(t *testing.T) {
	if _, err := asked(t.Context(), func() (string, error) { var body []any; return body[1].(string), nil }); !errors.Is(err, ErrShut) {
		t.Errorf("got %v, want ErrShut", err)
	}
}

func TestNothingStandsInForAKeyringThatWasUsed(t *testing.T) {
	system, o, ctx := &ring{has: map[string]string{}}, Options{Dir: t.TempDir()}, t.Context()
	before := open(t, Options{Dir: o.Dir, Ring: None{}})
	if err := before.Save(ctx, "old", []byte("x")); err != nil {
		t.Fatal(err)
	}
	o.Ring = system
	s := open(t, o)
	if others := s.Elsewhere(); !slices.Equal(others, []Part{partOf(machinePart)}) {
		t.Errorf("got %+v elsewhere", others)
	}
	if err := s.Save(ctx, "token", []byte("x")); err != nil {
		t.Fatal(err)
	}
	o.Ring = None{}
	for _, o.Existing = range []bool{false, true} {
		if s, err := Open(t.Context(), o); !errors.Is(err, ErrNoRing) {
			t.Errorf("got %+v, %v; want ErrNoRing", s, err)
		}
	}
	o.Existing = false
	if err := s.Delete(ctx, "token"); err != nil {
		t.Fatal(err)
	}
	if s := open(t, o); s.part != machinePart {
		t.Errorf("it is kept in %s when the keyring has nothing", s.Where())
	}
}

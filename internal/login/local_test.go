package login_test

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/login"
)

func (h *house) try(t testing.TB, name, password string) (*login.Proof, error) {
	t.Helper()
	return h.Password(t.Context(), &login.Try{Username: name, Password: password, Row: "flow", From: here})
}

// known makes somebody with an authenticator who has signed in, and returns what
// their browser is known by.
func (h *house) known(t testing.TB, name string) string {
	t.Helper()
	h.user(t, name)
	a, _ := h.codes(t, name)
	p, err := h.try(t, name, good)
	must(t, err)
	done, err := h.Second(t.Context(), p.Ticket, "flow", a.shows(h.clock()), here)
	must(t, err)
	return done.Browser
}

func TestPasswordThenCode(t *testing.T) {
	h := newHouse(t)
	h.user(t, "ada")
	a, _ := h.codes(t, "ada")
	p, err := h.try(t, " ADA ", good)
	must(t, err)
	if p.Next != login.Code || p.Browser != "" {
		t.Fatalf("got %+v, want a code to be asked for", p)
	}
	_, err = h.Second(t.Context(), p.Ticket, "another flow", a.shows(h.clock()), here)
	wantErr(t, "for another flow", err, login.ErrSpent)
	_, err = h.Second(t.Context(), p.Ticket, "flow", "000000", here)
	wantErr(t, "another code", err, login.ErrWrong)
	done, err := h.Second(t.Context(), p.Ticket, "flow", a.shows(h.clock()), here)
	must(t, err)
	if done.Next != login.Done || done.User.Username != "ada" || !slices.Equal(done.Methods, []string{"pwd", "otp", "mfa"}) {
		t.Errorf("got %+v", done)
	}
	h.pass(11 * time.Minute)
	_, err = h.Second(t.Context(), p.Ticket, "flow", a.shows(h.clock()), here)
	wantErr(t, "too late", err, login.ErrSpent)
}

// A code is good once, and so is every code before it, also on another replica.
func TestCodeIsSpent(t *testing.T) {
	h := newHouse(t)
	h.user(t, "ada")
	a, _ := h.codes(t, "ada")
	p, err := h.try(t, "ada", good)
	must(t, err)
	before, code := a.shows(h.clock().Add(-30*time.Second)), a.shows(h.clock())
	var wg sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		wg.Go(func() { _, errs[i] = h.Second(t.Context(), p.Ticket, "flow", code, netip.Addr{}) })
	}
	wg.Wait()
	if n := len(slices.DeleteFunc(errs, func(err error) bool { return errors.Is(err, login.ErrWrong) })); n != 1 {
		t.Errorf("got %d sign-ins by one code: %v", n, errs)
	}
	_, err = h.Second(t.Context(), p.Ticket, "flow", before, here)
	wantErr(t, "an older one", err, login.ErrWrong)
	h.pass(30 * time.Second)
	_, err = h.Second(t.Context(), p.Ticket, "flow", a.shows(h.clock().Add(30*time.Second)), here)
	must(t, err) // a clock that is ahead
}

// Nobody learns whether an account exists: not by the answer, nor by the time,
// which the slow hash makes up: it is computed once, whoever it is.
func TestNobodyLearnsWhoHasAnAccount(t *testing.T) {
	h := newHouse(t)
	h.user(t, "ada")
	off := h.user(t, "off")
	_, err := h.Disable(t.Context(), h.def, off.ID, "root", "")
	must(t, err)
	_, err = h.Create(t.Context(), &login.NewUser{Tenant: h.def, Username: "invited"})
	must(t, err)
	hashes := 0
	h.Derive(func(password, salt []byte) []byte {
		hashes++
		return quick(password, salt)
	})
	for what, try := range map[string][2]string{
		"a wrong password": {"ada", good + "!"}, "nobody": {"nobody", good}, "no name": {"", good}, "a name that none can be": {"Ádá", good},
		"disabled, right": {"off", good}, "no password yet": {"invited", good}, "no password yet, none given": {"invited", ""},
		"a password that is too long": {"ada", good + strings.Repeat(" ", 1000)},
	} {
		hashes = 0
		_, err := h.try(t, try[0], try[1])
		if !errors.Is(err, login.ErrWrong) || err.Error() != login.ErrWrong.Error() || hashes != 1 {
			t.Errorf("%s: got %v after %d hashes, want %v after 1", what, err, hashes, login.ErrWrong)
		}
		hashes = 0
		_, err = h.Recover(t.Context(), &login.Try{Username: try[0], Code: "aaaa-bbbb-cccc-dddd", Row: "flow"})
		if !errors.Is(err, login.ErrWrong) || err.Error() != login.ErrWrong.Error() || hashes != 1 {
			t.Errorf("recovery, %s: got %v after %d hashes, want %v after 1", what, err, hashes, login.ErrWrong)
		}
	}
}

// Whoever guesses waits longer and longer; whoever the account is of gets in
// within a minute from anywhere, and at once where they signed in before.
func TestGuessingIsSlowAndLocksNobodyOut(t *testing.T) {
	h := newHouse(t)
	known, other := h.known(t, "ada"), h.known(t, "eve")
	guess := func(name string, n int) error {
		_, err := h.Password(t.Context(), &login.Try{Username: name, Password: "wrong", From: netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)})})
		return err
	}
	waits, tried := time.Duration(0), 0
	for n := range 40 { // from as many addresses
		err := guess("ada", n)
		if w, ok := errors.AsType[*login.Wait](err); ok {
			if w.For > time.Minute {
				t.Errorf("got a wait of %s, want a minute at most", w.For)
			}
			waits = max(waits, w.For)
			h.pass(w.For)
			continue
		}
		tried++
		wantErr(t, "a guess", err, login.ErrWrong)
	}
	if waits != time.Minute || tried > 25 {
		t.Errorf("got waits up to %s and %d guesses, want a minute, and few", waits, tried)
	}
	for guess("ada", 99) == nil || !errors.Is(guess("ada", 99), login.ErrWrong) { // until it has to wait again
		if _, ok := errors.AsType[*login.Wait](guess("ada", 99)); ok {
			break
		}
	}
	_, err := h.Password(t.Context(), &login.Try{Username: "ada", Password: "wrong", From: here, Browser: other})
	mustWait(t, "a browser in which somebody else is known", err)
	_, err = h.try(t, "ada", good)
	wait := mustWait(t, "the owner, anywhere", err)
	_, err = h.Password(t.Context(), &login.Try{Username: "ada", Password: good, From: here, Browser: known})
	must(t, err) // the owner, where they signed in before
	h.pass(wait)
	if _, err = h.try(t, "ada", good); err != nil {
		t.Errorf("the owner, a moment later: %v", err)
	}
	for n := range 12 { // a name that nobody has is slowed down the same way
		err = guess("nobody", n)
	}
	mustWait(t, "nobody's name", err)
	for range 6 { // and so is a browser that is known
		_, _ = h.Password(t.Context(), &login.Try{Username: "ada", Password: "x", From: there, Browser: known})
	}
	_, err = h.Password(t.Context(), &login.Try{Username: "ada", Password: good, From: there, Browser: known})
	mustWait(t, "a known browser that guesses", err)
}

// An address that tries many names waits, an IPv6 household as one.
func TestAddressIsSlowedDown(t *testing.T) {
	h := newHouse(t)
	var err error
	for n := range 40 {
		from := netip.MustParseAddr(fmt.Sprintf("2001:db8:9::%x", n))
		_, err = h.Password(t.Context(), &login.Try{Username: fmt.Sprint("somebody", n), Password: "x", From: from})
		if _, waits := errors.AsType[*login.Wait](err); waits {
			if n < 30 {
				t.Errorf("got a wait after %d", n)
			}
			_, err = h.Password(t.Context(), &login.Try{Username: "else", Password: "x", From: there})
			wantErr(t, "another address", err, login.ErrWrong)
			return
		}
	}
	t.Errorf("got %v, want the household to wait", err)
}

// Codes are guessed by those who have the password: they wait an hour in the end.
func TestGuessingCodes(t *testing.T) {
	h := newHouse(t)
	h.user(t, "ada")
	_, codes := h.codes(t, "ada")
	tried, longest := 0, time.Duration(0)
	for range 40 {
		h.pass(time.Minute)                                                                         // so that the password needs no wait of its own
		p, err := h.Password(t.Context(), &login.Try{Username: "ada", Password: good, Row: "flow"}) // from everywhere
		must(t, err)
		_, err = h.Second(t.Context(), p.Ticket, "flow", "123456", netip.Addr{})
		if w, ok := errors.AsType[*login.Wait](err); ok {
			longest = max(longest, w.For)
			h.pass(w.For)
			continue
		}
		wantErr(t, "a guess", err, login.ErrWrong)
		tried++
	}
	if tried > 30 || longest < 50*time.Minute {
		t.Errorf("got %d codes tried, and waits up to %s", tried, longest)
	}
	h.pass(time.Hour)
	p, err := h.try(t, "ada", good)
	must(t, err)
	done, err := h.Second(t.Context(), p.Ticket, "flow", strings.ToUpper(codes[3]), here)
	must(t, err)
	if done.Next != login.Done {
		t.Errorf("got %+v", done)
	}
	_, err = h.Second(t.Context(), p.Ticket, "flow", codes[3], here)
	wantErr(t, "a recovery code again", err, login.ErrWrong)
	if has, err := h.Has(t.Context(), done.User.ID); err != nil || has.Recovery != 9 || has.Password != "set" || has.TOTP != "set" {
		t.Errorf("got %+v, %v", has, err)
	}
}

// TestA160SlowHash: two passwords that differ in their tail are two, however long
// they are; what is too long costs no more than another; only as many are
// computed at once as there are cores.
func TestA160SlowHash(t *testing.T) {
	h := newHouse(t)
	h.Derive(nil)
	long := strings.Repeat("a walk in the rain ", 20)
	_, err := h.Create(t.Context(), &login.NewUser{Tenant: h.def, Username: "ada", Password: long + "1"})
	must(t, err)
	_, err = h.try(t, "ada", long+"2")
	wantErr(t, "another tail", err, login.ErrWrong)
	_, err = h.try(t, "ada", long+"1")
	must(t, err)
	longest := (long + long)[:login.MaxPassword]
	_, err = h.Create(t.Context(), &login.NewUser{Tenant: h.def, Username: "eve", Password: longest})
	must(t, err)
	_, err = h.try(t, "eve", longest+"x")
	wantErr(t, "longer than the longest", err, login.ErrWrong)
	_, err = h.Create(t.Context(), &login.NewUser{Tenant: h.def, Username: "bob", Password: strings.Repeat("x y", 200)})
	wantErr(t, "too long", err, login.ErrInvalid)
}

func TestWeakPasswords(t *testing.T) {
	h := newHouse(t)
	u := &login.User{Username: "ada.lovelace", Name: "Ada Lovelace", Email: "a.lovelace@acme.example"}
	for _, weak := range []string{
		"short", "elevenchars", "password1234", "Password123!", "P@ssw0rd2026", "passwordpassword", "Welcome2026!", "qwertyuiop123", "1q2w3e4r5t6y",
		"iloveyou1234", "111111111111", "abcabcabcabc", "123456789012", "987654321098", "abcdefghijkl", "letmein!letmein", "Summer2026!!", "adminadmin12",
		"ada.lovelace", "Ada.Lovelace1", "a.lovelace2026", "ada lovelace!", "acme notes 123", "correcthorsebatterystaple", "Winter-2026-Winter",
	} {
		wantErr(t, weak, h.Judge(weak, u), login.ErrWeak)
	}
	for _, fine := range []string{
		good, "tangled kettle 9", "xkQ7vbn2ppRt", "837465928374", "пароль из двух слов", "ümlaut und vögel", "purple elephants dance badly", "lovelace wrote about engines", strings.Repeat("walk on ", 60),
	} {
		if err := h.Judge(fine, u); err != nil {
			t.Errorf("%.40q: got %v, want it to be fine", fine, err)
		}
	}
	for _, bad := range []string{strings.Repeat("x ", 300), "not utf-8 \xff\xff\xff"} {
		wantErr(t, bad, h.Judge(bad, u), login.ErrInvalid)
	}
}

// A password is the same however a keyboard composes its letters.
func TestPasswordIsNormalized(t *testing.T) {
	h := newHouse(t)
	h.Derive(nil)
	_, err := h.Create(t.Context(), &login.NewUser{Tenant: h.def, Username: "ada", Password: "quatre étés à Séoul"})
	must(t, err)
	_, err = h.try(t, "ada", "quatre e\u0301te\u0301s a\u0300 Se\u0301oul")
	must(t, err)
}

// No more slow hashes are computed at once than there are cores, and whoever would
// have to wait for too many others is told so.
func TestHashesAtOnce(t *testing.T) {
	h := newHouse(t)
	h.user(t, "ada")
	h.Patient()
	cores := runtime.GOMAXPROCS(0)
	var running, most atomic.Int64
	begun, release := make(chan struct{}, 1000), make(chan struct{})
	h.Derive(func(password, salt []byte) []byte {
		n := running.Add(1)
		defer running.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		begun <- struct{}{}
		<-release
		return quick(password, salt)
	})
	var wg sync.WaitGroup
	var busy atomic.Int64
	all := cores * 40
	for n := range all {
		wg.Go(func() {
			_, err := h.Password(t.Context(), &login.Try{Username: fmt.Sprint("nobody", n), Password: "x"})
			if errors.Is(err, login.ErrBusy) {
				if busy.Add(1) == int64(all-cores-cores*32) {
					close(release)
				}
			}
		})
	}
	for range cores {
		<-begun
	}
	wg.Wait()
	if most.Load() != int64(cores) || busy.Load() != int64(all-cores-cores*32) {
		t.Errorf("got %d at once and %d who were told to come back, want %d and %d", most.Load(), busy.Load(), cores, all-cores-cores*32)
	}
}

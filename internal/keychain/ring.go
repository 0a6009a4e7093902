package keychain

import (
	"errors"
	"fmt"
	"time"

	"github.com/zalando/go-keyring"
)

// What keeps a keyring from being used.
var (
	ErrNoRing = errors.New("there is no keyring")                                    // nothing is there that could be asked
	ErrShut   = errors.New("the keyring is locked, or does not answer as it should") // there is one
)

var errNotThere = errors.New("not in the keyring")

// Ring is an operating system's store of secrets. Get returns errNotThere for a
// name that has none; both return ErrNoRing, wrapped, where there is no keyring,
// and ErrShut, wrapped, of one that is there and gives nothing.
type Ring interface {
	Get(name string) (string, error)
	Set(name, secret string) error
}

// None is the Ring of a machine, or a session, that has no keyring.
type None struct{}

// Get implements Ring.
func (None) Get(string) (string, error) { return "", ErrNoRing }

// Set implements Ring.
func (None) Set(string, string) error { return ErrNoRing }

// system is the keyring of the operating system: the Keychain of macOS, the
// Secret Service of Linux desktops, the Credential Manager of Windows.
type system struct {
	wait time.Duration // for an answer; zero: ringWait
}

const (
	service = "gatehouse"
	// ringWait is how long a keyring may take: it may ask the user to unlock it.
	ringWait = time.Minute
)

func (s system) Get(name string) (string, error) {
	secret, err := s.asked(func() (string, error) { return keyring.Get(service, name) })
	if errors.Is(err, keyring.ErrNotFound) {
		return "", errNotThere
	}
	return secret, err
}

func (s system) Set(name, secret string) error {
	_, err := s.asked(func() (string, error) { return "", keyring.Set(service, name, secret) })
	return err
}

// asked asks the keyring, and does not wait for ever.
func (s system) asked(what func() (string, error)) (string, error) {
	type answer struct {
		secret string
		err    error
	}
	done := make(chan answer, 1)
	go func() {
		secret, err := what()
		switch {
		case err == nil, errors.Is(err, keyring.ErrNotFound):
		case errors.Is(err, keyring.ErrUnsupportedPlatform), absent(err):
			err = fmt.Errorf("%w (%w)", ErrNoRing, err)
		default:
			err = fmt.Errorf("%w (%w)", ErrShut, err)
		}
		done <- answer{secret, err}
	}()
	wait := s.wait
	if wait == 0 {
		wait = ringWait
	}
	select {
	case a := <-done:
		return a.secret, a.err
	case <-time.After(wait):
		return "", fmt.Errorf("%w (nothing within %s)", ErrShut, wait)
	}
}

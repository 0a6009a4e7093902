package keychain

import (
	"errors"
	"fmt"
	"time"

	"github.com/zalando/go-keyring"
)

// ErrNoRing says that there is no keyring here that can be used.
var ErrNoRing = errors.New("there is no keyring")

var errNotThere = errors.New("not in the keyring")

// Ring is an operating system's store of secrets. Get returns errNotThere for a
// name that has none; both return ErrNoRing, wrapped, where there is no keyring.
type Ring interface {
	Get(name string) (string, error)
	Set(name, secret string) error
}

// system is the keyring of the operating system: the Keychain of macOS, the
// Secret Service of Linux desktops, the Credential Manager of Windows.
type system struct{}

const (
	service = "gatehouse"
	// ringWait is how long a keyring may take: it may ask the user to unlock it.
	ringWait = time.Minute
)

func (system) Get(name string) (string, error) {
	secret, err := asked(func() (string, error) { return keyring.Get(service, name) })
	if errors.Is(err, keyring.ErrNotFound) {
		return "", errNotThere
	}
	return secret, err
}

func (system) Set(name, secret string) error {
	_, err := asked(func() (string, error) { return "", keyring.Set(service, name, secret) })
	return err
}

// asked asks the keyring, and does not wait for ever. Whatever is wrong with one
// that does not know the answer, there is none to rely on.
func asked(what func() (string, error)) (string, error) {
	type answer struct {
		secret string
		err    error
	}
	done := make(chan answer, 1)
	go func() {
		secret, err := what()
		done <- answer{secret, err}
	}()
	select {
	case a := <-done:
		if a.err != nil && !errors.Is(a.err, keyring.ErrNotFound) {
			return "", fmt.Errorf("%w: %w", ErrNoRing, a.err)
		}
		return a.secret, a.err
	case <-time.After(ringWait):
		return "", fmt.Errorf("%w: it did not answer within %s", ErrNoRing, ringWait)
	}
}

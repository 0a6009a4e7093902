package keychain

import (
	"context"
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
// and ErrShut, wrapped, of one that is there and gives nothing before the context ends.
type Ring interface {
	Get(ctx context.Context, name string) (string, error)
	Set(ctx context.Context, name, secret string) error
}

// None is the Ring of a machine, or a session, that has no keyring.
type None struct{}

// Get implements Ring.
func (None) Get(context.Context, string) (string, error) { return "", ErrNoRing }

// Set implements Ring.
func (None) Set(context.Context, string, string) error { return ErrNoRing }

// system is the keyring of the operating system: the Keychain of macOS, the
// Secret Service of Linux desktops, the Credential Manager of Windows.
type system struct{}

const (
	service = "gatehouse"
	// ringWait is how long a keyring may take: it may ask the user to unlock it.
	ringWait = time.Minute
)

func (system) Get(ctx context.Context, name string) (string, error) {
	secret, err := asked(ctx, func() (string, error) { return keyring.Get(service, name) })
	if errors.Is(err, keyring.ErrNotFound) {
		return "", errNotThere
	}
	return secret, err
}

func (system) Set(ctx context.Context, name, secret string) error {
	_, err := asked(ctx, func() (string, error) { return "", keyring.Set(service, name, secret) })
	return err
}

// asked asks the keyring, and does not wait for ever.
func asked(ctx context.Context, what func() (string, error)) (string, error) {
	type answer struct {
		secret string
		err    error
	}
	done := make(chan answer, 1)
	go func() {
		secret, err := guarded(what)
		switch {
		case err == nil, errors.Is(err, keyring.ErrNotFound), errors.Is(err, ErrShut):
		case errors.Is(err, keyring.ErrUnsupportedPlatform), absent(err):
			err = fmt.Errorf("%w (%w)", ErrNoRing, err)
		default:
			err = fmt.Errorf("%w (%w)", ErrShut, err)
		}
		done <- answer{secret, err}
	}()
	select {
	case a := <-done:
		return a.secret, a.err
	case <-ctx.Done():
		return "", fmt.Errorf("%w (%w)", ErrShut, context.Cause(ctx))
	}
}

// guarded asks. The library reads a prompt's answer from a channel that is closed when
// the bus ends, and takes what it then has not got apart.
func guarded(what func() (string, error)) (secret string, err error) {
	defer func() {
		if recover() != nil {
			secret, err = "", fmt.Errorf("%w (it ended while it was asked)", ErrShut)
		}
	}()
	return what()
}

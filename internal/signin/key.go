package signin

import (
	"context"
	"net/url"
	"strings"
	"sync"
)

// Key is access by a key that somebody handed out, in the place of a sign-in.
type Key struct {
	Server string                                    // required: the URL of the server
	Header string                                    // that carries it; empty: Authorization, as a Bearer token
	Read   func(ctx context.Context) (string, error) // required: the key as it is now

	mu   sync.Mutex
	last *Credential
}

// Credential returns the key, which is read once.
func (k *Key) Credential(ctx context.Context) (*Credential, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.last != nil {
		return k.last, nil
	}
	return k.read(ctx)
}

// Renew reads the key again: it may have been exchanged since.
func (k *Key) Renew(ctx context.Context, r Refusal) (*Credential, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	was := k.last
	if was != nil && r.With != was {
		return was, nil // exchanged for another request already
	}
	now, err := k.read(ctx)
	if err != nil {
		return nil, err
	}
	if was == nil || now.text == was.text {
		if was != nil {
			k.last = was
		}
		return nil, fail(CodeRefused, "%s does not accept the key (%d %s). See that it is the right one, and whole, where --key-from says.", k.Server, r.Status, readChallenge(r.Header).words()).Of(r.Header)
	}
	return now, nil
}

func (k *Key) read(ctx context.Context) (*Credential, error) {
	if err := CheckURL(k.Server); err != nil {
		return nil, err
	}
	text, err := k.Read(ctx)
	if err != nil {
		return nil, because(CodeSettings, err, "The key cannot be read.")
	}
	text = strings.TrimSpace(text)
	if !sendable(text) {
		return nil, fail(CodeSettings, "The key is empty, or has characters that no key has.")
	}
	u, err := url.Parse(k.Server)
	if err != nil {
		return nil, err
	}
	k.last = &Credential{Scheme: schemeBearer, text: text, origin: rootOf(u), header: k.Header}
	return k.last, nil
}

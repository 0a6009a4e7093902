package signin

import (
	"errors"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/keychain"
)

// TestAKeyringThatWasResetIsNoDeadEnd: what cannot be opened is told of, and login and logout write over it.
func TestAKeyringThatWasResetIsNoDeadEnd(t *testing.T) {
	for name, r := range map[string]*Registered{"a client that registers itself": nil, "one that was registered": {ID: "me", Secret: "very secret"}} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			w := newWorld(t)
			with := func(passphrase string) *Client {
				store, err := keychain.Open(t.Context(), keychain.Options{Dir: dir, Passphrase: passphrase})
				if err != nil {
					t.Fatal(err)
				}
				c := w.client()
				c.Store, c.Registered = store, r
				return c
			}
			if _, err := w.first(with("before")); err != nil {
				t.Fatal(err)
			}
			c := with("after")
			if _, err := c.Credential(t.Context()); code(err) != CodeKeychain || !errors.Is(err, keychain.ErrSealed) || !strings.Contains(err.Error(), "gatehouse bridge login") {
				t.Errorf("a bridge: got %v", err)
			}
			if _, err := w.first(c); code(err) != CodeKeychain || w.visits != 1 {
				t.Errorf("a bridge: got %v after %d visits", err, w.visits)
			}
			if _, err := c.Login(t.Context()); err != nil || w.visits != 2 {
				t.Fatalf("got %v after %d visits", err, w.visits)
			}
			if got, err := c.Credential(t.Context()); got == nil || err != nil {
				t.Errorf("got %v, %v", got, err)
			}
			c = with("once more")
			if was, revoked, err := c.Logout(t.Context()); !was || revoked || err != nil {
				t.Errorf("got %v, %v, %v", was, revoked, err)
			}
			if got, err := c.Credential(t.Context()); got != nil || err != nil {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

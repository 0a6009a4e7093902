package client_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/client"
)

// Nothing but what was made here is an id of ours.
func TestIDsAreOurs(t *testing.T) {
	h := newHouse(t)
	r := h.register(t, `{"redirect_uris":["https://a.test/cb"],"token_endpoint_auth_method":"none"}`)
	other := newHouse(t, func(g *client.Registry) { g.Secret = []byte(strings.Repeat("x", 32)) })
	for what, id := range map[string]string{
		"empty": "", "nothing in it": "dcr_", "cut": r.ID[:len(r.ID)-1], "longer": r.ID + "A", "padded": r.ID + "=", "a line break": r.ID[:9] + "\n" + r.ID[9:],
		"in capitals": strings.ToUpper(r.ID), "a byte changed": r.ID[:10] + flip(r.ID[10]) + r.ID[11:], "the last byte changed": r.ID[:len(r.ID)-1] + flip(r.ID[len(r.ID)-1]),
		"of another installation": other.register(t, `{"redirect_uris":["https://a.test/cb"],"token_endpoint_auth_method":"none"}`).ID,
		"of nobody":               "cl_x", "http": "http://a.test/x", "too long": "dcr_" + strings.Repeat("A", 5000), "spaces": "a b",
	} {
		_, err := h.Find(t.Context(), id)
		wantErr(t, what, err, client.ErrUnknown)
	}
	if _, err := (&client.Registry{Store: h.Store, Secret: nil, Settings: h.Settings}).Register(t.Context(), []byte(`{"redirect_uris":["https://a.test/cb"]}`)); err == nil {
		t.Error("without a secret there are ids")
	}
}

// An id has one spelling: another one would be a client that nobody has blocked.
func TestIDsHaveOneSpelling(t *testing.T) {
	h, seen := newHouse(t), map[int]bool{}
	for n := 0; len(seen) < 3; n++ { // ids whose last character has bits to spare, and others
		id := h.register(t, fmt.Sprintf(`{"redirect_uris":["https://a.test/cb"],"client_name":%q,"token_endpoint_auth_method":"none"}`, strings.Repeat("x9", n))).ID
		spare := len(strings.TrimPrefix(id, "dcr_")) % 4
		if seen[spare] {
			continue
		}
		seen[spare] = true
		for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") {
			other := id[:len(id)-1] + string(c)
			if _, err := h.Find(t.Context(), other); other != id && !errors.Is(err, client.ErrUnknown) {
				t.Errorf("%q is %q: %v", other, id, err)
			}
		}
	}
}

func flip(c byte) string {
	if c == 'A' {
		return "B"
	}
	return "A"
}

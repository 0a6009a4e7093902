package apikey_test

import (
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
)

// A key has 256 random bits, so nobody has to be slowed down by its hash:
// judging a wrong one is cheap, or strangers could have us work for them.
func TestA160JudgingAWrongKeyIsCheap(t *testing.T) {
	h := newHouse(t)
	_, one := h.create(t, apikey.Spec{})
	_, two := h.create(t, apikey.Spec{})
	mixed := one[:18] + two[18:61]
	wrong := mixed + sum(mixed)
	const n = 2000
	began := time.Now()
	for range n {
		if a, err := h.v.Verify(t.Context(), &gatehouse.Credential{Text: wrong}); a != nil || err == nil {
			t.Fatal("a wrong key was accepted")
		}
	}
	if each := time.Since(began) / n; each > 2*time.Millisecond { // a slow hash takes fifty
		t.Errorf("got %s for each attempt", each)
	}
}

package login_test

import (
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/login"
)

// What a password costs to judge, the database included.
func BenchmarkPassword(b *testing.B) {
	h := newHouse(b)
	h.Derive(nil)
	h.user(b, "ada")
	for b.Loop() {
		_, err := h.Password(b.Context(), &login.Try{Username: "ada", Password: good})
		must(b, err)
	}
}

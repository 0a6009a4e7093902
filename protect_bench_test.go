package gatehouse_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/gatehouse-mcp/gatehouse"
)

// nobody takes an answer and keeps nothing of it.
type nobody struct{ h http.Header }

func (n nobody) Header() http.Header         { return n.h }
func (n nobody) Write(p []byte) (int, error) { return len(p), nil }
func (n nobody) WriteHeader(int)             {}

// BenchmarkProtect is what a warm request costs over the handler that is
// protected: with a verifier that knows at once, and with API keys.
func BenchmarkProtect(b *testing.B) {
	key, digest := gatehouse.NewAPIKey()
	next := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if _, ok := gatehouse.FromContext(r.Context()); !ok {
			panic("nobody")
		}
	})
	known := says(func(context.Context, *gatehouse.Credential) (*gatehouse.Identity, error) { return ada, nil })
	for name, v := range map[string]gatehouse.Verifier{
		"known": known, "key": &gatehouse.APIKeyVerifier{Keys: []gatehouse.APIKey{{Digest: digest}}},
	} {
		b.Run(name, func(b *testing.B) {
			h := protect(b, next, resource(), v)
			r := request("POST", "/mcp", "Authorization", "Bearer "+key)
			w := nobody{http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(w, r)
			}
		})
	}
}

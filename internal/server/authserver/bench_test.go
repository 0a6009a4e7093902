package authserver

import (
	"net/http"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/client"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

// A token that a client has in its hands: authenticated, judged, on disk, signed.
// The trail is in memory; a real one adds its own fsync.
func BenchmarkToken(b *testing.B) {
	d := newDesk(b)
	d.public("cli")
	d.client(client.Spec{ID: "ci", Tenant: d.def, Grants: []string{oauth.ClientCredentials}, Resources: []string{resource}})
	access := d.login("cli").Access
	const atOnce = 32
	refresh := make(chan string, 2*atOnce)
	for range cap(refresh) {
		refresh <- d.login("cli").Refresh
	}
	for _, one := range []struct {
		name string
		do   func() int
	}{
		{"client credentials", func() int {
			return d.post("/token", d.as("ci", "grant_type", oauth.ClientCredentials, "resource", resource)...).ResponseRecorder.Code
		}},
		{"code", func() int { return d.post("/token", redeemForm("cli", d.code("cli"))...).ResponseRecorder.Code }},
		{"refresh", func() int {
			got := d.post("/token", "grant_type", "refresh_token", "client_id", "cli", "refresh_token", <-refresh)
			refresh <- got.Refresh
			return got.ResponseRecorder.Code
		}},
		{"introspection", func() int { return d.post("/introspect", d.as("ci", "token", access)...).ResponseRecorder.Code }},
	} {
		b.Run(one.name, func(b *testing.B) {
			b.SetParallelism(atOnce / 2) // for each of two processors
			b.ReportAllocs()
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					if code := one.do(); code != http.StatusOK {
						b.Errorf("got %d", code)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "op/s")
		})
	}
}

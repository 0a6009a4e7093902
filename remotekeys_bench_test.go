package gatehouse_test

import (
	"testing"

	"github.com/gatehouse-mcp/gatehouse"
)

// BenchmarkRemoteKeys is what a lookup costs while keys are known: each verified
// token has one.
func BenchmarkRemoteKeys(b *testing.B) {
	i := newKeyIssuer(b)
	i.publish(keySet(b, "k1", "k2", "k3"))
	k := &gatehouse.RemoteKeys{URL: i.URL + "/keys", HTTP: trusted(b, i.Server)}
	want(b, k, "k3", "")
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := k.Keys(b.Context(), "k3", "ES256"); err != nil {
				b.Fatal(err)
			}
		}
	})
}

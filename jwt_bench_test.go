package gatehouse_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
)

// everyday is a token as providers make them: about 800 bytes.
func everyday(alg, kid string, n int) string {
	return mint(claimsWith(obj{
		"sub": fmt.Sprintf("auth0|66f1a0c2%08d", n), "jti": fmt.Sprintf("73WakrfVbNJBaAmhQtEe%08d", n),
		"client_id": "https://claude.ai/oauth/claude-code-client-metadata", "aud": []string{ourURL, theirURL + "/userinfo"},
		"scope": "openid offline_access tools:read tools:write", "permissions": []string{"tools:read", "tools:write"},
		"org_id": "org_9ybsU1dN2dKfDkBi", "org_name": "acme", "auth_time": noon.Unix(),
	}), obj{"alg": alg, "kid": kid})
}

func BenchmarkJWT(b *testing.B) {
	for _, k := range []struct{ alg, kid string }{{"RS256", "rsa"}, {"ES256", "ec"}, {"EdDSA", "ed"}} {
		tok := everyday(k.alg, k.kid, 1)
		for name, size := range map[string]int{"cold": -1, "cached": 0} {
			b.Run(k.alg+"/"+name, func(b *testing.B) {
				v := jwtVerifier(func(v *gatehouse.JWTVerifier) { v.CacheSize = size })
				c := &gatehouse.Credential{Scheme: "Bearer", Text: tok}
				b.ReportAllocs()
				for b.Loop() {
					if _, err := v.Verify(b.Context(), c); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
	b.Run("refused/signature", func(b *testing.B) {
		tok := everyday("ES256", "ec", 1)
		tok = tok[:len(tok)-86] + everyday("ES256", "ec", 2)[len(tok)-86:]
		v := jwtVerifier()
		b.ReportAllocs()
		for b.Loop() {
			if _, err := present(v, tok); err == nil {
				b.Fatal("it was accepted")
			}
		}
	})
	b.Run("ES256/proof", func(b *testing.B) { // DPoP: the token from the cache, each proof verified
		key := signers()["ec"]
		tok := bound(key)
		v := jwtVerifier(func(v *gatehouse.JWTVerifier) { v.DPoP = &gatehouse.DPoP{Replays: forgetful{}} })
		c := withProof(tok, prove(key, "ES256", tok, nil, nil))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := v.Verify(b.Context(), c); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkJWTCacheMemory says what 100,000 verified tokens take.
func BenchmarkJWTCacheMemory(b *testing.B) {
	const n = 100_000
	tokens := make([]string, n)
	for i := range tokens {
		tokens[i] = everyday("EdDSA", "ed", i)
	}
	for b.Loop() {
		v := jwtVerifier(func(v *gatehouse.JWTVerifier) { v.CacheSize = 2 * n })
		before := heap()
		for _, tok := range tokens {
			if _, err := present(v, tok); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(heap()-before)/n, "B/token")
		b.ReportMetric(float64(gatehouse.CachedTokens(v)), "tokens")
		b.ReportMetric(0, "ns/op")
		runtime.KeepAlive(v)
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// forgetful remembers nothing: for measuring only.
type forgetful struct{}

func (forgetful) Once(context.Context, [32]byte, time.Time) (bool, error) { return true, nil }

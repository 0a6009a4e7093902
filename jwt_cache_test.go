package gatehouse_test

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
)

func TestA048TheCacheTellsTokensAndVerifiersApart(t *testing.T) {
	// All have the same header, kid and jti, and begin with the same characters.
	tokens := map[string]string{}
	for _, sub := range []string{"ada", "bob", "eve"} {
		for _, scope := range []string{"foo", "bar"} {
			tokens[sub+" "+scope] = mint(claimsWith(obj{"sub": sub, "scope": scope}))
		}
	}
	v := jwtVerifier()
	other := jwtVerifier(func(v *gatehouse.JWTVerifier) { v.Audience = "https://other.example/mcp" })
	stranger := jwtVerifier(func(v *gatehouse.JWTVerifier) { v.Issuer = "https://other.example" })
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				for want, tok := range tokens {
					id, err := present(v, tok)
					if err != nil || id.Subject+" "+id.Scopes[0] != want {
						t.Errorf("got %+v, %v, want %s", id, err, want)
						return
					}
					if _, err := present(other, tok); err == nil {
						t.Error("a verifier for another resource accepted it")
					}
					if _, err := present(stranger, tok); !errors.Is(err, gatehouse.ErrNotMine) {
						t.Errorf("another issuer's verifier: got %v", err)
					}
				}
			}
		})
	}
	all.Wait()
	for _, tok := range tokens { // what is not the same text is not the same token
		if _, err := present(v, tok[:len(tok)-1]); err == nil {
			t.Error("a part of a cached token was accepted")
		}
	}
}

func TestA048ACachedTokenEndsAtItsEnd(t *testing.T) {
	for name, claims := range map[string]obj{"with iat": {}, "without iat": {"iat": gone}} {
		t.Run(name, func(t *testing.T) {
			at := noon
			var asked atomic.Int64
			v := jwtVerifier(func(v *gatehouse.JWTVerifier) {
				v.Now = func() time.Time { return at }
				v.Leeway = -1
				v.Keys = countedKeys{issuerKeys(), &asked}
			})
			tok := mint(claimsWith(claims, obj{"nbf": noon.Add(-time.Second).Unix()}))
			for _, step := range []struct {
				after time.Duration
				ok    bool
			}{{0, true}, {9 * time.Minute, true}, {10*time.Minute - time.Millisecond, true}, {10 * time.Minute, false}, {time.Hour, false}, {-time.Hour, false}, {0, true}} {
				at = noon.Add(step.after)
				id, err := present(v, tok)
				if !step.ok {
					refusedAs(t, id, err, "GH-1109")
				} else if err != nil {
					t.Errorf("after %s: %v", step.after, err)
				}
			}
		})
	}
}

type countedKeys struct {
	fixedKeys
	asked *atomic.Int64
}

func (c countedKeys) Keys(ctx context.Context, kid, alg string) ([]crypto.PublicKey, error) {
	c.asked.Add(1)
	return c.fixedKeys.Keys(ctx, kid, alg)
}

func TestA048ACachedTokenFallsWithItsKey(t *testing.T) {
	for _, kid := range []string{"ec", "rsa", "ed"} {
		published := issuerKeys()
		var away error
		v := jwtVerifier(func(v *gatehouse.JWTVerifier) {
			v.Keys = keysBy(func(kid string) ([]crypto.PublicKey, error) {
				if away != nil {
					return nil, away
				}
				return published.Keys(context.Background(), kid, "")
			})
		})
		tok := mint(claimsWith(), obj{"alg": map[string]string{"ec": "ES256", "rsa": "RS256", "ed": "EdDSA"}[kid], "kid": kid})
		for range 2 {
			if _, err := present(v, tok); err != nil {
				t.Fatal(err)
			}
		}
		away = errors.New("beyond max_stale")
		id, err := present(v, tok)
		refusedAs(t, id, err, "GH-1111")
		away = nil
		published[kid] = again(t, signers()[kid].Public())
		if _, err := present(v, tok); err != nil {
			t.Errorf("%s: the same key, read again: %v", kid, err)
		}
		for _, other := range []string{kid + "-other", "ec384"} { // of the same kind, and of another
			published[kid] = signers()[other].Public()
			id, err = present(v, tok)
			refusedAs(t, id, err, "GH-1102")
		}
		delete(published, kid)
		id, err = present(v, tok)
		refusedAs(t, id, err, "GH-1110")
	}
}

// again returns a copy of a key, as a key set that was fetched again has it.
func again(t *testing.T, key crypto.PublicKey) crypto.PublicKey {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	same, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		t.Fatal(err)
	}
	return same
}

type keysBy func(kid string) ([]crypto.PublicKey, error)

func (a keysBy) Keys(_ context.Context, kid, _ string) ([]crypto.PublicKey, error) { return a(kid) }

func TestA048TheCacheIsBounded(t *testing.T) {
	v := jwtVerifier(func(v *gatehouse.JWTVerifier) { v.CacheSize = 64 }) // one for each shard
	tokens := make([]string, 300)
	for i := range tokens {
		tokens[i] = mint(claimsWith(obj{"sub": fmt.Sprint("u", i)}))
	}
	for range 3 {
		for i, tok := range tokens {
			if id, err := present(v, tok); err != nil || id.Subject != fmt.Sprint("u", i) {
				t.Fatalf("got %v, %v", id, err)
			}
		}
	}
	if n := gatehouse.CachedTokens(v); n > 64 {
		t.Errorf("got %d tokens kept, want at most 64", n)
	}
	off := jwtVerifier(func(v *gatehouse.JWTVerifier) { v.CacheSize = -1 })
	for range 2 {
		if _, err := present(off, tokens[0]); err != nil {
			t.Error(err)
		}
	}
	if n := gatehouse.CachedTokens(off); n != 0 {
		t.Errorf("got %d tokens kept, want none", n)
	}
}

// What is refused is refused again, and takes no place.
func TestA048RefusalsAreNotKept(t *testing.T) {
	v := jwtVerifier()
	for _, tok := range []string{mint(claimsWith(), obj{"typ": "JWT"}), mint(claimsWith(obj{"sub": gone})), mint(claimsWith(obj{"exp": noon.Add(-time.Hour).Unix()}))} {
		for range 2 {
			refusedAny(t, v, tok)
		}
	}
	if n := gatehouse.CachedTokens(v); n != 0 {
		t.Errorf("got %d tokens kept, want none", n)
	}
	// For another audience it is a good token of this issuer: kept, and refused each time.
	for range 2 {
		id, err := present(v, mint(claimsWith(obj{"aud": "https://other.example"})))
		refusedAs(t, id, err, "GH-1104")
	}
}

func TestA048ConcurrentFirstUseIsSafe(t *testing.T) {
	v, tok := jwtVerifier(), mint(claimsWith())
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := present(v, tok); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

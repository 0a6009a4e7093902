package gatehouse_test

import (
	"context"
	"encoding/binary"
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
)

func TestA054AProofCountsOnce(t *testing.T) {
	key := signers()["ec"]
	tok := bound(key)
	at := noon
	shared := &gatehouse.DPoP{Now: func() time.Time { return at }}
	one := func(v *gatehouse.JWTVerifier) { v.DPoP, v.Now = shared, func() time.Time { return at } }
	a, b := jwtVerifier(one), jwtVerifier(one)
	proof := prove(key, "ES256", tok, nil, nil)
	var passed atomic.Int64
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			v := a
			if i%2 == 1 {
				v = b
			}
			if _, err := v.Verify(context.Background(), withProof(tok, proof)); err == nil {
				passed.Add(1)
			}
		})
	}
	all.Wait()
	if passed.Load() != 1 {
		t.Errorf("a proof was accepted %d times, want once", passed.Load())
	}
	for _, after := range []time.Duration{time.Second, 59 * time.Second, 60 * time.Second, 61 * time.Second, 2 * time.Minute} {
		at = noon.Add(after)
		id, err := a.Verify(t.Context(), withProof(tok, proof))
		refusedAs(t, id, err, "GH-1114")
	}
	at = noon
	same := prove(key, "ES256", tok, obj{"jti": "again", "iat": noon.Unix()}, nil)
	if _, err := a.Verify(t.Context(), withProof(tok, same)); err != nil {
		t.Fatal(err)
	}
	id, err := a.Verify(t.Context(), withProof(tok, prove(key, "ES256", tok, obj{"jti": "again", "x": 1}, nil))) // another proof of the same name
	refusedAs(t, id, err, "GH-1114")
}

func TestA054ProofsThatCannotBeRememberedAreRefused(t *testing.T) {
	key := signers()["ec"]
	tok := bound(key)
	v := jwtVerifier(func(v *gatehouse.JWTVerifier) { v.DPoP = &gatehouse.DPoP{Replays: broken{}} })
	id, err := v.Verify(t.Context(), withProof(tok, prove(key, "ES256", tok, nil, nil)))
	if e := refusedAs(t, id, err, "GH-1118"); e.Status != 503 {
		t.Errorf("got %d, want 503", e.Status)
	}
}

type broken struct{}

func (broken) Once(context.Context, [32]byte, time.Time) (bool, error) {
	return true, errors.New("the store is away")
}

func TestA054TheMemoryOfProofsIsBounded(t *testing.T) {
	at := noon
	r := gatehouse.MemoryOfProofs(func() time.Time { return at })
	once := func(i int) (bool, error) {
		return r.Once(t.Context(), idOf(i, i), at.Add(2*time.Minute))
	}
	full := 0
	for ; full <= 2*gatehouse.MaxSeen; full++ {
		fresh, err := once(full)
		if err != nil {
			break
		}
		if !fresh {
			t.Fatalf("%d was not seen before, and taken for a replay", full)
		}
	}
	if full < gatehouse.MaxSeen || full > 2*gatehouse.MaxSeen {
		t.Errorf("got %d remembered, want between %d and twice that", full, gatehouse.MaxSeen)
	}
	if fresh, _ := once(0); fresh {
		t.Error("what was seen first was forgotten")
	}
	at = at.Add(2 * time.Minute)
	if fresh, _ := once(1); fresh {
		t.Error("what was seen was forgotten at its end, not after it")
	}
	at = at.Add(time.Second)
	for i := range 3 { // room again
		if fresh, err := once(-1 - i); err != nil || !fresh {
			t.Errorf("after their end: got %v, %v, want room again", fresh, err)
		}
	}
}

// idOf is what a memory is asked about: a proof of a key.
func idOf(key, proof int) (id [32]byte) {
	binary.LittleEndian.PutUint64(id[:], uint64(key))
	binary.LittleEndian.PutUint64(id[16:], uint64(key))
	binary.LittleEndian.PutUint64(id[24:], uint64(proof))
	return id
}

func TestA054OneKeyDoesNotFillTheMemoryForOthers(t *testing.T) {
	at := noon
	r := gatehouse.MemoryOfProofs(func() time.Time { return at })
	fill := func(key int) (n int) {
		for ; n <= 2*gatehouse.MaxSeen; n++ {
			fresh, err := r.Once(t.Context(), idOf(key, n), at.Add(2*time.Minute))
			if err != nil {
				return n
			}
			if !fresh {
				t.Fatalf("proof %d of key %d was taken for a replay", n, key)
			}
		}
		return n
	}
	const half = gatehouse.MaxSeen / 2
	if n := fill(1); n < half || n > half+1 {
		t.Errorf("one key has %d proofs remembered, want %d", n, half)
	}
	for key := 2; key < 10; key++ { // each has what the others left, and leaves as much
		if n, least := fill(key), gatehouse.MaxSeen>>key; n < least {
			t.Errorf("key %d has %d proofs remembered beside the others, want %d", key, n, least)
		}
	}
	if _, err := r.Once(t.Context(), idOf(1, -1), at.Add(time.Minute)); err == nil {
		t.Error("a key that has its share gets more")
	}
	if fresh, err := r.Once(t.Context(), idOf(1, 0), at.Add(time.Minute)); fresh || err != nil {
		t.Errorf("a replay of a key that has its share: got %v, %v, want false and no error", fresh, err)
	}
	if fresh, err := r.Once(t.Context(), idOf(1000, 0), at.Add(time.Minute)); !fresh || err != nil {
		t.Errorf("somebody else: got %v, %v, want room", fresh, err)
	}
	at = at.Add(2*time.Minute + time.Second)
	if n := fill(1); n < half || n > half+1 {
		t.Errorf("after its time one key has %d proofs remembered, want %d", n, half)
	}
}

// What the verifier asks about tells whose a proof is.
func TestA054TheMemoryIsToldWhoseAProofIs(t *testing.T) {
	var asked keeper
	v := jwtVerifier(func(v *gatehouse.JWTVerifier) { v.DPoP = &gatehouse.DPoP{Replays: &asked} })
	for _, name := range []string{"ec", "ec", "ed"} {
		tok := bound(signers()[name])
		alg := map[string]string{"ec": "ES256", "ed": "EdDSA"}[name]
		jti := strconv.Itoa(len(asked))
		if _, err := v.Verify(t.Context(), withProof(tok, prove(signers()[name], alg, tok, obj{"jti": jti}, nil))); err != nil {
			t.Fatal(err)
		}
	}
	a, b, c := asked[0], asked[1], asked[2]
	if [16]byte(a[:16]) != [16]byte(b[:16]) || [16]byte(a[:16]) == [16]byte(c[:16]) {
		t.Errorf("got keys %x, %x and %x, want two alike and another", a[:16], b[:16], c[:16])
	}
	if [16]byte(a[16:]) == [16]byte(b[16:]) {
		t.Error("two proofs of a key are not told apart")
	}
}

type keeper [][32]byte

func (k *keeper) Once(_ context.Context, id [32]byte, _ time.Time) (bool, error) {
	*k = append(*k, id)
	return true, nil
}

func TestA054NoncesOfTheServer(t *testing.T) {
	key := signers()["ec"]
	tok := bound(key)
	at := noon
	clock := func() time.Time { return at }
	secret := []byte("0123456789abcdef0123456789abcdef")
	make1 := func(k []byte) (*gatehouse.DPoP, *gatehouse.JWTVerifier) {
		d := &gatehouse.DPoP{RequireNonce: true, NonceKey: k, Now: clock}
		return d, jwtVerifier(func(v *gatehouse.JWTVerifier) { v.DPoP, v.Now = d, clock })
	}
	d, v := make1(secret)
	try := func(v *gatehouse.JWTVerifier, nonce any) error {
		_, err := v.Verify(t.Context(), withProof(tok, prove(key, "ES256", tok, obj{"nonce": nonce, "iat": at.Unix()}, nil)))
		return err
	}
	for _, nonce := range []any{gone, "x", strings.Repeat("x", 24)} {
		var e *gatehouse.Error
		if err := try(v, nonce); !errors.As(err, &e) || e.Code != "GH-1115" || e.Status != 401 || e.Challenge.Error != "use_dpop_nonce" ||
			e.Challenge.Scheme != "DPoP" || e.Challenge.Nonce == "" || strings.Contains(e.Challenge.String(), e.Challenge.Nonce) {
			t.Fatalf("nonce %v: got %v", nonce, err)
		} else if err := try(v, e.Challenge.Nonce); err != nil {
			t.Errorf("with the nonce of the answer: %v", err)
		}
	}
	old := d.Nonce()
	_, replica := make1(secret)
	if err := try(replica, old); err != nil {
		t.Errorf("a replica with the same key: %v", err)
	}
	_, stranger := make1(nil)
	if err := try(stranger, old); err == nil {
		t.Error("a nonce of another key was accepted")
	}
	for after, ok := range map[time.Duration]bool{4 * time.Minute: true, 5 * time.Minute: true, 9*time.Minute + 59*time.Second: true, 10 * time.Minute: false, time.Hour: false} {
		at = noon.Add(after)
		if err := try(v, old); (err == nil) != ok {
			t.Errorf("after %s: got %v, want accepted: %v", after, err, ok)
		}
	}
	if at = noon; (&gatehouse.DPoP{}).Nonce() != "" || (&gatehouse.DPoP{Window: -1}).Nonce() != "" {
		t.Error("a nonce where none is required")
	}
	if err := (&gatehouse.DPoP{Window: -1}).Check(); err == nil {
		t.Error("got no error for a negative window")
	}
}

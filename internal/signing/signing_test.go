package signing_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/seal"
	"github.com/gatehouse-mcp/gatehouse/internal/signing"
	"github.com/gatehouse-mcp/gatehouse/internal/store"
)

const day = 24 * time.Hour

// clock is the time of a test.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// installation is a database, a key to seal under and a clock, for any number of replicas.
type installation struct {
	t     testing.TB
	db    *store.DB
	seal  *seal.Key
	clock *clock
	log   bytes.Buffer
}

func install(t testing.TB) *installation {
	t.Helper()
	db, err := store.Open(t.Context(), store.Config{SQLite: filepath.Join(t.TempDir(), "state", "gatehouse.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return &installation{t: t, db: db, seal: derive(t, "key material of the tests, long enough"), clock: &clock{at: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}}
}

func derive(t testing.TB, text string) *seal.Key {
	t.Helper()
	k, err := seal.Derive(text)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// replica is a process with its own memory.
func (i *installation) replica() *signing.Keys {
	return &signing.Keys{Store: i.db.Signing(), Seal: i.seal, Now: i.clock.now, Log: slog.New(slog.NewJSONHandler(&i.log, nil))}
}

func (i *installation) opened() *signing.Keys {
	i.t.Helper()
	k := i.replica()
	if err := k.Open(i.t.Context()); err != nil {
		i.t.Fatal(err)
	}
	return k
}

func sign(t testing.TB, k *signing.Keys) string {
	t.Helper()
	token, err := k.Sign(t.Context(), "test+jwt", map[string]any{"sub": "somebody"})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// published reads what verifiers are given.
func published(t testing.TB, k *signing.Keys) jose.JSONWebKeySet {
	t.Helper()
	body, etag, err := k.JWKS(t.Context())
	if err != nil || etag == "" {
		t.Fatalf("got tag %q, %v", etag, err)
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(body, &set); err != nil {
		t.Fatal(err)
	}
	for _, k := range set.Keys {
		if !k.IsPublic() || !k.Valid() || k.Use != "sig" || k.KeyID == "" {
			t.Fatalf("got %s, want public keys that say what they are for", body)
		}
	}
	return set
}

// accepts says whether a verifier that knows these keys accepts a token. It
// looks nothing up again: that would hide what was published too late.
func accepts(set jose.JSONWebKeySet, token string) error {
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA, jose.RS256})
	if err != nil {
		return err
	}
	var claims map[string]any
	return parsed.Claims(&set, &claims)
}

func kid(t testing.TB, token string) string {
	t.Helper()
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA, jose.RS256})
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Headers[0].KeyID
}

func list(t testing.TB, k *signing.Keys) map[signing.State][]signing.Key {
	t.Helper()
	all, err := k.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := map[signing.State][]signing.Key{}
	for _, one := range all {
		out[one.State] = append(out[one.State], one)
	}
	return out
}

func TestSignsWhatVerifiersExpect(t *testing.T) {
	for _, alg := range []string{signing.ES256, signing.EdDSA, signing.RS256} {
		i := install(t)
		k := i.replica()
		k.Alg = alg
		if err := k.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		token := sign(t, k)
		if err := accepts(published(t, k), token); err != nil {
			t.Errorf("%s: got %v, want it accepted", alg, err)
		}
		parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
		if err != nil || parsed.Headers[0].ExtraHeaders["typ"] != "test+jwt" || parsed.Headers[0].KeyID == "" || parsed.Headers[0].JSONWebKey != nil {
			t.Errorf("%s: got header %+v, %v", alg, parsed.Headers, err)
		}
		cut := strings.LastIndex(token, ".")
		for name, wrong := range map[string]string{
			"tampered": token[:cut-2] + "AA" + token[cut:], "unsigned": token[:cut+1],
			"none": "eyJhbGciOiJub25lIn0" + token[strings.Index(token, "."):cut+1],
		} {
			if accepts(published(t, k), wrong) == nil {
				t.Errorf("%s: a %s token is accepted", alg, name)
			}
		}
		if accepts(published(t, install(t).opened()), token) == nil {
			t.Errorf("%s: another installation's token is accepted", alg)
		}
	}
}

// Two replicas, and a verifier that keeps what it was told for as long as it
// may: over 200 days, a week of them down, no token is refused.
func TestA063NoTokenIsRefusedAcrossRotations(t *testing.T) {
	i := install(t)
	i.clock.pass(signing.CacheTime + 30*time.Second) // keys change while a token is on its way, see below
	replicas := []*signing.Keys{i.opened(), i.opened()}
	i.clock.pass(day - signing.CacheTime - 30*time.Second)
	kids := map[string]bool{}
	const step, down, up = 3 * time.Hour, 115 * 8, 122 * 8
	for n := range 200 * 8 {
		switch {
		case n > down && n < up: // everything is down, over the time of a rotation
			i.clock.pass(step)
			continue
		case n == up:
			replicas = []*signing.Keys{i.replica(), i.replica()}
		}
		a, b := replicas[n%2], replicas[n/2%2]
		ctx := t.Context()
		if n == up {
			cached := published(t, a) // whatever the schedule does next, it is known already
			a.Tend(ctx)
			if err := accepts(cached, sign(t, a)); err != nil {
				t.Fatalf("after a week: got %v", err)
			}
		}
		cached := published(t, b)
		a.Tend(ctx)
		kids[check(t, i, a, cached)] = true
		i.clock.pass(signing.CacheTime - time.Second)
		b.Tend(ctx)
		check(t, i, a, cached)
		token := sign(t, b) // half a minute before keys change
		i.clock.pass(signing.MaxLife)
		a.Tend(ctx)
		i.clock.pass(time.Second)
		if err := accepts(published(t, b), token); err != nil {
			t.Fatalf("%v: got %v for a token at the end of its life", i.clock.now(), err)
		}
		i.clock.pass(step - signing.CacheTime - signing.MaxLife)
	}
	all := list(t, replicas[0])
	if len(kids) != 7 {
		t.Errorf("got %d keys in 200 days, want one in 30", len(kids))
	}
	if len(all[signing.Current]) != 1 || len(all[signing.Next]) > 1 || len(all[signing.Retiring]) > 1 || len(all[signing.Retired]) < 5 {
		t.Errorf("got %+v", all)
	}
}

// check wants a token of now accepted by who knows these keys, and returns its key's id.
func check(t *testing.T, i *installation, k *signing.Keys, cached jose.JSONWebKeySet) string {
	t.Helper()
	token := sign(t, k)
	if err := accepts(cached, token); err != nil {
		t.Fatalf("%v: got %v", i.clock.now(), err)
	}
	return kid(t, token)
}

func TestA063ReplicasThatStartTogetherMakeOneKey(t *testing.T) {
	i := install(t)
	var all sync.WaitGroup
	tokens := make([]string, 8)
	for n := range tokens {
		all.Go(func() {
			k := i.replica()
			k.Log = slog.New(slog.DiscardHandler)
			if err := k.Open(context.Background()); err != nil {
				t.Error(err)
				return
			}
			tokens[n] = sign(t, k)
		})
	}
	all.Wait()
	for _, token := range tokens {
		if kid(t, token) != kid(t, tokens[0]) {
			t.Fatal("got two keys, want one")
		}
	}
	if all := list(t, i.replica()); len(all[signing.Current]) != 1 || len(all) != 1 {
		t.Errorf("got %+v, want one key", all)
	}
}

// Rotations by many at once, with replicas that come and go in the middle.
func TestA063RotationsAtOnce(t *testing.T) {
	i := install(t)
	i.clock = &clock{at: time.Now()}
	observer := i.opened()
	for range 25 {
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				k := i.replica()
				k.Log = slog.New(slog.DiscardHandler)
				if _, err := k.Rotate(context.Background(), signing.Rotation{}); err != nil && !errors.Is(err, signing.ErrRotating) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		i.clock.pass(time.Second) // until the observer looks
		cached := published(t, observer)
		i.clock.pass(day + time.Second)
		if next := list(t, observer); len(next[signing.Next]) != 0 || len(next[signing.Current]) != 1 {
			t.Fatalf("got %+v, want exactly one rotation", next)
		}
		if err := accepts(cached, sign(t, observer)); err != nil {
			t.Fatalf("got %v, want the next key known before it signs", err)
		}
		if err := observer.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(published(t, observer).Keys); n > 4 {
		t.Errorf("got %d published keys, want those of two days", n)
	}
}

func TestRotateByHand(t *testing.T) {
	i := install(t)
	k, ctx := i.opened(), t.Context()
	first := kid(t, sign(t, k))
	dry, err := k.Rotate(ctx, signing.Rotation{DryRun: true})
	if err != nil || dry.State != signing.Next || len(list(t, k)[signing.Next]) != 0 {
		t.Fatalf("got %+v, %v, want a preview", dry, err)
	}
	next, err := k.Rotate(ctx, signing.Rotation{})
	if err != nil || next.State != signing.Next || !next.Signs.Equal(i.clock.now().Add(day)) || kid(t, sign(t, k)) != first {
		t.Fatalf("got %+v, %v, want one that signs tomorrow", next, err)
	}
	if len(published(t, k).Keys) != 2 {
		t.Error("the next key is not published")
	}
	if _, err := k.Rotate(ctx, signing.Rotation{}); !errors.Is(err, signing.ErrRotating) || !strings.Contains(err.Error(), next.ID) {
		t.Errorf("got %v, want ErrRotating that names the key", err)
	}
	dry, err = k.Rotate(ctx, signing.Rotation{Now: true, DryRun: true})
	if err != nil || dry.ID != next.ID || dry.State != signing.Current || kid(t, sign(t, k)) != first {
		t.Errorf("got %+v, %v, want a preview", dry, err)
	}
	now, err := k.Rotate(ctx, signing.Rotation{Now: true})
	if err != nil || now.ID != next.ID || now.State != signing.Current || kid(t, sign(t, k)) != next.ID {
		t.Errorf("got %+v, %v, want the next key to sign at once", now, err)
	}
	if err := accepts(published(t, k), sign(t, k)); err != nil {
		t.Error(err)
	}
	other, err := k.Rotate(ctx, signing.Rotation{Now: true})
	if err != nil || other.ID == next.ID || kid(t, sign(t, k)) != other.ID {
		t.Errorf("got %+v, %v, want another key to sign at once", other, err)
	}
}

func TestRetireTakesAKeyAwayAtOnce(t *testing.T) {
	i := install(t)
	k, replica, ctx := i.opened(), i.opened(), t.Context()
	stolen := sign(t, k)
	id := kid(t, stolen)
	gone, heir, err := k.Retire(ctx, id, true)
	if err != nil || gone.ID != id || heir == nil || accepts(published(t, k), stolen) != nil {
		t.Fatalf("got %+v, %+v, %v, want a preview", gone, heir, err)
	}
	gone, heir, err = k.Retire(ctx, id, false)
	if err != nil || gone.ID != id || gone.State != signing.Retired || heir == nil || heir.State != signing.Current {
		t.Fatalf("got %+v, %+v, %v, want another key to sign", gone, heir, err)
	}
	i.clock.pass(time.Second)
	for _, one := range []*signing.Keys{k, replica} {
		if accepts(published(t, one), stolen) == nil || kid(t, sign(t, one)) != heir.ID {
			t.Error("the retired key is honoured")
		}
	}
	next, err := k.Rotate(ctx, signing.Rotation{})
	if err != nil {
		t.Fatal(err)
	}
	if _, heir, err = k.Retire(ctx, heir.ID, false); err != nil || heir == nil || heir.ID != next.ID || kid(t, sign(t, k)) != next.ID {
		t.Errorf("got %+v, %v, want the published key to take over", heir, err)
	}
	if _, _, err := k.Retire(ctx, id, false); !errors.Is(err, signing.ErrRetired) {
		t.Errorf("again: got %v, want ErrRetired", err)
	}
	if _, _, err := k.Retire(ctx, "nobody", false); !errors.Is(err, signing.ErrNotFound) {
		t.Errorf("unknown: got %v, want ErrNotFound", err)
	}
	set, err := i.db.Signing().Load(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range set.Records {
		if !r.Removed.IsZero() && r.Sealed != "" {
			t.Errorf("key %s is retired, and its private half is kept", r.ID)
		}
	}
}

// A store that is away: what is known holds for as long as it may, then nothing is signed.
func TestSignsNothingOnOldKnowledge(t *testing.T) {
	i := install(t)
	k := i.opened()
	_ = i.db.Close()
	refused := func(err error) bool {
		e, ok := errors.AsType[*gatehouse.Error](err)
		return ok && e.Code == "GH-1902" && e.Status == 503
	}
	i.clock.pass(9 * time.Second)
	if _, err := k.Sign(t.Context(), "x", 1); err != nil {
		t.Errorf("got %v, want it to sign for a while", err)
	}
	i.clock.pass(2 * time.Second)
	if _, err := k.Sign(t.Context(), "x", 1); !refused(err) {
		t.Errorf("got %v, want GH-1902", err)
	}
	published(t, k)
	i.clock.pass(signing.CacheTime)
	if _, _, err := k.JWKS(t.Context()); !refused(err) {
		t.Errorf("got %v, want GH-1902", err)
	}
}

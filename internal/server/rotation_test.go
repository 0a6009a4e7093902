package server

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/e2e/postgres"
	"github.com/gatehouse-mcp/gatehouse/internal/seal"
	"github.com/gatehouse-mcp/gatehouse/internal/signing"
	"github.com/gatehouse-mcp/gatehouse/internal/store"
)

// rotations is how often keys rotate: `make soak` sets GATEHOUSE_LONG.
func rotations() int {
	switch {
	case os.Getenv("GATEHOUSE_LONG") != "":
		return 1000
	case testing.Short():
		return 5
	}
	return 20
}

// turn is the shortest time between two keys that the settings allow, and a
// little more. Nothing about it is compressed but that nobody waits.
const turn = signing.CacheTime + time.Minute

// replica is a process of our own authorization server, as far as it has to do
// with keys: what signs, what is published, and what judges callers.
type replica struct {
	keys   *signing.Keys
	judges *gatehouse.JWTVerifier
}

// newReplica opens one on a database, with connections of its own.
func newReplica(t *testing.T, dsn string, under *seal.Key, own *config.Issuer, resource string) *replica {
	t.Helper()
	db, err := store.Open(t.Context(), store.Config{Postgres: dsn})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	k := &signing.Keys{
		Store: db.Signing(), Seal: under, MaxLife: config.MaxAccessTTL, RotateEvery: turn, PublishNext: signing.CacheTime,
		KeepOld: config.MaxAccessTTL + signing.CacheTime, Log: slog.New(slog.DiscardHandler),
	}
	if err := k.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	v := JWTVerifier(own, resource, &ownKeys{published: k.JWKS})
	v.CacheSize = -1 // as newOwnTokens has it
	return &replica{k, v}
}

// issued is a token that was given out.
type issued struct {
	text    string
	expires time.Time
}

// office issues and judges tokens through several replicas.
type office struct {
	t        *testing.T
	replicas []*replica
	own      *config.Issuer
	resource string
	next     atomic.Int64

	mu   sync.Mutex
	kids map[string]bool
	out  []issued // the latest

	judged atomic.Int64
}

// issue has a replica sign a token, which lives for as long as any may.
func (o *office) issue(ctx context.Context, r *replica) (issued, error) {
	now := time.Now()
	one := issued{expires: now.Add(config.MaxAccessTTL)}
	var err error
	one.text, err = r.keys.Sign(ctx, "at+jwt", map[string]any{
		"iss": o.own.Issuer, "aud": o.resource, "sub": "usr_ada", "client_id": "cli", "tenant": "default", "scope": "notes:read",
		"jti": rand.Text(), "iat": now.Unix(), "exp": one.expires.Unix(),
	})
	return one, err
}

// accept has a replica judge a token.
func (o *office) accept(ctx context.Context, r *replica, one issued, what string) {
	if !time.Now().Before(one.expires) {
		return
	}
	o.judged.Add(1)
	if _, err := r.judges.Verify(ctx, &gatehouse.Credential{Text: one.text}); err != nil {
		o.t.Errorf("%s: a good token, %s before its end: got %v", what, time.Until(one.expires), err)
	}
}

// work issues tokens and has them judged: at once by another replica, and later,
// to their ends, by any; and by a stranger who keeps what was published for as
// long as it may.
func (o *office) work(ctx context.Context, n int) {
	issuer, other, published := o.replicas[n%3], o.replicas[(n+1)%3], o.replicas[(n+2)%3]
	for ctx.Err() == nil {
		body, _, err := published.keys.JWKS(ctx)
		if err != nil {
			o.t.Error(err)
			return
		}
		set, err := gatehouse.ParseKeys(body)
		if err != nil {
			o.t.Error(err)
			return
		}
		stranger := &replica{judges: JWTVerifier(o.own, o.resource, set)}
		for until := time.Now().Add(signing.CacheTime); time.Now().Before(until) && ctx.Err() == nil; {
			one, err := o.issue(ctx, issuer)
			if err != nil {
				if ctx.Err() == nil {
					o.t.Errorf("sign: %v", err)
				}
				return
			}
			o.accept(ctx, other, one, "another replica, at once")
			if time.Now().Before(until) {
				o.accept(ctx, stranger, one, "somebody who keeps the keys")
			}
			o.keep(ctx, one)
			time.Sleep(time.Duration(3000+o.next.Add(1)*37%8000) * time.Millisecond)
		}
	}
}

// keep remembers a token, and has two that were issued before judged: one of
// them by a replica that did not issue it.
func (o *office) keep(ctx context.Context, one issued) {
	head, _, _ := strings.Cut(one.text, ".")
	o.mu.Lock()
	o.kids[head] = true
	o.out = append(o.out, one)
	for len(o.out) > 0 && !time.Now().Before(o.out[0].expires) {
		o.out = o.out[1:]
	}
	oldest, some := o.out[0], o.out[int(o.next.Load())%len(o.out)]
	o.mu.Unlock()
	n := o.next.Load()
	o.accept(ctx, o.replicas[n%3], oldest, "the oldest that is good")
	o.accept(ctx, o.replicas[(n+1)%3], some, "one on its way")
}

// Three replicas issue tokens and judge each other's all the time, while their
// keys rotate as fast as the settings allow, by the schedule and by hand. The
// time is that of a bubble: it goes on when all have nothing left to do, so each
// of the replicas' polls, half a second apart, takes place.
func TestA063RotatingUnderLoadRefusesNobody(t *testing.T) {
	server := postgres.Start(t)
	dsn := server.Database(t)
	synctest.Test(t, func(t *testing.T) {
		under, err := seal.Derive("key material of the tests, long enough")
		if err != nil {
			t.Fatal(err)
		}
		c := &config.Config{}
		c.Auth.Embedded = &config.Embedded{Issuer: "https://mcp.acme.test"}
		o := &office{t: t, own: ownIssuer(c), resource: "https://mcp.acme.test/mcp", kids: map[string]bool{}}
		for range 3 {
			o.replicas = append(o.replicas, newReplica(t, dsn, under, o.own, o.resource))
		}
		ctx, stop := context.WithCancel(t.Context())
		var work sync.WaitGroup
		for n, r := range o.replicas {
			work.Go(func() { time.Sleep(time.Duration(n) * 170 * time.Millisecond); r.keys.Run(ctx) }) // they were not started together
			work.Go(func() { o.work(ctx, n) })
		}
		work.Go(func() { // somebody who is impatient
			for n := 0; ctx.Err() == nil; n++ {
				if _, err := o.replicas[n%3].keys.Rotate(ctx, signing.Rotation{}); err != nil && !errors.Is(err, signing.ErrRotating) && ctx.Err() == nil {
					t.Errorf("rotate: %v", err)
				}
				time.Sleep(7 * turn / 3)
			}
		})
		time.Sleep(time.Duration(rotations()) * turn)
		stop()
		work.Wait()
		if len(o.kids) < rotations() {
			t.Errorf("tokens were signed by %d keys, want %d at least", len(o.kids), rotations())
		}
		t.Logf("%d keys, %d verdicts", len(o.kids), o.judged.Load())
	})
}

package signing

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/seal"
)

// What verifiers may count on.
const (
	CacheTime = 5 * time.Minute // how long a published set may be kept
	MaxLife   = time.Minute     // of a token that [Keys.Sign] signs, unless Keys.MaxLife says otherwise
)

const (
	defaultRotateEvery = 30 * 24 * time.Hour
	defaultPublishNext = 24 * time.Hour
	defaultKeepOld     = 48 * time.Hour

	pollEvery = 500 * time.Millisecond // how often changes of other processes are looked for
	maxStale  = 10 * time.Second       // without an answer for so long nothing is signed
	maxRaces  = 10                     // how often a change is decided anew
)

// Keys signs, publishes and rotates. Fill it in, Open it, and have Run run.
//
// What it knows is at most a second old while Run runs; without Run it asks its
// store whenever half a second has passed.
type Keys struct {
	Store       Store            // required
	Seal        *seal.Key        // required, but for List
	Alg         string           // of new keys: ES256 (also when empty), EdDSA or RS256
	Bits        int              // of new keys for RS256: 2048 (also when zero) or 3072
	MaxLife     time.Duration    // of what Sign signs; zero: the constant MaxLife
	RotateEvery time.Duration    // how long a key signs; zero: 30 days
	PublishNext time.Duration    // how long a key is published before it signs; zero: 24 h. At least CacheTime
	KeepOld     time.Duration    // how long it is published afterwards; zero: 48 h. At least MaxLife and CacheTime together
	Now         func() time.Time // nil: time.Now
	Log         *slog.Logger     // nil: slog.Default

	known   atomic.Pointer[snapshot]
	running atomic.Bool

	refreshing sync.Mutex // held while asking the store; guards:
	silent     bool       // the last question was not answered
}

// snapshot is what was known at one moment. It never changes.
type snapshot struct {
	asked      time.Time
	generation int64
	timeline   timeline
	keys       []*material // as timeline
	jwks       []byte
	etag       string
}

// Open checks the settings, reads the keys, and makes the first one. It says
// what is wrong with what was sealed, before anything is signed.
func (k *Keys) Open(ctx context.Context) error {
	s := k.schedule()
	switch {
	case k.Store == nil || k.Seal == nil:
		return errors.New("signing keys: a store and a key to seal under are required")
	case k.alg() != ES256 && k.alg() != EdDSA && k.alg() != RS256:
		return fmt.Errorf("signing keys have no algorithm %q: %s, %s or %s", k.Alg, ES256, EdDSA, RS256)
	case k.bits() != 2048 && k.bits() != 3072:
		return fmt.Errorf("signing keys for %s have 2048 or 3072 bits, not %d", RS256, k.Bits)
	case k.MaxLife < 0:
		return errors.New("signing keys: MaxLife is negative")
	case s.publishNext < CacheTime:
		return fmt.Errorf("a signing key is published %s before it signs; verifiers may keep what they know for %s", s.publishNext, CacheTime)
	case s.keepOld < k.maxLife()+CacheTime:
		return fmt.Errorf("a signing key is published for %s after it signed; tokens live for %s, and verifiers keep what they know for %s", s.keepOld, k.maxLife(), CacheTime)
	case s.rotateEvery <= s.publishNext:
		return fmt.Errorf("signing keys change every %s, but each is published for %s first", s.rotateEvery, s.publishNext)
	}
	if err := k.maintain(ctx); err != nil {
		return err
	}
	return k.refresh(ctx)
}

func (k *Keys) alg() string {
	if k.Alg == "" {
		return ES256
	}
	return k.Alg
}

func (k *Keys) bits() int { return cmp.Or(k.Bits, 2048) }

func (k *Keys) maxLife() time.Duration { return cmp.Or(k.MaxLife, MaxLife) }

func (k *Keys) schedule() *schedule {
	s := &schedule{k.RotateEvery, k.PublishNext, k.KeepOld}
	for _, d := range []struct {
		field     *time.Duration
		otherwise time.Duration
	}{{&s.rotateEvery, defaultRotateEvery}, {&s.publishNext, defaultPublishNext}, {&s.keepOld, defaultKeepOld}} {
		if *d.field == 0 {
			*d.field = d.otherwise
		}
	}
	return s
}

// now is cut to what a database keeps.
func (k *Keys) now() time.Time {
	now := k.Now
	if now == nil {
		now = time.Now
	}
	return now().UTC().Truncate(time.Microsecond)
}

func (k *Keys) log() *slog.Logger {
	if k.Log == nil {
		return slog.Default()
	}
	return k.Log
}

// Run keeps k fresh and does what the schedule wants, until ctx ends.
func (k *Keys) Run(ctx context.Context) {
	k.running.Store(true)
	defer k.running.Store(false)
	t := time.NewTicker(pollEvery)
	defer t.Stop()
	for {
		k.tend(ctx)
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// tend is one round of Run. Its errors are logged, once each time the trouble begins.
func (k *Keys) tend(ctx context.Context) {
	if err := k.refresh(ctx); err != nil {
		return // it has logged it
	}
	s := k.known.Load()
	if k.decide(s.timeline, k.now()).empty() {
		return
	}
	if err := errors.Join(k.maintain(ctx), k.refresh(ctx)); err != nil && ctx.Err() == nil {
		k.log().Error("signing keys cannot be rotated", "error", err)
	}
}

// refresh reads the keys if they have changed.
func (k *Keys) refresh(ctx context.Context) error {
	k.refreshing.Lock()
	defer k.refreshing.Unlock()
	// Whoever asks may leave: what was begun for everybody is carried through.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 4*pollEvery)
	defer cancel()
	asked := k.now()
	fresh, err := k.read(ctx, asked)
	if err != nil {
		if !k.silent {
			k.silent = true
			k.log().Error("the signing keys cannot be read", "error", err, "signing_until", asked.Add(maxStale))
		}
		return err
	}
	if k.silent {
		k.silent = false
		k.log().Info("the signing keys can be read again")
	}
	k.known.Store(fresh)
	return nil
}

// read returns what is known now: what was known before, if nothing has changed.
func (k *Keys) read(ctx context.Context, asked time.Time) (*snapshot, error) {
	if last := k.known.Load(); last != nil {
		g, err := k.Store.Generation(ctx)
		if err != nil {
			return nil, fmt.Errorf("signing keys: %w", err)
		}
		if g == last.generation {
			same := *last
			same.asked = asked
			return &same, nil
		}
	}
	set, err := k.Store.Load(ctx)
	if err != nil {
		return nil, fmt.Errorf("signing keys: %w", err)
	}
	s := &snapshot{asked: asked, generation: set.Generation, timeline: lay(set.Records)}
	public := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, r := range s.timeline {
		m, err := open(r, k.Seal)
		if err != nil {
			return nil, err
		}
		s.keys = append(s.keys, m)
		public.Keys = append(public.Keys, m.public())
	}
	if s.jwks, err = json.Marshal(public); err != nil {
		return nil, fmt.Errorf("signing keys: %w", err)
	}
	sum := sha256.Sum256(s.jwks)
	s.etag = `"` + hex.EncodeToString(sum[:16]) + `"`
	return s, nil
}

// ready returns what is known, unless that is older than it may be.
func (k *Keys) ready(ctx context.Context, now time.Time, atMost time.Duration) (*snapshot, error) {
	s := k.known.Load()
	var err error
	if s == nil || !k.running.Load() && now.Sub(s.asked) >= pollEvery {
		err = k.refresh(ctx)
		s = k.known.Load()
	}
	if s == nil || now.Sub(s.asked) > atMost {
		return nil, &gatehouse.Error{
			Code: "GH-1902", Status: http.StatusServiceUnavailable, Description: "The store cannot be reached. Try again.",
			Cause: errors.Join(errors.New("the signing keys cannot be read"), err),
		}
	}
	return s, nil
}

// Sign returns a JWT of a type with these claims, signed by the current key.
// Its life must not be longer than k.MaxLife. RFC 7519 §3
func (k *Keys) Sign(ctx context.Context, typ string, claims any) (string, error) {
	now := k.now()
	s, err := k.ready(ctx, now, maxStale)
	if err != nil {
		return "", err
	}
	at := s.timeline.current(now)
	if at < 0 {
		return "", errors.New("there is no signing key")
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("claims: %w", err)
	}
	return s.keys[at].sign(typ, payload)
}

// JWKS returns the published keys, public halves only, and an entity tag. When
// the store is away it returns what is known for as long as others may keep it.
// RFC 7517 §5
func (k *Keys) JWKS(ctx context.Context) (body []byte, etag string, err error) {
	s, err := k.ready(ctx, k.now(), CacheTime)
	if err != nil {
		return nil, "", err
	}
	return s.jwks, s.etag, nil
}

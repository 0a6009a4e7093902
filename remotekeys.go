package gatehouse

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/discovery"
	"github.com/gatehouse-mcp/gatehouse/internal/jwks"
	"github.com/gatehouse-mcp/gatehouse/internal/safehttp"
)

// RemoteKeys is the [KeySet] of an issuer, fetched from where the issuer
// publishes it and kept. Set exactly one of URL and File, or Issuer alone. A
// literal is ready for use; it must not be copied after that.
//
// Keys are renewed every Refresh in the background, and at once when a token
// names a key that is not known, at most twice a minute. When they cannot be
// renewed, those that are known serve for MaxStale; after that every token is
// refused with GH-1111 (503). A document that is no key set, or has no usable
// key, counts as an outage.
type RemoteKeys struct {
	// Issuer is whose keys these are. Without URL and File its metadata says where
	// they are: RFC 8414 §3, or OpenID Connect Discovery §4. The document counts if
	// it names this issuer, byte for byte.
	Issuer string

	URL  string // of a JWK Set, https
	File string // with a JWK Set; it is read again when it has changed

	// HTTP fetches; nil: a client that reaches public addresses only, over HTTPS.
	// One of your own goes wherever its transport goes, and the issuer's metadata
	// says where. In either case redirects are not followed, and answers are bounded
	// to 1 MiB and 10 s.
	HTTP *http.Client

	Refresh  time.Duration // how often keys are renewed; 0: 10 minutes
	MaxStale time.Duration // how long keys serve that could not be renewed; 0: 24 hours

	Now func() time.Time // nil: time.Now
	Log *slog.Logger     // nil: nothing is logged

	once  sync.Once
	fault error // of the configuration
	fetch safehttp.Fetcher

	mu    sync.Mutex
	state keyState
}

// keyState is what is known of keys, and of fetching them.
type keyState struct {
	set     *jwks.Set // nil: none yet
	raw     []byte    // that set was read from
	fetched time.Time // when set was
	next    time.Time // when it is to be fetched again
	failing time.Time // since when it cannot be; zero: it can
	fails   int       // in a row
	err     error     // of the last attempt

	flight  chan struct{} // closed when the attempt under way has landed; nil: there is none
	budget  [2]time.Time  // when keys were last fetched because a token named an unknown one
	uri     string        // where the issuer's metadata says that its keys are
	learned time.Time     // when it said so
}

// KeyStatus is what an operator wants to know of an issuer's keys.
type KeyStatus struct {
	Source  string    // the URL or file that they come from, or the issuer as long as it is not known
	Kids    []string  // of the keys that are known
	Ignored []string  // a line for each key that does not count, and why
	Fetched time.Time // when keys were last fetched; zero: never
	Failing time.Time // since when they could not be; zero: they could
	Until   time.Time // until when those that are known serve if they cannot be renewed
	Err     error     // why the last attempt failed; nil: it did not
}

// Bounds of fetching.
const (
	defaultRefresh  = 10 * time.Minute
	defaultMaxStale = 24 * time.Hour
	fetchTime       = 10 * time.Second
	fileRefresh     = time.Second // looking at a file is cheap
	minRefresh      = time.Minute // whatever max-age says
	maxBackoff      = 30 * time.Second
	budgetPeriod    = time.Minute
	rediscover      = time.Hour
)

// Check says what is wrong with the configuration, naming the field.
func (k *RemoteKeys) Check() error {
	k.once.Do(func() {
		k.fetch.Client = k.HTTP
		if k.HTTP == nil {
			k.fetch.Client, k.fault = safehttp.Policy{}.Client()
		}
		if k.fault == nil {
			k.fault = k.judge()
		}
	})
	return k.fault
}

func (k *RemoteKeys) judge() error {
	switch {
	case k.Refresh < 0:
		return errors.New("RemoteKeys.Refresh is negative")
	case k.MaxStale < 0:
		return errors.New("RemoteKeys.MaxStale is negative")
	case k.URL != "" && k.File != "":
		return errors.New("RemoteKeys has both URL and File: keys have one source")
	case k.File != "":
		return nil
	case k.URL != "":
		if err := k.fetch.Check(k.URL); err != nil {
			return fmt.Errorf("RemoteKeys.URL: %w", err)
		}
		return nil
	case k.Issuer == "":
		return errors.New("RemoteKeys has no Issuer, URL or File: there is nowhere to find keys")
	}
	urls, err := discovery.URLs(k.Issuer)
	if err == nil {
		err = k.fetch.Check(urls[0])
	}
	if err != nil {
		return fmt.Errorf("RemoteKeys.Issuer: %w", err)
	}
	return nil
}

// Keys implements [KeySet]. A kid that is not known has the keys fetched again
// first. The error is ErrUnknownKey with the story of GH-1110, an [*Error] GH-1111
// in an outage, or ctx's.
func (k *RemoteKeys) Keys(ctx context.Context, kid, alg string) ([]crypto.PublicKey, error) {
	if err := k.Check(); err != nil {
		return nil, err
	}
	set, waited, err := k.current(ctx)
	if err != nil {
		return nil, err
	}
	if found := pick(set, kid, alg); found != nil {
		return found, nil
	}
	// One fetch is enough: if this call has waited for one, there will be nothing new.
	if !waited && (kid == "" && len(set.Find(kid, alg)) == 0 || kid != "" && !set.Has(kid)) {
		if set, err = k.renewed(ctx, set); err != nil {
			return nil, err
		}
		if found := pick(set, kid, alg); found != nil {
			return found, nil
		}
	}
	return nil, k.unknown(set, kid, alg, waited)
}

// current returns the keys that serve at present, and whether they were waited for.
func (k *RemoteKeys) current(ctx context.Context) (*jwks.Set, bool, error) {
	k.mu.Lock()
	now := k.now()
	s := &k.state
	if s.flight == nil && !now.Before(s.next) {
		k.start(now)
	}
	// Keys that are a little old serve while new ones are on their way. Those that
	// nobody asked for in a long time might have been withdrawn, so the first to ask
	// waits; unless they cannot be fetched, as then all would.
	flight := s.flight
	if flight == nil || s.set != nil && (s.fails > 0 || now.Sub(s.fetched) < 2*k.refresh()) {
		defer k.mu.Unlock()
		set, err := k.serving(now)
		return set, false, err
	}
	k.mu.Unlock()
	if err := land(ctx, flight); err != nil {
		return nil, false, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	set, err := k.serving(k.now())
	return set, true, err
}

// serving returns the keys if they are not too old. The lock is held.
func (k *RemoteKeys) serving(now time.Time) (*jwks.Set, error) {
	if s := &k.state; s.set != nil && now.Sub(s.fetched) <= k.maxStale() {
		return s.set, nil
	}
	return nil, k.outage()
}

// renewed returns the keys after another fetch, or as they are if too many
// fetches were made for this reason, or if they fail at present: a flood of
// unknown keys is not to wait for a server that hangs.
func (k *RemoteKeys) renewed(ctx context.Context, seen *jwks.Set) (*jwks.Set, error) {
	k.mu.Lock()
	s := &k.state
	if s.set != seen || s.fails > 0 {
		defer k.mu.Unlock()
		return s.set, nil
	}
	if s.flight == nil {
		now := k.now()
		if !k.afford(now) {
			k.mu.Unlock()
			return seen, nil
		}
		k.start(now)
	}
	flight := s.flight
	k.mu.Unlock()
	if err := land(ctx, flight); err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return s.set, nil
}

// afford spends one of the fetches that unknown keys may cost. The lock is held.
func (k *RemoteKeys) afford(now time.Time) bool {
	b := &k.state.budget
	if !b[0].IsZero() && now.Sub(b[0]) < budgetPeriod {
		return false
	}
	b[0], b[1] = b[1], now
	return true
}

// land waits for a fetch, as long as the one who asks does.
func land(ctx context.Context, flight <-chan struct{}) error {
	select {
	case <-flight:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for keys: %w", context.Cause(ctx))
	}
}

func (k *RemoteKeys) now() time.Time {
	if k.Now != nil {
		return k.Now()
	}
	return time.Now()
}

func (k *RemoteKeys) refresh() time.Duration {
	switch {
	case k.File != "":
		return fileRefresh
	case k.Refresh == 0:
		return defaultRefresh
	}
	return k.Refresh
}

func (k *RemoteKeys) maxStale() time.Duration {
	if k.MaxStale == 0 {
		return defaultMaxStale
	}
	return k.MaxStale
}

// Status returns what is known at present, without fetching anything.
func (k *RemoteKeys) Status() KeyStatus {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := &k.state
	st := KeyStatus{Source: k.source(), Fetched: s.fetched, Failing: s.failing, Err: s.err}
	if s.set != nil {
		st.Kids, st.Ignored, st.Until = s.set.IDs(), s.set.Ignored, s.fetched.Add(k.maxStale())
	}
	return st
}

// source says where keys come from. The lock is held.
func (k *RemoteKeys) source() string {
	for _, from := range []string{k.URL, k.File, k.state.uri} {
		if from != "" {
			return from
		}
	}
	return k.Issuer
}

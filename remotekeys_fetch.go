package gatehouse

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/discovery"
	"github.com/gatehouse-mcp/gatehouse/internal/jwks"
	"github.com/gatehouse-mcp/gatehouse/internal/safehttp"
)

// Run renews keys without waiting for tokens that need them, until ctx ends: so
// an outage is known before its time is up. It is optional.
func (k *RemoteKeys) Run(ctx context.Context) error {
	if err := k.Check(); err != nil {
		return err
	}
	for {
		k.mu.Lock()
		now := k.now()
		if k.state.flight == nil && !now.Before(k.state.next) {
			k.start(now)
		}
		flight, wait := k.state.flight, k.state.next.Sub(now)
		k.mu.Unlock()
		if flight != nil {
			if land(ctx, flight) != nil {
				return nil //nolint:nilerr // ctx has ended, as it was to
			}
			continue
		}
		timer := time.NewTimer(max(wait, time.Second))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
	}
}

// loaded is what an attempt brought.
type loaded struct {
	set     *jwks.Set
	raw     []byte
	uri     string // learned from metadata
	learned time.Time
	age     time.Duration // how long it may be kept; 0: not told
}

// start begins an attempt that belongs to nobody: whoever asked first may leave,
// the others are served. The lock is held.
func (k *RemoteKeys) start(now time.Time) {
	flight := make(chan struct{})
	k.state.flight = flight
	before := loaded{set: k.state.set, raw: k.state.raw, uri: k.state.uri, learned: k.state.learned}
	go func() {
		defer close(flight)
		ctx, cancel := context.WithTimeout(context.Background(), fetchTime)
		defer cancel()
		l, err := k.attempt(ctx, before, now)
		k.note(l, err)
	}()
}

// attempt loads keys. What an issuer says must not end the process either.
func (k *RemoteKeys) attempt(ctx context.Context, before loaded, now time.Time) (l loaded, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("reading keys broke: %v", r)
		}
	}()
	switch {
	case k.File != "":
		return readKeys(k.File, before)
	case k.URL != "":
		return k.download(ctx, k.URL, before)
	}
	return k.discover(ctx, before, now)
}

// discover asks the issuer's metadata where keys are: once an hour, and when they
// are not where they were. Metadata that is away or wrong for a while does not
// count against keys that are where they always were.
func (k *RemoteKeys) discover(ctx context.Context, before loaded, now time.Time) (loaded, error) {
	known := before.uri != "" && now.Sub(before.learned) <= k.maxStale()
	recent := known && now.Sub(before.learned) < rediscover
	var errs []error
	if recent {
		l, err := k.download(ctx, before.uri, before)
		if err == nil {
			return l, nil
		}
		errs = append(errs, err)
	}
	m, err := discovery.Fetch(ctx, k.fetch, k.Issuer)
	if err == nil && m.JWKSURI == "" {
		err = fmt.Errorf("%s: it has no jwks_uri", m.URL)
	}
	if err == nil {
		before.uri, before.learned = m.JWKSURI, now
		return k.download(ctx, m.JWKSURI, before)
	}
	errs = append(errs, err)
	if known && !recent {
		l, err := k.download(ctx, before.uri, before)
		if err == nil {
			return l, nil
		}
		errs = append(errs, err)
	}
	return loaded{}, errors.Join(errs...)
}

func (k *RemoteKeys) download(ctx context.Context, from string, before loaded) (loaded, error) {
	a, err := k.fetch.Fetch(ctx, from)
	if err != nil {
		return loaded{}, err
	}
	l, err := parseKeys(a.Body, before)
	if err != nil {
		return loaded{}, fmt.Errorf("%s: %w", from, err)
	}
	l.age = maxAge(a.Header.Get("Cache-Control"))
	return l, nil
}

func readKeys(name string, before loaded) (loaded, error) {
	info, err := os.Stat(name)
	if err != nil {
		return loaded{}, err
	}
	if !info.Mode().IsRegular() { // a pipe would be waited for
		return loaded{}, fmt.Errorf("%s is no regular file", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return loaded{}, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, jwks.MaxBytes+1))
	if err != nil {
		return loaded{}, err
	}
	l, err := parseKeys(raw, before)
	if err != nil {
		return loaded{}, fmt.Errorf("%s: %w", name, err)
	}
	return l, nil
}

// parseKeys spares reading what has not changed.
func parseKeys(raw []byte, before loaded) (loaded, error) {
	if before.set != nil && bytes.Equal(raw, before.raw) {
		return before, nil
	}
	set, err := jwks.Parse(raw)
	if err != nil {
		return loaded{}, err
	}
	before.set, before.raw = set, raw
	return before, nil
}

// maxAge returns what Cache-Control allows, or 0. RFC 9111 §5.2.2.1
func maxAge(header string) time.Duration {
	for part := range strings.SplitSeq(header, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		if !strings.EqualFold(name, "max-age") {
			continue
		}
		if n, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31); err == nil {
			return time.Duration(n) * time.Second
		}
	}
	return 0
}

// note takes down how an attempt ended. Keys that are known stay when it failed.
func (k *RemoteKeys) note(l loaded, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := &k.state
	now := k.now()
	s.flight = nil
	if err != nil {
		s.err = err
		s.fails++
		if s.fails == 1 {
			s.failing = now
			k.log(slog.LevelWarn, "issuer's keys cannot be fetched", slog.Any("error", err))
		}
		s.next = now.Add(min(maxBackoff, k.refresh(), time.Second<<min(s.fails, 10)))
		return
	}
	if s.fails > 0 {
		k.log(slog.LevelInfo, "issuer's keys can be fetched again", slog.Duration("after", now.Sub(s.failing)))
	}
	if l.set != s.set {
		k.log(slog.LevelInfo, "issuer's keys are new", slog.Any("kids", l.set.IDs()), slog.Any("ignored", l.set.Ignored))
	}
	s.set, s.raw, s.uri, s.learned = l.set, l.raw, l.uri, l.learned
	s.fetched, s.fails, s.failing, s.err = now, 0, time.Time{}, nil
	every := k.refresh()
	if l.age > 0 && l.age < every { // longer is ours to say, shorter within reason
		every = min(every, max(l.age, minRefresh))
	}
	s.next = now.Add(every)
}

func (k *RemoteKeys) log(level slog.Level, msg string, attrs ...slog.Attr) {
	if k.Log != nil {
		attrs = append([]slog.Attr{slog.String("issuer", k.Issuer), slog.String("source", k.source())}, attrs...)
		k.Log.LogAttrs(context.Background(), level, msg, attrs...)
	}
}

// outage is the refusal while there are no keys to judge by. The lock is held.
func (k *RemoteKeys) outage() *Error {
	s := &k.state
	cause := s.err
	if cause == nil {
		cause = errors.New("they were not fetched yet")
	}
	story := fmt.Sprintf("keys of %q from %s", k.Issuer, k.source())
	if !s.failing.IsZero() {
		story += fmt.Sprintf(" cannot be fetched since %s (%s)", s.failing.UTC().Format(time.RFC3339), safehttp.Reason(cause))
	}
	if s.set != nil {
		story += fmt.Sprintf("; those of %s are too old", s.fetched.UTC().Format(time.RFC3339))
	}
	return &Error{
		Code: "GH-1111", Status: 503,
		Description: "The keys of the token's issuer cannot be fetched at present; try again later.",
		Cause:       fmt.Errorf("%s: %w", story, cause),
	}
}

// unknown is ErrUnknownKey with its story.
func (k *RemoteKeys) unknown(set *jwks.Set, kid, alg string, waited bool) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := &k.state
	now := k.now()
	if waited { // that fetch was for this key
		k.afford(now)
	}
	story := fmt.Sprintf("%s; fetched %s ago", missing(set, k.source(), kid, alg), now.Sub(s.fetched).Round(time.Second))
	if !s.failing.IsZero() {
		story += fmt.Sprintf("; they cannot be fetched since %s (%s)", s.failing.UTC().Format(time.RFC3339), safehttp.Reason(s.err))
	}
	return fmt.Errorf("%w: %s", ErrUnknownKey, story)
}

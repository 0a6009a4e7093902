package server

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/safehttp"
)

// keySets has the keys of issuers, one set for all servers of the configuration.
// A set whose settings a reload does not change outlives it: what was fetched
// stays, and so does how often it may be fetched.
type keySets struct {
	Client func(*config.Issuer) (*http.Client, error) // nil: IssuerClient
	Now    func() time.Time                           // nil: time.Now
	Log    *slog.Logger                               // nil: nothing is logged

	mu   sync.Mutex
	all  map[[sha256.Size]byte]*keySet
	runs context.Context // in which sets are renewed in the background; nil: not yet
	work sync.WaitGroup
}

// keySet is a set of keys, and the client that fetched it.
type keySet struct {
	keys *gatehouse.RemoteKeys
	http *http.Client
	stop context.CancelFunc // of its renewal; nil: it is not renewed in the background
}

// of returns the set of an issuer. Nothing is fetched yet.
func (k *keySets) of(u *config.Issuer) (*keySet, error) {
	id, err := fingerprint(u)
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if s := k.all[id]; s != nil {
		return s, nil
	}
	open := k.Client
	if open == nil {
		open = IssuerClient
	}
	client, err := open(u)
	if err != nil {
		return nil, err
	}
	s := &keySet{http: client, keys: RemoteKeys(u, client)}
	s.keys.Now, s.keys.Log = k.Now, k.Log
	if err := s.keys.Check(); err != nil {
		return nil, fmt.Errorf("keys of issuer %s: %w", u.Name, err)
	}
	if k.all == nil {
		k.all = map[[sha256.Size]byte]*keySet{}
	}
	k.all[id] = s
	return s, nil
}

// keep renews the sets of these issuers in the background and forgets all others.
// It is called when a configuration has come into force.
func (k *keySets) keep(issuers []config.Issuer) {
	used := map[[sha256.Size]byte]bool{}
	for i := range issuers {
		if id, err := fingerprint(&issuers[i]); err == nil {
			used[id] = true
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for id, s := range k.all {
		switch {
		case !used[id]:
			if s.stop != nil {
				s.stop()
			}
			delete(k.all, id)
		case s.stop == nil && k.runs != nil:
			k.renew(s)
		}
	}
}

// Run renews the sets in use until ctx ends.
func (k *keySets) Run(ctx context.Context) {
	k.mu.Lock()
	k.runs = ctx
	for _, s := range k.all {
		k.renew(s)
	}
	k.mu.Unlock()
	<-ctx.Done()
	k.mu.Lock()
	k.runs = nil
	k.mu.Unlock()
	k.work.Wait()
}

func (k *keySets) renew(s *keySet) {
	ctx, stop := context.WithCancel(k.runs)
	s.stop = stop
	k.work.Go(func() { _ = s.keys.Run(ctx) }) // its error is that of the settings, which of has seen
}

// status says how the keys of an issuer are; false: they are not in use.
func (k *keySets) status(u *config.Issuer) (gatehouse.KeyStatus, bool) {
	id, err := fingerprint(u)
	if err != nil {
		return gatehouse.KeyStatus{}, false
	}
	k.mu.Lock()
	s := k.all[id]
	k.mu.Unlock()
	if s == nil {
		return gatehouse.KeyStatus{}, false
	}
	return s.keys.Status(), true
}

// issuerStatus says how the keys of the configured issuers are.
func (k *keySets) issuerStatus(issuers []config.Issuer) []adminapi.IssuerStatus {
	moment := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		return &t
	}
	var all []adminapi.IssuerStatus
	for i := range issuers {
		u := &issuers[i]
		one := adminapi.IssuerStatus{Name: u.Name, Issuer: u.Issuer, Keys: u.Keys.From}
		if s, ok := k.status(u); ok {
			one.Keys, one.Kids, one.Fetched, one.Failing = s.Source, s.Kids, moment(s.Fetched), moment(s.Failing)
			if s.Err != nil {
				one.Problem, one.Until = keysProblem(s.Err), moment(s.Until)
			}
		}
		all = append(all, one)
	}
	return all
}

// keysProblem says in a few words why keys cannot be had.
func keysProblem(err error) string {
	if path, ok := errors.AsType[*fs.PathError](err); ok { // keys.file
		return path.Err.Error()
	}
	return safehttp.Reason(err)
}

// fingerprint is of everything that decides which keys an issuer has and how they
// are fetched.
func fingerprint(u *config.Issuer) ([sha256.Size]byte, error) {
	var ca []byte
	if u.CA != "" {
		var err error
		if ca, err = os.ReadFile(u.CA); err != nil {
			return [sha256.Size]byte{}, fmt.Errorf("issuer %s: ca: %w", u.Name, err)
		}
	}
	text, err := json.Marshal([]any{u.Issuer, u.Keys, u.Private, ca})
	if err != nil {
		return [sha256.Size]byte{}, fmt.Errorf("issuer %s: %w", u.Name, err)
	}
	return sha256.Sum256(text), nil
}

// RemoteKeys are the keys of an issuer as its configuration says; nil as client:
// one for public addresses.
func RemoteKeys(u *config.Issuer, client *http.Client) *gatehouse.RemoteKeys {
	k := &gatehouse.RemoteKeys{Issuer: u.Issuer, HTTP: client, Refresh: u.Keys.Refresh, MaxStale: u.Keys.MaxStale}
	switch u.Keys.From {
	case config.KeysURL:
		k.URL = u.Keys.URL
	case config.KeysFile:
		k.File = u.Keys.File
	}
	return k
}

// IssuerClient returns a client that reaches an issuer: what is public, and what
// the configuration says of what is private.
func IssuerClient(u *config.Issuer) (*http.Client, error) {
	p := safehttp.Policy{Allow: u.Private, KeepAlive: true}
	if u.CA != "" {
		var err error
		if p.Roots, err = authorities(u.CA); err != nil {
			return nil, fmt.Errorf("issuer %s: ca: %w", u.Name, err)
		}
	}
	c, err := p.Client()
	if err != nil {
		return nil, fmt.Errorf("issuer %s: private: %w", u.Name, err)
	}
	return c, nil
}

// authorities reads the certificates by which an issuer's servers are judged.
func authorities(name string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New(name + " has no certificate in it")
	}
	return pool, nil
}

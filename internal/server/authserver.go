package server

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/discovery"
	"github.com/gatehouse-mcp/gatehouse/internal/safehttp"
	"github.com/gatehouse-mcp/gatehouse/internal/server/wellknown"
)

// How old the copy of an issuer's metadata may be before it is asked again, and
// how soon after it did not answer.
const (
	copyFresh = 5 * time.Minute
	copyRetry = 10 * time.Second
)

// copied is an issuer's metadata as it came. What was good once is served while
// the issuer is away: clients that need it have no other way to sign in.
type copied struct {
	issuer string
	fetch  discovery.Fetcher

	mu   sync.Mutex // held while the issuer is asked: one question at a time
	last *discovery.Metadata
	next time.Time // when it is asked again
	err  error     // of the last question
}

// document returns the metadata.
func (c *copied) document(ctx context.Context) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); !now.Before(c.next) {
		m, err := discovery.Fetch(context.WithoutCancel(ctx), c.fetch, c.issuer) // others wait for it too
		if c.err, c.next = err, time.Now().Add(copyRetry); err == nil {
			c.last, c.next = m, time.Now().Add(copyFresh)
		}
	}
	if c.last == nil {
		return nil, c.err
	}
	return c.last.Raw, nil
}

// authServer returns the copy of the metadata of the issuer that a server
// announces first; nil: it announces none whose metadata can be fetched.
func (r *Running) authServer(c *config.Config, v *served) (http.Handler, error) {
	for i := range c.Auth.Issuers {
		s := &c.Auth.Issuers[i]
		if s.Issuer != v.resource.AuthorizationServers[0] {
			continue
		}
		fetch, err := fetcher(s)
		if err != nil {
			return nil, err
		}
		own := &copied{issuer: s.Issuer, fetch: fetch}
		return &wellknown.AuthServer{Document: own.document, Log: r.server.Options.Log}, nil
	}
	return nil, nil //nolint:nilnil // there is none
}

// fetcher returns what an issuer's documents are fetched with.
func fetcher(s *config.Issuer) (discovery.Fetcher, error) {
	client, err := IssuerClient(s)
	return safehttp.Fetcher{Client: client}, err
}

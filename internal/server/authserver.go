package server

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/discovery"
	"github.com/gatehouse-mcp/gatehouse/internal/safehttp"
	"github.com/gatehouse-mcp/gatehouse/internal/server/wellknown"
)

// How old the copy of an issuer's metadata may be before it is asked again, how
// soon after it did not answer, how long an older copy waits for a newer one, and
// how long the issuer may take.
const (
	copyFresh = 5 * time.Minute
	copyRetry = 10 * time.Second
	copyWait  = 2 * time.Second
	copyTime  = 20 * time.Second
)

// copied is an issuer's metadata as it came. What was good once is served while
// the issuer is away: clients that need it have no other way to sign in.
type copied struct {
	issuer string
	fetch  discovery.Fetcher

	mu     sync.Mutex
	flight chan struct{} // closed when the question under way is answered; nil: there is none
	last   *discovery.Metadata
	next   time.Time // when it is asked again
	err    error     // of the last question
}

// document returns the metadata. Nobody who asks has to stay for the answer.
func (c *copied) document(ctx context.Context) ([]byte, error) {
	c.mu.Lock()
	if c.flight == nil && !time.Now().Before(c.next) {
		c.flight = make(chan struct{})
		go c.ask(c.flight, c.fetch) //nolint:gosec // the answer is for all who wait, not for the first alone
	}
	flight, last := c.flight, c.last
	c.mu.Unlock()
	if flight != nil {
		var enough <-chan time.Time
		if last != nil {
			enough = time.After(copyWait)
		}
		select {
		case <-flight:
		case <-enough:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last == nil {
		return nil, c.err
	}
	return c.last.Raw, nil
}

// ask asks the issuer, on behalf of all who wait for it.
func (c *copied) ask(flight chan struct{}, fetch discovery.Fetcher) {
	ctx, stop := context.WithTimeout(context.Background(), copyTime)
	defer stop()
	m, err := func() (m *discovery.Metadata, err error) {
		defer func() {
			if p := recover(); p != nil { // no answer may end the process
				m, err = nil, fmt.Errorf("reading metadata broke: %v", p)
			}
		}()
		return discovery.Fetch(ctx, fetch, c.issuer)
	}()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err, c.next = err, time.Now().Add(copyRetry); err == nil {
		c.last, c.next = m, time.Now().Add(copyFresh)
	}
	c.flight = nil
	close(flight)
}

// authServer returns the copy of the metadata of the issuer that a server
// announces first; nil: it announces none whose metadata can be fetched.
func (r *Running) authServer(c *config.Config, v *served, own *embedded) (http.Handler, error) {
	if own != nil && v.resource.AuthorizationServers[0] == c.OwnIssuer() {
		return own.oauth, nil
	}
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

package client

import (
	"context"
	"crypto"
	"errors"
	"net/url"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
)

const maxKeyrings = 256 // sets of keys that are kept

// keyrings are the keys of clients that publish them, by their URL.
type keyrings struct {
	mu  sync.Mutex
	all map[string]*keyring
}

type keyring struct {
	keys *gatehouse.RemoteKeys
	used time.Time
}

// keysOf returns the keys that a client's assertion may be signed with.
func (g *Registry) keysOf(ctx context.Context, c *Client, kid, alg string) ([]crypto.PublicKey, error) {
	if c.Credentials.JWKS != nil {
		set, err := gatehouse.ParseKeys(c.Credentials.JWKS)
		if err != nil {
			return nil, err
		}
		return set.Keys(ctx, kid, alg)
	}
	k, err := g.keyring(c)
	if err != nil {
		return nil, err
	}
	keys, err := k.Keys(ctx, kid, alg)
	var outage *gatehouse.Error
	if errors.As(err, &outage) {
		return nil, &invalid{why: "its keys cannot be fetched", what: ErrFetch, cause: err}
	}
	return keys, err
}

// keyring returns the keys behind a client's jwks_uri. A new one counts as a fetch.
func (g *Registry) keyring(c *Client) (*gatehouse.RemoteKeys, error) {
	g.prepare()
	if g.fault != nil {
		return nil, &invalid{why: "this server is not set up for it", what: ErrFetch, cause: g.fault}
	}
	from := c.Credentials.JWKSURI
	u, err := url.Parse(from)
	if err != nil || from == "" {
		return nil, errors.New("the client has no keys")
	}
	r := &g.Cache.keys
	r.mu.Lock()
	defer r.mu.Unlock()
	if k := r.all[from]; k != nil {
		k.used = g.now()
		return k.keys, nil
	}
	if err := g.Cache.afford(u.Host, c.State == Approved); err != nil {
		return nil, err
	}
	if r.all == nil {
		r.all = map[string]*keyring{}
	}
	if len(r.all) >= maxKeyrings {
		oldest := ""
		for uri, k := range r.all {
			if oldest == "" || k.used.Before(r.all[oldest].used) {
				oldest = uri
			}
		}
		delete(r.all, oldest)
	}
	k := &keyring{used: g.now(), keys: &gatehouse.RemoteKeys{URL: from, HTTP: g.http, Now: g.Now, Log: g.Log}}
	r.all[from] = k
	return k.keys, nil
}

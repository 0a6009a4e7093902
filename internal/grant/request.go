package grant

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/keytext"
)

// RequestPrefix is what the URI of a pushed request begins with. RFC 9126 §2.2
const RequestPrefix = "urn:ietf:params:oauth:request_uri:"

// Requests keeps authorization requests that clients push. RFC 9126
type Requests struct {
	Store RequestStore     // required
	Now   func() time.Time // nil: time.Now
}

// RequestStore keeps pushed requests.
type RequestStore interface {
	// Push keeps the parameters of a client's request until a time.
	Push(ctx context.Context, hash [32]byte, client, params string, expires time.Time) error
	// Take returns and deletes a client's request that has not expired at a
	// moment, or ErrNotFound. Of many at once one has it.
	Take(ctx context.Context, hash [32]byte, client string, at time.Time) (params string, err error)
	// Sweep deletes what expired before a moment.
	Sweep(ctx context.Context, before time.Time) (deleted int64, err error)
}

// Push keeps a client's request for a while, and returns the URI that stands for it.
func (q *Requests) Push(ctx context.Context, client, params string, ttl time.Duration) (requestURI string, err error) {
	id, secret := keytext.NewID(), keytext.NewSecret()
	text := keytext.Compose(keytext.Code, id, secret)
	requestURI = RequestPrefix + strings.TrimPrefix(text, string(keytext.Code))
	if err := q.Store.Push(ctx, sha256.Sum256([]byte(requestURI)), client, params, cut(q.Now).Add(ttl)); err != nil {
		return "", known(err)
	}
	return requestURI, nil
}

// Take returns a client's request, once. What another client asks for stays
// where it is. RFC 9126 §4
func (q *Requests) Take(ctx context.Context, requestURI, client string) (params string, err error) {
	rest, ok := strings.CutPrefix(requestURI, RequestPrefix)
	if !ok {
		return "", fmt.Errorf("%w: no request_uri of ours", ErrNotFound)
	}
	if _, _, err := keytext.Read(keytext.Code, string(keytext.Code)+rest); err != nil {
		return "", fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	params, err = q.Store.Take(ctx, sha256.Sum256([]byte(requestURI)), client, cut(q.Now))
	return params, known(err)
}

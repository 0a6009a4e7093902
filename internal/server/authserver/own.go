package authserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/jws"
	"github.com/gatehouse-mcp/gatehouse/internal/signing"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
	"github.com/gatehouse-mcp/gatehouse/internal/token"
)

// errNotOurs says that a text is no access token of ours, or none that holds.
var errNotOurs = errors.New("not an access token of this server that holds")

// maxToken bounds an access token of ours, in bytes.
const maxToken = 16 << 10

// ownKeys are the keys that we publish, read anew when they have changed.
type ownKeys struct {
	mu   sync.Mutex
	etag string
	set  gatehouse.KeySet
}

func (o *ownKeys) of(ctx context.Context, k Keys) (gatehouse.KeySet, error) {
	body, etag, err := k.JWKS(ctx)
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.set == nil || o.etag != etag {
		if o.set, err = gatehouse.ParseKeys(body); err != nil {
			return nil, fmt.Errorf("our own keys: %w", err)
		}
		o.etag = etag
	}
	return o.set, nil
}

// readAccess returns the claims of an access token of ours that holds at this
// moment, and whose tenant's people it is of. It returns errNotOurs, wrapped,
// for everything else; any other error means that nobody knows. It does not look
// at who sent it.
func (s *Server) readAccess(ctx context.Context, text string) (*claims, *tenant.Tenant, error) {
	c, err := s.signedByUs(ctx, text)
	if err != nil {
		return nil, nil, err
	}
	now := s.now()
	if c.Issuer != s.Issuer || c.Expires <= now.Unix() {
		return nil, nil, fmt.Errorf("%w: it is of %s and ends at %d", errNotOurs, c.Issuer, c.Expires)
	}
	t, err := s.TenantNamed(ctx, c.Tenant)
	switch {
	case errors.Is(err, tenant.ErrNotFound):
		return nil, nil, fmt.Errorf("%w: %w", errNotOurs, err)
	case err != nil:
		return nil, nil, fmt.Errorf("tenant of a token: %w", err)
	case t.State != tenant.Active:
		return nil, nil, fmt.Errorf("%w: its tenant is %s", errNotOurs, t.State)
	}
	err = s.Marks.Judge(ctx, &token.Named{
		Issuer: s.Issuer, ID: c.ID, Subject: c.Subject, Client: c.Client, Tenant: string(t.ID), Grant: c.Grant, Via: c.Via, Issued: time.Unix(c.Issued, 0),
	}, now)
	if errors.Is(err, token.ErrRevoked) {
		return nil, nil, fmt.Errorf("%w: %w", errNotOurs, err)
	}
	return c, t, err
}

// signedByUs returns the claims of what we have signed as an access token.
func (s *Server) signedByUs(ctx context.Context, text string) (*claims, error) {
	if len(text) > maxToken || strings.Count(text, ".") != 2 {
		return nil, errNotOurs
	}
	t, err := jws.Read(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNotOurs, err)
	}
	if t.Type != accessType || t.KeyID == "" || !slices.Contains([]string{signing.ES256, signing.EdDSA, signing.RS256}, t.Algorithm) {
		return nil, fmt.Errorf("%w: it is another kind", errNotOurs)
	}
	set, err := s.own.of(ctx, s.Keys)
	if err != nil {
		return nil, err
	}
	keys, err := set.Keys(ctx, t.KeyID, t.Algorithm)
	if errors.Is(err, gatehouse.ErrUnknownKey) || err == nil && len(keys) != 1 {
		return nil, fmt.Errorf("%w: none of our keys", errNotOurs)
	} else if err != nil {
		return nil, err
	}
	if err := t.Verify(keys[0]); err != nil {
		return nil, fmt.Errorf("%w: %w", errNotOurs, err)
	}
	c := &claims{}
	if err := json.Unmarshal(t.Payload, c); err != nil || c.ID == "" || c.Subject == "" {
		return nil, errNotOurs
	}
	return c, nil
}

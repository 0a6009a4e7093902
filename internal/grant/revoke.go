package grant

import (
	"context"
	"fmt"
	"slices"

	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// batch is how many grants are ended in one transaction.
const batch = 200

// Revoke ends a grant, and its access tokens, and returns it. One that is
// revoked already stays as it is.
func (s *Service) Revoke(ctx context.Context, id, reason, by string) (*Grant, error) {
	r, err := s.Store.Find(ctx, id)
	if err != nil {
		return nil, known(err)
	}
	return s.end(ctx, &r.Grant, reason, by)
}

// RevokeOf ends the grants of a user, a client or both, and returns how many.
// Those that were ended when there is an error are counted too.
func (s *Service) RevokeOf(ctx context.Context, f Filter, reason, by string) (n int, err error) {
	if f.Subject == "" && f.Client == "" {
		return 0, fmt.Errorf("%w: neither a user nor a client is named", ErrNotFound)
	}
	f.Active, f.Limit = s.now(), batch
	for {
		all, err := s.Store.List(ctx, f)
		if err != nil || len(all) == 0 {
			return n, known(err)
		}
		of := map[tenant.ID][]string{}
		for i := range all {
			of[all[i].Tenant] = append(of[all[i].Tenant], all[i].ID)
		}
		for t, ids := range of {
			ended, err := s.Store.Revoke(ctx, t, ids, s.endNow(reason, by))
			if n += len(ended); err != nil {
				return n, known(err)
			}
		}
		s.changed()
	}
}

// RevokeUser ends every grant of a user of a tenant.
func (s *Service) RevokeUser(ctx context.Context, t tenant.ID, user, by, reason string) (n int, err error) {
	return s.RevokeOf(ctx, Filter{Tenant: t, Subject: user}, reason, by)
}

func (s *Service) end(ctx context.Context, g *Grant, reason, by string) (*Grant, error) {
	if !g.Revoked.IsZero() {
		return g, nil
	}
	ended, err := s.Store.Revoke(ctx, g.Tenant, []string{g.ID}, s.endNow(reason, by))
	if err != nil {
		return nil, known(err)
	}
	s.changed()
	if len(ended) == 0 { // somebody was faster
		return s.Get(ctx, g.ID)
	}
	return &ended[0], nil
}

func (s *Service) endNow(reason, by string) End {
	now := s.now()
	return End{At: now, Reason: reason, By: by, Issuer: s.Issuer, Tokens: now.Add(s.accessTTL() + leeway)}
}

func (s *Service) changed() {
	if s.Changed != nil {
		s.Changed()
	}
}

// Scopes returns those of want that are in have, in the order of want.
func Scopes(want, have []string) []string {
	out := []string{}
	for _, scope := range want {
		if slices.Contains(have, scope) && !slices.Contains(out, scope) {
			out = append(out, scope)
		}
	}
	return out
}

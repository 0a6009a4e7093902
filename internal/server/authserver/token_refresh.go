package authserver

import (
	"errors"

	"github.com/gatehouse-mcp/gatehouse/internal/grant"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

// tokenOfRefresh exchanges a refresh token. What the client leaves out, scope or
// resource, stays as it was granted. RFC 6749 §6, OAuth 2.1 §4.3
func (s *Server) tokenOfRefresh(q *tokenRequest) (*issue, error) {
	text := q.form.Get("refresh_token")
	if text == "" {
		return nil, &oauth.Error{Code: oauth.InvalidRequest, Ref: "GH-1411", Description: "refresh_token is required"}
	}
	g, _, err := s.Grants.Find(q.Context(), text)
	if err != nil {
		return nil, refreshRefused(err)
	}
	q.event.Request = g.Flow
	// By the grant's own resource: its origin alone, or the old spelling of a
	// client, means that one however many are served.
	resource, scopes, _, err := s.asked(q.form, []string{g.Resource})
	if err != nil {
		return nil, err
	}
	// The person is looked at first: a token that is refused is not spent.
	i := &issue{subject: g.Subject, tenant: g.Tenant, identity: g.Identity}
	if g.Client == q.client.ID {
		if err := s.personal(q.Context(), i); err != nil {
			return nil, err
		}
	}
	g, next, err := s.Grants.Refresh(q.Context(), grant.RefreshRequest{Token: text, Client: q.client.ID, Scopes: scopes, Resource: resource, Key: q.key})
	if err != nil {
		return nil, refreshRefused(err)
	}
	i.resource, i.scopes, i.grant, i.authTime, i.ends, i.refresh = g.Resource, g.Scopes, g.ID, g.AuthTime, g.Expires, next
	return i, nil
}

// refreshRefused says what is wrong with a refresh token.
func refreshRefused(err error) error {
	switch {
	case errors.Is(err, grant.ErrTarget):
		return &oauth.Error{Code: oauth.InvalidTarget, Ref: "GH-1404", Description: "the refresh token is for another resource", Cause: err}
	case errors.Is(err, grant.ErrScope):
		return &oauth.Error{Code: oauth.InvalidScope, Ref: "GH-1413", Description: "more is asked for than was granted", Cause: err}
	case errors.Is(err, grant.ErrNotFound), errors.Is(err, grant.ErrReused), errors.Is(err, grant.ErrMismatch), errors.Is(err, grant.ErrExpired), errors.Is(err, grant.ErrRevoked):
		return &oauth.Error{Code: oauth.InvalidGrant, Ref: "GH-1411", Description: "the refresh token is unknown, used, expired, revoked or of another client", Cause: err}
	}
	return err
}

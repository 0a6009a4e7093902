package authserver

import (
	"errors"

	"github.com/gatehouse-mcp/gatehouse/internal/client"
	"github.com/gatehouse-mcp/gatehouse/internal/grant"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

// programPrefix begins the subject of every program, and of no person.
const programPrefix = "client:"

// tokenOfClient is for a program that speaks for itself: one that an
// administrator has made, and that proves who it is. RFC 6749 §4.4
func (s *Server) tokenOfClient(q *tokenRequest) (*issue, error) {
	c := q.client
	if c.Kind != client.Static || c.Public() {
		return nil, &oauth.Error{Code: oauth.UnauthorizedClient, Ref: "GH-1412", Description: "only a client that was made by an administrator, and proves who it is, may use this grant_type"}
	}
	if c.Tenant == "" {
		return nil, &oauth.Error{Code: oauth.UnauthorizedClient, Ref: "GH-1412", Description: "this client belongs to nobody that it could speak for", Cause: errors.New("it has no tenant")}
	}
	resource, scopes, offline, err := s.askedForOne(q.form)
	if err != nil {
		return nil, err
	}
	res := s.resourceAt(resource)
	may := res.names()
	if c.Scopes != nil {
		may = grant.Scopes(may, c.Scopes)
	}
	if scopes == nil {
		scopes = may
	}
	if offline || len(grant.Scopes(scopes, may)) != len(scopes) { // a program knows what it may ask for
		return nil, &oauth.Error{Code: oauth.InvalidScope, Ref: "GH-1413", Description: "a scope is not one that this client may have"}
	}
	return &issue{subject: programPrefix + c.ID, tenant: c.Tenant, resource: resource, scopes: scopes}, nil
}

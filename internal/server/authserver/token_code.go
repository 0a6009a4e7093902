package authserver

import (
	"errors"

	"github.com/gatehouse-mcp/gatehouse/internal/grant"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

// tokenOfCode redeems an authorization code. RFC 6749 §4.1.3, OAuth 2.1 §4.1.3
func (s *Server) tokenOfCode(q *tokenRequest) (*issue, error) {
	code, verifier := q.form.Get("code"), q.form.Get("code_verifier")
	switch {
	case code == "":
		return nil, &oauth.Error{Code: oauth.InvalidRequest, Ref: "GH-1410", Description: "code is required"}
	case verifier == "": // RFC 7636 §4.5
		return nil, &oauth.Error{Code: oauth.InvalidRequest, Ref: "GH-1403", Description: "code_verifier is required"}
	}
	resource, _, _, err := s.asked(q.form, s.served())
	if err != nil {
		return nil, err
	}
	g, err := s.Grants.Redeem(q.Context(), grant.Redemption{
		Code: code, Client: q.client.ID, Redirect: q.form.Get("redirect_uri"), Verifier: verifier,
		Resource: resource, Key: q.key, Public: q.client.Public(),
	})
	if err != nil {
		belongsTo(q.event, s.Grants.FlowOfCode(q.Context(), code))
		return nil, codeRefused(err)
	}
	return s.issueOf(q, g)
}

// codeRefused says what is wrong with a code. What its holder is told does not
// depend on whether the code exists.
func codeRefused(err error) error {
	e := &oauth.Error{Code: oauth.InvalidGrant, Ref: "GH-1410", Description: "the code is unknown, used, expired or of another request", Cause: err}
	switch {
	case errors.Is(err, grant.ErrTarget):
		return &oauth.Error{Code: oauth.InvalidTarget, Ref: "GH-1404", Description: "the code is for another resource", Cause: err}
	case errors.Is(err, grant.ErrNotFound), errors.Is(err, grant.ErrSpent), errors.Is(err, grant.ErrMismatch), errors.Is(err, grant.ErrExpired), errors.Is(err, grant.ErrRevoked):
		return e
	}
	return err
}

// issueOf makes of a grant what a token is made of.
func (s *Server) issueOf(q *tokenRequest, g *grant.Grant) (*issue, error) {
	if g.Flow != "" {
		q.event.Request = g.Flow
	}
	i := &issue{
		subject: g.Subject, tenant: g.Tenant, resource: g.Resource, scopes: g.Scopes, grant: g.ID, identity: g.Identity,
		authTime: g.AuthTime, ends: g.Expires, refresh: s.Grants.RefreshTokenOf(g),
	}
	if err := s.personal(q.Context(), i); err != nil {
		return nil, err
	}
	return i, nil
}

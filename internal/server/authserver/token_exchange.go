package authserver

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/client"
	"github.com/gatehouse-mcp/gatehouse/internal/grant"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

// maxActors is how many may act for one another. Each of them sees the token.
const maxActors = 3

func exchangeRefused(code, description string, cause error) *oauth.Error {
	return &oauth.Error{Code: code, Ref: "GH-1415", Description: description, Cause: cause}
}

// tokenOfToken has a server act for a person whose token it was sent. What it is
// given is never worth more than that token: no scope beside its own, no longer
// life, and it ends with the same grant. RFC 8693
func (s *Server) tokenOfToken(q *tokenRequest) (*issue, error) {
	if q.client.Kind != client.Static || q.client.Public() {
		return nil, &oauth.Error{Code: oauth.UnauthorizedClient, Ref: "GH-1412", Description: "only a client that was made by an administrator, and proves who it is, may use this grant_type"}
	}
	if err := exchangeForm(q.form); err != nil {
		return nil, err
	}
	subject, t, err := s.readAccess(q.Context(), q.form.Get("subject_token"))
	if errors.Is(err, errNotOurs) {
		return nil, exchangeRefused(oauth.InvalidGrant, "subject_token is not an access token of this server that holds", err)
	} else if err != nil {
		return nil, err
	}
	if err := s.mayExchange(q, subject); err != nil {
		return nil, err
	}
	i := &issue{
		subject: subject.Subject, tenant: t.ID, grant: subject.Grant, ends: time.Unix(subject.Expires, 0), issued: typeAccess,
		via:   strings.TrimSpace(subject.Via + " " + subject.ID),
		actor: &actor{Subject: programPrefix + q.client.ID, Before: subject.Actor},
	}
	if i.resource, i.scopes, err = s.exchanged(q, subject); err != nil {
		return nil, err
	}
	if subject.AuthTime != 0 {
		i.authTime = time.Unix(subject.AuthTime, 0)
	}
	if subject.Identity != nil {
		i.identity = grant.Identity{Issuer: subject.Identity.Issuer, Subject: subject.Identity.Subject}
	}
	if subject.Kind == "" { // a person, who may have left meanwhile
		if err := s.personal(q.Context(), i); err != nil {
			return nil, err
		}
	}
	return i, nil
}

// exchangeForm refuses what is not offered. RFC 8693 §2.1
func exchangeForm(form *oauth.Params) error {
	kind, want := form.Get("subject_token_type"), form.Get("requested_token_type")
	switch {
	case form.Get("subject_token") == "" || kind == "":
		return exchangeRefused(oauth.InvalidRequest, "subject_token and subject_token_type are required", nil)
	case kind != typeAccess && kind != typeJWT:
		return exchangeRefused(oauth.InvalidRequest, "only access tokens of this server are exchanged", nil)
	case want != "" && want != typeAccess && want != typeJWT:
		return exchangeRefused(oauth.InvalidRequest, "only access tokens are given", nil)
	case form.Get("actor_token") != "" || form.Get("actor_token_type") != "":
		return exchangeRefused(oauth.InvalidRequest, "the actor is the client itself: actor_token is not taken", nil)
	}
	return nil
}

// mayExchange says whether a client has come by a token as it should: it is the
// server that the token is for, or the one that it was issued to.
func (s *Server) mayExchange(q *tokenRequest, subject *claims) error {
	depth := 1
	for a := subject.Actor; a != nil; a = a.Before {
		depth++
	}
	own := subject.Client == q.client.ID
	switch {
	case !own && !slices.Contains(q.client.Resources, subject.Audience):
		return exchangeRefused(oauth.InvalidGrant, "subject_token was sent to another server", errors.New("it is for "+subject.Audience+", which this client is not"))
	case own && !q.holds(subject.Confirm): // who has a copy only gets nothing better for it
		return exchangeRefused(oauth.InvalidGrant, "subject_token is bound to another key or certificate", nil)
	case depth > maxActors:
		return exchangeRefused(oauth.InvalidGrant, "subject_token was exchanged too often", nil)
	}
	return nil
}

// exchanged returns what the new token is for.
func (s *Server) exchanged(q *tokenRequest, subject *claims) (resource string, scopes []string, err error) {
	resource, asked, offline, err := s.asked(q.form, s.served())
	if err != nil {
		return "", nil, err
	}
	if all := q.form.All("audience"); len(all) > 0 {
		to, ok := oauth.MatchResource(s.served(), all[0])
		if !ok || len(all) > 1 || resource != "" && to != resource {
			return "", nil, notServed(all[0], s.served())
		}
		resource = to
	}
	if resource == "" {
		resource = subject.Audience
	}
	if resource != subject.Audience && !slices.Contains(q.client.Targets, resource) {
		return "", nil, &oauth.Error{Code: oauth.InvalidTarget, Ref: "GH-1404", Description: "this client may not exchange tokens for this resource"}
	}
	had := strings.Fields(subject.Scope)
	if asked == nil && !offline {
		return resource, had, nil
	}
	if offline || len(grant.Scopes(asked, had)) != len(asked) {
		return "", nil, &oauth.Error{Code: oauth.InvalidScope, Ref: "GH-1413", Description: "more is asked for than subject_token may"}
	}
	return resource, asked, nil
}

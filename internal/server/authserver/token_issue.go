package authserver

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/grant"
	"github.com/gatehouse-mcp/gatehouse/internal/login"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

const (
	accessType = "at+jwt"                                        // RFC 9068 §2.1
	typeAccess = "urn:ietf:params:oauth:token-type:access_token" // RFC 8693 §3
	typeJWT    = "urn:ietf:params:oauth:token-type:jwt"
)

// claims are those of an access token. RFC 9068 §2.2
type claims struct {
	Issuer   string         `json:"iss"`
	Subject  string         `json:"sub"`
	Audience string         `json:"aud"`
	Client   string         `json:"client_id"`
	Scope    string         `json:"scope"`
	ID       string         `json:"jti"`
	Issued   int64          `json:"iat"`
	Expires  int64          `json:"exp"`
	AuthTime int64          `json:"auth_time,omitempty"`
	Tenant   string         `json:"tenant"`          // its name
	Kind     string         `json:"kind,omitempty"`  // "service": a program that speaks for itself
	Grant    string         `json:"grant,omitempty"` // that it came of, and ends with
	Identity *identityClaim `json:"idp,omitempty"`   // by which the person signed in
	Name     string         `json:"name,omitempty"`
	Groups   []string       `json:"groups,omitempty"` // RFC 9068 §2.2.3.1
	Roles    []string       `json:"roles,omitempty"`
	Via      string         `json:"via,omitempty"` // jti of the tokens that it was exchanged for: it ends with each
	Actor    *actor         `json:"act,omitempty"` // who acts for the subject. RFC 8693 §4.1
	Confirm  *confirm       `json:"cnf,omitempty"` // RFC 7800
}

type identityClaim struct {
	Issuer  string `json:"iss"`
	Subject string `json:"sub"`
}

// actor is who acts, and who acted before.
type actor struct {
	Subject string `json:"sub"`
	Before  *actor `json:"act,omitempty"`
}

type confirm struct {
	Key         string `json:"jkt,omitempty"`      // RFC 9449 §6.1
	Certificate string `json:"x5t#S256,omitempty"` // RFC 8705 §3.1
}

// kind is the type of a token that is bound like this. RFC 9449 §5
func (c *confirm) kind() string {
	if c == nil || c.Key == "" {
		return "Bearer"
	}
	return "DPoP"
}

// issue is what a token is made of.
type issue struct {
	subject  string
	tenant   tenant.ID
	resource string
	scopes   []string    // that may be given: policy may take some away
	user     *login.User // nil: a program
	grant    string
	identity grant.Identity
	authTime time.Time
	ends     time.Time // of what the token comes of: it lives no longer; zero: it does not end
	actor    *actor
	via      string // ids of the tokens that were exchanged for it

	refresh string // the refresh token that goes with it; empty: none
	issued  string // issued_token_type, of an exchange
}

// tokenAnswer is what a client is given. RFC 6749 §5.1
type tokenAnswer struct {
	Access  string `json:"access_token"`
	Type    string `json:"token_type"`
	Expires int64  `json:"expires_in"`
	Refresh string `json:"refresh_token,omitempty"`
	Scope   string `json:"scope"`
	Issued  string `json:"issued_token_type,omitempty"` // RFC 8693 §2.2.1
}

// personal adds what is known of the person, as they are now.
func (s *Server) personal(ctx context.Context, i *issue) error {
	u, err := s.Current(ctx, i.tenant, i.subject, i.identity.Issuer, i.identity.Subject)
	switch {
	case errors.Is(err, login.ErrNotFound), errors.Is(err, login.ErrDisabled):
		return notAdmitted("the account of this grant is not active", err)
	case err != nil:
		return err
	case u.State != login.Active || u.Tenant != i.tenant:
		return notAdmitted("the account of this grant is not active", errors.New("it is "+string(u.State)))
	}
	i.user = u
	return nil
}

func notAdmitted(description string, cause error) *oauth.Error {
	return &oauth.Error{Code: oauth.InvalidGrant, Ref: "GH-1418", Description: description, Cause: cause}
}

// answerOf makes the token, of what may still be given at this moment.
func (s *Server) answerOf(q *tokenRequest, i *issue) (*tokenAnswer, error) {
	ctx := q.Context()
	res := s.resourceAt(i.resource)
	if res == nil {
		return nil, notServed(i.resource, s.served())
	}
	t, err := s.Tenant(ctx, i.tenant)
	switch {
	case errors.Is(err, tenant.ErrNotFound):
		return nil, notAdmitted("the account of this grant is not active", err)
	case err != nil:
		return nil, fmt.Errorf("tenant of a grant: %w", err)
	case t.State != tenant.Active:
		return nil, notAdmitted("the account of this grant is not active", errors.New("its tenant is "+string(t.State)))
	case res.Admits != nil && !res.Admits(t.Name):
		return nil, notAdmitted("this resource is not open to the account of this grant", nil)
	}
	now := s.now()
	expires := now.Add(s.Settings.AccessTTL)
	if !i.ends.IsZero() && i.ends.Before(expires) {
		expires = i.ends
	}
	c := s.claimsOf(ctx, q, i, res, t.Name)
	c.Issued, c.Expires = now.Unix(), expires.Unix()
	if c.Expires <= c.Issued {
		return nil, &oauth.Error{Code: oauth.InvalidGrant, Ref: "GH-1411", Description: "what this token would come of has ended"}
	}
	text, err := s.Keys.Sign(ctx, accessType, c)
	if err != nil {
		return nil, err
	}
	e := q.event
	e.Subject, e.Tenant, e.TenantID, e.TokenID = i.subject, t.Name, string(i.tenant), c.ID
	e.Rights = &audit.Rights{Scopes: strings.Fields(c.Scope)}
	e.Detail["resource"] = i.resource
	if i.grant != "" {
		e.Detail[audit.DetailGrant] = i.grant
	}
	s.used(ctx, q.client)
	return &tokenAnswer{Access: text, Type: c.Confirm.kind(), Expires: c.Expires - c.Issued, Refresh: i.refresh, Scope: c.Scope, Issued: i.issued}, nil
}

// claimsOf says whom a token is of, and what it is good for.
func (s *Server) claimsOf(ctx context.Context, q *tokenRequest, i *issue, res *Resource, tenantName string) *claims {
	c := &claims{
		Issuer: s.Issuer, Subject: i.subject, Audience: i.resource, Client: q.client.ID, ID: rand.Text(),
		Tenant: tenantName, Grant: i.grant, Actor: i.actor, Via: i.via,
	}
	who := Who{Subject: i.subject, Tenant: tenantName, Client: q.client.ID}
	if i.user == nil {
		c.Kind, who.Service = "service", true
	} else {
		c.Name, c.Groups, c.Roles = i.user.Name, i.user.Groups, i.user.Roles
		who.Groups, who.Roles = c.Groups, c.Roles
	}
	if !i.authTime.IsZero() {
		c.AuthTime = i.authTime.Unix()
	}
	if i.identity.Issuer != "" {
		c.Identity = &identityClaim{i.identity.Issuer, i.identity.Subject}
	}
	c.Confirm = q.binding()
	scopes := grant.Scopes(i.scopes, res.names())
	if q.client.Scopes != nil {
		scopes = grant.Scopes(scopes, q.client.Scopes)
	}
	if res.Grantable != nil {
		scopes = grant.Scopes(scopes, res.Grantable(ctx, who, scopes))
	}
	c.Scope = strings.Join(scopes, " ")
	return c
}

// names are the scopes that a resource has.
func (res *Resource) names() []string {
	out := make([]string, len(res.Scopes))
	for i := range res.Scopes {
		out[i] = res.Scopes[i].Name
	}
	return out
}

// defaults are the scopes that are meant when none is asked for: those that are
// marked so, or else all of them.
func (res *Resource) defaults() []string {
	var out []string
	for i := range res.Scopes {
		if res.Scopes[i].Default {
			out = append(out, res.Scopes[i].Name)
		}
	}
	if out == nil {
		return res.names()
	}
	return out
}

// wanted are the scopes of a resource that a request means: what does not exist,
// or is not for this client, is left out in silence. RFC 6749 §3.3
func (res *Resource) wanted(asked, client []string) []string {
	if asked == nil {
		asked = res.defaults()
	}
	out := grant.Scopes(asked, res.names())
	if client != nil {
		out = slices.DeleteFunc(out, func(s string) bool { return !slices.Contains(client, s) })
	}
	return out
}

package signin

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/discovery"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

// authorizationServer chooses one of those that the resource names, and reads
// what it says of itself. One where somebody has signed in is preferred.
func (c *Client) authorizationServer(ctx context.Context, p *place, s *session) (*discovery.Metadata, error) {
	issuer, err := c.choose(ctx, p, s)
	if err != nil {
		return nil, err
	}
	if err := CheckURL(issuer); err != nil {
		return nil, err
	}
	f, err := c.fetcher(issuer)
	if err != nil {
		return nil, err
	}
	m, err := discovery.Fetch(ctx, f, issuer)
	if err != nil {
		if p.legacy && nothingThere(err) {
			return predefined(issuer), nil
		}
		var none *discovery.Error
		if errors.As(err, &none) && len(none.Tried) > 0 {
			switch last := none.Tried[len(none.Tried)-1].Err; unreachable(last) {
			case CodeUnsafe:
				return nil, because(CodeUnsafe, err, "The authorization server %s leads to where nobody is followed.", plainText(issuer))
			case CodeProxy:
				return nil, because(CodeProxy, last, "The authorization server %s is not reached.", plainText(issuer))
			}
		}
		return nil, because(CodeMetadata, err, "The authorization server %s has no metadata that can be used.", plainText(issuer))
	}
	return m, c.usable(m)
}

// choose returns the issuer to go to.
func (c *Client) choose(ctx context.Context, p *place, s *session) (string, error) {
	known, err := c.boundTo(ctx)
	if err != nil {
		return "", err
	}
	if known != "" {
		if slices.Contains(p.Servers, known) {
			return known, nil
		}
		names := plainText(strings.Join(p.Servers, ", "))
		if r := c.Registered; r != nil {
			return "", fail(CodeOtherAS, "The client %q is registered with %s, and %s now names %s. What it is known by is not sent there. If that is right, register a client there and give its id.",
				r.ID, known, c.Server, names)
		}
		return "", fail(CodeOtherAS, "The sign-in is at %s, and %s now names %s. Nothing is sent there. If that is right, say so with its issuer.", known, c.Server, names)
	}
	if s != nil && slices.Contains(p.Servers, s.Issuer) {
		return s.Issuer, nil
	}
	return p.Servers[0], nil
}

// nothingThere says whether a server had no document at all, in none of the places.
func nothingThere(err error) bool {
	var none *discovery.Error
	if !errors.As(err, &none) {
		return false
	}
	for _, a := range none.Tried {
		if !nothingHere(a.Err) {
			return false
		}
	}
	return true
}

// predefined is where the endpoints are of a server that has no metadata. MCP
// 2025-03-26, authorization, §fallbacks
func predefined(origin string) *discovery.Metadata {
	return &discovery.Metadata{
		Issuer: origin, AuthorizationEndpoint: origin + "/authorize", TokenEndpoint: origin + "/token", RegistrationEndpoint: origin + "/register",
		CodeChallengeMethods: []string{oauth.S256},
	}
}

// usable says why an authorization server cannot be used for the grant.
func (c *Client) usable(m *discovery.Metadata) error {
	endpoints := []string{m.TokenEndpoint}
	if c.Grant == "" || c.Grant == Code {
		if m.AuthorizationEndpoint == "" {
			return fail(CodeMetadata, "The authorization server %s has no authorization endpoint.", m.Issuer)
		}
		endpoints = append(endpoints, m.AuthorizationEndpoint)
		// A server that knows no S256 would ignore the challenge, and a code that is
		// stolen could be used. MCP 2026-07-28, authorization, §PKCE
		if !slices.Contains(m.CodeChallengeMethods, oauth.S256) {
			return fail(CodePKCE, "The authorization server %s does not say that it knows PKCE with S256 (code_challenge_methods_supported): its codes would not be safe.", m.Issuer)
		}
	}
	if c.Grant == Device {
		if m.DeviceEndpoint == "" {
			return fail(CodeMetadata, "The authorization server %s has no device authorization endpoint: sign in with a browser.", m.Issuer)
		}
		endpoints = append(endpoints, m.DeviceEndpoint)
	}
	for _, e := range append(endpoints, m.RegistrationEndpoint, m.RevocationEndpoint) {
		if e == "" {
			continue
		}
		if err := CheckURL(e); err != nil {
			return err
		}
	}
	if m.TokenEndpoint == "" {
		return fail(CodeMetadata, "The authorization server %s has no token endpoint.", m.Issuer)
	}
	return nil
}

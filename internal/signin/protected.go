package signin

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
	"github.com/gatehouse-mcp/gatehouse/internal/proxy"
	"github.com/gatehouse-mcp/gatehouse/internal/safehttp"
)

const wellKnown = "/.well-known/oauth-protected-resource"

// place is what a server says of itself as a protected resource. RFC 9728 §2
type place struct {
	Resource string   `json:"resource"` // sent byte for byte as it came
	Servers  []string `json:"authorization_servers"`
	Scopes   []string `json:"scopes_supported"`
	Name     string   `json:"resource_name"`

	DPoPAlgorithms []string `json:"dpop_signing_alg_values_supported"`
	DPoPOnly       bool     `json:"dpop_bound_access_tokens_required"`

	legacy bool // it says nothing: the server's own origin is the authorization server. MCP 2025-03-26, authorization
}

// maxScopes is how many a server may have: all of them may be asked for.
const maxScopes = 1000

// spot is where a resource's metadata may be, and the resource it is then about.
type spot struct{ url, about string }

// spots returns where to look: where the challenge says, else for the server's
// path and then for its root. MCP 2026-07-28, authorization, §PRM discovery
func (c *Client) spots(ch challenge) ([]spot, error) {
	u, err := url.Parse(c.Server)
	if err != nil {
		return nil, err
	}
	origin := u.Scheme + "://" + u.Host
	query := ""
	if u.RawQuery != "" {
		query = "?" + u.RawQuery
	}
	var all []spot
	if ch.Metadata != "" {
		if err := CheckURL(ch.Metadata); err != nil {
			return nil, err
		}
		all = append(all, spot{ch.Metadata, aboutOf(ch.Metadata)})
	}
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	if path != "" || query != "" {
		all = append(all, spot{origin + wellKnown + path + query, origin + u.EscapedPath() + query})
	}
	return append(all, spot{origin + wellKnown, origin}), nil
}

// aboutOf returns the resource that a well-known URL is about; empty: it is at
// another place. RFC 9728 §3
func aboutOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	path, ok := strings.CutPrefix(u.EscapedPath(), wellKnown)
	if !ok {
		return ""
	}
	u.Path, u.RawPath = "", ""
	return u.Scheme + "://" + u.Host + path
}

// protected finds what the server says of itself.
func (c *Client) protected(ctx context.Context, ch challenge) (*place, error) {
	spots, err := c.spots(ch)
	if err != nil {
		return nil, err
	}
	for _, s := range spots {
		f, err := c.fetcher(s.url)
		if err != nil {
			return nil, err
		}
		raw, err := f.Get(ctx, s.url)
		switch {
		case nothingHere(err):
			continue
		case err != nil:
			return nil, because(unreachable(err), err, "The metadata of %s cannot be fetched.", c.Server)
		}
		return c.readPlace(raw, s)
	}
	u, err := url.Parse(c.Server)
	if err != nil {
		return nil, err
	}
	return &place{Resource: c.Server, Servers: []string{u.Scheme + "://" + u.Host}, legacy: true}, nil
}

// nothingHere says whether a server has no metadata at a place: it says so, or has a page
// for people there, or the way to one. One that fails, or has more than can be read, may
// have some, and is not taken for a server of before there was any.
func nothingHere(err error) bool {
	var status *safehttp.StatusError
	if errors.As(err, &status) {
		return status.Status/100 == 4 && status.Status != http.StatusTooManyRequests
	}
	var redirect *safehttp.RedirectError
	return errors.As(err, &redirect) || errors.Is(err, safehttp.ErrHTML)
}

// unreachable tells a server that does not answer from one that may not be asked, and
// from a proxy that does not lead there.
func unreachable(err error) string {
	var address *safehttp.AddressError
	var text *safehttp.URLError
	var redirect *safehttp.RedirectError
	switch {
	case errors.As(err, &address), errors.As(err, &text), errors.As(err, &redirect):
		return CodeUnsafe
	case proxy.Of(err) != nil:
		return CodeProxy
	}
	return CodeUnanswered
}

func (c *Client) readPlace(raw []byte, s spot) (*place, error) {
	p := &place{}
	if err := json.Unmarshal(raw, p); err != nil {
		return nil, because(CodeResource, err, "The metadata at %s cannot be read.", s.url)
	}
	if !c.fits(p.Resource, s.about) {
		return nil, fail(CodeResource, "The metadata at %s is of %q, not of %q: a token for it would be another's. RFC 9728 §3.3", s.url, plainText(p.Resource), c.Server)
	}
	if len(p.Servers) == 0 {
		return nil, fail(CodeNoWay, "%s names no authorization server in its metadata.", c.Server)
	}
	if len(p.Scopes) > maxScopes {
		return nil, fail(CodeResource, "The metadata at %s has %d scopes. Nobody can consent to that.", s.url, len(p.Scopes))
	}
	for _, scope := range p.Scopes {
		if !oauth.ValidScope(scope) {
			return nil, fail(CodeResource, "The metadata at %s has %q among its scopes, which is none.", s.url, plainText(scope))
		}
	}
	return p, nil
}

// fits says whether a resource is the server we talk to, or one that it is a part
// of and whose own place its metadata came from: nobody else can write there.
// RFC 9728 §3.3
func (c *Client) fits(resource, about string) bool {
	if _, ok := oauth.MatchResource([]string{resource}, c.Server); ok {
		return true
	}
	if _, ok := oauth.MatchResource([]string{resource}, about); about == "" || !ok {
		return false
	}
	parent, err := url.Parse(resource)
	if err != nil {
		return false
	}
	u, err := url.Parse(c.Server)
	if err != nil {
		return false
	}
	return strings.EqualFold(parent.Scheme, u.Scheme) && strings.EqualFold(parent.Host, u.Host) &&
		strings.HasPrefix(u.EscapedPath(), strings.TrimSuffix(parent.EscapedPath(), "/")+"/")
}

package authserver

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/client"
	"github.com/gatehouse-mcp/gatehouse/internal/grant"
	"github.com/gatehouse-mcp/gatehouse/internal/keytext"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

// about is what is said of a token. RFC 7662 §2.2
type about struct {
	Active bool `json:"active"`

	*claims
	Type string `json:"token_type,omitempty"`
}

// aboutRefresh is what is said of a refresh token.
type aboutRefresh struct {
	Active   bool   `json:"active"`
	Issuer   string `json:"iss"`
	Client   string `json:"client_id"`
	Subject  string `json:"sub"`
	Audience string `json:"aud"`
	Scope    string `json:"scope"`
	Issued   int64  `json:"iat"`
	Expires  int64  `json:"exp"`
}

// inactive is what is said of everything that is not for whoever asks: of it
// nothing can be learned, not even that it is there. RFC 7662 §2.2
var inactive = map[string]bool{"active": false}

// introspect is the introspection endpoint. A client may ask about tokens that
// were issued to it, a server about those that are for it. RFC 7662
func (s *Server) introspect(w http.ResponseWriter, r *http.Request) {
	out, err := s.tellAbout(r)
	if err != nil {
		s.count(r, err)
		if told := s.noteRefused(r, &audit.Event{Action: "introspect"}, err); told != nil {
			err = told
		}
		s.refuse(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, out)
}

func (s *Server) tellAbout(r *http.Request) (any, error) {
	form, bad := oauth.ReadForm(r)
	if bad != nil {
		return nil, bad
	}
	c, err := s.Authenticate(r, form, s.Issuer, s.Issuer+"/introspect", s.Issuer+"/token")
	if err != nil {
		return nil, err
	}
	if c.Public() { // anybody may say that they are this client, and try tokens out
		return nil, &oauth.Error{Code: oauth.InvalidClient, Status: http.StatusUnauthorized, Ref: "GH-1419", Description: "only a client that proves who it is may ask about tokens", Challenge: `Basic realm="gatehouse"`}
	}
	text := form.Get("token")
	if text == "" {
		return nil, &oauth.Error{Code: oauth.InvalidRequest, Ref: "GH-1419", Description: "token is required"}
	}
	if len(text) == keytext.Len {
		return s.tellOfRefresh(r, c, text)
	}
	a, _, err := s.readAccess(r.Context(), text)
	switch {
	case errors.Is(err, errNotOurs):
		return inactive, nil
	case err != nil:
		return nil, err
	case a.Client != c.ID && !slices.Contains(c.Resources, a.Audience):
		return inactive, nil
	}
	return about{Active: true, claims: a, Type: a.Confirm.kind()}, nil
}

func (s *Server) tellOfRefresh(r *http.Request, c *client.Client, text string) (any, error) {
	g, latest, err := s.Grants.Find(r.Context(), text)
	switch {
	case errors.Is(err, grant.ErrNotFound):
		return inactive, nil
	case err != nil:
		return nil, err
	case g.Client != c.ID || !latest || g.State(s.now()) != grant.Active:
		return inactive, nil
	}
	if err := s.Grants.Holds(r.Context(), g); errors.Is(err, grant.ErrRevoked) {
		return inactive, nil
	} else if err != nil {
		return nil, err
	}
	ends := g.Expires
	if !g.Idle.IsZero() && g.Idle.Before(ends) {
		ends = g.Idle
	}
	return aboutRefresh{
		Active: true, Issuer: s.Issuer, Client: g.Client, Subject: g.Subject, Audience: g.Resource, Scope: strings.Join(g.Scopes, " "),
		Issued: g.Rotated.Unix(), Expires: ends.Unix(),
	}, nil
}

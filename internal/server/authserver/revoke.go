package authserver

import (
	"errors"
	"net/http"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/client"
	"github.com/gatehouse-mcp/gatehouse/internal/grant"
	"github.com/gatehouse-mcp/gatehouse/internal/keytext"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
	"github.com/gatehouse-mcp/gatehouse/internal/token"
)

// revoke is the revocation endpoint: a client gives up a token of its own. What
// is not its own, or no token at all, is answered alike, and stays as it is.
// RFC 7009
func (s *Server) revoke(w http.ResponseWriter, r *http.Request) {
	e := &audit.Event{Action: "revoke", Detail: map[string]string{}}
	if err := s.giveUp(r, e); err != nil {
		s.refuseClientOf(w, r, e, err)
		return
	}
	e.Outcome = audit.OK
	if err := s.tell(r, e); err != nil {
		s.refuse(w, r, err)
		return
	}
	w.WriteHeader(http.StatusOK)
}

func (s *Server) giveUp(r *http.Request, e *audit.Event) error {
	form, c, err := s.sent(r, e, "/revoke")
	if err != nil {
		return err
	}
	text := form.Get("token")
	if text == "" {
		return &oauth.Error{Code: oauth.InvalidRequest, Ref: "GH-1419", Description: "token is required"}
	}
	// token_type_hint only says where to look first: what a token is shows. RFC 7009 §2.1
	if len(text) == keytext.Len {
		return s.giveUpRefresh(r, c, text, e)
	}
	return s.giveUpAccess(r, c, text, e)
}

func (s *Server) giveUpRefresh(r *http.Request, c *client.Client, text string, e *audit.Event) error {
	g, _, err := s.Grants.Find(r.Context(), text)
	switch {
	case errors.Is(err, grant.ErrNotFound):
		e.Reason = "no token of ours"
		return nil
	case err != nil:
		return err
	case g.Client != c.ID:
		e.Reason = "the token of another client: nothing was done"
		return nil
	}
	e.Subject, e.TenantID, e.Detail["grant"] = g.Subject, string(g.Tenant), g.ID
	if g.Flow != "" {
		e.Request = g.Flow
	}
	_, err = s.Grants.Revoke(r.Context(), g.ID, "its client gave it up", "client:"+c.ID)
	return err
}

func (s *Server) giveUpAccess(r *http.Request, c *client.Client, text string, e *audit.Event) error {
	a, t, err := s.readAccess(r.Context(), text)
	switch {
	case errors.Is(err, errNotOurs):
		e.Reason = "no token of ours that holds"
		return nil
	case err != nil:
		return err
	case a.Client != c.ID:
		e.Reason = "the token of another client: nothing was done"
		return nil
	}
	e.Subject, e.Tenant, e.TenantID, e.TokenID = a.Subject, t.Name, string(t.ID), a.ID
	_, err = s.Tokens.Revoke(r.Context(), token.Spec{
		Target: token.Target{Kind: token.KindID, Issuer: s.Issuer, Value: a.ID}, Expires: time.Unix(a.Expires, 0).Add(2 * leeway),
		By: "client:" + c.ID, Reason: "its client gave it up",
	})
	return err
}

package authserver

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/client"
	"github.com/gatehouse-mcp/gatehouse/internal/credential"
	"github.com/gatehouse-mcp/gatehouse/internal/grant"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

// tokenRequest is a request at the token endpoint whose client is known.
type tokenRequest struct {
	*http.Request
	form   *oauth.Params
	client *client.Client
	key    string // thumbprint of the key of its DPoP proof; empty: there is none
	cert   string // thumbprint of its connection's certificate, whoever vouches for it; empty: there is none

	event *audit.Event // what is written down of it: grants add what they learn
	quiet bool         // it is not written down: a device that asks whether it is time
}

// A grantType is a way to come to an access token, each in a file of its own.
type grantType struct {
	// give judges a request and returns what to make a token of. It has spent what
	// can be spent once.
	give   func(*Server, *tokenRequest) (*issue, error)
	action string // in the trail
	open   bool   // a client may use it though its registration does not name it
}

func grantTypes() map[string]grantType {
	return map[string]grantType{
		oauth.AuthorizationCode: {give: (*Server).tokenOfCode, action: "token"},
		oauth.RefreshToken:      {give: (*Server).tokenOfRefresh, action: "refresh", open: true}, // who has been given one may use it
		oauth.ClientCredentials: {give: (*Server).tokenOfClient, action: "token"},
		oauth.DeviceCode:        {give: (*Server).tokenOfDevice, action: "token"},
		oauth.TokenExchange:     {give: (*Server).tokenOfToken, action: "exchange"},
		oauth.JWTBearer:         {give: (*Server).tokenOfAssertion, action: "assertion"},
	}
}

// token is the token endpoint. RFC 6749 §3.2
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	q := &tokenRequest{Request: r, event: &audit.Event{Action: "token", Outcome: audit.Refused}}
	out, err := s.give(q)
	if q.client != nil {
		q.event.ClientID = q.client.ID
	}
	if nonce := s.nonce(); nonce != "" {
		w.Header().Set("DPoP-Nonce", nonce) // RFC 9449 §8
	}
	if err != nil {
		s.refuseToken(w, q, err)
		return
	}
	q.event.Outcome = audit.OK
	if err := s.tell(r, q.event); err != nil {
		s.refuse(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, out)
}

func (s *Server) nonce() string {
	if s.DPoP == nil {
		return ""
	}
	return s.DPoP.Nonce()
}

// give finds out who asks for what, and makes the token.
func (s *Server) give(q *tokenRequest) (*tokenAnswer, error) {
	form, e := oauth.ReadForm(q.Request)
	if e != nil {
		return nil, e
	}
	q.form = form
	kind := form.Get("grant_type")
	by, known := grantTypes()[kind]
	switch {
	case kind == "":
		return nil, &oauth.Error{Code: oauth.InvalidRequest, Ref: "GH-1412", Description: "grant_type is required"}
	case !known, kind == oauth.JWTBearer && len(s.Assertions) == 0:
		return nil, &oauth.Error{Code: oauth.UnsupportedGrantType, Ref: "GH-1412", Description: "this grant_type is not offered here"}
	}
	q.event.Action = by.action
	q.event.Detail = map[string]string{"grant_type": kind}
	c, err := s.Authenticate(q.Request, form, s.Issuer, s.Issuer+"/token")
	if err != nil {
		q.event.ClientID = form.Get("client_id")
		return nil, err
	}
	q.client = c
	if !by.open && !slices.Contains(c.Grants, kind) {
		return nil, &oauth.Error{Code: oauth.UnauthorizedClient, Ref: "GH-1412", Description: "this client may not use this grant_type"}
	}
	if q.key, err = s.proof(q.Request); err != nil {
		return nil, err
	}
	if q.key == "" && s.Settings.RequireProof {
		return nil, &oauth.Error{Code: oauth.InvalidDPoPProof, Ref: "GH-1114", Description: "tokens are bound to a key here: a DPoP proof is required"}
	}
	if q.cert = thumbprintOf(credential.Presented(q.Request)); c.Bound && q.cert == "" { // RFC 8705 §3
		return nil, &oauth.Error{Code: oauth.InvalidRequest, Ref: "GH-1409", Description: "the tokens of this client are bound to its certificate, and this connection has none"}
	}
	i, err := by.give(s, q)
	if err != nil {
		return nil, err
	}
	return s.answerOf(q, i)
}

// proof judges the DPoP proof of a request, and returns the thumbprint of its
// key; empty: there is none. RFC 9449 §5
func (s *Server) proof(r *http.Request) (string, error) {
	proofs := r.Header.Values("DPoP")
	if len(proofs) == 0 {
		return "", nil
	}
	key, err := s.DPoP.Key(r.Context(), &gatehouse.Credential{Proofs: proofs, Method: r.Method, URL: s.Issuer + r.URL.Path})
	if err == nil {
		return key, nil
	}
	e, ok := errors.AsType[*gatehouse.Error](err)
	if !ok || e.Status >= http.StatusInternalServerError {
		return "", err
	}
	out := &oauth.Error{Code: oauth.InvalidDPoPProof, Ref: e.Code, Description: "the DPoP proof is not accepted", Cause: err}
	if e.Challenge != nil && e.Challenge.Error == oauth.UseDPoPNonce {
		out.Code, out.Description = oauth.UseDPoPNonce, "the DPoP proof needs the nonce of this answer"
	}
	return "", out
}

// refuseToken answers a refusal at the token endpoint, and sees to it that it is
// written down and counted.
func (s *Server) refuseToken(w http.ResponseWriter, q *tokenRequest, err error) {
	s.count(q.Request, err)
	if !q.quiet {
		if told := s.noteRefused(q.Request, q.event, err); told != nil {
			err = told
		}
	}
	s.refuse(w, q.Request, err)
}

// noteRefused writes a refusal down.
func (s *Server) noteRefused(r *http.Request, e *audit.Event, err error) error {
	why := refusalOf(err)
	if ended, ok := errors.AsType[*grant.EndedError](err); ok {
		endedBy(e, ended.Grant)
	}
	e.Outcome, e.Code, e.Status = audit.Refused, why.Ref, why.Status
	if e.Status == 0 {
		e.Status = http.StatusBadRequest
	}
	if e.Status >= http.StatusInternalServerError {
		e.Outcome = audit.Failed
	}
	e.Reason = strings.TrimPrefix(why.Error(), why.Code+": ")
	if e.Request != "" && e.Request != requestID(r) { // the client is told the id of its request: by that it is looked for
		belongsTo(e, e.Request)
		e.Request = ""
	}
	return s.tell(r, e)
}

// endedBy notes whose grant a refused request has ended: that stands in the trail
// by itself, among however many refusals that are like it.
func endedBy(e *audit.Event, g *grant.Grant) {
	if e.Detail == nil {
		e.Detail = map[string]string{}
	}
	e.Changed, e.Subject, e.TenantID, e.Detail[audit.DetailGrant] = true, g.Subject, string(g.Tenant), g.ID
}

// belongsTo notes which login a refused request is a part of; empty: it is not known.
func belongsTo(e *audit.Event, flow string) {
	if flow == "" {
		return
	}
	if e.Detail == nil {
		e.Detail = map[string]string{}
	}
	e.Detail[audit.DetailFlow] = flow
}

// guesses are refusals of what somebody may have made up. A device that asks too
// early, and a token that is over, are none.
var guesses = map[string]bool{"GH-1401": true, "GH-1409": true, "GH-1410": true, "GH-1411": true, "GH-1414": true, "GH-1416": true}

// count counts a guess towards a ban.
func (s *Server) count(r *http.Request, err error) {
	e, ok := errors.AsType[*oauth.Error](err)
	if !ok || s.Failed == nil || !guesses[e.Ref] {
		return
	}
	switch e.Code {
	case oauth.InvalidGrant, oauth.InvalidClient:
		s.Failed(r, e.Ref)
	}
}

// asked returns the resource that a request is for, and the scopes that it asks
// for; nil: it does not say. OfflineAccess is no scope of a resource.
func (s *Server) asked(form *oauth.Params, served []string) (resource string, scopes []string, offline bool, err error) {
	all := form.All("resource")
	if len(all) > 1 {
		return "", nil, false, &oauth.Error{Code: oauth.InvalidTarget, Ref: "GH-1404", Description: "a token is for one resource, and several are asked for"}
	}
	if len(all) == 1 {
		canonical, ok := oauth.MatchResource(served, all[0])
		if !ok {
			return "", nil, false, notServed(all[0], served)
		}
		resource = canonical
	}
	scopes, e := oauth.ParseScope(form.Get("scope"))
	if e != nil {
		return "", nil, false, e
	}
	if n := slices.Index(scopes, oauth.OfflineAccess); n >= 0 {
		offline = true
		if scopes = slices.Delete(scopes, n, n+1); len(scopes) == 0 {
			scopes = nil
		}
	}
	return resource, scopes, offline, nil
}

// notServed is the refusal of a resource that is not ours. RFC 8707 §2
func notServed(asked string, served []string) *oauth.Error {
	e := &oauth.Error{Code: oauth.InvalidTarget, Ref: "GH-1404", Description: "this resource is not served here"}
	e.Cause = errors.New("asked for " + clip(asked) + ", served: " + strings.Join(served, " "))
	if len(served) == 1 && oauth.ValidScope(served[0]) { // it is public: the resource's own metadata has it
		e.Description += ", but " + served[0]
	}
	return e
}

// clip bounds a stranger's text in a log.
func clip(s string) string {
	if len(s) > 200 {
		return s[:200] + "…"
	}
	return s
}

// served are the resources that tokens are given out for.
func (s *Server) served() []string {
	out := make([]string, len(s.Resources))
	for i := range s.Resources {
		out[i] = s.Resources[i].URL
	}
	return out
}

// served finds a resource by its canonical URL; nil: it is not served any more.
func (s *Server) resourceAt(url string) *Resource {
	for i := range s.Resources {
		if s.Resources[i].URL == url {
			return &s.Resources[i]
		}
	}
	return nil
}

// used notes that a client was given a token. That it cannot be noted keeps
// nobody from the token.
func (s *Server) used(ctx context.Context, c *client.Client) {
	if s.Used == nil {
		return
	}
	if err := s.Used(ctx, c); err != nil {
		s.Log.Warn("the use of a client is not noted", "client", c.ID, "error", err)
	}
}

// askedForOne is asked, where what does not say which resource it is for is for
// the only one that is served.
func (s *Server) askedForOne(form *oauth.Params) (resource string, scopes []string, offline bool, err error) {
	resource, scopes, offline, err = s.asked(form, s.served())
	if err != nil || resource != "" {
		return resource, scopes, offline, err
	}
	only, ok := oauth.MatchResource(s.served(), "")
	if !ok {
		return "", nil, false, notServed("", s.served())
	}
	return only, scopes, offline, nil
}

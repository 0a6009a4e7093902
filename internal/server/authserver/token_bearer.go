package authserver

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/grant"
	"github.com/gatehouse-mcp/gatehouse/internal/jws"
	"github.com/gatehouse-mcp/gatehouse/internal/login"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

const (
	assertionType = "oauth-id-jag+jwt"
	assertionLife = time.Hour // from iat to exp: providers give five minutes
	maxAssertion  = 16 << 10  // bytes
)

// assertion is what an enterprise says of one of its people: that a client may
// act for them here. draft-ietf-oauth-identity-assertion-authz-grant §3
type assertion struct {
	by       *AssertionIssuer
	who      Asserted
	id       string
	client   string
	resource string   // as the enterprise wrote it; empty: it does not say
	scopes   []string // nil: it does not say
	expires  time.Time
	authTime time.Time // zero: it does not say
}

func assertionRefused(format string, args ...any) *oauth.Error {
	return &oauth.Error{Code: oauth.InvalidGrant, Ref: "GH-1416", Description: "the assertion is not accepted", Cause: fmt.Errorf(format, args...)}
}

// tokenOfAssertion is Enterprise-Managed Authorization: the enterprise has
// decided in the person's place. It gives no refresh token: whoever wants
// another access token asks the enterprise again. RFC 7523 §2.1
func (s *Server) tokenOfAssertion(q *tokenRequest) (*issue, error) {
	text := q.form.Get("assertion")
	if text == "" {
		return nil, &oauth.Error{Code: oauth.InvalidRequest, Ref: "GH-1416", Description: "assertion is required"}
	}
	a, err := s.readAssertion(q.Context(), text)
	if err != nil {
		return nil, err
	}
	q.event.Issuer, q.event.Detail["assertion"] = a.by.Issuer, a.id
	if err := a.admits(q); err != nil {
		return nil, err
	}
	i := &issue{tenant: a.by.Tenant, identity: grant.Identity{Issuer: a.by.Issuer, Subject: a.who.Subject}, authTime: a.authTime}
	if i.resource, i.scopes, err = s.asserted(q, a); err != nil {
		return nil, err
	}
	// Last of all: what is wrong in something else uses nothing up.
	key := sha256.Sum256([]byte("id-jag\x00" + a.by.Issuer + "\x00" + a.id))
	if err := s.Once.Once(q.Context(), key, a.expires.Add(leeway)); errors.Is(err, grant.ErrReplay) {
		return nil, assertionRefused("jti %s was used before", clip(a.id))
	} else if err != nil {
		return nil, err
	}
	u, err := s.Assert(q.Context(), a.by, a.who)
	switch {
	case errors.Is(err, login.ErrDisabled):
		return nil, notAdmitted("the account of this person is not active", err)
	case errors.Is(err, login.ErrTenant), errors.Is(err, login.ErrLinked):
		return nil, notAdmitted("this person is known here as somebody of another tenant", err)
	case err != nil:
		return nil, err
	}
	i.subject = u.ID
	return i, s.personal(q.Context(), i)
}

// admits says whether an assertion speaks of the client that brings it.
func (a *assertion) admits(q *tokenRequest) error {
	listed := slices.Contains(a.by.Clients, q.client.ID)
	switch {
	case a.client != q.client.ID:
		return assertionRefused("client_id is %s, and %s brings it", clip(a.client), q.client.ID)
	case len(a.by.Clients) > 0 && !listed:
		return assertionRefused("%s may not speak about client %s", a.by.Issuer, q.client.ID)
	case q.client.Public() && !listed: // anybody may say that they are this client
		return assertionRefused("client %s does not prove who it is, and is not among the clients of %s", q.client.ID, a.by.Issuer)
	}
	return nil
}

// asserted returns what the token is for: of everything the least.
func (s *Server) asserted(q *tokenRequest, a *assertion) (resource string, scopes []string, err error) {
	resource, ok := oauth.MatchResource(s.served(), a.resource)
	if !ok {
		return "", nil, assertionRefused("resource %q is not served here, or several are and it names none", clip(a.resource))
	}
	to, asked, _, err := s.asked(q.form, s.served())
	switch {
	case err != nil:
		return "", nil, err
	case to != "" && to != resource:
		return "", nil, &oauth.Error{Code: oauth.InvalidTarget, Ref: "GH-1404", Description: "the assertion is for another resource"}
	}
	res := s.resourceAt(resource)
	switch {
	case a.scopes != nil && asked != nil:
		scopes = grant.Scopes(asked, a.scopes)
	case a.scopes != nil:
		scopes = a.scopes
	default:
		scopes = res.wanted(asked, q.client.Scopes)
	}
	if len(a.by.Scopes) > 0 {
		scopes = grant.Scopes(scopes, a.by.Scopes)
	}
	return resource, scopes, nil
}

// readAssertion judges an assertion by itself.
func (s *Server) readAssertion(ctx context.Context, text string) (*assertion, error) {
	if len(text) > maxAssertion {
		return nil, assertionRefused("it has %d bytes", len(text))
	}
	t, err := jws.Read(text)
	if err != nil {
		return nil, assertionRefused("%w", err)
	}
	if t.Type != assertionType || !slices.Contains(AssertionAlgorithms(), t.Algorithm) {
		return nil, assertionRefused("typ %s, alg %s", clip(t.Type), clip(t.Algorithm))
	}
	o, err := jws.ReadObject(t.Payload, []string{"iss", "sub", "aud", "client_id", "jti", "exp", "iat", "nbf", "resource", "scope", "email", "email_verified", "auth_time", "name"})
	if err != nil {
		return nil, assertionRefused("%w", err)
	}
	iss := textOf(o, "iss")
	n := slices.IndexFunc(s.Assertions, func(i AssertionIssuer) bool { return i.Issuer == iss })
	if n < 0 {
		return nil, assertionRefused("issuer %q is not trusted", clip(iss))
	}
	by := &s.Assertions[n]
	if err := signedBy(ctx, t, by.Keys); err != nil {
		return nil, err
	}
	a := &assertion{by: by, who: Asserted{Subject: textOf(o, "sub"), Name: textOf(o, "name")}, id: textOf(o, "jti"), client: textOf(o, "client_id")}
	if v, _ := o.Get("email_verified"); string(v) == "true" { // the literal, as everywhere
		a.who.Email = textOf(o, "email")
	}
	if err := a.read(o, s.Issuer, s.now()); err != nil {
		return nil, err
	}
	return a, nil
}

// signedBy verifies a signature by one of an issuer's keys.
func signedBy(ctx context.Context, t *jws.Token, set gatehouse.KeySet) error {
	keys, err := set.Keys(ctx, t.KeyID, t.Algorithm)
	switch {
	case errors.Is(err, gatehouse.ErrUnknownKey):
		return assertionRefused("%w", err)
	case err != nil:
		return &oauth.Error{Code: oauth.Unavailable, Ref: "GH-1111", Status: 503, Description: "the keys of the issuer of the assertion cannot be had at present", Cause: err}
	}
	for _, k := range keys {
		if t.Verify(k) == nil {
			return nil
		}
	}
	return assertionRefused("its signature is not by a key of its issuer")
}

// read reads whom and what an assertion is for, and when.
func (a *assertion) read(o *jws.Object, issuer string, now time.Time) error {
	if a.who.Subject == "" || a.id == "" || a.client == "" || len(a.id) > 256 {
		return assertionRefused("sub, jti or client_id is missing")
	}
	if aud := oneText(o, "aud"); aud != issuer { // ours alone: whoever else it names could use it too
		return assertionRefused("aud is %q, want %s alone", clip(aud), issuer)
	}
	at := map[string]time.Time{}
	for _, name := range [...]string{"iat", "exp", "nbf", "auth_time"} {
		v, there := o.Get(name)
		if !there {
			continue
		}
		n, ok := jws.Number(v)
		if !ok || n < 0 || n > 1<<38 {
			return assertionRefused("%s is no time", name)
		}
		at[name] = time.Unix(int64(n), 0)
	}
	switch {
	case at["iat"].IsZero() || at["exp"].IsZero():
		return assertionRefused("iat or exp is missing")
	case at["iat"].After(now.Add(leeway)) || at["nbf"].After(now.Add(leeway)):
		return assertionRefused("it is not valid yet: clocks differ")
	case !at["exp"].After(now.Add(-leeway)):
		return assertionRefused("it has expired")
	case at["exp"].Sub(at["iat"]) > assertionLife:
		return assertionRefused("it lives for %s, at most %s are accepted", at["exp"].Sub(at["iat"]), assertionLife)
	}
	a.expires, a.authTime = at["exp"], at["auth_time"]
	if _, there := o.Get("resource"); there {
		if a.resource = oneText(o, "resource"); a.resource == "" {
			return assertionRefused("resource is not one text")
		}
	}
	if _, there := o.Get("scope"); there {
		scopes, e := oauth.ParseScope(textOf(o, "scope"))
		if e != nil {
			return assertionRefused("scope: %w", e)
		}
		a.scopes = append([]string{}, scopes...) // it says: none, if there is none
	}
	return nil
}

// textOf returns a member that is a text; empty: it is none.
func textOf(o *jws.Object, name string) string {
	v, _ := o.Get(name)
	text, _ := jws.Text(v)
	return text
}

// oneText returns a member that is a text, or a list of exactly one.
func oneText(o *jws.Object, name string) string {
	v, _ := o.Get(name)
	if text, ok := jws.Text(v); ok {
		return text
	}
	if list, ok := jws.Texts(v); ok && len(list) == 1 {
		return list[0]
	}
	return ""
}

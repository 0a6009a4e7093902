package federation

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/oauth2"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/idp"
	"github.com/gatehouse-mcp/gatehouse/internal/jws"
	"github.com/gatehouse-mcp/gatehouse/internal/pattern"
	"github.com/gatehouse-mcp/gatehouse/internal/safehttp"
)

// profile judges the ID token, and reads who signed in. OpenID Connect Core §3.1.3.7
func (o *OIDC) profile(ctx context.Context, m *metadata, p *Pending, t *oauth2.Token) (*Profile, error) {
	raw, _ := t.Extra("id_token").(string)
	if raw == "" {
		return nil, o.invalid(errors.New("there is no ID token: is the scope openid asked for, and allowed?"))
	}
	token, err := m.verifier.Verify(ctx, raw)
	if err != nil {
		return nil, o.unverified(err)
	}
	if token.AccessTokenHash != "" {
		if err := token.VerifyAccessToken(t.AccessToken); err != nil {
			return nil, o.invalid(err)
		}
	}
	var text json.RawMessage
	if err := token.Claims(&text); err != nil {
		return nil, o.invalid(err)
	}
	claims, err := readClaims(text)
	if err != nil {
		return nil, o.invalid(fmt.Errorf("ID token: %w", err))
	}
	if err := o.bound(claims, p, token.Audience, token.IssuedAt); err != nil {
		return nil, o.invalid(fmt.Errorf("ID token: %w", err))
	}
	signed := object(claims)
	if m.UserinfoEndpoint != "" && !o.login.NoUserinfo {
		more, err := o.userinfo(ctx, m.UserinfoEndpoint, t.AccessToken, token.Subject)
		if err != nil {
			return nil, err
		}
		claims = merge(claims, more)
	}
	who, err := o.read(claims, signed)
	if err != nil {
		return nil, err
	}
	if p.Forced && !who.AuthTime.IsZero() && who.AuthTime.Before(p.Began.Add(-skew)) {
		return nil, o.refuse(CodeDenied, "Your application wants you to sign in anew, and %s let you through without asking. Sign out there, and start again.", errors.New("auth_time is before the sign-in began"))
	}
	return who, nil
}

// bound says whether an ID token is for this client and this sign-in.
func (o *OIDC) bound(claims []jws.Member, p *Pending, audience []string, issued time.Time) error {
	if text(claims, "nonce") != p.Nonce || p.Nonce == "" {
		return errors.New("the nonce is not that of this sign-in")
	}
	azp, there := member(claims, "azp")
	if by, _ := jws.Text(azp); there && by != o.settings.ClientID {
		return fmt.Errorf("azp is %.200q", by)
	}
	if len(audience) > 1 && !there {
		return fmt.Errorf("it is for several audiences, %.300q, and does not say who asked for it", audience)
	}
	if issued.IsZero() || issued.After(o.now().Add(5*skew)) || issued.Before(p.Began.Add(-5*skew)) {
		return fmt.Errorf("it was issued at %s, and the sign-in began at %s", issued.UTC().Format(time.RFC3339), p.Began.UTC().Format(time.RFC3339))
	}
	return nil
}

// userinfo asks the provider for more of the person. OpenID Connect Core §5.3
func (o *OIDC) userinfo(ctx context.Context, endpoint, access, subject string) ([]jws.Member, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint, http.NoBody)
	if err != nil {
		return nil, o.invalid(err)
	}
	q.Header.Set("Authorization", "Bearer "+access)
	q.Header.Set("Accept", "application/json")
	a, err := safehttp.Fetcher{Client: o.http}.Do(q)
	switch {
	case err != nil:
		return nil, o.away(fmt.Errorf("userinfo: %s", safehttp.Reason(err)))
	case a.Status >= 500 || a.Status == http.StatusTooManyRequests:
		return nil, o.away(fmt.Errorf("userinfo: status %d", a.Status))
	case a.Status != http.StatusOK || !a.JSON():
		return nil, o.invalid(fmt.Errorf("userinfo: status %d, %.80q", a.Status, a.Type))
	}
	claims, err := readClaims(a.Body)
	if err != nil {
		return nil, o.invalid(fmt.Errorf("userinfo: %w", err))
	}
	if sub := text(claims, "sub"); sub != subject { // OpenID Connect Core §5.3.2
		return nil, o.invalid(fmt.Errorf("userinfo is of subject %.200q, the ID token of %.200q", sub, subject))
	}
	return claims, nil
}

// away refuses because of a provider that does not answer.
func (b *base) away(cause error) *Refusal {
	return b.refuse(CodeUnavailable, "%s does not answer at present. Nothing was granted. Try again in a minute.", errors.Join(ErrUnavailable, cause))
}

// readClaims reads one JSON object in which no member is named twice.
func readClaims(raw []byte) ([]jws.Member, error) {
	if !jsontext.Value(raw).IsValid() {
		return nil, errors.New("it is not strict JSON")
	}
	return jws.Members(raw)
}

func member(claims []jws.Member, name string) ([]byte, bool) {
	i := slices.IndexFunc(claims, func(m jws.Member) bool { return m.Name == name })
	if i < 0 {
		return nil, false
	}
	return claims[i].Value, true
}

func text(claims []jws.Member, name string) string {
	v, _ := member(claims, name)
	s, _ := jws.Text(v)
	return s
}

// pair are claims that say something only together.
var pair = []string{"email", "email_verified"}

// merge adds what userinfo says to what an ID token does, which is signed and
// goes first. An address and whether it is verified come from one of the two: a
// verified address of the one does not verify that of the other.
func merge(signed, more []jws.Member) []jws.Member {
	out := slices.Clone(signed)
	both := !slices.ContainsFunc(pair, func(name string) bool { _, there := member(signed, name); return !there })
	if _, there := member(more, "email"); there && !both {
		out = slices.DeleteFunc(out, func(m jws.Member) bool { return slices.Contains(pair, m.Name) })
	} else {
		more = slices.DeleteFunc(slices.Clone(more), func(m jws.Member) bool { return slices.Contains(pair, m.Name) })
	}
	for _, m := range more {
		if _, there := member(out, m.Name); !there {
			out = append(out, m)
		}
	}
	return out
}

// object returns the claims as one JSON object.
func object(claims []jws.Member) []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range claims {
		if i > 0 {
			b.WriteByte(',')
		}
		name, _ := jsontext.AppendQuote(nil, m.Name) // it was read from JSON
		b.Write(name)
		b.WriteByte(':')
		b.Write(m.Value)
	}
	b.WriteByte('}')
	return b.Bytes()
}

// read maps claims to a profile. signed are those of the ID token alone.
func (o *OIDC) read(claims []jws.Member, signed []byte) (*Profile, error) {
	l := o.login
	all := object(claims)
	if o.holds(all, l.Verified) {
		claims = slices.DeleteFunc(slices.Clone(claims), func(m jws.Member) bool { return m.Name == "email_verified" })
		all = object(append(claims, jws.Member{Name: "email_verified", Value: []byte("true")}))
	}
	for _, r := range l.Require {
		if !o.holds(all, []idp.ClaimTest{r}) {
			return nil, o.required(r)
		}
	}
	c := claimMap(&l.Claims)
	id, err := c.Identity(all)
	if err != nil {
		return nil, o.invalid(errors.Join(err, errors.Unwrap(err))) // the story is in its cause
	}
	who := &Profile{
		Provider: o.Name(), Issuer: l.Issuer, Subject: id.Subject, Name: id.Name, Tenant: id.Tenant, Groups: id.Groups, Roles: id.Roles,
		GroupsOmitted: id.GroupsOmitted, AuthTime: id.SignedIn, Claims: all, Username: username(claims),
	}
	o.addressed(who, id.Email)
	if l.Domain != nil {
		who.Domain = ""
		only := gatehouse.ClaimMap{Tenant: l.Domain}
		if id, err := only.Identity(signed); err == nil {
			who.Domain = idp.Lower(id.Tenant)
		}
		if _, domain, ok := idp.Address(who.Email); ok && domain == who.Domain { // an account of that domain's own
			who.Vouched = true
		}
	}
	who.Methods = methods(claims)
	return who, nil
}

// addressed fills in a verified address, and what follows from it.
func (b *base) addressed(who *Profile, email string) {
	_, domain, ok := idp.Address(email)
	if !ok {
		return
	}
	who.Email, who.Domain = email, domain
	who.Vouched = slices.Contains(b.settings.Authoritative, domain) || slices.Contains(b.login.Authority, domain)
}

// required says that somebody is not who is required.
func (o *OIDC) required(r idp.ClaimTest) *Refusal {
	text := "You signed in to %s with an account that is not one of the organization's. Sign in with your work account."
	if r.Claim == "email_verified" {
		text = "%s does not say that your address is verified. Verify it there, and sign in again."
	}
	return o.refuse(CodeAllow, text, fmt.Errorf("it is required that %s", gatehouse.ClaimRule(r)))
}

// holds says whether one of several tests is true of claims.
func (o *OIDC) holds(claims []byte, tests []idp.ClaimTest) bool {
	rules := []gatehouse.ClaimRule{}
	for _, t := range tests {
		rules = append(rules, gatehouse.ClaimRule(t))
	}
	m := gatehouse.ClaimMap{Subject: []string{"=x"}, Client: []string{}, Service: rules}
	id, err := m.Identity(claims)
	return err == nil && id.Kind == gatehouse.KindService
}

// claimMap is where a provider puts things. A list that is empty asks for
// nothing, where a nil one would ask for what RFC 9068 says.
func claimMap(c *idp.Claims) *gatehouse.ClaimMap {
	some := func(paths []string) []string { return append([]string{}, paths...) }
	return &gatehouse.ClaimMap{
		Subject: some(c.Subject), Client: []string{}, Scopes: []string{}, Tenant: c.Tenant, Name: c.Name, Email: c.Email,
		Roles: some(c.Roles), Groups: some(c.Groups), Drop: c.Drop, GroupsOmitted: c.GroupsOmitted,
	}
}

// username is what people call an account.
func username(claims []jws.Member) string {
	s := text(claims, "preferred_username")
	if len(s) > 128 || !namePlain().MatchString(s) {
		return ""
	}
	return s
}

var (
	namePlain  = pattern.Lazy(`^[\p{L}\p{N}][\p{L}\p{M}\p{N} ._@+-]*$`)
	methodForm = pattern.Lazy(`^[a-zA-Z0-9._:-]{1,32}$`)
)

// methods are how somebody proved who they are. RFC 8176
func methods(claims []jws.Member) []string {
	v, _ := member(claims, "amr")
	list, _ := jws.Elements(v)
	var out []string
	for _, e := range list {
		if s, ok := jws.Text(e); ok && methodForm().MatchString(s) && len(out) < 8 {
			out = append(out, s)
		}
	}
	return out
}

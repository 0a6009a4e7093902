package client

import (
	"context"
	"crypto"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/grant"
	"github.com/gatehouse-mcp/gatehouse/internal/jws"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

const (
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" // RFC 7523 §2.2
	maxAssertion  = 16 << 10
	maxLife       = time.Hour // of an assertion, from now
	leeway        = time.Minute
)

// assertion is a JWT by which a client says who it is. Its signature was not
// verified. RFC 7523 §3
type assertion struct {
	token         *jws.Token
	subject       string
	audiences     []string
	id            string    // jti; empty: there is none
	expires, from time.Time // from: the later of nbf and iat; zero: neither is there
}

var assertionClaims = []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti"}

func badAssertion(why string) error {
	return &oauth.Error{Code: oauth.InvalidClient, Status: http.StatusUnauthorized, Ref: "GH-1409", Description: "client_assertion: " + why}
}

// readAssertion reads what an assertion says of itself.
func readAssertion(text, kind string) (*assertion, error) {
	switch {
	case kind != assertionType:
		return nil, badAssertion("client_assertion_type has to be " + assertionType)
	case len(text) > maxAssertion:
		return nil, badAssertion("it is too long")
	}
	t, err := jws.Read(text)
	if err != nil {
		return nil, badAssertion("it is not a signed JWT")
	}
	if _, own := t.JWK(); own || t.URL != "" {
		return nil, badAssertion("it brings a key of its own") // RFC 8725 §3.10
	}
	// Other JWTs of a client are not for this. RFC 8725 §3.11
	if t.Type != "" && t.Type != "jwt" && t.Type != "client-authentication+jwt" {
		return nil, badAssertion("its typ is of something else")
	}
	o, err := jws.ReadObject(t.Payload, assertionClaims)
	if err != nil {
		return nil, badAssertion("its claims are not strict JSON")
	}
	a := &assertion{token: t}
	return a, a.read(o)
}

func (a *assertion) read(o *jws.Object) error {
	claim := func(name string) string {
		v, _ := o.Get(name)
		s, _ := jws.Text(v)
		return s
	}
	a.subject, a.id = claim("sub"), claim("jti")
	if a.subject == "" || claim("iss") != a.subject { // RFC 7523 §3
		return badAssertion("iss and sub have to be the client_id")
	}
	v, _ := o.Get("aud")
	if one, ok := jws.Text(v); ok {
		a.audiences = []string{one}
	} else if a.audiences, ok = jws.Texts(v); !ok {
		return badAssertion("it has no aud")
	}
	moment := func(name string) (time.Time, bool) {
		v, there := o.Get(name)
		n, ok := jws.Number(v)
		if !there || !ok || n < 0 || n > 1<<40 {
			return time.Time{}, false
		}
		return time.Unix(int64(n), 0), true
	}
	var ok bool
	if a.expires, ok = moment("exp"); !ok {
		return badAssertion("it has no exp")
	}
	for _, name := range [...]string{"nbf", "iat"} {
		if !o.Has(name) {
			continue
		}
		at, ok := moment(name)
		if !ok {
			return badAssertion(name + " is no time")
		}
		if at.After(a.from) {
			a.from = at
		}
	}
	return nil
}

// judge asks whether an assertion is the client's, for us, in time, and new.
func (g *Registry) judge(ctx context.Context, c *Client, a *assertion, audiences []string) error {
	now := g.now()
	switch {
	case !slices.Contains(jws.Algorithms(), a.token.Algorithm):
		return &unproven{fmt.Sprintf("its assertion is signed by %.20q", a.token.Algorithm)}
	case len(a.audiences) == 0 || slices.ContainsFunc(a.audiences, func(aud string) bool { return !slices.Contains(audiences, aud) }):
		return &unproven{fmt.Sprintf("its assertion is for %.200q, and not for %s alone", a.audiences, strings.Join(audiences, " or "))}
	case !now.Before(a.expires.Add(leeway)):
		return &unproven{"its assertion has expired, " + a.expires.UTC().Format(time.RFC3339)}
	case a.expires.After(now.Add(maxLife + leeway)):
		return &unproven{"its assertion lives longer than an hour"}
	case a.from.After(now.Add(leeway)):
		return &unproven{"its assertion is not valid yet: " + a.from.UTC().Format(time.RFC3339)}
	}
	keys, err := g.keysOf(ctx, c, a.token.KeyID, a.token.Algorithm)
	if err != nil {
		if ctx.Err() != nil || Refusal(err) != nil {
			return err
		}
		return &unproven{err.Error()}
	}
	verified := slices.ContainsFunc(keys, func(key crypto.PublicKey) bool { return a.token.Verify(key) == nil })
	if !verified {
		return &unproven{"its assertion is not signed by a key of its own"}
	}
	id := a.id
	if id == "" { // then the whole of it is what may be seen once
		id = "\x00" + string(a.token.Payload)
	}
	seen := sha256.Sum256([]byte("client assertion\x00" + c.ID + "\x00" + id))
	err = g.Once.Once(ctx, seen, a.expires.Add(leeway))
	if errors.Is(err, grant.ErrReplay) {
		return &unproven{"its assertion was used before"}
	}
	if err != nil {
		return fmt.Errorf("whether the assertion is new: %w", err)
	}
	return nil
}

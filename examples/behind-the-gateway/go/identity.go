package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// Identity is who is calling, as Gatehouse says.
type Identity struct {
	Subject string `json:"sub"`         // who; stable when keys are rotated
	Tenant  string `json:"tenant"`      // the customer's id; empty: Gatehouse itself, at its start
	Name    string `json:"tenant_name"` // for people
	Key     string `json:"key_id"`
	Tool    string `json:"tool"`
	Request string `json:"jti"`
}

// Verifier verifies identities. It asks for the keys every five minutes, and
// once a second at most for a key that it does not know.
type Verifier struct {
	Gateway string // how callers reach Gatehouse: public_url
	Self    string // this server, as Gatehouse is configured to reach it: servers[].url

	mu    sync.Mutex
	known jose.JSONWebKeySet
	asked time.Time
}

// Verify returns who made a request, or why that cannot be told.
func (v *Verifier) Verify(r *http.Request) (*Identity, error) {
	token, err := jwt.ParseSigned(r.Header.Get("X-Gatehouse-Identity"), []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA})
	if err != nil {
		return nil, err
	}
	if token.Headers[0].ExtraHeaders["typ"] != "gatehouse-identity+jwt" {
		return nil, errors.New("not an identity")
	}
	keys, err := v.keys(r.Context(), token.Headers[0].KeyID)
	if err != nil {
		return nil, err
	}
	var id Identity
	var claims jwt.Claims
	if err := token.Claims(keys, &id, &claims); err != nil {
		return nil, err
	}
	if claims.Expiry == nil || id.Subject == "" {
		return nil, errors.New("incomplete")
	}
	want := jwt.Expected{Issuer: v.Gateway, AnyAudience: jwt.Audience{v.Self}, Time: time.Now()}
	return &id, claims.ValidateWithLeeway(want, 5*time.Second)
}

func (v *Verifier) keys(ctx context.Context, kid string) (*jose.JSONWebKeySet, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	age := time.Since(v.asked)
	if age > 5*time.Minute || len(v.known.Key(kid)) == 0 && age > time.Second {
		v.asked = time.Now()
		fresh, err := fetch(ctx, v.Gateway+"/.well-known/jwks.json")
		if err != nil {
			return nil, err
		}
		v.known = *fresh
	}
	known := v.known
	return &known, nil
}

func fetch(ctx context.Context, url string) (*jose.JSONWebKeySet, error) {
	ctx, stop := context.WithTimeout(ctx, 5*time.Second)
	defer stop()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(q)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", url, res.Status)
	}
	var keys jose.JSONWebKeySet
	return &keys, json.NewDecoder(http.MaxBytesReader(nil, res.Body, 1<<20)).Decode(&keys)
}

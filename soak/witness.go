package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// witness stands in front of a server behind Gatehouse: it sees what comes in,
// verifies who it is said to be from, and can be made to misbehave.
type witness struct {
	name  string
	self  string // the server's URL, as Gatehouse has it
	w     *world
	mode  atomic.Int32 // well, hanging, failing
	until atomic.Int64 // for how long, in unix nanoseconds
	next  http.Handler
}

const (
	well int32 = iota
	hanging
	failing
)

// misbehave has the server do so for some time.
func (v *witness) misbehave(mode int32, d time.Duration) {
	v.until.Store(time.Now().Add(d).UnixNano())
	v.mode.Store(mode)
}

func (v *witness) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, "unreadable", http.StatusBadRequest)
		return
	}
	v.look(r, body)
	if left := time.Until(time.Unix(0, v.until.Load())); left > 0 {
		switch v.mode.Load() {
		case hanging:
			select {
			case <-time.After(left):
			case <-r.Context().Done():
				return
			}
		case failing:
			http.Error(w, "out of order", http.StatusInternalServerError)
			return
		}
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	v.next.ServeHTTP(w, r)
}

// look judges a request.
func (v *witness) look(r *http.Request, body []byte) {
	for name, values := range r.Header {
		if holdsCredential(fmt.Sprint(name, values)) || name == "Authorization" || name == "X-Api-Key" {
			v.w.report.fail("a caller's credential reached %s, in header %s", v.name, name)
		}
	}
	if holdsCredential(r.URL.String()) || holdsCredential(string(body)) {
		v.w.report.fail("a caller's credential reached %s, in %s %s", v.name, r.Method, r.URL.Path)
	}
	who, err := v.w.identities.verify(r, v.self)
	if err != nil && r.Context().Err() == nil { // whoever has left need not be known
		v.w.report.fail("%s was told no good identity with a %s: %v", v.name, r.Method, err)
		return
	}
	var m message
	if err != nil || json.Unmarshal(body, &m) != nil || m.Method != "tools/call" {
		return
	}
	v.w.saw(sighting{server: v.name, tool: m.Params.Name, nonce: m.Params.Arguments.Nonce, at: time.Now(), who: who})
}

// identities verifies what Gatehouse says of callers, as its documentation shows.
type identities struct {
	issuer string
	client *http.Client

	mu    sync.Mutex
	known jose.JSONWebKeySet
	asked time.Time
}

func (i *identities) verify(r *http.Request, self string) (*identity, error) {
	token, err := jwt.ParseSigned(r.Header.Get("X-Gatehouse-Identity"), []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA})
	if err != nil {
		return nil, err
	}
	keys, err := i.keys(r.Context(), token.Headers[0].KeyID)
	if err != nil {
		return nil, fmt.Errorf("fetch the keys: %w", err)
	}
	var id struct {
		Subject string `json:"sub"`
		Tool    string `json:"tool"`
		Server  string `json:"server"`
		Request string `json:"jti"`
		Key     string `json:"key_id"`
		Name    string `json:"tenant_name"`
	}
	var claims jwt.Claims
	if err := token.Claims(keys, &id, &claims); err != nil {
		return nil, err
	}
	want := jwt.Expected{Issuer: i.issuer, AnyAudience: jwt.Audience{self}, Time: time.Now()}
	if err := claims.ValidateWithLeeway(want, 10*time.Second); err != nil {
		return nil, err
	}
	if id.Subject == "" || claims.Expiry == nil || token.Headers[0].ExtraHeaders["typ"] != "gatehouse-identity+jwt" {
		return nil, errors.New("incomplete")
	}
	return &identity{Key: id.Key, Tenant: id.Name, Tool: id.Tool, Server: id.Server, Request: id.Request}, nil
}

func (i *identities) keys(ctx context.Context, kid string) (*jose.JSONWebKeySet, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.known.Key(kid)) == 0 || time.Since(i.asked) > 5*time.Minute {
		ctx, stop := context.WithTimeout(ctx, 10*time.Second)
		defer stop()
		q, err := http.NewRequestWithContext(ctx, http.MethodGet, i.issuer+"/.well-known/jwks.json", nil)
		if err != nil {
			return nil, err
		}
		res, err := i.client.Do(q)
		if err != nil {
			return nil, err
		}
		defer func() { _ = res.Body.Close() }()
		var fresh jose.JSONWebKeySet
		if err := json.NewDecoder(res.Body).Decode(&fresh); err != nil {
			return nil, err
		}
		i.known, i.asked = fresh, time.Now()
	}
	known := i.known
	return &known, nil
}

// Command fosite is an authorization server on the library fosite, with its
// example store in memory, to be measured beside ours. It is a module of its
// own: what fosite needs is no requirement of Gatehouse.
//
// Whoever asks to be authorized is somebody who is signed in and has allowed
// everything: it looks at no session and at no consent.
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"flag"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"
	"github.com/ory/fosite/handler/oauth2"
	"github.com/ory/fosite/storage"
	"github.com/ory/fosite/token/jwt"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:9997", "where to listen")
	cost := flag.Int("cost", 10, "of bcrypt, which secrets are hashed with; that of fosite's example store")
	redirect := flag.String("redirect", "", "redirect URI of the client app")
	secret := flag.String("secret", "", "of the client ci")
	audience := flag.String("audience", "", "what tokens are for")
	flag.Parse()
	if err := serve(*listen, *cost, *redirect, *secret, *audience); err != nil {
		slog.Error("ended", "error", err)
		os.Exit(1)
	}
}

func serve(listen string, cost int, redirect, secret, audience string) error {
	config := &fosite.Config{
		GlobalSecret: []byte(rand.Text() + rand.Text())[:32], AccessTokenLifespan: 10 * time.Minute, HashCost: cost,
		EnforcePKCEForPublicClients: true, SendDebugMessagesToClients: true,
	}
	hash, err := (&fosite.BCrypt{Config: config}).Hash(context.Background(), []byte(secret))
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	store := storage.NewExampleStore()
	scopes, aud := []string{"echo:use", "offline"}, []string{audience}
	store.Clients["app"] = &fosite.DefaultClient{
		ID: "app", Public: true, RedirectURIs: []string{redirect}, ResponseTypes: []string{"code"},
		GrantTypes: []string{"authorization_code", "refresh_token"}, Scopes: scopes, Audience: aud,
	}
	store.Clients["ci"] = &fosite.DefaultClient{ID: "ci", Secret: hash, GrantTypes: []string{"client_credentials"}, Scopes: scopes, Audience: aud}
	s := &server{provider(config, store, key), audience}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /authorize", s.authorize)
	mux.HandleFunc("POST /token", s.token)
	mux.HandleFunc("POST /introspect", s.introspect)
	return (&http.Server{Addr: listen, Handler: mux, ReadHeaderTimeout: 10 * time.Second}).ListenAndServe()
}

// provider gives out access tokens as ours are: JWTs, signed with ES256.
func provider(config *fosite.Config, store any, key *ecdsa.PrivateKey) fosite.OAuth2Provider {
	get := func(context.Context) (any, error) { return key, nil }
	return compose.Compose(config, store,
		&compose.CommonStrategy{CoreStrategy: compose.NewOAuth2JWTStrategy(get, compose.NewOAuth2HMACStrategy(config), config)},
		compose.OAuth2AuthorizeExplicitFactory, compose.OAuth2ClientCredentialsGrantFactory, compose.OAuth2RefreshTokenGrantFactory,
		compose.OAuth2TokenIntrospectionFactory, compose.OAuth2PKCEFactory)
}

type server struct {
	fosite.OAuth2Provider
	audience string
}

func (s *server) session(subject string) *oauth2.JWTSession {
	return &oauth2.JWTSession{
		Subject: subject, JWTHeader: &jwt.Headers{},
		JWTClaims: &jwt.JWTClaims{Issuer: "http://fosite.example", Subject: subject, Audience: []string{s.audience}, Extra: map[string]any{}},
	}
}

// allow grants what is asked for.
func (s *server) allow(r fosite.Requester) {
	for _, scope := range r.GetRequestedScopes() {
		r.GrantScope(scope)
	}
	r.GrantAudience(s.audience)
}

func (s *server) authorize(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	q, err := s.NewAuthorizeRequest(ctx, r)
	if err != nil {
		s.WriteAuthorizeError(ctx, w, q, err)
		return
	}
	s.allow(q)
	out, err := s.NewAuthorizeResponse(ctx, q, s.session("peter"))
	if err != nil {
		s.WriteAuthorizeError(ctx, w, q, err)
		return
	}
	s.WriteAuthorizeResponse(ctx, w, q, out)
}

func (s *server) token(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	q, err := s.NewAccessRequest(ctx, r, s.session(""))
	if err != nil {
		s.WriteAccessError(ctx, w, q, err)
		return
	}
	if q.GetGrantTypes().ExactOne("client_credentials") {
		s.allow(q)
	}
	out, err := s.NewAccessResponse(ctx, q)
	if err != nil {
		s.WriteAccessError(ctx, w, q, err)
		return
	}
	s.WriteAccessResponse(ctx, w, q, out)
}

func (s *server) introspect(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	out, err := s.NewIntrospectionRequest(ctx, r, s.session(""))
	if err != nil {
		s.WriteIntrospectionError(ctx, w, err)
		return
	}
	s.WriteIntrospectionResponse(ctx, w, out)
}

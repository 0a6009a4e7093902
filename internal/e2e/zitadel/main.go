// Command zitadel runs the example OpenID provider of zitadel/oidc as a
// provider of access tokens. It is a module of its own: what the provider
// needs is no requirement of Gatehouse and of those who import it.
//
// Its client "native" gets JSON Web Tokens whose audience is the client and a
// project, with the roles in that project, as ZITADEL does it. For tests alone,
// POST /test/rotate adds a key that signs from then on.
package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// project is a project of ZITADEL.
const project = "162840776835432345"

func main() {
	listen := flag.String("listen", "127.0.0.1:9998", "where to listen")
	issuer := flag.String("issuer", "", "the issuer's URL")
	cert := flag.String("cert", "", "certificate; empty: plain HTTP")
	key := flag.String("key", "", "private key of the certificate")
	redirect := flag.String("redirect", "", "redirect URI of the clients")
	web := flag.String("web", "", "redirect URI of the client web, whose secret is not-a-secret; empty: there is none")
	flag.Parse()
	if *web != "" {
		storage.RegisterClients(storage.WebClient("web", "not-a-secret", *web))
	}
	if err := serve(*listen, *issuer, *cert, *key, *redirect); err != nil {
		slog.Error("ended", "error", err)
		os.Exit(1)
	}
}

func serve(listen, issuer, cert, key, redirect string) error {
	storage.RegisterClients(storage.NativeClient("native", redirect))
	p := &provider{Storage: storage.NewStorage(storage.NewUserStore(issuer))}
	if err := p.rotate(); err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /test/rotate", func(w http.ResponseWriter, _ *http.Request) {
		if err := p.rotate(); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	mux.Handle("/", exampleop.SetupServer(issuer, p, slog.New(slog.DiscardHandler), false))
	server := &http.Server{Addr: listen, Handler: mux}
	if cert == "" {
		return server.ListenAndServe()
	}
	return server.ListenAndServeTLS(cert, key)
}

// provider is the example's storage with keys that rotate and tokens that can be read.
type provider struct {
	*storage.Storage
	mu   sync.Mutex
	keys []signingKey // the last one signs
}

// rotate adds a key, which signs from now on. The older ones stay published.
func (p *provider) rotate() error {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = append(p.keys, signingKey{fmt.Sprintf("key-%d", len(p.keys)+1), private})
	return nil
}

// SigningKey implements op.Storage.
func (p *provider) SigningKey(context.Context) (op.SigningKey, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.keys[len(p.keys)-1], nil
}

// KeySet implements op.Storage.
func (p *provider) KeySet(context.Context) ([]op.Key, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]op.Key, len(p.keys))
	for i, k := range p.keys {
		all[i] = publicKey{k}
	}
	return all, nil
}

// GetClientByClientID implements op.Storage.
func (p *provider) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	c, err := p.Storage.GetClientByClientID(ctx, id)
	if err != nil {
		return nil, err
	}
	return client{c}, nil
}

// ClientCredentials implements op.ClientCredentialsStorage.
func (p *provider) ClientCredentials(ctx context.Context, id, secret string) (op.Client, error) {
	c, err := p.Storage.ClientCredentials(ctx, id, secret)
	if err != nil {
		return nil, err
	}
	return client{c}, nil
}

// GetPrivateClaimsFromScopes implements op.Storage: the roles that a user has in a project.
func (p *provider) GetPrivateClaimsFromScopes(_ context.Context, user, _ string, _ []string) (map[string]any, error) {
	role := map[string]string{"id1": "editor", "id2": "viewer"}[user]
	return map[string]any{"urn:zitadel:iam:org:project:" + project + ":roles": map[string]any{role: map[string]string{"org-1": "acme.example"}}}, nil
}

// AuthRequestByCode implements op.Storage.
func (p *provider) AuthRequestByCode(ctx context.Context, code string) (op.AuthRequest, error) {
	r, err := p.Storage.AuthRequestByCode(ctx, code)
	if err != nil {
		return nil, err
	}
	return authRequest{r}, nil
}

// CreateAccessToken implements op.Storage. The example wants its own kind of request.
func (p *provider) CreateAccessToken(ctx context.Context, r op.TokenRequest) (string, time.Time, error) {
	if own, ok := r.(authRequest); ok {
		r = own.AuthRequest
	}
	return p.Storage.CreateAccessToken(ctx, r)
}

// CreateAccessAndRefreshTokens implements op.Storage.
func (p *provider) CreateAccessAndRefreshTokens(ctx context.Context, r op.TokenRequest, current string) (id, refresh string, expires time.Time, err error) {
	if own, ok := r.(authRequest); ok {
		r = own.AuthRequest
	}
	return p.Storage.CreateAccessAndRefreshTokens(ctx, r, current)
}

// authRequest asks for tokens that are for the project too.
type authRequest struct{ op.AuthRequest }

// GetAudience implements op.AuthRequest.
func (r authRequest) GetAudience() []string { return append(r.AuthRequest.GetAudience(), project) }

// client is a client of the example whose access tokens are JSON Web Tokens.
type client struct{ op.Client }

// AccessTokenType implements op.Client.
func (client) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeJWT }

type signingKey struct {
	id  string
	key *rsa.PrivateKey
}

func (k signingKey) ID() string                                  { return k.id }
func (k signingKey) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.RS256 }
func (k signingKey) Key() any                                    { return k.key }

type publicKey struct{ signingKey }

func (k publicKey) Algorithm() jose.SignatureAlgorithm { return jose.RS256 }
func (k publicKey) Use() string                        { return "sig" }
func (k publicKey) Key() any                           { return &k.key.PublicKey }

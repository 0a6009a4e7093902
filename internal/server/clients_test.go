package server

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/client"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/grant"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
	"github.com/gatehouse-mcp/gatehouse/internal/token"
)

const appID = "https://app.test/client.json"

// opened is an installation with our authorization server in its configuration.
func opened(t *testing.T, s State, key string) *Installation {
	t.Helper()
	i, err := s.Open(t.Context(), Options{Log: slog.New(slog.DiscardHandler), By: "ada", EncryptionKey: config.Secret(key)})
	must(t, err)
	i.SetIssuers(&config.Config{Auth: config.Auth{Embedded: &config.Embedded{
		Issuer: "https://auth.test", Clients: config.Clients{DCR: config.Registration{Enabled: true, Unused: time.Hour}, CIMD: config.Documents{Enabled: true}},
	}}})
	return i
}

// A client that is blocked has lost everything when the command returns.
func TestABlockedClientHasLostEverything(t *testing.T) {
	i := opened(t, State{Dir: filepath.Join(t.TempDir(), "state")}, "")
	defer i.Close()
	ctx := t.Context()
	home, err := i.Tenants.Find(ctx, tenant.Default)
	must(t, err)
	now := time.Now()
	must(t, i.DB.Grants().Create(ctx, home.ID, &grant.Record{Authorization: grant.Authorization{Grant: grant.Grant{
		ID: "grant1", Tenant: home.ID, Client: appID, Subject: "usr_1", Resource: "https://mcp.test/mcp", Created: now, Expires: now.Add(time.Hour), AuthTime: now,
	}}, CodeExpires: now.Add(time.Minute)}))
	consent := grant.ConsentKey{Tenant: home.ID, User: "usr_1", Client: appID, Version: "v", Resource: "https://mcp.test/mcp", Host: "app.test"}
	must(t, i.DB.Consents().Remember(ctx, &grant.Consent{ConsentKey: consent, Scopes: []string{"a"}, Created: now, Expires: now.Add(time.Hour)}))

	door := &adminapi.Client{Transport: Local{Door: i.Admin(func() adminapi.Status { return adminapi.Status{} }, nil)}}
	if _, err := door.BlockOAuthClient(ctx, adminapi.OAuthClientID{ID: appID, Reason: "lies"}); err != nil {
		t.Fatal(err)
	}
	g, err := i.DB.Grants().Find(ctx, "grant1")
	must(t, err)
	if g.Revoked.IsZero() || g.Reason != "lies" {
		t.Errorf("its grant: got %+v", g.Grant)
	}
	if _, err := i.DB.Consents().Allowed(ctx, consent, now); !errors.Is(err, grant.ErrNotFound) {
		t.Errorf("what it was allowed: got %v", err)
	}
	err = i.Rights.Revoked.Judge(ctx, &token.Named{Issuer: "https://auth.test", Client: appID, Issued: now.Add(-time.Second)}, time.Now())
	if !errors.Is(err, token.ErrRevoked) {
		t.Errorf("its tokens: got %v", err)
	}
	registry, err := i.adminClients(ctx)
	must(t, err)
	if _, err := registry.Find(ctx, appID); !errors.Is(err, client.ErrBlocked) {
		t.Errorf("itself: got %v", err)
	}
}

// Ids of registrations outlive the key that the database is sealed under.
func TestRegistrationsOutliveTheKey(t *testing.T) {
	s := State{Dir: filepath.Join(t.TempDir(), "state")}
	register := func(i *Installation) *client.Registration {
		g, err := i.adminClients(t.Context())
		must(t, err)
		r, err := g.Register(t.Context(), []byte(`{"redirect_uris":["https://a.test/cb"]}`))
		must(t, err)
		return r
	}
	i := opened(t, s, "") // the key file
	r := register(i)
	must(t, i.Close())
	key := strings.Repeat("new ", 10)
	i = opened(t, s, key) // both
	_, err := i.Signing(t.Context())
	must(t, err)
	must(t, i.Close())
	must(t, os.Remove(s.keyPath()))
	i = opened(t, s, key) // the operator's alone
	defer i.Close()
	g, err := i.adminClients(t.Context())
	must(t, err)
	if _, err := g.Find(t.Context(), r.ID); err != nil {
		t.Errorf("got %v", err)
	}
}

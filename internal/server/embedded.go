package server

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/policy"
	"github.com/gatehouse-mcp/gatehouse/internal/server/authserver"
	"github.com/gatehouse-mcp/gatehouse/internal/server/wellknown"
)

// embedded is our own authorization server, as one configuration has it.
type embedded struct {
	door   http.Handler
	names  []string // hosts of the issuer
	oauth  http.Handler
	openid http.Handler
}

// hosts are the names under which it is found; none without one.
func (e *embedded) hosts() []string {
	if e == nil {
		return nil
	}
	return e.names
}

// newEmbedded assembles our authorization server; nil: there is none.
func (r *Running) newEmbedded(ctx context.Context, c *config.Config, served []*served) (*embedded, error) {
	if c.Auth.Embedded == nil {
		return nil, nil //nolint:nilnil // there is none
	}
	s, err := r.newAuthServer(ctx, c, served)
	if err != nil {
		return nil, fmt.Errorf("the authorization server: %w", err)
	}
	oauth, openid, err := s.Metadata()
	if err != nil {
		return nil, fmt.Errorf("metadata of the authorization server: %w", err)
	}
	issuer, err := url.Parse(s.Issuer)
	if err != nil {
		return nil, fmt.Errorf("the issuer: %w", err)
	}
	names := []string{strings.ToLower(issuer.Hostname())}
	if config.Loopback(names[0]) {
		names = hosts("", r.Address)
	}
	return &embedded{
		door: s.Handler(), names: names, oauth: wellknown.NewResource(oauth), openid: wellknown.NewResource(openid),
	}, nil
}

// newAuthServer fills in what the door needs.
func (r *Running) newAuthServer(ctx context.Context, c *config.Config, served []*served) (*authserver.Server, error) {
	seal, _, err := r.sealKey(ctx)
	if err != nil {
		return nil, err
	}
	clients, err := r.newClients(ctx, clientSettingsOf(c))
	if err != nil {
		return nil, err
	}
	people := r.newPeople(c, seal)
	f, err := r.federation(ctx, c)
	if err != nil {
		return nil, err
	}
	s := &authserver.Server{
		Issuer: c.OwnIssuer(), Name: c.Auth.Embedded.Name, Seal: seal, Settings: authSettings(c), Clients: clients, Registrar: clients,
		People: people, Accounts: accountsOf(c, people), Providers: f.providers, Logins: f.logins, Vault: f.vault, Place: r.place(c),
		Trail: r.Trail, Address: r.address, Log: r.server.Options.Log, Quiet: r.server.Quiet,
		Knock: r.knock, Failed: r.countFailed,
		Count: func(endpoint string, status int, took time.Duration) {
			r.metrics.Request(config.OwnIssuerName, endpoint, strconv.Itoa(status), took)
		},
	}
	if err := r.fillDoor(ctx, c, seal, clients, people, &s.Door); err != nil {
		return nil, err
	}
	for _, v := range served {
		s.Resources = append(s.Resources, r.newAuthResource(c, v))
	}
	return s, nil
}

func authSettings(c *config.Config) authserver.Settings {
	e, tls := c.Auth.Embedded, &c.Server.TLS
	return authserver.Settings{
		CodeTTL: time.Minute, AccessTTL: e.AccessLife(), RefreshIdle: e.RefreshTTL, RefreshMax: e.RefreshMax, RefreshGrace: e.RefreshGrace,
		ConsentRemember: e.Consent.Remember, SessionTTL: e.SessionTTL, DeviceTTL: 10 * time.Minute, ShowTools: e.Consent.ShowTools,
		Registration: e.Clients.DCR.Enabled, RegistrationRate: e.Clients.DCR.Rate, Documents: e.Clients.CIMD.Enabled,
		Assertions: len(e.Assertions) > 0, Support: e.Support,
		RequireProof: e.DPoP == config.BoundRequired,
		Certificates: tls.ClientCA != "", SelfSigned: tls.ClientSelfSigned,
	}
}

// newAuthResource describes a server as one that tokens are given out for.
func (r *Running) newAuthResource(c *config.Config, v *served) authserver.Resource {
	rules, name := v.gateway.Guard.Rules, v.config.Name
	a := authserver.Resource{
		URL: v.resource.URL, Name: name,
		Grantable: func(_ context.Context, who authserver.Who, scopes []string) []string {
			if rules == nil {
				return scopes
			}
			kind := gatehouse.KindUser
			if who.Service {
				kind = gatehouse.KindService
			}
			return rules.Grantable(&policy.Asker{
				Identity: &gatehouse.Identity{
					Issuer: c.OwnIssuer(), Subject: who.Subject, Client: who.Client, Groups: who.Groups, Roles: who.Roles, Kind: kind,
				}, Tenant: who.Tenant, SignedIn: 0,
			}, scopes)
		},
		Admits: func(tenant string) bool {
			return len(v.config.Tenants) == 0 || slices.Contains(v.config.Tenants, tenant)
		},
	}
	if c.Auth.Embedded.Consent.ShowTools && rules != nil {
		a.Tools = func(ctx context.Context, scope string) []string {
			known, err := r.Pins.Schemas(ctx, name)
			if err != nil {
				return nil // the page does without
			}
			names := make([]string, 0, len(known))
			for tool := range known {
				names = append(names, tool)
			}
			slices.Sort(names)
			return rules.Opens(scope, policy.Tool, names)
		}
	}
	for i := range c.Scopes {
		one := &c.Scopes[i]
		a.Scopes = append(a.Scopes, authserver.Scope{Name: one.Name, Title: one.Title, Default: one.Default, Includes: one.Includes})
	}
	return a
}

// knock says whether an address may ask at all.
func (r *Running) knock(q *http.Request) (retry time.Duration, banned bool) {
	from, shared := r.address(q)
	if shared || !from.IsValid() { // one caller must not have all others kept out
		return 0, false
	}
	if b := r.counters.Bans.Banned(from); b != nil {
		return time.Until(b.Until), true
	}
	return 0, false
}

// countFailed counts an attempt that was refused.
func (r *Running) countFailed(q *http.Request, code string) {
	if from, shared := r.address(q); !shared {
		r.countFailedFrom(from, code)
	}
}

func (r *Running) countFailedFrom(from netip.Addr, code string) {
	if from.IsValid() {
		r.counters.Bans.Failed(from, code)
	}
}

package server

import (
	"context"
	"fmt"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/grant"
	"github.com/gatehouse-mcp/gatehouse/internal/login"
	"github.com/gatehouse-mcp/gatehouse/internal/seal"
	"github.com/gatehouse-mcp/gatehouse/internal/server/authserver"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
	"github.com/gatehouse-mcp/gatehouse/internal/token"
)

// newPeople returns those who sign in, as a configuration says.
func (i *Installation) newPeople(c *config.Config, under *seal.Key) *login.Service {
	s := &login.Service{Store: i.DB.Login(), Seal: under, Issuer: c.OwnIssuer()}
	if e := c.Auth.Embedded; e != nil {
		s.Name = e.Name
		s.Settings = login.Settings{SessionTTL: e.SessionTTL, SessionIdle: e.SessionIdle, LinkByEmail: e.LinkBy == config.LinkVerifiedEmail}
	}
	s.EndGrants = func(ctx context.Context, t tenant.ID, user, by, reason string) (int, error) {
		if err := i.endUpstream(ctx, c, t, user, by, reason); err != nil { // those of their providers
			return 0, fmt.Errorf("end what %s has of providers: %w", user, err)
		}
		grants := &grant.Service{Store: i.DB.Grants(), Issuer: s.Issuer, Changed: i.Rights.Changed, Log: i.log}
		return grants.RevokeOf(ctx, grant.Filter{Tenant: t, Subject: user}, reason, by)
	}
	if s.Issuer != "" {
		s.EndTokens = func(ctx context.Context, user, by, reason string) error {
			_, err := i.Revocations.Revoke(ctx, token.Spec{
				Target: token.Target{Kind: token.KindSubject, Issuer: s.Issuer, Value: user}, By: by, Reason: reason, Lives: config.MaxAccessTTL,
			})
			return err
		}
	}
	return s
}

// adminPeople returns those who sign in, by the configuration in force. Without one
// it is not known whose tokens are ours. Nothing is sealed or opened for an administrator.
func (i *Installation) adminPeople() *login.Service {
	c := i.current.Load()
	if c == nil {
		c = &config.Config{}
	}
	return i.newPeople(c, nil)
}

// assert makes whom an enterprise speaks of known, by its issuer and their subject.
func assert(people *login.Service) func(context.Context, *authserver.AssertionIssuer, authserver.Asserted) (*login.User, error) {
	return func(ctx context.Context, by *authserver.AssertionIssuer, who authserver.Asserted) (*login.User, error) {
		u, _, err := people.SignIn(ctx, &login.Arrival{
			Tenant: by.Tenant, Provider: "assertion", Issuer: by.Issuer, Subject: who.Subject, Name: who.Name, Email: who.Email,
		})
		if err != nil {
			return nil, fmt.Errorf("whom an assertion speaks of: %w", err)
		}
		return u, nil
	}
}

// accountsOf returns who has accounts of ours; nil: nobody may have one.
func accountsOf(c *config.Config, people *login.Service) *login.Service {
	if !c.Auth.Embedded.Accounts {
		return nil
	}
	return people
}

// Nobody says that people are to sign in with accounts of ours, and that there is
// no user at all yet.
func (i *Installation) Nobody(ctx context.Context) (bool, error) {
	c := i.current.Load()
	if c == nil || c.Auth.Embedded == nil || !c.Auth.Embedded.Accounts {
		return false, nil
	}
	some, err := i.DB.Login().Users(ctx, "", "", 1)
	return err == nil && len(some) == 0, err
}

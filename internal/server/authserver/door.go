package authserver

import (
	"context"
	"net/http"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/client"
	"github.com/gatehouse-mcp/gatehouse/internal/grant"
	"github.com/gatehouse-mcp/gatehouse/internal/login"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
	"github.com/gatehouse-mcp/gatehouse/internal/ratelimit"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
	"github.com/gatehouse-mcp/gatehouse/internal/token"
)

// Door is what clients are answered with. All of it is required but where it
// says otherwise.
type Door struct {
	// Authenticate returns the client that sent a request; what it signed may name
	// one of the audiences. A refusal is an *oauth.Error.
	Authenticate func(r *http.Request, form *oauth.Params, audiences ...string) (*client.Client, error)
	Used         func(ctx context.Context, c *client.Client) error // notes that a client was given a token; nil: nobody needs to know

	// Current returns a person as they are now, by the identity that they signed
	// in by; login.ErrNotFound or login.ErrDisabled.
	Current func(ctx context.Context, t tenant.ID, user, issuer, subject string) (*login.User, error)
	// Assert returns whom an identity assertion speaks of, and makes them known if
	// they are not; nil: assertions are not taken.
	Assert      func(ctx context.Context, by *AssertionIssuer, who Asserted) (*login.User, error)
	Tenant      func(ctx context.Context, id tenant.ID) (*tenant.Tenant, error)
	TenantNamed func(ctx context.Context, name string) (*tenant.Tenant, error) // tenant.ErrNotFound

	Grants   *grant.Service
	Consents *grant.Consents
	Devices  *grant.Devices
	Requests *grant.Requests
	Once     *grant.Once

	Keys   Keys
	Marks  grant.Marks // *token.Revocations
	Tokens Revoker     // *token.Service
	DPoP   *gatehouse.DPoP

	Assertions []AssertionIssuer  // none: assertions are not taken
	Limiter    *ratelimit.Limiter // of what strangers have us keep; nil: no limit

	own ownKeys
}

// Keys sign, and say what was signed by them: *signing.Keys.
type Keys interface {
	Sign(ctx context.Context, typ string, claims any) (string, error)
	JWKS(ctx context.Context) (body []byte, etag string, err error)
}

// Revoker revokes single tokens.
type Revoker interface {
	Revoke(ctx context.Context, s token.Spec) (*token.Revocation, error)
}

// AssertionIssuer is an enterprise whose identity assertions are taken.
type AssertionIssuer struct {
	Issuer  string           // exactly
	Keys    gatehouse.KeySet // its keys
	Tenant  tenant.ID        // of its people
	Clients []string         // ids of those that it may speak about; none: any that can prove who it is
	Scopes  []string         // the most that is given; none: whatever there is
}

// Asserted is whom an assertion speaks of.
type Asserted struct {
	Subject string // as the enterprise knows them
	Email   string // empty unless it is verified
	Name    string
}

// sent reads what a client sends to an endpoint, and finds out which one it is;
// the event says so. What a client signs may be for any of ours.
func (s *Server) sent(r *http.Request, e *audit.Event, endpoint string) (*oauth.Params, *client.Client, error) {
	form, bad := oauth.ReadForm(r)
	if bad != nil {
		return nil, nil, bad
	}
	c, err := s.Authenticate(r, form, s.Issuer, s.Issuer+endpoint, s.Issuer+"/token")
	if err != nil {
		e.ClientID = form.Get("client_id")
		return nil, nil, err
	}
	e.ClientID = c.ID
	return form, c, nil
}

// refuseClientOf counts a refusal, writes it down, and answers it.
func (s *Server) refuseClientOf(w http.ResponseWriter, r *http.Request, e *audit.Event, err error) {
	s.count(r, err)
	if told := s.noteRefused(r, e, err); told != nil {
		err = told
	}
	s.refuse(w, r, err)
}

// leeway is how far the clocks of others may differ.
const leeway = time.Minute

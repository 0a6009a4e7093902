package signin

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	exact "github.com/go-json-experiment/json"

	"github.com/gatehouse-mcp/gatehouse/internal/discovery"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

// client is who we are at one authorization server.
type client struct {
	ID       string    `json:"id"`
	Secret   string    `json:"secret,omitempty"`
	Method   string    `json:"method"`            // of authentication at the token endpoint
	Dynamic  bool      `json:"dynamic,omitempty"` // it registered itself
	Redirect string    `json:"redirect,omitempty"`
	Ends     time.Time `json:"ends,omitzero"` // of the secret; zero: never

	fresh bool // it registered itself just now
}

// become returns who we are at an authorization server: the client that was
// registered by hand, or the metadata document, or one that registers itself now or
// did before. MCP 2026-07-28, authorization, §client registration
func (c *Client) become(ctx context.Context, m *discovery.Metadata, redirect string) (*client, error) {
	switch {
	case c.Registered != nil:
		return c.byHand(ctx, m)
	case c.MetadataURL != "" && m.ClientIDMetadataDocuments:
		return &client{ID: c.MetadataURL, Method: oauth.AuthNone}, nil
	case m.RegistrationEndpoint != "" && redirect != "":
		return c.register(ctx, m, redirect)
	}
	return nil, fail(CodeClient, "%s does not let clients register themselves. Have one registered there, and give its id.", m.Issuer)
}

// brings says whether the grant brings something to the authorization server that
// another could use: a client's secret, or what somebody vouches for.
func (c *Client) brings() bool {
	return c.Registered != nil || c.Grant == Workload || c.Grant == Enterprise
}

// pinName remembers which authorization server gets what the grant brings.
func (c *Client) pinName() string {
	if c.Registered != nil {
		return "pin/" + c.Server + " " + c.Registered.ID
	}
	return "pin/" + c.Server + " " + c.who()
}

// pin has the first authorization server be the one: the server could name another
// tomorrow, to get what is brought. SEP-2352
func (c *Client) pin(ctx context.Context, issuer string) error {
	return orStoreErr(c.Store.Save(ctx, c.pinName(), []byte(issuer)))
}

// unpin forgets which one is the one, when that cannot be opened any more: somebody
// is here, and signs in anew. Nobody else may, or a file that was changed would do.
func (c *Client) unpin(ctx context.Context) error {
	if !c.brings() {
		return nil
	}
	if _, err := c.Store.Load(ctx, c.pinName()); isSealed(err) {
		return orStoreErr(c.Store.Delete(ctx, c.pinName()))
	}
	return nil
}

// boundTo returns the issuer that what the grant brings is for; empty: it is not
// known yet, or it brings nothing.
func (c *Client) boundTo(ctx context.Context) (string, error) {
	switch {
	case c.Issuer != "":
		return c.Issuer, nil
	case c.Registered != nil && c.Registered.Issuer != "":
		return c.Registered.Issuer, nil
	case !c.brings():
		return "", nil
	}
	known, err := c.Store.Load(ctx, c.pinName())
	return string(known), orStoreErr(err)
}

func (c *Client) byHand(ctx context.Context, m *discovery.Metadata) (*client, error) {
	r := c.Registered
	if err := c.pin(ctx, m.Issuer); err != nil {
		return nil, err
	}
	who := &client{ID: r.ID, Secret: r.Secret, Method: oauth.AuthNone}
	switch {
	case r.Key != "":
		who.Method = oauth.AuthPrivateKeyJWT
	case r.Secret != "" && slices.Contains(m.TokenEndpointAuthMethods, oauth.AuthSecretPost) && !slices.Contains(m.TokenEndpointAuthMethods, oauth.AuthSecretBasic):
		who.Method = oauth.AuthSecretPost
	case r.Secret != "":
		who.Method = oauth.AuthSecretBasic // RFC 8414 §2: what is meant when nothing is said
	}
	return who, nil
}

// registered returns the client that registered itself before; nil: there is none
// that still can be used.
func (c *Client) registered(ctx context.Context, issuer string) (*client, error) {
	raw, err := c.Store.Load(ctx, clientName(issuer))
	if isSealed(err) { // another one registers, in its place
		return nil, nil
	}
	if raw == nil || err != nil {
		return nil, orStoreErr(err)
	}
	who := &client{}
	if err := json.Unmarshal(raw, who); err != nil || who.ID == "" || !who.Ends.IsZero() && c.now().After(who.Ends) {
		return nil, nil //nolint:nilerr // another one registers, in its place
	}
	return who, nil
}

// registration is what we say of ourselves. RFC 7591 §2, SEP-837
type registration struct {
	Name      string   `json:"client_name"`
	Redirects []string `json:"redirect_uris,omitempty"`
	Method    string   `json:"token_endpoint_auth_method"`
	Grants    []string `json:"grant_types"`
	Responses []string `json:"response_types"`
	Kind      string   `json:"application_type"`
}

// registrationAnswer is what is said in return. RFC 7591 §3.2
type registrationAnswer struct {
	ID          string `json:"client_id"`
	Secret      string `json:"client_secret"`
	SecretEnds  int64  `json:"client_secret_expires_at"`
	Method      string `json:"token_endpoint_auth_method"`
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

func (c *Client) register(ctx context.Context, m *discovery.Metadata, redirect string) (*client, error) {
	if who, err := c.registered(ctx, m.Issuer); err != nil || who != nil && who.Redirect == redirect {
		return who, err
	}
	said := registration{
		Name: "Gatehouse", Redirects: []string{redirect}, Method: method(m.TokenEndpointAuthMethods), Kind: "native",
		Grants: []string{oauth.AuthorizationCode, oauth.RefreshToken}, Responses: []string{"code"},
	}
	if c.Name != "" {
		said.Name = c.Name
	}
	if c.Grant == Device {
		said.Grants = append(said.Grants, oauth.DeviceCode)
	}
	body, err := json.Marshal(said)
	if err != nil {
		return nil, err
	}
	a, err := c.post(ctx, m.RegistrationEndpoint, nil, "application/json", string(body))
	if err != nil {
		code := unreachable(err)
		if code == CodeUnanswered {
			code = CodeClient
		}
		return nil, because(code, err, "Registering at %s failed.", m.Issuer)
	}
	var answer registrationAnswer
	if err := exact.Unmarshal(a.Body, &answer); err != nil && a.Status/100 == 2 {
		return nil, fail(CodeClient, "%s answers a registration with what cannot be read.", m.Issuer)
	}
	if a.Status/100 != 2 {
		return nil, fail(CodeClient, "%s refuses to register this client (%d %s). Have one registered there by hand, and give its id.",
			m.Issuer, a.Status, plainText(strings.TrimSpace(answer.Error+" "+answer.Description)))
	}
	who, err := answer.client(said.Method, redirect)
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(who)
	if err != nil {
		return nil, err
	}
	return who, orStoreErr(c.Store.Save(ctx, clientName(m.Issuer), raw))
}

func (a *registrationAnswer) client(asked, redirect string) (*client, error) {
	if a.ID == "" || len(a.ID) > 4<<10 || len(a.Secret) > 4<<10 {
		return nil, fail(CodeClient, "The authorization server registered this client and gave it no id that can be used.")
	}
	who := &client{ID: a.ID, Secret: a.Secret, Method: a.Method, Dynamic: true, Redirect: redirect, fresh: true}
	if who.Method == "" {
		who.Method = asked
	}
	if a.SecretEnds > 0 {
		who.Ends = time.Unix(a.SecretEnds, 0)
	}
	switch who.Method {
	case oauth.AuthNone:
		who.Secret = ""
		return who, nil
	case oauth.AuthSecretBasic, oauth.AuthSecretPost:
		if who.Secret != "" {
			return who, nil
		}
	}
	return nil, fail(CodeClient, "The authorization server registered this client for the method %q, which it cannot use.", plainText(who.Method))
}

// method is how we ask to identify ourselves: a program on a user's machine has no
// secret, unless that is all that is offered.
func method(offered []string) string {
	for _, m := range []string{oauth.AuthNone, oauth.AuthSecretBasic, oauth.AuthSecretPost} {
		if slices.Contains(offered, m) {
			return m
		}
	}
	return oauth.AuthNone
}

// forget drops a client that registered itself and is not known any more.
func (c *Client) forget(ctx context.Context, issuer string) error {
	return orStoreErr(c.Store.Delete(ctx, clientName(issuer)))
}

// unknown says whether an error is that the client is not known.
func unknown(err error) bool {
	var refused *tokenError
	return errors.As(err, &refused) && (refused.Code == oauth.InvalidClient || refused.Code == oauth.UnauthorizedClient)
}

package upstream

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

const (
	// IdentityType is the typ of an identity, so that no other token of ours
	// can pass for one. RFC 8725 §3.11
	IdentityType = "gatehouse-identity+jwt"

	identityLife = time.Minute     // at most signing.MaxLife
	identitySkew = 5 * time.Second // by which the upstream's clock may be behind ours
	maxTold      = 256             // bytes of a tool's name: callers choose it
	maxRights    = 2 << 10         // bytes of all lists of rights: servers take 8 KiB of headers, not all of them more
)

// Signer signs identities: signing.Keys.
type Signer interface {
	// Sign returns a JWT of a type with these claims, signed by a published key.
	Sign(ctx context.Context, typ string, claims any) (string, error)
}

// Tokens has the access tokens that identity providers gave people who signed in
// with them: federation.Vault.
type Tokens interface {
	// Token returns one that is good now. An error that is a *gatehouse.Error is
	// the caller's: they have to sign in again.
	Token(ctx context.Context, t tenant.ID, user, provider string) (string, error)
}

// Forward is what an upstream is told of each caller, and how we sign in to it.
// Fill it in, then Open it. A nil Forward tells nothing.
type Forward struct {
	config.Forward
	Issuer   string           // of identities: the origin that callers know us by; required for a JWT
	Audience string           // of identities: the upstream's URL as it is configured; required for a JWT
	Server   string           // the server's name
	Signer   Signer           // required for a JWT
	Tokens   Tokens           // required for an upstream token
	House    string           // our own authorization server's issuer: whose subjects Tokens knows; required for an upstream token
	Now      func() time.Time // nil: time.Now

	header, tenantHeader string // canonical
}

// Caller is whom and what an upstream is told of.
type Caller struct {
	Subject    string
	Tenant     string // id
	TenantName string
	KeyID      string
	Method     string // of the protocol; empty for a GET, a DELETE and a batch
	Tool       string // empty: it is no call of one tool
	RequestID  string
	Token      *gatehouse.Identity // what the caller's access token says; nil: it was a key
}

// Ourselves is the caller when we look at the upstream on our own account.
const Ourselves = "gatehouse"

// Identity is what we sign. Every member but the tool has a form of ours; the
// tool's name is bounded. RFC 7519 §4.1
type Identity struct {
	Issuer     string `json:"iss"`
	Audience   string `json:"aud"`
	Subject    string `json:"sub"`
	Tenant     string `json:"tenant,omitempty"`
	TenantName string `json:"tenant_name,omitempty"`
	KeyID      string `json:"key_id,omitempty"`
	Server     string `json:"server"`
	Method     string `json:"method,omitempty"`
	Tool       string `json:"tool,omitempty"`
	RequestID  string `json:"jti"`

	// Of a caller who came with an access token.
	CallerIssuer  string   `json:"caller_iss,omitempty"` // who vouches for Subject: the two together are who it is
	Client        string   `json:"client_id,omitempty"`
	Kind          string   `json:"kind,omitempty"`
	Email         string   `json:"email,omitempty"`
	Scope         *string  `json:"scope,omitempty"` // RFC 8693 §4.2; absent: the token does not speak of scopes
	Permissions   []string `json:"permissions,omitempty"`
	Roles         []string `json:"roles,omitempty"`
	Groups        []string `json:"groups,omitempty"`
	RightsOmitted bool     `json:"rights_omitted,omitempty"` // some of the lists were too long for a header

	IssuedAt  int64 `json:"iat"`
	NotBefore int64 `json:"nbf"`
	Expires   int64 `json:"exp"`
}

// Open checks what is filled in.
func (f *Forward) Open() error {
	if err := config.CheckForward(&f.Forward, true); err != nil {
		return fmt.Errorf("forward to %q: %w", f.Server, err)
	}
	if f.Forward.Identity == config.IdentityJWT && (f.Issuer == "" || f.Audience == "" || f.Signer == nil) {
		return fmt.Errorf("forward to %q: issuer, audience and signer are required", f.Server)
	}
	if f.UpstreamToken != "" && (f.Tokens == nil || f.House == "") {
		return fmt.Errorf("forward to %q: tokens and our own issuer are required", f.Server)
	}
	if f.header = f.Header; f.header == "" {
		f.header = config.DefaultIdentity
	}
	f.header, f.tenantHeader = http.CanonicalHeaderKey(f.header), http.CanonicalHeaderKey(f.TenantHeader)
	if f.Now == nil {
		f.Now = time.Now
	}
	return nil
}

// Attach writes what the upstream is told into the headers of a request to it.
// Whatever else reads as one of our names is taken out, so that ours is there
// once and is the only one. An error leaves no part of it.
func (f *Forward) Attach(ctx context.Context, h http.Header, c *Caller) error {
	if f == nil {
		return nil
	}
	if len(c.Tool) > maxTold && f.Forward.Identity != "" && f.Forward.Identity != config.IdentityNone {
		return &gatehouse.Error{Code: "GH-1313", Status: http.StatusBadRequest, Description: "The tool's name is too long."}
	}
	told, err := f.tell(ctx, c)
	if err != nil {
		return err
	}
	for _, t := range told {
		if !isFieldValue(t.value) {
			return errors.New("what an upstream is to be told does not fit into a header") // never with the value
		}
	}
	for name := range h {
		if f.ours(name) {
			delete(h, name)
		}
	}
	values := make([]string, len(told)) // one allocation for all
	for i, t := range told {
		values[i] = t.value
		h[t.name] = values[i : i+1 : i+1]
	}
	return nil
}

// line is a header with its one value.
type line struct{ name, value string }

// tell returns what the upstream is told; what is empty is not said.
func (f *Forward) tell(ctx context.Context, c *Caller) ([]line, error) {
	told := make([]line, 0, 10)
	add := func(name, value string) {
		if value != "" {
			told = append(told, line{name, mcp.EncodeHeaderValue(value)})
		}
	}
	switch f.Forward.Identity {
	case config.IdentityJWT:
		token, err := f.Signer.Sign(ctx, IdentityType, f.identity(c))
		if err != nil {
			return nil, err
		}
		told = append(told, line{f.header, token})
	case config.IdentityHeaders:
		add(headerSubject, c.Subject)
		add(headerTenant, c.Tenant)
		add(headerTenantName, c.TenantName)
		add(headerKeyID, c.KeyID)
		if t := c.Token; t != nil {
			add(headerIssuer, t.Issuer)
			add(headerClient, t.Client)
			if scopes := strings.Join(t.Scopes, " "); len(scopes) <= maxRights {
				add(headerScopes, scopes)
			}
		}
		add(headerServer, f.Server)
		add(headerMethod, c.Method)
		add(headerTool, c.Tool)
		add(headerRequestID, c.RequestID)
	}
	if f.tenantHeader != "" {
		add(f.tenantHeader, c.TenantName)
	}
	if f.Authorization != "" {
		told = append(told, line{headerAuthorization, f.Authorization.Reveal()})
	}
	if f.UpstreamToken != "" && c.Subject != Ourselves {
		token, err := f.token(ctx, c)
		if err != nil {
			return nil, err
		}
		told = append(told, line{headerAuthorization, "Bearer " + token})
	}
	return told, nil
}

// token returns what the caller's provider gave them. Only subjects of our own
// issuer are users of ours: another one's may have any name.
func (f *Forward) token(ctx context.Context, c *Caller) (string, error) {
	if c.Token == nil || c.Token.Issuer != f.House || c.Token.Kind == gatehouse.KindService {
		return "", &gatehouse.Error{
			Code: "GH-1448", Status: http.StatusForbidden,
			Description: "This server acts for people who signed in with " + f.UpstreamToken + ". Sign in with it, not with a key or another provider's token.",
		}
	}
	return f.Tokens.Token(ctx, tenant.ID(c.Tenant), c.Token.Subject, f.UpstreamToken)
}

// The headers of plain identities.
const (
	headerPrefix        = "X-Gatehouse-" // nobody else's header begins so
	headerSubject       = "X-Gatehouse-Subject"
	headerTenant        = "X-Gatehouse-Tenant"
	headerTenantName    = "X-Gatehouse-Tenant-Name"
	headerKeyID         = "X-Gatehouse-Key-Id"
	headerIssuer        = "X-Gatehouse-Issuer"
	headerClient        = "X-Gatehouse-Client"
	headerScopes        = "X-Gatehouse-Scopes"
	headerServer        = "X-Gatehouse-Server"
	headerMethod        = "X-Gatehouse-Method"
	headerTool          = "X-Gatehouse-Tool"
	headerRequestID     = "X-Gatehouse-Request-Id"
	headerAuthorization = "Authorization"
)

// ours says whether a header reads as one that only we fill, whoever reads it:
// without case, and with '_' for '-', as [config.Folded] has it.
func (f *Forward) ours(name string) bool {
	return len(name) >= len(headerPrefix) && folds(name[:len(headerPrefix)], headerPrefix) ||
		folds(name, headerAuthorization) || folds(name, f.header) || f.tenantHeader != "" && folds(name, f.tenantHeader)
}

// folds says whether two names are one. It allocates nothing: each request asks
// it about each of its headers.
func folds(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if folded(a[i]) != folded(b[i]) {
			return false
		}
	}
	return true
}

func folded(c byte) byte {
	switch {
	case c == '_':
		return '-'
	case 'A' <= c && c <= 'Z':
		return c | 0x20
	}
	return c
}

func (f *Forward) identity(c *Caller) *Identity {
	now := f.Now()
	i := &Identity{
		Issuer: f.Issuer, Audience: f.Audience, Subject: c.Subject, Tenant: c.Tenant, TenantName: c.TenantName, KeyID: c.KeyID,
		Server: f.Server, Method: c.Method, Tool: c.Tool, RequestID: c.RequestID,
		IssuedAt: now.Unix(), NotBefore: now.Add(-identitySkew).Unix(), Expires: now.Unix() + int64(identityLife/time.Second),
	}
	if c.Token != nil {
		i.vouched(c.Token)
	}
	return i
}

// vouched adds what an access token says. Of lists that a header cannot hold
// none is sent: half of them would be another set of rights.
func (i *Identity) vouched(t *gatehouse.Identity) {
	i.CallerIssuer, i.Client, i.Kind, i.Email, i.RightsOmitted = t.Issuer, t.Client, string(t.Kind), t.Email, t.GroupsOmitted
	room := maxRights
	for _, l := range [...]struct {
		from []string
		to   *[]string
	}{{t.Permissions, &i.Permissions}, {t.Roles, &i.Roles}, {t.Groups, &i.Groups}} {
		if n := size(l.from); n <= room {
			room -= n
			*l.to = l.from
		} else {
			i.RightsOmitted = true
		}
	}
	if scope := strings.Join(t.Scopes, " "); t.Scopes != nil && len(scope) <= maxRights {
		i.Scope = &scope
	} else if t.Scopes != nil {
		i.RightsOmitted = true
	}
}

// size is how many bytes a list takes, about.
func size(list []string) (n int) {
	for _, s := range list {
		n += len(s) + len(`"",`)
	}
	return n
}

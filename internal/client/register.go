package client

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/jws"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

// MaxRegistration bounds the body of a registration, in bytes.
const MaxRegistration = 64 << 10

// Registration is what a client is told of its registration. Members that it did
// not have are left out: some clients cannot read null. RFC 7591 §3.2.1, RFC 7592 §3
type Registration struct {
	ID            string          `json:"client_id"`
	Secret        string          `json:"client_secret,omitempty"`
	SecretExpires *int64          `json:"client_secret_expires_at,omitempty"` // 0: never; there with a secret
	Issued        int64           `json:"client_id_issued_at"`                // the day of it
	Name          string          `json:"client_name,omitempty"`
	Redirects     []string        `json:"redirect_uris,omitempty"`
	Grants        []string        `json:"grant_types"`
	Responses     []string        `json:"response_types"`
	Method        string          `json:"token_endpoint_auth_method"`
	Application   string          `json:"application_type"`
	JWKS          json.RawMessage `json:"jwks,omitempty"`
	JWKSURI       string          `json:"jwks_uri,omitempty"`
	Subject       string          `json:"tls_client_auth_subject_dn,omitempty"`
	Bound         bool            `json:"tls_client_certificate_bound_access_tokens,omitempty"`
	Token         string          `json:"registration_access_token"`
	URI           string          `json:"registration_client_uri"`

	Dropped []string `json:"-"` // what was left out, a line each; nil: nothing
}

// Register registers a client by what it says about itself. Nothing is kept: all of
// it is in the id. The error is an [oauth.Error] if it cannot be registered. RFC 7591 §3
func (g *Registry) Register(ctx context.Context, body []byte) (*Registration, error) {
	if !g.Settings.Registration {
		return nil, &oauth.Error{Code: oauth.AccessDenied, Status: http.StatusForbidden, Ref: "GH-1408", Description: "clients cannot register themselves here"}
	}
	m, dropped, err := g.readRegistration(body)
	if err != nil {
		return nil, err
	}
	if !m.public() { // or else whoever says the same would be told the same secret
		m.One = rand.Text()
	}
	id, err := sealID(g.Secret, m, g.now())
	if errors.Is(err, errTooLong) {
		return nil, unfit("the registration is too long: with fewer or shorter redirect_uris, or with jwks_uri instead of jwks, it will do")
	}
	if err != nil {
		return nil, err
	}
	// An id that was blocked or deleted does not come back by registering again.
	if _, _, err := g.find(ctx, id); err != nil {
		if refusal := Refusal(err); refusal != nil {
			return nil, &oauth.Error{Code: oauth.InvalidMetadata, Ref: refusal.Ref, Cause: err, Description: "a client like this may not be used here"}
		}
		return nil, err
	}
	out, err := g.registration(id, m, g.now())
	if err != nil {
		return nil, err
	}
	out.Dropped = dropped
	return out, nil
}

func (g *Registry) readRegistration(body []byte) (*metadata, []string, error) {
	if len(body) > MaxRegistration {
		return nil, nil, unfit("the registration is longer than 64 KiB")
	}
	o, err := jws.ReadObject(body, metadataNames)
	if err != nil {
		return nil, nil, unfit("the registration is not strict JSON: %v", err)
	}
	return source{redirects: g.Settings.Redirects}.read(o)
}

// registration is what a client is told.
func (g *Registry) registration(id string, m *metadata, at time.Time) (*Registration, error) {
	r := &Registration{
		ID: id, Issued: at.UTC().Truncate(day).Unix(), Name: m.Name, Redirects: m.Redirects, Grants: m.Grants, Responses: []string{},
		Method: m.Methods[0], Application: "web", JWKS: m.JWKS, JWKSURI: m.JWKSURI, Subject: m.Subject, Bound: m.Bound,
		URI: g.Issuer + "/register/" + id,
	}
	if slices.Contains(m.Grants, oauth.AuthorizationCode) {
		r.Responses = []string{"code"}
	}
	if m.Native {
		r.Application = "native"
	}
	var err error
	if slices.ContainsFunc(m.Methods, shared) {
		if r.Secret, err = derived(g.Secret, forSecret, id); err != nil {
			return nil, err
		}
		r.SecretExpires = new(int64)
	}
	r.Token, err = derived(g.Secret, forRegistration, id)
	return r, err
}

// managed returns the client whose registration a token manages. Who has none, or
// another's, and whoever asks for a client that is gone, is told the same. RFC 7592 §2
func (g *Registry) managed(ctx context.Context, id, token string) (*Client, *metadata, *Row, error) {
	refused := &oauth.Error{
		Code: "invalid_token", Status: http.StatusUnauthorized, Ref: "GH-1409", // RFC 6750 §3.1
		Description: "the registration access token is not the one of this client", Challenge: `Bearer error="invalid_token"`,
	}
	_, _, err := openID(g.Secret, id)
	if err != nil && !errors.Is(err, ErrUnknown) {
		return nil, nil, nil, err
	}
	want, wrong := derived(g.Secret, forRegistration, id)
	if wrong != nil {
		return nil, nil, nil, wrong
	}
	if subtle.ConstantTimeCompare([]byte(want), []byte(token)) != 1 || err != nil {
		return nil, nil, nil, refused
	}
	c, row, err := g.find(ctx, id)
	if err != nil {
		if Refusal(err) != nil {
			refused.Cause = err
			return nil, nil, nil, refused
		}
		return nil, nil, nil, err
	}
	m, _, err := openID(g.Secret, id)
	if err == nil && row != nil && row.Metadata != nil {
		m, err = parseMetadata(row.Metadata)
	}
	return c, m, row, err
}

// Read returns a registration as it is. RFC 7592 §2.1
func (g *Registry) Read(ctx context.Context, id, token string) (*Registration, error) {
	c, m, _, err := g.managed(ctx, id, token)
	if err != nil {
		return nil, err
	}
	return g.registration(id, m, c.Created)
}

// Update replaces what a client says about itself; its id, its secret and its token
// stay. What an administrator approved was what it said before. RFC 7592 §2.2
func (g *Registry) Update(ctx context.Context, id, token string, body []byte) (*Registration, error) {
	c, before, row, err := g.managed(ctx, id, token)
	if err != nil {
		return nil, err
	}
	m, dropped, err := g.readRegistration(body)
	if err != nil {
		return nil, err
	}
	if err := g.agrees(id, body); err != nil {
		return nil, err
	}
	m.keep(before)
	if m.public() && !before.public() {
		return nil, unfit("token_endpoint_auth_method cannot become none: register anew")
	}
	raw, err := m.encode()
	if err != nil {
		return nil, err
	}
	if len(raw) > maxPlain {
		return nil, unfit("the registration is too long")
	}
	old, err := before.encode()
	if err != nil {
		return nil, err
	}
	if string(old) != string(raw) {
		if before.One == "" {
			return nil, sharedID()
		}
		r := &Row{ID: id, Kind: Dynamic, State: Known, Name: m.Name, Metadata: raw, Seen: g.now(), Created: c.Created}
		if row != nil {
			r.LastUsed = row.LastUsed
		}
		if err := g.sweep(ctx); err != nil {
			return nil, err
		}
		if err := g.Store.Change(ctx, r, maxChanged); err != nil {
			return nil, changed(err)
		}
	}
	out, err := g.registration(id, m, c.Created)
	if err != nil {
		return nil, err
	}
	out.Dropped = dropped
	return out, nil
}

// sharedID is why a client that proves nothing can change nothing: whoever says the
// same of themselves has its id, and its token.
func sharedID() error {
	return &oauth.Error{
		Code: oauth.AccessDenied, Status: http.StatusForbidden, Ref: "GH-1408", // RFC 7592 §2.2
		Description: "this registration is shared by all clients that say the same about themselves. Register anew instead",
	}
}

// keep has a registration that is sent back as it was read stay what it was: who
// never named a method may use either place for the secret.
func (m *metadata) keep(before *metadata) {
	m.One = before.One
	if len(m.Methods) == 1 && len(before.Methods) > 1 && m.Methods[0] == before.Methods[0] {
		m.Methods = before.Methods
	}
}

// agrees holds what a client sends of its credentials to those that it has. RFC 7592 §2.2
func (g *Registry) agrees(id string, body []byte) error {
	o, err := jws.ReadObject(body, metadataNames)
	if err != nil {
		return unfit("the registration is not strict JSON: %v", err)
	}
	said, err := text(o, "client_id")
	if err != nil || said != id {
		return unfit("client_id has to be the one of this registration")
	}
	secret, err := text(o, "client_secret")
	if err != nil || secret == "" {
		return err
	}
	want, err := derived(g.Secret, forSecret, id)
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare([]byte(want), []byte(secret)) != 1 {
		return unfit("client_secret is not the one of this registration: none can be chosen")
	}
	return nil
}

func changed(err error) error {
	switch {
	case errors.Is(err, ErrFull):
		return &oauth.Error{
			Code: oauth.Unavailable, Status: http.StatusServiceUnavailable, Ref: "GH-1408", Cause: err,
			Description: "too many unused registrations were changed lately. Register anew instead",
		}
	case errors.Is(err, ErrUnknown):
		return Refusal(err)
	}
	return fmt.Errorf("change a registration: %w", err)
}

// Delete ends a registration, for good, and whatever people have allowed it. RFC 7592 §2.3
func (g *Registry) Delete(ctx context.Context, id, token string) error {
	c, m, row, err := g.managed(ctx, id, token)
	switch {
	case err != nil:
		return err
	case m.One == "":
		return sharedID()
	}
	r := &Row{ID: id, Kind: Dynamic, State: Known, Name: c.Name, Created: c.Created, Deleted: g.now(), By: "the client"}
	if row != nil {
		r.LastUsed = row.LastUsed
	}
	if err := g.sweep(ctx); err != nil {
		return err
	}
	if err := g.Store.Delete(ctx, r, maxChanged); err != nil {
		return changed(err)
	}
	return g.ended(ctx, id, r.By, "the client deleted its registration")
}

func (g *Registry) ended(ctx context.Context, id, by, why string) error {
	if g.Ended == nil {
		return nil
	}
	if err := g.Ended(ctx, id, by, why); err != nil {
		return fmt.Errorf("end what the client was allowed: %w", err)
	}
	return nil
}

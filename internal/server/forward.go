package server

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/signing"
	"github.com/gatehouse-mcp/gatehouse/internal/upstream"
)

// newForward says what an upstream is told of callers; nil: nothing.
func (r *Running) newForward(ctx context.Context, c *config.Config, u config.Upstream) (*upstream.Forward, error) {
	if err := config.CheckForward(&u.Forward, u.URL != ""); err != nil {
		return nil, config.Mistakes{{Code: "GH-2001", Text: "servers." + u.Name + ".forward " + err.Error()}}
	}
	f := &upstream.Forward{Forward: u.Forward, Issuer: origin(Resource(c, &u, r.Address)), Audience: u.URL, Server: u.Name}
	if f.UpstreamToken != "" {
		providers, err := r.federation(ctx, c)
		if err != nil {
			return nil, err
		}
		f.Tokens, f.House = upstreamTokens{providers.vault}, c.OwnIssuer()
	}
	switch {
	case f.Forward.Identity == config.IdentityJWT:
		keys, err := r.Signing(ctx)
		if err != nil {
			return nil, err
		}
		f.Signer = keys
	case f.Forward.Identity != config.IdentityHeaders && f.TenantHeader == "" && f.Authorization == "" && f.UpstreamToken == "":
		return nil, nil //nolint:nilnil // nothing is told
	}
	return f, f.Open()
}

// published are the keys of an installation, once somebody needs them.
type published struct{ *Installation }

// JWKS implements wellknown.Keys.
func (p published) JWKS(ctx context.Context) ([]byte, string, error) {
	p.signing.mu.Lock()
	keys := p.signing.keys
	p.signing.mu.Unlock()
	if keys == nil {
		return nil, "", &gatehouse.Error{Code: "GH-1305", Status: http.StatusNotFound, Description: "Nothing is served at this path."}
	}
	return keys.JWKS(ctx)
}

// signingDoor lets the admin door look after the signing keys. Looking at them
// needs no key to seal under; changing them does.
type signingDoor struct{ *Installation }

// List implements admin.SigningKeys.
func (s signingDoor) List(ctx context.Context) ([]signing.Key, error) {
	return (&signing.Keys{Store: s.DB.Signing()}).List(ctx)
}

// Rotate implements admin.SigningKeys. Where there is no key yet, the first is
// all that is wanted, and a dry run makes not even that.
func (s signingDoor) Rotate(ctx context.Context, r signing.Rotation) (*signing.Key, error) {
	current, err := s.current(ctx)
	if err != nil {
		return nil, err
	}
	if current == nil && r.DryRun {
		now := time.Now().UTC()
		return &signing.Key{Alg: signing.ES256, State: signing.Current, Created: now, Signs: now}, nil
	}
	keys, err := s.Signing(ctx)
	switch {
	case err != nil:
		return nil, err
	case current == nil:
		return s.current(ctx)
	}
	return keys.Rotate(ctx, r)
}

// current returns the key that signs, or nil.
func (s signingDoor) current(ctx context.Context) (*signing.Key, error) {
	all, err := s.List(ctx)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].State == signing.Current {
			return &all[i], nil
		}
	}
	return nil, nil //nolint:nilnil // there are none
}

// Retire implements admin.SigningKeys.
func (s signingDoor) Retire(ctx context.Context, id string, dry bool) (gone, successor *signing.Key, err error) {
	all, err := s.List(ctx)
	if err != nil {
		return nil, nil, err
	}
	if !slices.ContainsFunc(all, func(k signing.Key) bool { return k.ID == id }) { // nothing is made for it
		return nil, nil, signing.ErrNotFound
	}
	keys, err := s.Signing(ctx)
	if err != nil {
		return nil, nil, err
	}
	return keys.Retire(ctx, id, dry)
}

// Abandon implements admin.SigningKeys. Keys that can still be opened are
// retired one by one.
func (s signingDoor) Abandon(ctx context.Context, dry bool) ([]signing.Key, error) {
	s.signing.mu.Lock()
	defer s.signing.mu.Unlock()
	check, err := s.DB.SealCheck(ctx)
	if err != nil {
		return nil, err
	}
	if s.signing.keys == nil && check != "" {
		_, _, err = s.sealKey(ctx)
	}
	var gone lostKey
	if err != nil && !errors.As(err, &gone) {
		return nil, err
	}
	if err == nil {
		return nil, &adminapi.Error{Status: http.StatusConflict, Code: "GH-2405", Message: "The key that the signing keys are sealed under is not lost. Retire them one by one: gatehouse signing-key retire KID"}
	}
	keys, err := (&signing.Keys{Store: s.DB.Signing(), Log: s.log}).Abandon(ctx, dry)
	if err == nil && !dry { // last: until then it is refused to seal under another key
		_, err = s.DB.SetSealCheck(ctx, check, "")
	}
	return keys, err
}

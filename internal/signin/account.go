package signin

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Login signs in whether or not somebody has before: as somebody else, or with
// other scopes. It asks the server first what it wants.
func (c *Client) Login(ctx context.Context) (*Credential, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	release, err := c.alone(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	// A request without a credential, of which nothing is expected but a challenge.
	a, err := c.post(ctx, c.Server, http.Header{"Mcp-Protocol-Version": {"2025-11-25"}}, "application/json", `{"jsonrpc":"2.0","id":1,"method":"ping"}`)
	if err != nil {
		return nil, because(unreachable(err), err, "%s did not answer.", c.Server)
	}
	ch := challenge{}
	if a.Status == http.StatusUnauthorized {
		ch = readChallenge(a.Header)
	}
	p, err := c.protected(ctx, ch)
	if err != nil {
		return nil, err
	}
	if a.Status != http.StatusUnauthorized && p.legacy {
		return nil, fail(CodeNoWay, "%s asks for no sign-in (%d), and says nothing of one.", c.Server, a.Status)
	}
	if err := c.unpin(ctx); err != nil {
		return nil, err
	}
	as, err := c.authorizationServer(ctx, p, nil)
	if err != nil {
		return nil, err
	}
	b, err := c.bind(p, ch, as)
	if err != nil {
		return nil, err
	}
	return c.signIn(ctx, &flow{client: c, place: p, as: as, bound: b, scopes: c.scopes(nil, ch, p, as)})
}

// Logout forgets the sign-in at the server, and the client that registered itself
// for it; what it got is revoked where that is possible, which revoked tells.
// signedIn is false when there was nothing to forget. RFC 7009
func (c *Client) Logout(ctx context.Context) (signedIn, revoked bool, err error) {
	if err := c.Check(); err != nil {
		return false, false, err
	}
	release, err := c.alone(ctx)
	if err != nil {
		return false, false, err
	}
	defer release()
	s, err := c.session(ctx)
	issuer, lost := c.Store.Load(ctx, c.pointerName()) // that of a session that is damaged, too
	if isSealed(lost) {                                // where it was is not known any more
		return true, false, orStoreErr(c.Store.Delete(ctx, c.pointerName()))
	}
	if issuer == nil {
		return false, false, err
	}
	if s != nil {
		revoked = c.revoke(ctx, s) == nil
	}
	for _, name := range []string{c.pointerName(), sessionName(string(issuer), c.Server, c.who()), clientName(string(issuer))} {
		if err := c.Store.Delete(ctx, name); err != nil {
			return true, revoked, storeErr(err)
		}
	}
	return true, revoked, nil
}

func (c *Client) revoke(ctx context.Context, s *session) error {
	if s.Revoke == "" {
		return fail(CodeNoWay, "There is no revocation endpoint.")
	}
	form := url.Values{"token": {s.Access}, "token_type_hint": {"access_token"}}
	if s.Refresh != "" {
		form = url.Values{"token": {s.Refresh}, "token_type_hint": {"refresh_token"}}
	}
	header := http.Header{}
	if err := c.identify(&s.Client, s.Issuer, form, header); err != nil {
		return err
	}
	a, err := c.post(ctx, s.Revoke, header, formType, form.Encode())
	if err == nil && a.Status != http.StatusOK {
		err = &tokenError{Status: a.Status}
	}
	return err
}

// Account is what may be told of a sign-in.
type Account struct {
	Server   string    `json:"server"`
	Issuer   string    `json:"issuer"`
	Resource string    `json:"resource"`
	ClientID string    `json:"client_id"`
	Grant    Grant     `json:"grant"`
	Scopes   []string  `json:"scopes"`
	SignedIn time.Time `json:"signed_in"`
	Expires  time.Time `json:"expires,omitzero"` // of the token; zero: nobody said
	Renewing bool      `json:"renewing"`         // whether it is renewed when it expires
	Bound    bool      `json:"bound"`            // to a key that is kept here: by itself it is worth nothing. RFC 9449
}

// Lister is a [Store] that tells its names.
type Lister interface {
	Store
	Names(ctx context.Context) ([]string, error)
}

// Accounts returns what is kept of sign-ins, ordered by issuer and server.
func Accounts(ctx context.Context, store Lister) ([]Account, error) {
	names, err := store.Names(ctx)
	if err != nil {
		return nil, storeErr(err)
	}
	all := []Account{}
	for _, name := range names {
		if !strings.HasPrefix(name, "session/") {
			continue
		}
		raw, err := store.Load(ctx, name)
		if err != nil {
			return nil, storeErr(err)
		}
		s := session{}
		if json.Unmarshal(raw, &s) != nil {
			continue // gone meanwhile, or damaged: it is of no use
		}
		a := Account{
			Server: s.Server, Issuer: s.Issuer, Resource: s.Resource, ClientID: s.Client.ID, Grant: s.Grant, Scopes: append([]string{}, s.Asked...),
			SignedIn: s.Signed, Expires: s.Expires, Renewing: s.Refresh != "", Bound: s.Key != nil,
		}
		if s.Granted != nil {
			a.Scopes = s.Granted
		}
		if a.Grant == "" {
			a.Grant = Code
		}
		all = append(all, a)
	}
	return all, nil
}

package federation

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/seal"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

const (
	tokenSpare = time.Minute            // before its end a token is renewed
	leaseLife  = 30 * time.Second       // longer than a provider is waited for
	leaseWait  = 15 * time.Second       // for somebody else who renews
	leaseLook  = 100 * time.Millisecond // between looks
	disownTime = 5 * time.Second        // for a provider to end tokens
)

// TokenStore keeps tokens of providers, one row for a user and a provider.
type TokenStore interface {
	// PutTokens adds a row, or takes the place of the one that is there: its
	// version is then one more, and nobody has a lease. ErrNotFound: the user was
	// disabled or deleted, and nothing was kept.
	PutTokens(ctx context.Context, t tenant.ID, r *TokenRow) error
	// Tokens returns a row, or ErrNotFound.
	Tokens(ctx context.Context, t tenant.ID, user, provider string) (*TokenRow, error)
	// LeaseTokens gives holder the lease of a row that has this version, if
	// nobody has it now. However many try at once, one gets it.
	LeaseTokens(ctx context.Context, t tenant.ID, r *TokenRow, holder string, now, until time.Time) (bool, error)
	// RenewTokens writes r, one version on, if holder still has the lease, which ends.
	RenewTokens(ctx context.Context, t tenant.ID, r *TokenRow, holder string) (bool, error)
	// ReleaseTokens ends holder's lease.
	ReleaseTokens(ctx context.Context, t tenant.ID, r *TokenRow, holder string) error
	// EachTokens calls do with every row, until it returns an error.
	EachTokens(ctx context.Context, do func(t tenant.ID, r *TokenRow) error) error
	// ResealTokens puts sealed in the place of what r has, if that is still there.
	ResealTokens(ctx context.Context, t tenant.ID, r *TokenRow, sealed string) error
	// ForgetTokens removes a user's rows: all, or those of one provider. It returns how many.
	ForgetTokens(ctx context.Context, t tenant.ID, user, provider string) (int64, error)
}

// TokenRow is what is kept of a user's tokens of a provider.
type TokenRow struct {
	User, Provider string
	Sealed         string    // empty: the provider took the refresh token no more
	Expires        time.Time // of the access token; zero: not told
	Version        int64
	Changed        time.Time
}

// Vault keeps the tokens that providers give for people, and has them ready for
// the servers that are to get them. They are shown to nobody else.
type Vault struct {
	Store     TokenStore          // required
	Seal      *seal.Key           // required
	Providers map[string]Provider // by name
	Log       *slog.Logger        // nil: nothing is logged
	Now       func() time.Time    // nil: time.Now
}

func (v *Vault) now() time.Time {
	if v.Now == nil {
		return time.Now()
	}
	return v.Now()
}

// Keep keeps the tokens of somebody who signed in. Nil tokens are none. Those of
// somebody who was disabled or deleted meanwhile are ended at their provider, and
// are no error: nothing else is opened for them either.
func (v *Vault) Keep(ctx context.Context, t tenant.ID, user, provider string, tokens *Tokens) error {
	if tokens == nil {
		return nil
	}
	r := &TokenRow{User: user, Provider: provider, Changed: v.now()}
	if tokens.Refresh == "" { // a provider may give one at the first sign-in only
		if old, err := v.open(ctx, t, user, provider); err == nil {
			kept := *tokens
			kept.Refresh = old.Refresh
			tokens = &kept
		}
	}
	if err := v.seal(t, r, tokens); err != nil {
		return err
	}
	err := v.Store.PutTokens(ctx, t, r)
	if errors.Is(err, ErrNotFound) {
		v.disown(ctx, v.Providers[provider], tokens)
		return nil
	}
	return err
}

// disown has a provider end tokens that it gave for somebody who is not here any
// more. That it cannot be told changes nothing here: nobody has them.
func (v *Vault) disown(ctx context.Context, p Provider, tokens *Tokens) {
	at, ok := p.(revoker)
	if !ok {
		return
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), disownTime)
	defer stop()
	if err := at.Revoke(ctx, tokens); err != nil && !errors.Is(err, ErrNoRevocation) && v.Log != nil {
		v.Log.Warn("a provider is not told that tokens of its have ended", "provider", p.Name(), "error", err)
	}
}

// Forget forgets a user's tokens: all, or those of one provider.
func (v *Vault) Forget(ctx context.Context, t tenant.ID, user, provider string) error {
	_, err := v.Store.ForgetTokens(ctx, t, user, provider)
	return err
}

// Reseal seals anew what was sealed under an older key. What no key of ours opens
// is left: whose it is signs in again.
func (v *Vault) Reseal(ctx context.Context) error {
	return v.Store.EachTokens(ctx, func(t tenant.ID, r *TokenRow) error {
		if r.Sealed == "" || !v.Seal.Stale(r.Sealed) {
			return nil
		}
		tokens, err := v.unseal(t, r)
		if err != nil {
			return nil //nolint:nilerr // as it says above
		}
		fresh := *r
		if err := v.seal(t, &fresh, tokens); err != nil {
			return err
		}
		return v.Store.ResealTokens(ctx, t, r, fresh.Sealed)
	})
}

// Token returns an access token that a provider gave for a user, renewed if it
// is about to end. If there is none any more it is a *Refusal, CodeSignIn; if
// the provider does not answer, CodeUnavailable. Of all who need a renewal at
// once, in all replicas, one asks the provider: it would take a refresh token
// that was used before for a stolen one.
func (v *Vault) Token(ctx context.Context, t tenant.ID, user, provider string) (string, error) {
	p := v.Providers[provider]
	if p == nil {
		return "", v.again(provider, fmt.Errorf("there is no provider %q", provider))
	}
	deadline := v.now().Add(leaseWait)
	holder := rand.Text()
	for {
		r, err := v.Store.Tokens(ctx, t, user, provider)
		if errors.Is(err, ErrNotFound) {
			return "", v.again(p.Title(), err)
		}
		if err != nil {
			return "", err
		}
		tokens, err := v.unseal(t, r)
		if err != nil {
			return "", v.again(p.Title(), err)
		}
		now := v.now()
		if tokens.Expires.IsZero() || now.Before(tokens.Expires.Add(-tokenSpare)) {
			return tokens.Access, nil
		}
		mine, err := v.Store.LeaseTokens(ctx, t, r, holder, now, now.Add(leaseLife))
		if err != nil {
			return "", err
		}
		if mine {
			return v.renew(ctx, t, r, tokens, p, holder)
		}
		if now.After(deadline) {
			return v.stale(tokens, p, errors.New("somebody else renews it, and does not finish"))
		}
		select {
		case <-ctx.Done():
			return "", context.Cause(ctx)
		case <-time.After(leaseLook):
		}
	}
}

// renew has the provider give new tokens. Whoever called may have left: what the
// provider changed has to be written down all the same.
func (v *Vault) renew(ctx context.Context, t tenant.ID, r *TokenRow, old *Tokens, p Provider, holder string) (string, error) {
	ctx = context.WithoutCancel(ctx)
	fresh, err := p.Refresh(ctx, old.Refresh)
	next := &TokenRow{User: r.User, Provider: r.Provider, Version: r.Version, Changed: v.now()}
	switch {
	case errors.Is(err, ErrDead):
		if _, failed := v.Store.RenewTokens(ctx, t, next, holder); failed != nil {
			return "", failed
		}
		return "", v.again(p.Title(), err)
	case err != nil:
		if failed := v.Store.ReleaseTokens(ctx, t, r, holder); failed != nil {
			return "", failed
		}
		return v.stale(old, p, err)
	}
	if fresh.Refresh == "" {
		fresh.Refresh = old.Refresh // RFC 6749 §6
	}
	if err := v.seal(t, next, fresh); err != nil {
		return "", err
	}
	kept, err := v.Store.RenewTokens(ctx, t, next, holder)
	switch {
	case err != nil:
		return "", err
	case !kept: // they signed in anew, or were forgotten, meanwhile
		if _, gone := v.Store.Tokens(ctx, t, r.User, r.Provider); errors.Is(gone, ErrNotFound) {
			v.disown(ctx, p, fresh)
		}
		return v.Token(ctx, t, r.User, r.Provider)
	}
	return fresh.Access, nil
}

// stale returns what is still good of tokens that cannot be renewed now.
func (v *Vault) stale(old *Tokens, p Provider, cause error) (string, error) {
	if v.Log != nil {
		v.Log.Warn("a provider's token cannot be renewed", "provider", p.Name(), "error", cause)
	}
	if v.now().Before(old.Expires) {
		return old.Access, nil
	}
	return "", &Refusal{Code: CodeUnavailable, Text: p.Title() + " does not answer at present, and this server needs it. Try again in a minute.", Cause: errors.Join(ErrUnavailable, cause)}
}

// again refuses for want of tokens.
func (v *Vault) again(title string, cause error) *Refusal {
	return &Refusal{Code: CodeSignIn, Text: "This server needs your sign-in at " + title + ", which has ended. Sign in again.", Cause: cause}
}

func (v *Vault) open(ctx context.Context, t tenant.ID, user, provider string) (*Tokens, error) {
	r, err := v.Store.Tokens(ctx, t, user, provider)
	if err != nil {
		return nil, err
	}
	return v.unseal(t, r)
}

// row is what tokens are bound to, so that rows cannot be exchanged.
func row(t tenant.ID, user, provider string) string {
	text, _ := json.Marshal([]string{string(t), user, provider}) // texts always can be
	return string(text)
}

func (v *Vault) seal(t tenant.ID, r *TokenRow, tokens *Tokens) error {
	text, err := json.Marshal(tokens)
	if err == nil {
		r.Sealed, err = v.Seal.Seal(sealTokens, row(t, r.User, r.Provider), text)
	}
	if err != nil {
		return errors.New("seal a provider's tokens") // never with them
	}
	r.Expires = tokens.Expires
	return nil
}

func (v *Vault) unseal(t tenant.ID, r *TokenRow) (*Tokens, error) {
	if r.Sealed == "" {
		return nil, ErrDead
	}
	text, err := v.Seal.Open(sealTokens, row(t, r.User, r.Provider), r.Sealed)
	if err != nil {
		return nil, err
	}
	tokens := &Tokens{}
	if err := json.Unmarshal(text, tokens); err != nil {
		return nil, errors.New("a provider's tokens are damaged")
	}
	return tokens, nil
}

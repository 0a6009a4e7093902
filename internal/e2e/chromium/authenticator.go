package chromium

import (
	"context"
	"errors"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// Authenticator gives the tab a device that makes passkeys, and that always finds
// its owner present and verified. Its passkeys are the tab's alone.
func (b *Tab) Authenticator() {
	b.t.Helper()
	b.call("add an authenticator", func(ctx context.Context) error {
		_, e1 := chromedp.Call(ctx, webauthn.Enable, webauthn.EnableParams{})
		_, e2 := chromedp.Call(ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
			Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
			HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
		}})
		return errors.Join(e1, e2)
	})
}

package chromium

import (
	"context"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// Passkeys gives the tab an authenticator that keeps passkeys, and whose owner
// always agrees. Web Authentication §11
func (b *Tab) Passkeys() {
	b.t.Helper()
	b.call("plug an authenticator in", func(ctx context.Context) error {
		if _, err := chromedp.Call(ctx, webauthn.Enable, webauthn.EnableParams{}); err != nil {
			return err
		}
		_, err := chromedp.Call(ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
			Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal, HasResidentKey: true, HasUserVerification: true,
			IsUserVerified: true, AutomaticPresenceSimulation: true,
		}})
		return err
	})
}

// Value is what an element of the page holds, by its id.
func (b *Tab) Value(id string) string {
	b.t.Helper()
	var text string
	b.call("read #"+id, func(ctx context.Context) (err error) {
		text, err = chromedp.Run(ctx, chromedp.TextContent(chromedp.CSS("#"+id)))
		return err
	})
	return text
}

package signin

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

// deviceAnswer is what a device authorization endpoint says. RFC 8628 §3.2
type deviceAnswer struct {
	Device      string `json:"device_code"`
	User        string `json:"user_code"`
	Where       string `json:"verification_uri"`
	Complete    string `json:"verification_uri_complete"`
	Expires     number `json:"expires_in"`
	Every       number `json:"interval"`
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

// device has the user sign in on another device. RFC 8628
func (f *flow) device(ctx context.Context) (*client, *tokenAnswer, error) {
	c := f.client
	if c.Show == nil {
		return nil, nil, fail(CodeNobody, "Nobody has signed in to %s, and nobody is here to do it. Run: gatehouse bridge login --grant device %s", c.Server, c.Server)
	}
	who, err := c.become(ctx, f.as, "http://127.0.0.1"+callbackPath)
	if err != nil {
		return nil, nil, err
	}
	d, err := f.begin(ctx, who)
	if err != nil {
		return who, nil, err
	}
	text := "On any device, open\n\n  " + d.Where + "\n\nand enter the code " + plainText(d.User) + "\n"
	if d.Complete != "" {
		text += "or open\n\n  " + d.Complete + "\n"
	}
	c.Show(ctx, text)
	t, err := f.poll(ctx, who, d)
	return who, t, err
}

func (f *flow) begin(ctx context.Context, who *client) (*deviceAnswer, error) {
	c, issuer := f.client, f.as.Issuer
	form := url.Values{"resource": {f.place.Resource}}
	if len(f.scopes) > 0 {
		form.Set("scope", strings.Join(f.scopes, " "))
	}
	header := http.Header{}
	if err := c.identify(who, issuer, form, header); err != nil {
		return nil, err
	}
	a, err := c.post(ctx, f.as.DeviceEndpoint, header, formType, form.Encode())
	if err != nil {
		return nil, because(unreachable(err), err, "The device endpoint of %s did not answer.", issuer)
	}
	d := &deviceAnswer{}
	readable := json.Unmarshal(a.Body, d) == nil
	switch {
	case a.Status != http.StatusOK:
		return nil, because(CodeToken, &tokenError{a.Status, d.Error, d.Description}, "%s begins no sign-in.", issuer).Of(a.Header)
	case !readable || d.Device == "" || d.User == "":
		return nil, fail(CodeToken, "%s begins a sign-in with what cannot be read.", issuer)
	}
	for _, at := range []*string{&d.Where, &d.Complete} { // people open it
		if *at == "" && d.Where != "" {
			continue
		}
		var err error
		if *at, err = Openable(*at); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// poll asks until the user has signed in, as often as the server allows. RFC 8628 §3.5
func (f *flow) poll(ctx context.Context, who *client, d *deviceAnswer) (*tokenAnswer, error) {
	wait := min(max(time.Duration(d.Every)*time.Second, time.Second), time.Minute)
	if d.Every == 0 {
		wait = 5 * time.Second
	}
	life := min(max(time.Duration(d.Expires)*time.Second, time.Minute), time.Hour)
	asked := ctx
	ctx, stop := context.WithTimeout(ctx, life)
	defer stop()
	for {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, f.client.unattended(asked, life, "Begin again for another code: gatehouse bridge login --grant device "+f.client.Server)
		}
		form := f.form(oauth.DeviceCode)
		form.Del("scope")
		form.Set("device_code", d.Device)
		t, err := f.client.ask(ctx, f.as.TokenEndpoint, f.as.Issuer, who, form, f.bound)
		var refused *tokenError
		switch {
		case err == nil:
			return t, nil
		case !errors.As(err, &refused):
			wait = min(2*wait, time.Minute) // it did not answer: RFC 8628 §3.5
		case refused.Code == oauth.SlowDown:
			wait += 5 * time.Second
		case refused.Code == oauth.AccessDenied:
			return nil, fail(CodeNobody, "The sign-in was refused, by the user or by %s.", f.as.Issuer)
		case refused.Code != oauth.AuthorizationPending:
			return nil, err
		}
	}
}

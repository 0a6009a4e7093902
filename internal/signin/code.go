package signin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
	"github.com/gatehouse-mcp/gatehouse/internal/unit"
)

// signInWait is how long somebody may take to sign in: they may have to find a
// second factor, or somebody who consents.
const signInWait = 5 * time.Minute

// code has the user sign in with a browser. OAuth 2.1 §4.1, RFC 8252
func (f *flow) code(ctx context.Context) (*client, *tokenAnswer, error) {
	c := f.client
	if c.Open == nil && c.Show == nil {
		return nil, nil, fail(CodeNobody, "Nobody has signed in to %s, and nobody is here to do it. Run: gatehouse bridge login %s", c.Server, c.Server)
	}
	back, err := c.listen(ctx, f.as.Issuer)
	if err != nil {
		return nil, nil, err
	}
	defer back.close()
	who, err := c.become(ctx, f.as, back.redirect())
	if err != nil {
		return nil, nil, err
	}
	verifier := rand.Text() + rand.Text() // RFC 7636 §4.1: 43 characters at least
	state := rand.Text()
	at, err := f.address(ctx, who, back.redirect(), state, verifier)
	if err == nil && f.stale(ctx, who, at) {
		c.log().Info("the client that was registered is not known any more: registering again", "issuer", f.as.Issuer)
		if err = c.forget(ctx, f.as.Issuer); err != nil {
			return nil, nil, err
		}
		if who, err = c.become(ctx, f.as, back.redirect()); err != nil {
			return nil, nil, err
		}
		at, err = f.address(ctx, who, back.redirect(), state, verifier)
	}
	if err != nil {
		return nil, nil, err
	}
	asked := ctx
	ctx, stop := context.WithTimeout(ctx, signInWait)
	defer stop()
	answers := back.serve(state)
	if err := c.lead(ctx, at); err != nil {
		return nil, nil, err
	}
	var got answer
	select {
	case got = <-answers:
	case <-ctx.Done():
		return nil, nil, c.unattended(asked, signInWait, "If the page there said that the client is not known, forget it: gatehouse bridge logout "+c.Server)
	}
	if err := f.judge(got); err != nil {
		got.tell(err)
		return who, nil, err
	}
	form := f.form(oauth.AuthorizationCode)
	form.Set("code", got.code)
	form.Set("redirect_uri", back.redirect())
	form.Set("code_verifier", verifier)
	t, err := c.ask(ctx, f.as.TokenEndpoint, f.as.Issuer, who, form, f.bound)
	got.tell(err)
	return who, t, err
}

// unattended is why a sign-in ended without anybody: whoever asked for it does not
// want it any more, or has no more time, or nobody came for as long as we wait.
func (c *Client) unattended(asked context.Context, waited time.Duration, more string) error {
	switch err := asked.Err(); {
	case errors.Is(err, context.Canceled):
		return err
	case err != nil:
		return fail(CodeNobody, "Nobody signed in to %s in the time that there was (--timeout). %s", c.Server, more)
	}
	return fail(CodeNobody, "Nobody signed in to %s within %s. %s", c.Server, unit.FormatDuration(waited), more)
}

// address is where the user signs in. What the endpoint has in its query stays.
func (f *flow) address(ctx context.Context, who *client, redirect, state, verifier string) (string, error) {
	u, err := url.Parse(f.as.AuthorizationEndpoint)
	if err != nil {
		return "", err
	}
	to, err := f.client.fetcher(u.String())
	if err != nil {
		return "", err
	}
	if err := to.Look(ctx, u.String()); err != nil {
		return "", because(CodeUnsafe, err, "The authorization server %s sends people to where nobody is followed.", f.as.Issuer)
	}
	sum := sha256.Sum256([]byte(verifier))
	thumbprint := ""
	if f.bound.key != nil { // then the code is of no use without it either. RFC 9449 §10
		thumbprint = f.bound.key.Thumbprint
	}
	q := u.Query()
	for name, value := range map[string]string{
		"response_type": "code", "client_id": who.ID, "redirect_uri": redirect, "state": state, "resource": f.place.Resource,
		"code_challenge": base64.RawURLEncoding.EncodeToString(sum[:]), "code_challenge_method": oauth.S256, "scope": strings.Join(f.scopes, " "),
		"dpop_jkt": thumbprint,
	} {
		q.Del(name)
		if value != "" {
			q.Set(name, value)
		}
	}
	u.RawQuery = q.Encode()
	return Openable(u.String())
}

// stale says whether the authorization server does not want to hear of a client
// that registered itself long ago: nobody would come back from the page that says
// so, since it may lead nowhere (OAuth 2.1 §4.1.2.1). So we look at it first. One
// registration too many, where the page is refused to programs, does no harm.
func (f *flow) stale(ctx context.Context, who *client, at string) bool {
	if !who.Dynamic || who.fresh || f.known {
		return false
	}
	to, err := f.client.fetcher(at)
	if err != nil {
		return false
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at, http.NoBody)
	if err != nil {
		return false
	}
	a, err := to.Do(r) // a redirect is an error, and an answer to somebody who is known
	return err == nil && a.Status/100 == 4 && a.Status != http.StatusTooManyRequests && a.Status != http.StatusMethodNotAllowed
}

// lead brings the user to an address: by the browser, else by telling them.
func (c *Client) lead(ctx context.Context, at string) error {
	if c.Open != nil {
		err := c.Open(ctx, at)
		if err == nil {
			return nil
		}
		c.log().Warn("the browser cannot be opened", "error", plainText(err.Error()))
	}
	if c.Show == nil {
		return fail(CodeNobody, "Nobody has signed in to %s, and no browser can be opened here. Run: gatehouse bridge login %s", c.Server, c.Server)
	}
	c.Show(ctx, "Open this address in a browser on this machine, and sign in:\n\n  "+at+"\n")
	return nil
}

// judge holds an answer to the authorization server it should be from, before
// anything else in it is looked at: an error of another is nobody's business either.
// RFC 9207 §2.4, SEP-2468
func (f *flow) judge(got answer) error {
	switch {
	case got.issuer == "" && f.as.IssParameter:
		return fail(CodeAnswer, "The answer to the sign-in does not say that it is from %s, which always says so (iss).", f.as.Issuer)
	case got.issuer != "" && got.issuer != f.as.Issuer:
		return fail(CodeAnswer, "The answer to the sign-in is from another authorization server than %s (iss).", f.as.Issuer)
	case got.fault == oauth.AccessDenied:
		return fail(CodeNobody, "The sign-in was refused, by the user or by %s: %s. Nothing was granted", f.as.Issuer, strings.TrimSuffix(plainText(got.description), "."))
	case got.fault == oauth.InvalidClient || got.fault == oauth.UnauthorizedClient:
		return because(CodeAnswer, &tokenError{Status: 400, Code: got.fault, Description: got.description}, "%s does not know this client.", f.as.Issuer)
	case got.fault != "":
		return fail(CodeAnswer, "%s refuses the sign-in: %s", f.as.Issuer, plainText(strings.TrimSpace(got.fault+" "+got.description)))
	case got.code == "":
		return fail(CodeAnswer, "The answer to the sign-in has no code in it.")
	}
	return nil
}

// listen opens the door that the browser comes back to. A client that registered
// itself did so with one port, which is used again when it is free.
func (c *Client) listen(ctx context.Context, issuer string) (*callback, error) {
	if c.Port != 0 {
		return listenBack(ctx, c.Port)
	}
	if c.Registered == nil {
		if who, err := c.registered(ctx, issuer); err != nil {
			return nil, err
		} else if who != nil {
			if u, err := url.Parse(who.Redirect); err == nil {
				if port, err := strconv.Atoi(u.Port()); err == nil {
					if back, err := listenBack(ctx, port); err == nil {
						return back, nil
					}
				}
			}
		}
	}
	return listenBack(ctx, 0)
}

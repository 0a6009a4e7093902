package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/e2e/person"
)

const (
	citizens  = 6                                             // accounts of ours
	app       = "soak-app"                                    // the client that they use
	appBack   = "https://app.soak.test/callback"              // where it is told of what they allowed
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636, Appendix B
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

	graceSure = 20 * time.Second // for so long after it was first sent a refresh token is surely answered again
	endedKept = 30
)

// citizen is a person with an account, a browser, and an app that acts for them.
// One caller has them at a time.
type citizen struct {
	person.Person
	jar   http.CookieJar
	grant string   // refresh token that was acknowledged last; empty: none
	token string   // access token
	ended []string // refresh tokens whose revocation was acknowledged
}

// settle makes the accounts and the app.
func (w *world) settle(ctx context.Context, door *adminapi.Client) error {
	if _, err := door.CreateOAuthClient(ctx, adminapi.NewOAuthClient{ID: app, Name: "Soak", RedirectURIs: []string{appBack}, AuthMethod: "none"}); err != nil {
		return fmt.Errorf("make the app: %w", err)
	}
	w.citizens = make(chan *citizen, citizens)
	for n := range citizens {
		z := &citizen{Person: person.Person{Name: fmt.Sprintf("citizen%d", n), Password: "seven olives under a lamp"}}
		if _, err := door.CreateUser(ctx, adminapi.NewUser{Username: z.Name, Password: z.Password}); err != nil {
			return fmt.Errorf("make a user: %w", err)
		}
		w.citizens <- z
	}
	return nil
}

// at is a citizen as a caller has them.
type at struct {
	*citizen
	c    *caller
	http *http.Client
}

// reply is an answer of the authorization server.
type reply struct {
	status   int
	location string
	body     []byte

	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

// signing is what a citizen does: sign in, let the app in, use it for a while,
// and now and then take that back.
func (c *caller) signing(ctx context.Context, k *key) error {
	var z *citizen
	select {
	case z = <-c.w.citizens:
	default:
		return c.modern(ctx, k) // all have something to do
	}
	defer func() { c.w.citizens <- z }()
	if z.jar == nil || time.Since(z.Coded) > 90*time.Second && c.dice.IntN(4) == 0 {
		z.jar, _ = cookiejar.New(nil) // never fails; they sign in anew
	}
	h := *c.http
	h.Jar = z.jar
	a := &at{z, c, &h}
	if z.grant == "" || c.dice.IntN(3) == 0 {
		if err := a.letIn(ctx); err != nil {
			return err
		}
	}
	for range 1 + c.dice.IntN(5) {
		if err := a.use(ctx); err != nil {
			return err
		}
		if err := a.renew(ctx); err != nil || z.grant == "" {
			return err
		}
		c.pause(ctx)
	}
	if c.dice.IntN(3) == 0 {
		return a.takeBack(ctx)
	}
	return a.haunt(ctx)
}

// send sends a form, or follows a link.
func (a *at) send(ctx context.Context, to string, form url.Values) (*reply, error) {
	ctx, stop := context.WithTimeout(ctx, callWait)
	defer stop()
	method, body := http.MethodGet, ""
	if form != nil {
		method, body = http.MethodPost, form.Encode()
	}
	q, err := http.NewRequestWithContext(ctx, method, to, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if form != nil {
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		q.Header.Set("Origin", a.origin())
		q.Header.Set("Sec-Fetch-Site", "same-origin")
		q.GetBody = nil // nothing is sent twice
	}
	res, err := a.http.Do(q)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	out := &reply{status: res.StatusCode, location: res.Header.Get("Location")}
	if out.body, err = io.ReadAll(res.Body); err != nil {
		return nil, err
	}
	_ = json.Unmarshal(out.body, out) // pages are none
	if strings.Contains(string(out.body), "GH-1901") {
		a.c.w.report.fail("%s says that something went wrong inside: %.300s", to, out.body)
	}
	return out, nil
}

func (a *at) origin() string { return "https://" + a.c.w.listen }

var errNoWay = errors.New("there is no way on")

// visit goes from a link to the app, and returns what that is told.
func (a *at) visit(ctx context.Context, path string) (url.Values, error) {
	u, err := url.Parse(a.origin() + path)
	if err != nil {
		return nil, err
	}
	var form url.Values
	for range 15 {
		r, err := a.send(ctx, u.String(), form)
		if err != nil {
			return nil, err
		}
		to := r.location
		form = nil
		if to == "" {
			to, form = a.Next(string(r.body))
		}
		if to == "" {
			return nil, fmt.Errorf("%w: %s: %d", errNoWay, u.Path, r.status)
		}
		if u, err = u.Parse(to); err != nil {
			return nil, err
		}
		if u.Host != a.c.w.listen {
			return u.Query(), nil
		}
	}
	return nil, fmt.Errorf("%w: too many steps", errNoWay)
}

// letIn signs in where that is needed, and gets the app its tokens.
func (a *at) letIn(ctx context.Context) error {
	q := url.Values{
		"response_type": {"code"}, "client_id": {app}, "redirect_uri": {appBack}, "scope": {"soak:use offline_access"}, "state": {newNonce()},
		"resource": {a.origin() + "/" + notes}, "code_challenge": {challenge}, "code_challenge_method": {"S256"},
	}
	told, err := a.visit(ctx, "/authorize?"+q.Encode())
	if err != nil {
		return err
	}
	if told.Get("state") != q.Get("state") || told.Get("iss") != a.origin() {
		a.c.w.report.fail("the app is told %v of another request", told)
	}
	code := url.Values{"grant_type": {"authorization_code"}, "client_id": {app}, "code": {told.Get("code")}, "redirect_uri": {appBack}, "code_verifier": {verifier}}
	r, err := a.send(ctx, a.origin()+"/token", code)
	if err != nil || r.status != http.StatusOK {
		return errors.Join(err, errors.New("no token for a code")) // the process may have ended in the middle
	}
	a.grant, a.token = r.Refresh, r.Access
	a.c.w.report.count("codes redeemed", 1)
	return nil
}

// use lists the tools with the access token, which has to be good.
func (a *at) use(ctx context.Context) error {
	status, body, err := a.list(ctx)
	switch {
	case err != nil:
		return err
	case status == http.StatusOK:
		a.c.w.report.count("lists with a token", 1)
	case status == http.StatusUnauthorized:
		a.c.w.report.fail("a good access token is refused: %.300s", body)
	}
	return nil
}

func (a *at) list(ctx context.Context) (status int, body []byte, err error) {
	ctx, stop := context.WithTimeout(ctx, callWait)
	defer stop()
	text, header := a.c.request(true, "tools/list", "", "")
	header.Set("Authorization", "Bearer "+a.token)
	header.Set("Content-Type", "application/json")
	header.Set("Accept", "application/json, text/event-stream")
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, a.origin()+"/"+notes, strings.NewReader(text))
	if err != nil {
		return 0, nil, err
	}
	q.Header = header
	res, err := a.c.http.Do(q)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err = io.ReadAll(res.Body)
	return res.StatusCode, body, err
}

// refresh sends a refresh token.
func (a *at) refresh(ctx context.Context, token string) (*reply, error) {
	return a.send(ctx, a.origin()+"/token", url.Values{"grant_type": {"refresh_token"}, "client_id": {app}, "refresh_token": {token}})
}

// renew refreshes. An answer that is lost is asked for again, as clients do: it
// has to be the one that it was, whatever became of the process meanwhile.
func (a *at) renew(ctx context.Context) error {
	for began := time.Now(); time.Since(began) < graceSure; sleep(ctx, 300*time.Millisecond) {
		r, err := a.refresh(ctx, a.grant)
		switch {
		case ctx.Err() != nil:
			a.grant = "" // whether it was spent is not known
			return nil   //nolint:nilerr // the run has ended
		case err == nil && r.status == http.StatusOK:
			a.grant, a.token = r.Refresh, r.Access
			a.c.w.report.count("refreshes", 1)
			return nil
		case err == nil && r.status == http.StatusBadRequest:
			a.c.w.report.fail("a good refresh token, sent first %s ago, is refused: %.300s", time.Since(began).Round(time.Millisecond), r.body)
			a.grant = ""
			return nil
		}
	}
	a.grant = ""
	a.c.w.report.count("refresh tokens given up", 1)
	return nil
}

// takeBack revokes what the app was given: it is over within a second.
func (a *at) takeBack(ctx context.Context) error {
	r, err := a.send(ctx, a.origin()+"/revoke", url.Values{"client_id": {app}, "token": {a.grant}})
	old := a.grant
	a.grant = ""
	if err != nil || r.status != http.StatusOK {
		return errors.Join(err, errors.New("not revoked"))
	}
	acknowledged := time.Now()
	a.ended = append(a.ended, old)
	a.ended = a.ended[max(0, len(a.ended)-endedKept):]
	a.c.w.report.count("revocations", 1)
	for late := promise + a.c.w.s.slack; ; sleep(ctx, 100*time.Millisecond) {
		sent := time.Now()
		status, _, err := a.list(ctx)
		if err != nil || status != http.StatusOK {
			return err
		}
		if since := sent.Sub(acknowledged); since > late {
			a.c.w.report.fail("wrong admission: an access token is good %s after it was acknowledged that its grant is revoked", since.Round(time.Millisecond))
			return nil
		}
	}
}

// haunt comes with a refresh token that is over.
func (a *at) haunt(ctx context.Context) error {
	if len(a.ended) == 0 {
		return nil
	}
	r, err := a.refresh(ctx, a.ended[a.c.dice.IntN(len(a.ended))])
	if err == nil && r.status == http.StatusOK {
		a.c.w.report.fail("wrong admission: a refresh token whose revocation was acknowledged is good again")
	}
	a.c.w.report.count("revoked refresh tokens tried", 1)
	return err
}

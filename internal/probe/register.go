package probe

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
)

// redirectURI is where answers to our own requests would go. Nobody listens there.
const redirectURI = "http://127.0.0.1:33418/"

// registered is the client that we registered.
type registered struct {
	id    string
	uri   string // where it is managed; empty: nowhere
	token string // for that
	x     *Exchange
	why   string // why there is none
}

// client registers a client, once. It is false, and the rule has said so, if that is not wanted or does not do.
func (r *run) registeredClient(t *tally) (*issuer, *registered, bool) {
	i, ok := r.issued(t)
	if !ok {
		return nil, nil, false
	}
	switch {
	case !r.o.Register:
		t.unknown(nil, "needs a client of the authorization server: --register makes one, and deletes it")
		return i, nil, false
	case i.meta.RegistrationEndpoint == "":
		t.unknown(nil, "clients cannot register themselves there")
		return i, nil, false
	case r.facts.register == nil:
		r.facts.register = r.registerClient(i, redirectURI)
	}
	c := r.facts.register
	if c.id == "" {
		t.unknown(c.x, "no client could be registered: %s", c.why)
		return i, nil, false
	}
	return i, c, true
}

// registerClient registers a client with redirect URIs. RFC 7591 §3.1
func (r *run) registerClient(i *issuer, redirects ...string) *registered {
	text, err := json.Marshal(map[string]any{
		"client_name": "gatehouse check", "redirect_uris": redirects, "grant_types": []string{"authorization_code"},
		"response_types": []string{"code"}, "token_endpoint_auth_method": "none", "application_type": "native",
	})
	if err != nil {
		return &registered{why: err.Error()}
	}
	c := &registered{}
	c.x = r.ask(ask{
		method: http.MethodPost, url: i.meta.RegistrationEndpoint, body: string(text), fresh: true,
		header: [][2]string{{"Content-Type", "application/json"}, {"Accept", "application/json"}},
	})
	var got struct {
		ID    string `json:"client_id"`
		URI   string `json:"registration_client_uri"`
		Token string `json:"registration_access_token"`
	}
	if c.x.Status != http.StatusCreated && c.x.Status != http.StatusOK || json.Unmarshal(c.x.Answer, &got) != nil || got.ID == "" {
		c.why = sight(c.x)
		return c
	}
	c.id, c.uri, c.token = got.ID, got.URI, got.Token
	r.facts.made = append(r.facts.made, c)
	return c
}

// tidy deletes the clients that were registered. RFC 7592 §2.3
func (r *run) tidy(ctx context.Context) {
	ctx, stop := lasting(ctx)
	defer stop()
	made := r.facts.made
	r.facts.made = nil
	for _, c := range made {
		if c.uri != "" && c.token != "" {
			r.do(ctx, ask{method: http.MethodDelete, url: c.uri, header: [][2]string{bearer(c.token)}, fresh: true})
		}
	}
}

// end is where an authorization request leads.
type end int

const (
	endUnseen  end = iota
	endGoesOn      // to a page, or on to a sign-in
	endRefused     // a page that says no, or an error at the redirect URI
	endCode        // a code at the redirect URI
)

// authorize makes an authorization request of our client, with some of it changed. RFC 6749 §4.1.1
func (r *run) authorize(i *issuer, c *registered, change map[string]string) (*Exchange, end, url.Values) {
	q := url.Values{
		"response_type": {"code"}, "client_id": {c.id}, "redirect_uri": {redirectURI}, "state": {"gatehouse-check"},
		"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
		"resource": {r.metadata().Resource},
	}
	for k, v := range change {
		if q.Del(k); v != "" {
			q.Set(k, v)
		}
	}
	u, err := url.Parse(i.meta.AuthorizationEndpoint)
	if err != nil {
		return &Exchange{Err: err, Method: http.MethodGet, URL: i.meta.AuthorizationEndpoint, mask: r.mask}, endUnseen, nil
	}
	given := u.Query()
	for k, v := range q {
		given[k] = v
	}
	u.RawQuery = given.Encode()
	x := r.ask(ask{url: u.String(), header: [][2]string{{"Accept", "text/html"}}})
	to, err := url.Parse(x.Header.Get("Location"))
	switch {
	case x.Status == 0 || x.Status >= 500 || x.Status == http.StatusTooManyRequests || err != nil || x.wantsBrowser():
		return x, endUnseen, nil
	case x.Status >= 400:
		return x, endRefused, nil
	case x.Status < 300:
		return x, endGoesOn, nil
	case to.Query().Get("error") != "":
		return x, endRefused, to.Query()
	case to.Query().Get("code") != "":
		return x, endCode, to.Query()
	}
	return x, endGoesOn, nil
}

// goesOn asks in the right way first: only if that goes on does a refusal of something else mean anything.
func (r *run) goesOn(t *tally, i *issuer, c *registered) bool {
	x, e, _ := r.authorize(i, c, nil)
	if e == endGoesOn || e == endCode {
		return true
	}
	t.unknown(x, "an authorization request that is right is not taken either: %s", sight(x))
	return false
}

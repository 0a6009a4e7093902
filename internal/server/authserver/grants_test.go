package authserver

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/client"
	"github.com/gatehouse-mcp/gatehouse/internal/grant"
	"github.com/gatehouse-mcp/gatehouse/internal/login"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
	"github.com/gatehouse-mcp/gatehouse/internal/token"
)

// exchanging is a desk with servers that exchange tokens.
func exchanging(t *testing.T) (d *desk, swap func(id, text string, more ...string) *said) {
	d = newDesk(t)
	d.public("cli")
	x := []string{oauth.TokenExchange}
	d.client(client.Spec{ID: "rs", Grants: x, Resources: []string{resource}, Targets: []string{otherResource}})
	d.client(client.Spec{ID: "rs2", Grants: x, Resources: []string{otherResource}, Targets: []string{resource}})
	d.client(client.Spec{ID: "foreign", Grants: x})
	return d, func(id, text string, more ...string) *said {
		return d.post("/token", d.as(id, append([]string{"grant_type", oauth.TokenExchange, "subject_token", text, "subject_token_type", typeAccess}, more...)...)...)
	}
}

func TestAServerActsForWhoSentItAToken(t *testing.T) {
	d, swap := exchanging(t)
	first := d.login("cli")
	d.wait(4 * time.Minute)
	got := swap("rs", first.Access, "audience", otherResource, "scope", "notes:read").ok()
	c := payload(t, got.Access)
	if got.Refresh != "" || got.Issued != typeAccess || got.Expires != 360 || got.Scope != "notes:read" || c["aud"] != otherResource || c["sub"] != "usr_ada" || c["client_id"] != "rs" {
		t.Errorf("got %+v %v", got.tokenAnswer, c)
	}
	if act := c["act"].(map[string]any); act["sub"] != "client:rs" || act["act"] != nil || c["grant"] != payload(t, first.Access)["grant"] {
		t.Errorf("got %v", c)
	}
	second := swap("rs2", got.Access, "resource", resource).ok()
	c = payload(t, second.Access)
	if act := c["act"].(map[string]any); act["sub"] != "client:rs2" || act["act"].(map[string]any)["sub"] != "client:rs" || second.Scope != "notes:read" {
		t.Errorf("got %v", c)
	}
	if id, err := d.holds(second.Access); err != nil || strings.Join(id.Actor, " ") != "client:rs2 client:rs" {
		t.Errorf("got %+v, %v", id, err)
	}
	// With the grant everything ends that came of it.
	d.post("/revoke", "client_id", "cli", "token", first.Refresh)
	for _, text := range []string{first.Access, got.Access, second.Access} {
		if _, err := d.holds(text); err == nil {
			t.Error("a token outlives its grant")
		}
	}
}

// What a token was exchanged for ends with it, as do its grant and its person.
func TestA073ExchangedTokensEndWithTheTokenBeforeThem(t *testing.T) {
	d, swap := exchanging(t)
	first, other := d.login("cli"), d.login("cli")
	one := swap("rs", first.Access, "resource", otherResource).ok().Access
	two := swap("rs2", one, "resource", resource).ok().Access
	kept := swap("rs", other.Access).ok().Access
	d.post("/revoke", "client_id", "cli", "token", first.Access)
	for what, text := range map[string]string{"the first": first.Access, "the second": one, "the third": two} {
		if _, err := d.holds(text); err == nil {
			t.Errorf("%s is accepted", what)
		}
	}
	swap("rs", two).no("what came of a revoked token", 400, oauth.InvalidGrant)
	for what, text := range map[string]string{"another login": other.Access, "what came of it": kept} {
		if _, err := d.holds(text); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	d.post("/token", "grant_type", oauth.RefreshToken, "client_id", "cli", "refresh_token", first.Refresh).ok() // the grant goes on
}

func TestA073AnExchangeWidensNothing(t *testing.T) {
	d, swap := exchanging(t)
	first := d.login("cli")
	swap("rs", first.Access, "scope", "notes:read notes:purge").no("more scopes", 400, oauth.InvalidScope)
	swap("rs", first.Access, "scope", "offline_access").no("a refresh token", 400, oauth.InvalidScope)
	swap("rs", first.Access, "resource", "https://evil.test/mcp").no("another's resource", 400, oauth.InvalidTarget)
	swap("foreign", first.Access).no("a server that the token is not for", 400, oauth.InvalidGrant)
	swap("rs2", first.Access).no("the other server", 400, oauth.InvalidGrant)
	swap("rs", first.Access+"x").no("a changed token", 400, oauth.InvalidGrant)
	swap("rs", first.Refresh).no("a refresh token as subject", 400, oauth.InvalidGrant)
	swap("rs", first.Access, "actor_token", "x").no("an actor of its own", 400, oauth.InvalidRequest)
	swap("rs", first.Access, "requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token").no("another kind of token", 400, oauth.InvalidRequest)
	d.post("/token", d.as("rs", "grant_type", oauth.TokenExchange, "subject_token", first.Access, "subject_token_type", "urn:ietf:params:oauth:token-type:id_token")...).no("as an ID token", 400, oauth.InvalidRequest)
	d.post("/token", "grant_type", oauth.TokenExchange, "client_id", "cli", "subject_token", first.Access, "subject_token_type", typeAccess).no("a public client", 400, oauth.UnauthorizedClient)

	text := first.Access
	for _, id := range []string{"rs", "rs2", "rs"} {
		to := otherResource
		if id == "rs2" {
			to = resource
		}
		text = swap(id, text, "resource", to).ok().Access
	}
	swap("rs2", text, "resource", resource).no("a fourth actor", 400, oauth.InvalidGrant)
	for range 3 {
		d.wait(time.Minute)
		if c := payload(t, swap("rs", first.Access).ok().Access); c["exp"] != payload(t, first.Access)["exp"] {
			t.Error("it lives longer than what it was exchanged for")
		}
	}
	d.disable("usr_ada", login.Disabled)
	swap("rs", first.Access).no("a disabled person's", 400, oauth.InvalidGrant)
	d.disable("usr_ada", login.Active)
	d.wait(10 * time.Minute)
	swap("rs", first.Access).no("an expired token", 400, oauth.InvalidGrant)
	second := d.login("cli")
	d.post("/revoke", "client_id", "cli", "token", second.Access)
	swap("rs", second.Access).no("a revoked token", 400, oauth.InvalidGrant)
}

// A copy of a token that is bound to a key buys nothing that is not.
func TestA073ABoundTokenIsNotLoosened(t *testing.T) {
	d, swap := exchanging(t)
	d.client(client.Spec{ID: "own", Redirects: []string{"https://app.test/cb"}, Grants: []string{oauth.AuthorizationCode, oauth.TokenExchange}})
	key := newKey(t)
	form := redeemForm("own", d.code("own"), "client_secret", d.secrets["own"])
	first := d.send("/token", d.proves(key, "/token"), form...).ok()
	swap("own", first.Access).no("without a proof", 400, oauth.InvalidGrant)
	got := d.send("/token", d.proves(key, "/token"), d.as("own", "grant_type", oauth.TokenExchange, "subject_token", first.Access, "subject_token_type", typeAccess)...).ok()
	if got.Type != "DPoP" {
		t.Errorf("got %q", got.Type)
	}
}

func TestTokensAreBoundToWhatIsProved(t *testing.T) {
	d := newDesk(t)
	d.public("cli")
	key, thief := newKey(t), newKey(t)
	code := d.code("cli", func(a *grant.Authorization) { a.Bound = thumbprint(t, key) })
	d.post("/token", redeemForm("cli", code)...).no("no proof for a bound code", 400, oauth.InvalidGrant)
	d.send("/token", d.proves(thief, "/token"), redeemForm("cli", code)...).no("another's proof for it", 400, oauth.InvalidGrant)
	header := d.proves(key, "/token")
	first := d.send("/token", header, redeemForm("cli", code)...).ok()
	if first.Type != "DPoP" || payload(t, first.Access)["cnf"].(map[string]any)["jkt"] != thumbprint(t, key) {
		t.Errorf("got %+v", first.tokenAnswer)
	}
	if _, err := d.holds(first.Access); err == nil {
		t.Error("it is accepted without a proof")
	}
	refresh := []string{"grant_type", "refresh_token", "client_id", "cli", "refresh_token", first.Refresh}
	d.post("/token", refresh...).no("a bound refresh token without a proof", 400, oauth.InvalidGrant)
	d.send("/token", d.proves(thief, "/token"), refresh...).no("by another key", 400, oauth.InvalidGrant)
	d.send("/token", header, refresh...).no("a proof that was used", 400, oauth.InvalidDPoPProof)
	d.send("/token", d.proves(key, "/revoke"), refresh...).no("a proof for another endpoint", 400, oauth.InvalidDPoPProof)
	d.send("/token", http.Header{"Dpop": {"x"}}, refresh...).no("no proof at all", 400, oauth.InvalidDPoPProof)
	d.send("/token", d.proves(key, "/token"), refresh...).ok()
}

// TestA054WhereAProofIsRequired: no token is given that anybody could use.
func TestA054WhereAProofIsRequired(t *testing.T) {
	d := newDesk(t)
	d.public("cli")
	first := d.send("/token", d.proves(newKey(t), "/token"), redeemForm("cli", d.code("cli"))...).ok()
	d.Settings.RequireProof = true
	key := newKey(t)
	form := redeemForm("cli", d.code("cli"))
	d.post("/token", form...).no("a code without a proof", 400, oauth.InvalidDPoPProof)
	bound := d.send("/token", d.proves(key, "/token"), form...).ok() // which was not looked at
	if bound.Type != "DPoP" {
		t.Errorf("got %+v", bound.tokenAnswer)
	}
	for name, refresh := range map[string]string{"its own": bound.Refresh, "one of before": first.Refresh} {
		d.post("/token", "grant_type", "refresh_token", "client_id", "cli", "refresh_token", refresh).no("a refresh without a proof, "+name, 400, oauth.InvalidDPoPProof)
	}
	d.send("/token", d.proves(key, "/token"), "grant_type", "refresh_token", "client_id", "cli", "refresh_token", bound.Refresh).ok()
}

func TestADeviceGetsItsTokens(t *testing.T) {
	d := newDesk(t)
	d.public("cli")
	d.client(client.Spec{ID: "web", Redirects: []string{"https://app.test/cb"}, Grants: []string{oauth.AuthorizationCode}})
	var began deviceAnswer
	begin := func(more ...string) *said {
		got := d.post("/device_authorization", append([]string{"client_id", "cli", "scope", "notes:read unheard:of"}, more...)...)
		read(t, got, &began)
		return got
	}
	begin().no("no resource, of two", 400, oauth.InvalidTarget)
	d.post("/device_authorization", d.as("web", "resource", resource)...).no("a client that may not", 400, oauth.UnauthorizedClient)
	begin("resource", resource)
	if began.Verify != issuer+"/device" || began.Complete != issuer+"/device?user_code="+began.UserCode || began.Expires != 600 || began.Interval != 5 || len(began.UserCode) != 9 {
		t.Fatalf("got %+v", began)
	}
	poll := func() *said {
		d.wait(6 * time.Second)
		return d.post("/token", "grant_type", oauth.DeviceCode, "client_id", "cli", "device_code", began.DeviceCode)
	}
	poll().no("at first", 400, oauth.AuthorizationPending)
	d.wait(-6 * time.Second)
	poll().no("too early", 400, oauth.SlowDown)
	d.wait(time.Minute)
	one, err := d.Devices.ByUserCode(t.Context(), began.UserCode)
	if err != nil || strings.Join(one.Scopes, " ") != "notes:read" || !one.Offline {
		t.Fatalf("got %+v, %v", one, err)
	}
	if err := d.Devices.Decide(t.Context(), one.ID, &grant.Authorization{Grant: grant.Grant{
		Tenant: d.def, Client: "cli", Subject: "usr_ada", Resource: resource, Scopes: one.Scopes, Offline: one.Offline, Flow: one.Flow,
	}}); err != nil {
		t.Fatal(err)
	}
	if got := poll().ok(); got.Scope != "notes:read" || got.Refresh == "" {
		t.Errorf("got %+v", got.tokenAnswer)
	}
	d.wait(time.Minute)
	poll().no("again", 400, oauth.InvalidGrant)
	begin("resource", resource)
	d.wait(10 * time.Minute)
	poll().no("too late", 400, oauth.ExpiredToken)
	d.post("/token", "grant_type", oauth.DeviceCode, "client_id", "cli", "device_code", "gthd_x").no("made up", 400, oauth.InvalidGrant)
	for range 70 {
		if got := begin("resource", resource); got.ResponseRecorder.Code == http.StatusTooManyRequests {
			return
		}
	}
	t.Error("want an end to devices of one address")
}

func TestARequestIsPushedAndTakenOnce(t *testing.T) {
	d := newDesk(t)
	d.public("cli")
	d.client(client.Spec{ID: "web", Redirects: []string{"https://app.test/cb"}})
	good := []string{
		"response_type", "code", "redirect_uri", "https://app.test/cb", "code_challenge", proof, "code_challenge_method", "S256", "resource", resource, "state", "s",
	}
	var out pushAnswer
	got := d.post("/par", d.as("web", good...)...)
	read(t, got, &out)
	if got.ResponseRecorder.Code != http.StatusCreated || out.Expires != 60 || !strings.HasPrefix(out.URI, grant.RequestPrefix) {
		t.Fatalf("got %d %s", got.ResponseRecorder.Code, got.Body)
	}
	kept, err := d.Requests.Take(t.Context(), out.URI, "web")
	if err != nil || strings.Contains(kept, d.secrets["web"]) || !strings.Contains(kept, "state=s") {
		t.Errorf("got %q, %v, want the request without the secret", kept, err)
	}
	for name, form := range map[string][]string{
		"another redirect": d.as("web", append(good[:2:2], append([]string{"redirect_uri", "https://evil.test/cb"}, good[4:]...)...)...),
		"no challenge":     d.as("web", good[:4]...),
		"a request in it":  d.as("web", append(good, "request_uri", out.URI)...),
	} {
		if got := d.post("/par", form...); got.ResponseRecorder.Code != 400 || got.Error == "" {
			t.Errorf("%s: got %d %s", name, got.ResponseRecorder.Code, got.Body)
		}
	}
	d.post("/par", append([]string{"client_id", "web"}, good...)...).no("without its secret", 401, oauth.InvalidClient)

	key := newKey(t)
	got = d.send("/par", d.proves(key, "/par"), d.as("web", good...)...)
	read(t, got, &out)
	if kept, err := d.Requests.Take(t.Context(), out.URI, "web"); err != nil || !strings.Contains(kept, "dpop_jkt="+thumbprint(t, key)) {
		t.Errorf("got %q, %v, want the code bound to the proof's key", kept, err)
	}
	d.send("/par", d.proves(key, "/par"), d.as("web", append(good, "dpop_jkt", thumbprint(t, newKey(t)))...)...).no("two keys", 400, oauth.InvalidDPoPProof)
}

func TestA075TokensAreTheirOwnersAlone(t *testing.T) {
	d, _ := exchanging(t)
	d.client(client.Spec{ID: "web", Redirects: []string{"https://app.test/cb"}})
	d.client(client.Spec{ID: "other", Redirects: []string{"https://app.test/cb"}})
	first := d.post("/token", redeemForm("web", d.code("web"), "client_secret", d.secrets["web"])...).ok()
	ask := func(id, text string, more ...string) *said {
		return d.post("/introspect", d.as(id, append([]string{"token", text}, more...)...)...)
	}
	for name, got := range map[string]*said{
		"its client":        ask("web", first.Access, "token_type_hint", "refresh_token"),
		"its refresh token": ask("web", first.Refresh, "token_type_hint", "access_token"),
		"its server":        ask("rs", first.Access),
	} {
		if !got.Active || !strings.Contains(got.Body.String(), `"client_id":"web"`) || got.Header().Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: got %d %s", name, got.ResponseRecorder.Code, got.Body)
		}
	}
	for name, got := range map[string]*said{
		"another client":                 ask("other", first.Access),
		"another client's refresh token": ask("other", first.Refresh),
		"another server":                 ask("rs2", first.Access),
		"a server, of a refresh token":   ask("rs", first.Refresh),
		"nothing of ours":                ask("web", "x.y.z"),
	} {
		if got.Body.String() != "{\"active\":false}\n" || got.ResponseRecorder.Code != 200 {
			t.Errorf("%s: got %d %s", name, got.ResponseRecorder.Code, got.Body)
		}
	}
	d.post("/introspect", "token", first.Access).no("nobody", 401, oauth.InvalidClient)
	d.post("/introspect", "client_id", "cli", "token", first.Access).no("a public client", 401, oauth.InvalidClient)

	for _, text := range []string{first.Access, first.Refresh, "nothing"} { // of another: nothing happens, and nobody learns anything
		if got := d.post("/revoke", d.as("other", "token", text)...); got.ResponseRecorder.Code != 200 || got.Body.Len() != 0 {
			t.Errorf("got %d %s", got.ResponseRecorder.Code, got.Body)
		}
	}
	if _, err := d.holds(first.Access); err != nil || !ask("web", first.Refresh).Active {
		t.Fatalf("got %v: another client has revoked it", err)
	}
	d.post("/revoke", d.as("web", "token", first.Access)...)
	if _, err := d.holds(first.Access); err == nil || ask("web", first.Access).Active || !ask("web", first.Refresh).Active {
		t.Error("want this access token revoked, and nothing else")
	}
	second := d.post("/token", d.as("web", "grant_type", "refresh_token", "refresh_token", first.Refresh)...).ok()
	d.wait(10 * time.Minute)
	if ask("web", second.Access).Active || !ask("web", second.Refresh).Active {
		t.Error("want an access token over that has expired, and its refresh token good")
	}
	second = d.post("/token", d.as("web", "grant_type", "refresh_token", "refresh_token", second.Refresh)...).ok()
	if ask("web", first.Refresh).Active {
		t.Error("a refresh token that was used is called active")
	}
	d.post("/revoke", d.as("web", "token", second.Refresh)...)
	if _, err := d.holds(second.Access); err == nil || ask("web", second.Refresh).Active {
		t.Error("want everything of the grant revoked with its refresh token")
	}
}

func TestA076TheNewestMarkCountsAtEveryEndpoint(t *testing.T) {
	d, swap := exchanging(t)
	first := d.login("cli")
	d.wait(2 * time.Second)
	if _, err := d.Tokens.Revoke(t.Context(), token.Spec{Target: token.Target{Kind: token.KindClient, Value: "cli"}, Before: d.clock().Add(-time.Hour)}); err != nil {
		t.Fatal(err)
	}
	swap("rs", first.Access).ok() // an older mark says nothing of it
	if _, err := d.Tokens.Revoke(t.Context(), token.Spec{Target: token.Target{Kind: token.KindSubject, Issuer: issuer, Value: "usr_ada"}}); err != nil {
		t.Fatal(err)
	}
	swap("rs", first.Access).no("exchange", 400, oauth.InvalidGrant)
	d.post("/token", "grant_type", "refresh_token", "client_id", "cli", "refresh_token", first.Refresh).no("refresh", 400, oauth.InvalidGrant)
	if d.post("/introspect", d.as("rs", "token", first.Access)...).Active {
		t.Error("introspection calls it active")
	}
	d.wait(2 * time.Second)
	swap("rs", d.login("cli").Access).ok()
}

// What a registration says of grants is not enough: only who was made by an
// administrator, and proves who it is, is a program or a server.
func TestA072A073OnlyClientsOfAnAdministrator(t *testing.T) {
	d, _ := exchanging(t)
	first := d.login("cli")
	all := []string{oauth.ClientCredentials, oauth.TokenExchange}
	for name, c := range map[string]*client.Client{
		"a registered client": {ID: "x", Kind: client.Dynamic, Tenant: d.def, AuthMethods: []string{oauth.AuthSecretBasic}, Grants: all, Resources: []string{resource}},
		"a document's client": {ID: "x", Kind: client.Document, Tenant: d.def, AuthMethods: []string{oauth.AuthPrivateKeyJWT}, Grants: all, Resources: []string{resource}},
		"a public client":     {ID: "x", Kind: client.Static, Tenant: d.def, AuthMethods: []string{oauth.AuthNone}, Grants: all, Resources: []string{resource}},
	} {
		d.Authenticate = func(*http.Request, *oauth.Params, ...string) (*client.Client, error) { return c, nil }
		d.post("/token", "grant_type", oauth.ClientCredentials, "resource", resource).no(name, 400, oauth.UnauthorizedClient)
		d.post("/token", "grant_type", oauth.TokenExchange, "subject_token", first.Access, "subject_token_type", typeAccess).no(name, 400, oauth.UnauthorizedClient)
	}
	c := &client.Client{ID: "x", Kind: client.Static, AuthMethods: []string{oauth.AuthSecretBasic}, Grants: all}
	d.Authenticate = func(*http.Request, *oauth.Params, ...string) (*client.Client, error) { return c, nil }
	d.post("/token", "grant_type", oauth.ClientCredentials, "resource", resource).no("a program of nobody", 400, oauth.UnauthorizedClient)
}

package authserver

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/client"
	"github.com/gatehouse-mcp/gatehouse/internal/grant"
	"github.com/gatehouse-mcp/gatehouse/internal/login"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

func TestACodeBuysTokensForOneResource(t *testing.T) {
	d := newDesk(t)
	d.public("cli")
	got := d.login("cli")
	if got.Type != "Bearer" || got.Expires != 600 || got.Scope != "notes:read notes:write" || !strings.HasPrefix(got.Refresh, "gthr_") {
		t.Errorf("got %+v", got.tokenAnswer)
	}
	id, err := d.holds(got.Access)
	if err != nil {
		t.Fatal(err)
	}
	if id.Issuer != issuer || id.Subject != "usr_ada" || id.Client != "cli" || len(id.Scopes) != 2 {
		t.Errorf("got %+v", id)
	}
	c := payload(t, got.Access)
	for name, want := range map[string]any{
		"iss": issuer, "aud": resource, "sub": "usr_ada", "client_id": "cli", "tenant": "default", "name": "Ada", "auth_time": float64(d.clock().Unix()),
		"exp": float64(d.clock().Unix() + 600), "iat": float64(d.clock().Unix()), "scope": "notes:read notes:write",
	} {
		if c[name] != want {
			t.Errorf("%s: got %v, want %v", name, c[name], want)
		}
	}
	if c["idp"].(map[string]any)["sub"] != "a1" || c["groups"].([]any)[0] != "staff" || c["roles"].([]any)[0] != "editor" || c["grant"] == "" || c["jti"] == "" {
		t.Errorf("got %v", c)
	}
	e := d.trail.events[len(d.trail.events)-1]
	if e.Action != "token" || e.Outcome != audit.OK || e.Request != "flow-1" || e.ClientID != "cli" || e.Subject != "usr_ada" || e.Tenant != "default" || e.TokenID != c["jti"] {
		t.Errorf("got %+v", e)
	}
}

func TestARefreshKeepsWhatWasGranted(t *testing.T) {
	d := newDesk(t)
	d.public("cli")
	first := d.login("cli")
	refresh := func(text string, more ...string) *said {
		return d.post("/token", append([]string{"grant_type", "refresh_token", "client_id", "cli", "refresh_token", text}, more...)...)
	}
	second := refresh(first.Refresh).ok() // neither scope nor resource
	if second.Scope != "notes:read notes:write" || payload(t, second.Access)["aud"] != resource || second.Refresh == first.Refresh {
		t.Errorf("got %+v", second.tokenAnswer)
	}
	if again := refresh(first.Refresh).ok(); again.Refresh != second.Refresh { // its answer was lost
		t.Error("got another successor")
	}
	third := refresh(second.Refresh, "scope", "notes:read offline_access", "resource", "HTTPS://MCP.acme.test:443/mcp/").ok()
	if third.Scope != "notes:read" || payload(t, third.Access)["aud"] != resource {
		t.Errorf("got %+v", third.tokenAnswer)
	}
	refresh(third.Refresh, "scope", "notes:read notes:purge").no("more scopes", 400, oauth.InvalidScope)
	refresh(third.Refresh, "resource", otherResource).no("another resource", 400, oauth.InvalidTarget)
	if fourth := refresh(third.Refresh).ok(); fourth.Scope != "notes:read notes:write" {
		t.Errorf("got %q, want everything that was granted", fourth.Scope)
	}
}

func TestA001A002A064ReplaysAndWhatTheyEnd(t *testing.T) {
	d := newDesk(t)
	d.public("cli")
	d.public("evil")
	code := d.code("cli")
	first := d.post("/token", redeemForm("cli", code)...).ok()
	for name, form := range map[string][]string{
		"a wrong verifier": redeemForm("cli", code, "code_verifier", strings.Repeat("x", 43)),
		"another client":   redeemForm("evil", code),
		"another redirect": redeemForm("cli", code, "redirect_uri", backTo+"x"),
	} {
		d.post("/token", form...).no(name, 400, oauth.InvalidGrant)
		if e := d.trail.events[len(d.trail.events)-1]; e.Outcome != audit.Refused || e.Code != "GH-1410" || !strings.Contains(e.Reason, "not for this request") {
			t.Errorf("%s: got %+v", name, e)
		}
	}
	if _, err := d.holds(first.Access); err != nil {
		t.Fatalf("got %v: whoever has only the code has ended the grant", err)
	}
	d.post("/token", redeemForm("cli", code)...).no("the same again", 400, oauth.InvalidGrant)
	if e := d.trail.events[len(d.trail.events)-1]; e.Code != "GH-1410" || !strings.Contains(e.Reason, "used before") || !tellsOfAnEnd(e, d) {
		t.Errorf("got %+v", e)
	}
	if _, err := d.holds(first.Access); err == nil {
		t.Error("the access token is accepted after a replay")
	}
	d.post("/token", "grant_type", "refresh_token", "client_id", "cli", "refresh_token", first.Refresh).no("its refresh token", 400, oauth.InvalidGrant)

	one := d.login("cli")
	two := d.post("/token", "grant_type", "refresh_token", "client_id", "cli", "refresh_token", one.Refresh).ok()
	d.wait(31 * time.Second)
	d.post("/token", "grant_type", "refresh_token", "client_id", "cli", "refresh_token", one.Refresh).no("an old refresh token", 400, oauth.InvalidGrant)
	if e := d.trail.events[len(d.trail.events)-1]; e.Code != "GH-1411" || !strings.Contains(e.Reason, "refresh token was used before") || !tellsOfAnEnd(e, d) {
		t.Errorf("got %+v", e)
	}
	for _, text := range []string{one.Access, two.Access} {
		if _, err := d.holds(text); err == nil {
			t.Error("an access token of the family is accepted")
		}
	}
}

// tellsOfAnEnd says whether an event names the grant that it has ended, and whose that was.
func tellsOfAnEnd(e audit.Event, d *desk) bool {
	return e.Changed && e.Subject == "usr_ada" && e.TenantID == string(d.def) && e.Detail[audit.DetailGrant] != ""
}

func TestA008AVerifierIsNeverLeftOut(t *testing.T) {
	d := newDesk(t)
	d.public("cli")
	code := d.code("cli")
	for name, v := range map[string]string{
		"empty": "", "short": verifier[:42], "long": strings.Repeat("a", 129), "of base64": strings.Repeat("+/=", 15), "the challenge": proof, "another": strings.Repeat("a", 43),
	} {
		got := d.post("/token", redeemForm("cli", code, "code_verifier", v)...)
		want := oauth.InvalidGrant
		if v == "" {
			want = oauth.InvalidRequest
		}
		got.no(name, 400, want)
	}
	d.post("/token", append(redeemForm("cli", code), "code_verifier", verifier)...).no("two", 400, oauth.InvalidRequest)
	d.post("/token", redeemForm("cli", code)...).ok()
}

// Whoever was one's own client, person or tenant is none any more.
func TestA067WhoMayNotIsNotGivenMore(t *testing.T) {
	d := newDesk(t)
	d.public("cli")
	d.public("evil")
	d.client(client.Spec{ID: "web", Redirects: []string{"https://app.test/cb"}})
	first := d.login("cli")
	refresh := func(id, text string, more ...string) *said {
		return d.post("/token", append([]string{"grant_type", "refresh_token", "client_id", id, "refresh_token", text}, more...)...)
	}
	refresh("evil", first.Refresh).no("another client", 400, oauth.InvalidGrant)
	refresh("nobody", first.Refresh).no("a client that there is not", 401, oauth.InvalidClient)
	d.disable("usr_ada", login.Disabled)
	refresh("cli", first.Refresh).no("a disabled person", 400, oauth.InvalidGrant)
	d.disable("usr_ada", login.Active)
	refresh("cli", first.Refresh).ok() // nothing was spent by any of them

	web := d.post("/token", redeemForm("web", d.code("web"), "client_secret", d.secrets["web"])...).ok()
	refresh("web", web.Refresh).no("without its secret", 401, oauth.InvalidClient)
	web = refresh("web", web.Refresh, "client_secret", d.secrets["web"]).ok()
	if _, err := d.db.Tenants().SetState(t.Context(), d.def, "suspended", d.clock(), "test"); err != nil {
		t.Fatal(err)
	}
	refresh("web", web.Refresh, "client_secret", d.secrets["web"]).no("a suspended tenant", 400, oauth.InvalidGrant)
}

func TestScopesShrinkToWhatTheRulesAllow(t *testing.T) {
	d := newDesk(t)
	d.public("cli")
	res := &d.Resources[0]
	var asked Who
	res.Grantable = func(_ context.Context, who Who, scopes []string) []string {
		asked = who
		return grant.Scopes(scopes, []string{"notes:read"})
	}
	if got := d.login("cli"); got.Scope != "notes:read" || payload(t, got.Access)["scope"] != "notes:read" {
		t.Errorf("got %q", got.Scope)
	}
	if asked.Subject != "usr_ada" || asked.Client != "cli" || asked.Tenant != "default" || asked.Groups[0] != "staff" {
		t.Errorf("got %+v", asked)
	}
	res.Admits = func(string) bool { return false }
	d.post("/token", redeemForm("cli", d.code("cli"))...).no("a tenant that may not come in", 400, oauth.InvalidGrant)
}

func TestA072AProgramSpeaksForItselfAlone(t *testing.T) {
	d := newDesk(t)
	d.public("cli")
	d.client(client.Spec{ID: "ci", Tenant: d.def, Scopes: []string{"notes:read", "notes:write"}, Grants: []string{oauth.ClientCredentials}})
	d.client(client.Spec{ID: "web", Tenant: d.def, Redirects: []string{"https://app.test/cb"}, Grants: []string{oauth.AuthorizationCode}})
	ask := func(id string, more ...string) *said {
		return d.post("/token", d.as(id, append([]string{"grant_type", oauth.ClientCredentials, "resource", resource}, more...)...)...)
	}
	got := ask("ci").ok()
	c := payload(t, got.Access)
	if got.Refresh != "" || c["sub"] != "client:ci" || c["kind"] != "service" || c["tenant"] != "default" || got.Scope != "notes:read notes:write" || c["grant"] != nil {
		t.Errorf("got %+v with %v", got.tokenAnswer, c)
	}
	if got := ask("ci", "scope", "notes:write").ok(); got.Scope != "notes:write" {
		t.Errorf("got %q", got.Scope)
	}
	ask("ci", "scope", "notes:read notes:purge").no("a scope that it may not have", 400, oauth.InvalidScope)
	ask("ci", "scope", "notes:read offline_access").no("offline_access", 400, oauth.InvalidScope)
	ask("web").no("a client with people only", 400, oauth.UnauthorizedClient)
	d.post("/token", "grant_type", oauth.ClientCredentials, "client_id", "cli", "resource", resource).no("a public client", 400, oauth.UnauthorizedClient)
	d.post("/token", d.as("ci", "grant_type", oauth.ClientCredentials)...).no("no resource, of two", 400, oauth.InvalidTarget)
	d.post("/token", d.as("ci", "grant_type", oauth.ClientCredentials, "resource", "https://evil.test/mcp")...).no("another's resource", 400, oauth.InvalidTarget)
	d.Resources = d.Resources[:1]
	if got := d.post("/token", d.as("ci", "grant_type", oauth.ClientCredentials)...).ok(); payload(t, got.Access)["aud"] != resource {
		t.Error("want the only resource")
	}
}

func TestA077OnlyAFormIsTaken(t *testing.T) {
	d := newDesk(t)
	d.public("cli")
	form := redeemForm("cli", d.code("cli"))
	for name, tt := range map[string]struct {
		r      *http.Request
		status int
	}{
		"JSON":                    {httptest.NewRequest("POST", "/token", strings.NewReader(`{"grant_type":"authorization_code"}`)), 400},
		"no content type":         {httptest.NewRequest("POST", "/token", strings.NewReader("grant_type=x")), 400},
		"parameters in the query": {httptest.NewRequest("POST", "/token?"+encode(form), nil), 400},
		"GET":                     {httptest.NewRequest("GET", "/token?"+encode(form), nil), 405},
		"two megabytes":           {httptest.NewRequest("POST", "/token", strings.NewReader("a="+strings.Repeat("x", 2<<20))), 413},
	} {
		switch name {
		case "JSON":
			tt.r.Header.Set("Content-Type", "application/json")
		case "parameters in the query", "two megabytes":
			tt.r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		w := httptest.NewRecorder()
		d.Handler().ServeHTTP(w, tt.r)
		if w.Code != tt.status || strings.Contains(w.Body.String(), "access_token") {
			t.Errorf("%s: got %d %s, want %d", name, w.Code, w.Body, tt.status)
		}
	}
	for _, kind := range []string{"password", "implicit", "urn:x"} {
		d.post("/token", redeemForm("cli", "x", "grant_type", kind)...).no(kind, 400, oauth.UnsupportedGrantType)
	}
	d.post("/token", "client_id", "cli").no("no grant_type", 400, oauth.InvalidRequest)
	d.post("/token", append(form, "grant_type", "refresh_token")...).no("two grant types", 400, oauth.InvalidRequest)
	d.post("/token", form...).ok()
	for _, secret := range []string{form[5], verifier} {
		if strings.Contains(d.log.String(), secret) {
			t.Error("a secret of the query is in the log")
		}
	}

	r := httptest.NewRequest("OPTIONS", "/token", nil)
	w := httptest.NewRecorder()
	d.Handler().ServeHTTP(w, r)
	if w.Code != 204 || w.Header().Get("Access-Control-Allow-Origin") != "*" || w.Header().Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("got %d %v, want programs in browsers let in, without cookies", w.Code, w.Header())
	}
}

func encode(pairs []string) string {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v.Encode()
}

func TestWhatCannotBeWrittenDownDoesNotHappen(t *testing.T) {
	d := newDesk(t)
	d.public("cli")
	form := redeemForm("cli", d.code("cli"))
	d.trail.err = audit.ErrUnwritable
	got := d.post("/token", form...)
	if got.ResponseRecorder.Code != http.StatusServiceUnavailable || got.refused.Code != "GH-1903" || got.Header().Get("Retry-After") == "" || strings.Contains(got.Body.String(), "access_token") {
		t.Errorf("got %d %s", got.ResponseRecorder.Code, got.Body) // a full disk passes: a client is to come again
	}
}

// Guesses count towards a ban, mistakes do not.
func TestFailedGuessesAreCounted(t *testing.T) {
	d := newDesk(t)
	d.public("cli")
	d.client(client.Spec{ID: "web", Redirects: []string{"https://app.test/cb"}})
	for name, tt := range map[string]struct {
		form []string
		want int
	}{
		"a made-up code":    {redeemForm("cli", "gthc_x"), 1},
		"a wrong secret":    {[]string{"grant_type", "refresh_token", "client_id", "web", "client_secret", "x", "refresh_token", "y"}, 1},
		"a made-up refresh": {[]string{"grant_type", "refresh_token", "client_id", "cli", "refresh_token", "gthr_x"}, 1},
		"no grant type":     {[]string{"client_id", "cli"}, 0},
		"a wrong resource":  {redeemForm("cli", "x", "resource", "https://evil.test"), 0},
	} {
		before := d.failures()
		d.post("/token", tt.form...)
		if got := d.failures() - before; got != tt.want {
			t.Errorf("%s: counted %d, want %d", name, got, tt.want)
		}
	}
}

package federation_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/federation"
)

// hub is GitHub Enterprise Server as its documentation has it: the web flow of
// OAuth apps, GET /user, GET /user/emails, and memberships.
type hub struct {
	*httptest.Server
	t *testing.T

	mu     sync.Mutex
	form   url.Values
	asked  []string
	token  string            // answer of the token endpoint; empty: a token
	user   string            // JSON
	emails string            // JSON; empty: the app may not see them
	orgs   map[string]answer // by organization
	teams  map[string]answer // by "org/slug"
	fail   map[string]int    // status by path
}

type answer struct {
	status int
	body   string
	header map[string]string
}

func active(state string) answer {
	return answer{status: 200, body: fmt.Sprintf(`{"state":%q,"role":"member"}`, state)}
}

// What GitHub answers where an organization has not approved an OAuth app.
const restricted = `{"message":"Although you appear to have the correct authorization credentials, the ` + "`acme`" + ` organization has enabled OAuth App access restrictions, meaning that data access to third-parties is limited. For more information on these restrictions, including how to enable this app, visit https://docs.github.com/articles/restricting-access-to-your-organization-s-data/ <canary>","documentation_url":"https://docs.github.com/rest"}`

func newHub(t *testing.T) *hub {
	h := &hub{
		t: t, user: `{"login":"octocat","id":583231,"node_id":"MDQ6VXNlcjU4MzIzMQ==","type":"User","name":"The Octocat","email":"public@acme.com"}`,
		emails: `[{"email":"octocat@acme.com","primary":true,"verified":true,"visibility":"private"},{"email":"old@acme.com","primary":false,"verified":true}]`,
		orgs:   map[string]answer{}, teams: map[string]answer{}, fail: map[string]int{},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login/oauth/access_token", func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		h.form = r.PostForm
		body := h.token
		if body == "" {
			body = `{"access_token":"access-canary","scope":"read:org,read:user,user:email","token_type":"bearer","expires_in":28800,"refresh_token":"refresh-canary","refresh_token_expires_in":15811200}`
		}
		h.say(w, answer{status: 200, body: body}) // errors too: that is how GitHub does it
	})
	api := func(pattern string, f func(r *http.Request) answer) {
		mux.HandleFunc("GET /api/v3"+pattern, func(w http.ResponseWriter, r *http.Request) {
			h.asked = append(h.asked, r.URL.Path)
			switch {
			case r.Header.Get("Authorization") != "Bearer access-canary":
				h.say(w, answer{status: 401, body: `{"message":"Bad credentials"}`})
			case h.fail[r.URL.Path] != 0:
				h.say(w, answer{status: h.fail[r.URL.Path], body: `{"message":"canary"}`})
			default:
				h.say(w, f(r))
			}
		})
	}
	api("/user", func(*http.Request) answer { return answer{status: 200, body: h.user} })
	api("/user/emails", func(*http.Request) answer {
		if h.emails == "" {
			return answer{status: 404, body: `{"message":"Not Found"}`}
		}
		return answer{status: 200, body: h.emails}
	})
	known := func(m map[string]answer, name string) answer {
		if a, ok := m[name]; ok {
			return a
		}
		return answer{status: 404, body: `{"message":"Not Found"}`}
	}
	api("/user/memberships/orgs/{org}", func(r *http.Request) answer { return known(h.orgs, r.PathValue("org")) })
	api("/orgs/{org}/teams/{team}/memberships/octocat", func(r *http.Request) answer {
		return known(h.teams, r.PathValue("org")+"/"+r.PathValue("team"))
	})
	h.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		defer h.mu.Unlock()
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *hub) say(w http.ResponseWriter, a answer) {
	for name, value := range a.header {
		w.Header().Set(name, value)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(a.status)
	_, _ = w.Write([]byte(a.body))
}

func (h *hub) settings(allow federation.Allow) *federation.Settings {
	return &federation.Settings{
		Name: "github", House: "Acme", Preset: "github", Params: map[string]string{"host": strings.TrimPrefix(h.URL, "https://")},
		ClientID: "Iv1.abc", ClientSecret: "our-secret", Allow: allow, Private: []string{"127.0.0.1"}, Roots: roots(h.Server),
	}
}

const hubCallback = "https://mcp.acme.com/auth/callback/github"

func (h *hub) signIn(s *federation.Settings, c federation.Callback) (*federation.Profile, error) {
	h.t.Helper()
	p := open(h.t, s)
	start, err := p.Begin(h.t.Context(), hubCallback, "ada@acme.com", false)
	if err != nil {
		h.t.Fatal(err)
	}
	u, err := url.Parse(start.URL)
	if err != nil {
		h.t.Fatal(err)
	}
	q := u.Query()
	scope := "read:user user:email"
	if len(s.Allow.Orgs)+len(s.Allow.Teams) > 0 {
		scope += " read:org"
	}
	if u.Path != "/login/oauth/authorize" || q.Get("client_id") != "Iv1.abc" || q.Get("code_challenge") != challenge(start.Pending.Verifier) || q.Get("code_challenge_method") != "S256" ||
		q.Get("scope") != scope || q.Get("login") != "ada@acme.com" || q.Get("state") != start.Pending.State || q.Get("redirect_uri") != hubCallback {
		h.t.Errorf("sent to %s", start.URL)
	}
	if c.Code == "" && c.Error == "" {
		c.Code = "a-code"
	}
	c.State = start.Pending.State
	who, err := p.Finish(h.t.Context(), hubCallback, &start.Pending, &c)
	if err == nil && (h.form.Get("code_verifier") != start.Pending.Verifier || h.form.Get("client_secret") != "our-secret" || h.form.Get("code") != "a-code") {
		h.t.Errorf("asked for tokens with %v", h.form)
	}
	return who, err
}

func TestPeopleSignInWithGitHub(t *testing.T) {
	h := newHub(t)
	h.orgs["acme"], h.teams["acme/platform"], h.teams["acme/ops"] = active("active"), active("active"), active("pending")
	who, err := h.signIn(h.settings(federation.Allow{Orgs: []string{"bolt", "acme"}, Teams: []string{"acme/ops", "acme/platform"}}), federation.Callback{})
	if err != nil {
		t.Fatal(err)
	}
	if who.Issuer != h.URL || who.Subject != "583231" || who.Username != "octocat" || who.Name != "The Octocat" || who.Email != "octocat@acme.com" || who.Domain != "acme.com" ||
		!slices.Equal(who.Groups, []string{"acme", "acme/platform"}) || who.Tokens != nil {
		t.Errorf("got %+v", who)
	}
	s := h.settings(federation.Allow{Orgs: []string{"acme"}})
	s.KeepTokens = true
	if who, err = h.signIn(s, federation.Callback{Issuer: h.URL + "/login/oauth"}); err != nil {
		t.Fatal(err)
	}
	if who.Tenant != "acme" || who.Tokens == nil || who.Tokens.Access != "access-canary" || who.Tokens.Refresh != "refresh-canary" || who.Tokens.Expires.IsZero() || len(who.Tokens.Scopes) != 3 {
		t.Errorf("got %+v", who)
	}
}

func TestGitHubRefusals(t *testing.T) {
	acme, platform := federation.Allow{Orgs: []string{"acme"}}, federation.Allow{Teams: []string{"acme/platform"}}
	tests := []struct {
		name  string
		allow federation.Allow
		setup func(*hub)
		code  string
		says  string
	}{
		{"not in the organization", acme, func(*hub) {}, federation.CodeAllow, "You signed in to GitHub as octocat@acme.com. Acme allows members of the organization acme."},
		{"invited, and not accepted", acme, func(h *hub) { h.orgs["acme"] = active("pending") }, federation.CodeAllow, "members of the organization"},
		{"the organization has not approved the app", acme, func(h *hub) { h.orgs["acme"] = answer{status: 403, body: restricted} }, federation.CodeMembership, "has not approved this application yet"},
		{"the organization wants its single sign-on", acme, func(h *hub) {
			h.orgs["acme"] = answer{403, `{"message":"Resource protected by organization SAML enforcement. <canary>"}`, map[string]string{"X-GitHub-SSO": "required; url=https://evil.example/canary"}}
		}, federation.CodeMembership, "/orgs/acme/sso"},
		{"a GitHub App without the permission", acme, func(h *hub) {
			h.orgs["acme"] = answer{status: 403, body: `{"message":"Resource not accessible by integration"}`}
		}, federation.CodeMembership, "Members (read)"},
		{"some other reason", acme, func(h *hub) { h.orgs["acme"] = answer{status: 403, body: `{"message":"canary"}`} }, federation.CodeMembership, "Ask an administrator"},
		{"too many requests", acme, func(h *hub) { h.orgs["acme"] = answer{status: 403, body: `{"message":"API rate limit exceeded"}`} }, federation.CodeUnavailable, "does not answer"},
		{"an organization that answers with a page", acme, func(h *hub) { h.orgs["acme"] = answer{status: 200, body: `<html>`} }, federation.CodeAnswer, "could not be verified"},
		{"a membership without a state", acme, func(h *hub) { h.orgs["acme"] = answer{status: 200, body: `{}`} }, federation.CodeAllow, "members of the organization"},
		{"not in the team", platform, func(*hub) {}, federation.CodeAllow, "certain teams"},
		{"the team's organization has not approved the app", platform, func(h *hub) { h.teams["acme/platform"] = answer{status: 403, body: restricted} }, federation.CodeMembership, "has not approved"},
		{"in the organization, and not in the team", federation.Allow{Orgs: []string{"acme"}, Teams: []string{"acme/platform"}}, func(h *hub) { h.orgs["acme"] = active("active") }, federation.CodeAllow, "certain teams"},
		{"no address that is verified", federation.Allow{Domains: []string{"acme.com"}}, func(h *hub) {
			h.emails = `[{"email":"octocat@acme.com","primary":true,"verified":false}]`
		}, federation.CodeAllow, "does not say that your address is verified"},
		{"a verified address that is not the primary one", federation.Allow{Domains: []string{"acme.com"}}, func(h *hub) {
			h.emails = `[{"email":"o@gmail.com","primary":true,"verified":true},{"email":"octocat@acme.com","primary":false,"verified":true}]`
		}, federation.CodeAllow, "You signed in to GitHub as o@gmail.com"},
		{"the public address, which nobody verified", federation.Allow{Users: []string{"public@acme.com"}}, func(h *hub) { h.emails = "" }, federation.CodeAllow, "certain people"},
		{"the number of another", federation.Allow{Users: []string{"58323"}}, func(*hub) {}, federation.CodeAllow, "certain people"},
		{"an organization's account", federation.Allow{Everyone: true}, func(h *hub) { h.user = `{"login":"acme","id":7,"type":"Organization"}` }, federation.CodeAllow, "not a person's"},
		{"no number", federation.Allow{Everyone: true}, func(h *hub) { h.user = `{"login":"octocat"}` }, federation.CodeAnswer, "could not be verified"},
		{"a login that is a path", federation.Allow{Everyone: true}, func(h *hub) { h.user = `{"login":"../x","id":7}` }, federation.CodeAnswer, "could not be verified"},
		{"an interface that fails", federation.Allow{Everyone: true}, func(h *hub) { h.fail["/api/v3/user"] = 502 }, federation.CodeUnavailable, "does not answer"},
		{"addresses that cannot be had now", federation.Allow{Everyone: true}, func(h *hub) { h.fail["/api/v3/user/emails"] = 500 }, federation.CodeUnavailable, "does not answer"},
		{"a code that was used", acme, func(h *hub) {
			h.token = `{"error":"bad_verification_code","error_description":"The code passed is incorrect or expired. canary"}`
		}, federation.CodeState, "was used before"},
		{"a secret that was changed", acme, func(h *hub) { h.token = `{"error":"incorrect_client_credentials","error_description":"canary"}` }, federation.CodeSetup, "incorrect_client_credentials"},
		{"a redirect URI that it does not know", acme, func(h *hub) { h.token = `{"error":"redirect_uri_mismatch","error_description":"canary"}` }, federation.CodeSetup, "redirect URI"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHub(t)
			tt.setup(h)
			who, err := h.signIn(h.settings(tt.allow), federation.Callback{})
			if r := wantRefusal(t, tt.name, who, err, tt.code); !strings.Contains(r.Text, tt.says) {
				t.Errorf("got %q, want %q", r.Text, tt.says)
			}
		})
	}
}

func TestGitHubAnswersThatAreNone(t *testing.T) {
	acme := federation.Allow{Orgs: []string{"acme"}}
	h := newHub(t)
	who, err := h.signIn(h.settings(acme), federation.Callback{Error: "access_denied", ErrorDescription: "canary"})
	wantRefusal(t, "cancelled", who, err, federation.CodeDenied)
	h.form = nil
	who, err = h.signIn(h.settings(acme), federation.Callback{Code: "a-code", Issuer: "https://github.com"})
	wantRefusal(t, "another issuer", who, err, federation.CodeAnswer)
	if h.form != nil {
		t.Error("the code was posted")
	}
}

func TestGitHubUsersComeInWhateverTheOrganizationHides(t *testing.T) {
	h := newHub(t)
	h.orgs["acme"] = answer{status: 403, body: restricted}
	if _, err := h.signIn(h.settings(federation.Allow{Orgs: []string{"acme"}, Users: []string{"583231"}}), federation.Callback{}); err != nil {
		t.Error(err)
	}
}

func TestGitHubTakesARefreshTokenNoMore(t *testing.T) {
	h := newHub(t)
	p := open(t, h.settings(federation.Allow{Everyone: true}))
	fresh, err := p.Refresh(t.Context(), "refresh-canary")
	if err != nil || fresh.Access != "access-canary" || h.form.Get("grant_type") != "refresh_token" {
		t.Errorf("got %+v, %v", fresh, err)
	}
	h.token = `{"error":"bad_refresh_token","error_description":"canary"}`
	if _, err := p.Refresh(t.Context(), "refresh-canary"); !isDead(err) {
		t.Errorf("got %v, want that it is dead", err)
	}
	if raw, _ := json.Marshal(h.asked); strings.Contains(string(raw), "refresh") {
		t.Errorf("asked %s", raw)
	}
}

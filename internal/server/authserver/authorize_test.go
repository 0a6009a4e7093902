package authserver

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/grant"
)

func TestPromptAndAge(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.signIn(h.ada)
	b.decide(b.get(askTrusted()), "allow")
	h.wait(time.Hour)
	tests := []struct {
		name   string
		change []string
		asked  bool   // a page is shown
		error  string // told to the client
	}{
		{"nothing", nil, false, ""},
		{"prompt=none", []string{"prompt", "none"}, false, ""},
		{"prompt=none for more", []string{"prompt", "none", "scope", "notes:purge"}, false, "consent_required"},
		{"prompt=none and an age", []string{"prompt", "none", "max_age", "60"}, false, "login_required"},
		{"prompt=none with another", []string{"prompt", "none login"}, false, "invalid_request"},
		{"prompt=login", []string{"prompt", "login"}, true, ""},
		{"prompt=select_account", []string{"prompt", "select_account"}, true, ""},
		{"prompt=consent", []string{"prompt", "consent"}, true, ""},
		{"an unknown prompt", []string{"prompt", "create"}, false, ""},
		{"long enough an age", []string{"max_age", "7200"}, false, ""},
		{"too short an age", []string{"max_age", "60"}, true, ""},
		{"no age at all", []string{"max_age", "0"}, true, ""},
		{"an age that is none", []string{"max_age", "-1"}, false, "invalid_request"},
		{"an overflow", []string{"max_age", "99999999999999999999"}, false, "invalid_request"},
	}
	for _, test := range tests {
		p := b.get(askTrusted(test.change...))
		if test.asked {
			again := strings.Contains(strings.Join(test.change, " "), "login") || strings.Contains(strings.Join(test.change, " "), "max_age") || strings.Contains(strings.Join(test.change, " "), "select")
			if p.StatusCode != 200 || again == strings.Contains(p.text, "Signed in as") {
				t.Errorf("%s: got %d\n%s", test.name, p.StatusCode, p.text)
			}
			if next := b.decide(p, "allow"); again {
				if done := b.goOn(next, h.ada); done.goes() == "" {
					t.Errorf("%s: signing in leads nowhere", test.name)
				}
				h.wait(time.Hour)
			}
			continue
		}
		v := answered(t, p.Header.Get("Location"), claudeBack, "s t&te")
		if v.Get("error") != test.error || (test.error == "") != (v.Get("code") != "") {
			t.Errorf("%s: got %v, want %q", test.name, v, test.error)
		}
	}
	nobody := h.browser().get(askTrusted("prompt", "none"))
	if v := answered(t, nobody.Header.Get("Location"), claudeBack, "s t&te"); v.Get("error") != "login_required" {
		t.Errorf("nobody: got %v", v)
	}
}

func TestRequestsThatAreNotOfOurKind(t *testing.T) {
	h := newHouse(t)
	one := *h.clients[trusted]
	one.Grants = []string{"client_credentials"}
	h.clients["machine"] = &one
	for name, test := range map[string]struct {
		change []string
		want   string
	}{
		"an implicit grant":       {[]string{"response_type", "token"}, "unsupported_response_type"},
		"no type":                 {[]string{"response_type", ""}, "invalid_request"},
		"another mode":            {[]string{"response_mode", "form_post"}, "invalid_request"},
		"a request object":        {[]string{"request", "eyJ"}, "request_not_supported"},
		"a client for machines":   {[]string{"client_id", "machine"}, "unauthorized_client"},
		"a resource of elsewhere": {[]string{"resource", "https://evil.test/mcp"}, "invalid_target"},
		"a broken scope":          {[]string{"scope", "a\"b"}, "invalid_scope"},
	} {
		v := answered(t, h.browser().get(askTrusted(test.change...)).Header.Get("Location"), claudeBack, "s t&te")
		if v.Get("error") != test.want || v.Get("error_description") == "" {
			t.Errorf("%s: got %v, want %s", name, v, test.want)
		}
	}
	quotes := strings.Repeat(`"`, maxState) // twice as long where it is kept
	if v := answered(t, h.browser().get(askTrusted("state", quotes)).Header.Get("Location"), claudeBack, quotes); v.Get("error") != "invalid_request" {
		t.Errorf("got %v", v)
	}
	long := h.browser().get(askTrusted("state", strings.Repeat("s", maxState+1)))
	if v := answered(t, long.Header.Get("Location"), claudeBack, ""); v.Get("error") != "invalid_request" {
		t.Errorf("got %v", v)
	}
}

func TestStateComesBackAsItIs(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	for _, state := range []string{"", "a b&c=d%20+?#", `{"u":"https://x/?y=z"}`, "日本", strings.Repeat("x&", 2000)} {
		page := b.get(askTrusted("state", state))
		next := b.decide(page, "allow")
		if v := answered(t, b.goOn(next, h.ada).goes(), claudeBack, state); v.Get("code") == "" || v.Has("state") != (state != "") {
			t.Errorf("%q: got %v", state, v)
		}
		h.wait(time.Hour)
		b = h.browser()
	}
	h.clients[stranger].RedirectURIs = []string{"https://app.test/cb?keep=a%2Fb&x"}
	b.signIn(h.ada)
	to := b.decide(b.get(ask(stranger, "https://app.test/cb?keep=a%2Fb&x")), "allow").goes()
	if !strings.HasPrefix(to, "https://app.test/cb?keep=a%2Fb&x&code=") {
		t.Errorf("got %s", to)
	}
}

func TestResourcesAreFound(t *testing.T) {
	h := newHouse(t)
	for _, asked := range []string{"", "https://mcp.acme.test/mcp", "https://mcp.acme.test/mcp/", "https://MCP.acme.test:443/mcp", "https://mcp.acme.test", "https://mcp.acme.test/"} {
		if p := h.browser().get(askTrusted("resource", asked)); p.StatusCode != 200 || !strings.Contains(p.text, resource) {
			t.Errorf("%q: got %d %s", asked, p.StatusCode, p.Header.Get("Location"))
		}
	}
	h.Resources = append(h.Resources, Resource{URL: "https://mcp.acme.test/other"})
	for _, asked := range []string{"", "https://mcp.acme.test"} {
		if p := h.browser().get(askTrusted("resource", asked)); !strings.Contains(p.Header.Get("Location"), "error=invalid_target") {
			t.Errorf("%q of two: got %d %s", asked, p.StatusCode, p.Header.Get("Location"))
		}
	}
}

func TestPushedRequests(t *testing.T) {
	h := newHouse(t)
	params := strings.TrimPrefix(askTrusted(), "/authorize?")
	push := func(id, params string) string {
		t.Helper()
		uri, err := h.Requests.Push(t.Context(), id, params, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		return uri
	}
	open := func(id, uri, more string) *reply {
		return h.browser().get("/authorize?" + url.Values{"client_id": {id}, "request_uri": {uri}}.Encode() + more)
	}
	uri := push(trusted, params)
	isPage(t, "another client", open(stranger, uri, ""), 400, "GH-1420")
	p := open(trusted, uri, "&scope=notes%3Apurge&redirect_uri=https%3A%2F%2Fevil.test") // RFC 9126 §4: what stands beside it does not count
	if p.StatusCode != 200 || !strings.Contains(p.text, "claude.ai") || strings.Contains(p.text, "notes:purge") {
		t.Errorf("got %d\n%s", p.StatusCode, p.text)
	}
	isPage(t, "twice", open(trusted, uri, ""), 400, "GH-1420")
	isPage(t, "none of ours", open(trusted, "https://evil.test/request", ""), 400, "GH-1420")
	late := push(trusted, params)
	h.wait(2 * time.Minute)
	isPage(t, "late", open(trusted, late, ""), 400, "GH-1420")
	isPage(t, "of another client", open(trusted, push(trusted, strings.Replace(params, "client_id=", "client_id=x", 1)), ""), 400, "GH-1424")
	isPage(t, "a chain", open(trusted, push(trusted, "request_uri=urn%3Ax"), ""), 400, "GH-1424")
}

func TestWhatIsPushedIsJudgedAsItWouldBe(t *testing.T) {
	h := newHouse(t)
	for _, test := range [][]string{
		{"", "client_id", trusted}, {"invalid_request", "code_challenge", ""}, {"invalid_request", "redirect_uri", "https://evil.test"},
		{"invalid_target", "resource", "https://evil.test"},
	} {
		p := paramsOf(t, strings.TrimPrefix(askTrusted(test[1:]...), "/authorize?"))
		e := h.judgePushed(h.clients[trusted], p)
		if (e == nil) != (test[0] == "") || e != nil && e.Code != test[0] {
			t.Errorf("%v: got %v", test, e)
		}
	}
}

func TestTheWayThatWasUsedLastComesFirst(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	first := func() string {
		t.Helper()
		return b.get(b.decide(b.get(askTrusted("prompt", "login")), "allow").Header.Get("Location")).link()
	}
	if to := first(); !strings.HasPrefix(to, "/auth/login/google?") {
		t.Errorf("got %s", to)
	}
	b.setCookie(wayCookie, "github")
	if to := first(); !strings.HasPrefix(to, "/auth/login/github?") {
		t.Errorf("got %s", to)
	}
	b.goOn(b.decide(b.get(askTrusted("prompt", "login")), "allow"), h.ada) // by Google
	if to := first(); !strings.HasPrefix(to, "/auth/login/google?") {
		t.Errorf("got %s", to)
	}
}

func TestTheOnlyWayIsTaken(t *testing.T) {
	h := newHouse(t)
	h.Providers = h.Providers[:1]
	b := h.browser()
	next := b.decide(b.get(askTrusted()), "allow")
	p := b.get(next.Header.Get("Location"))
	if !strings.HasPrefix(p.goes(), issuer+"/auth/login/google?flow=") {
		t.Errorf("got %q\n%s", p.goes(), p.text)
	}
	again := b.get(next.Header.Get("Location") + "&switch=1")
	if again.goes() != "" || !strings.Contains(again.text, "Continue with Google") {
		t.Errorf("got %q, want to be asked", again.goes())
	}
}

func TestACodeCanBeForOneKey(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.signIn(h.ada)
	for _, bad := range []string{"x", strings.Repeat("A", 42), strings.Repeat("A", 44), strings.Repeat("+", 43)} {
		if v := answered(t, b.get(askTrusted("dpop_jkt", bad)).Header.Get("Location"), claudeBack, "s t&te"); v.Get("error") != "invalid_request" {
			t.Errorf("%q: got %v", bad, v)
		}
	}
	key := strings.Repeat("A", 43)
	code := answered(t, b.decide(b.get(askTrusted("dpop_jkt", key)), "allow").goes(), claudeBack, "s t&te").Get("code")
	try := grant.Redemption{Code: code, Client: trusted, Redirect: claudeBack, Verifier: verifier, Public: true}
	if _, err := h.Grants.Redeem(t.Context(), try); !errors.Is(err, grant.ErrMismatch) {
		t.Errorf("without the key: got %v", err)
	}
	try.Key = key
	if _, err := h.Grants.Redeem(t.Context(), try); err != nil {
		t.Error(err)
	}
}

package authserver

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/client"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

const claudeBack = "https://claude.ai/api/mcp/auth_callback"

func TestASignedInPersonAllowsOnce(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.signIn(h.ada)
	page := b.get(askTrusted())
	for _, want := range []string{"ada@acme.test", "Claude", "claude.ai", "Acme Notes", resource, "Read your notes", "Create and change notes", "Approved by your administrator"} {
		if !strings.Contains(page.text, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	done := b.decide(page, "allow")
	v := answered(t, done.goes(), claudeBack, "s t&te")
	g := h.redeem(v.Get("code"), trusted, claudeBack)
	if g.Subject != h.ada.ID || g.Tenant != h.tenant || g.Resource != resource || !g.Offline || !reflect.DeepEqual(g.Scopes, []string{"notes:read", "notes:write"}) {
		t.Errorf("got %+v", g)
	}
	again := b.get(askTrusted()) // the same again needs no page
	if again.StatusCode != 303 {
		t.Fatalf("got %d, want a redirect\n%s", again.StatusCode, again.text)
	}
	if v := answered(t, again.Header.Get("Location"), claudeBack, "s t&te"); v.Get("code") == "" {
		t.Errorf("got %v, want a code", v)
	}
	if e := h.trail.last(); e.Action != "code" || e.Subject != h.ada.ID || e.ClientID != trusted {
		t.Errorf("got %+v", e)
	}
}

func TestNobodyIsAskedToSignInBeforeTheyAllowed(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	page := b.get(askTrusted())
	if len(page.Cookies()) > 0 || strings.Contains(page.text, "Signed in as") || !strings.Contains(page.text, "You sign in after this step") {
		t.Errorf("got %v\n%s", page.Cookies(), page.text)
	}
	next := b.decide(page, "allow")
	login := b.get(next.Header.Get("Location"))
	for _, want := range []string{"Continue with Google", "Continue with GitHub", "/auth/login/google?flow=", "Acme Notes"} {
		if !strings.Contains(login.text, want) {
			t.Errorf("the page does not say %q\n%s", want, login.text)
		}
	}
	done := b.goOn(next, h.ada)
	v := answered(t, done.goes(), claudeBack, "s t&te")
	if g := h.redeem(v.Get("code"), trusted, claudeBack); g.Subject != h.ada.ID {
		t.Errorf("got %+v", g)
	}
}

func TestNoIsToldToTheClient(t *testing.T) {
	h := newHouse(t)
	for id, redirect := range map[string]string{trusted: claudeBack, native: "http://127.0.0.1:5123/callback", stranger: "https://app.test/cb"} {
		b := h.browser()
		page := b.get(ask(id, redirect))
		no := b.decide(page, "deny")
		if e := h.trail.last(); e.Action != "consent" || e.Outcome != audit.Refused || !e.Changed {
			t.Errorf("%s: got %+v, want an event that stands by itself", id, e)
		}
		if v := answered(t, no.link(), redirect, "s t&te"); v.Get("error") != "access_denied" || v.Get("code") != "" {
			t.Errorf("%s: got %v", id, v)
		}
		if auto := no.goes() != ""; auto == (id == stranger) {
			t.Errorf("%s: got a page that goes on by itself: %v", id, auto)
		}
		isPage(t, "a second thought", b.decide(page, "deny"), 400, "GH-1422")
		next := b.decide(page, "allow") // that is only on the way to a decision
		isPage(t, "yes after no", b.goOn(next, h.ada), 400, "GH-1422")
	}
}

func TestWhoSaysNoIsNamed(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.signIn(h.ada)
	b.decide(b.get(askTrusted()), "deny")
	if e := h.trail.last(); e.Outcome != audit.Refused || e.Subject != h.ada.ID || e.TenantID != string(h.tenant) {
		t.Errorf("got %+v", e)
	}
}

func TestScopesAreChosen(t *testing.T) {
	h := newHouse(t)
	h.Resources[0].Grantable = func(_ context.Context, who Who, scopes []string) []string {
		if who.Tenant != "default" || who.Subject != h.ada.ID {
			t.Errorf("got %+v", who)
		}
		out := []string{}
		for _, s := range scopes {
			if s != "notes:purge" {
				out = append(out, s)
			}
		}
		return out
	}
	tests := []struct {
		name, scope string
		tick        []string
		ticked      []string // on the page
		want        []string
	}{
		{"all that was asked for by name", "notes:read notes:write", nil, []string{"notes:write"}, []string{"notes:read", "notes:write"}},
		{"less than was asked for", "notes:write notes:read", []string{}, []string{"notes:write"}, []string{"notes:read"}},
		{"what rules never allow is left out", "notes:write notes:purge", nil, []string{"notes:write"}, []string{"notes:write"}},
		{"the defaults, if nothing is asked for", "", nil, nil, []string{"notes:read"}},
		{"unknown ones are left out", "notes:write openid offline_access", nil, []string{"notes:write"}, []string{"notes:write"}},
		{"the defaults, if nothing known is asked for", "openid profile", nil, nil, []string{"notes:read"}},
	}
	for _, test := range tests {
		b := h.browser()
		b.signIn(h.ada)
		page := b.get(askTrusted("scope", test.scope, "prompt", "consent"))
		var boxes []string
		for _, m := range ticked.FindAllStringSubmatch(page.text, -1) {
			boxes = append(boxes, m[1])
		}
		if !reflect.DeepEqual(boxes, test.ticked) {
			t.Errorf("%s: ticked %v, want %v", test.name, boxes, test.ticked)
		}
		v := answered(t, b.decide(page, "allow", test.tick...).goes(), claudeBack, "s t&te")
		if g := h.redeem(v.Get("code"), trusted, claudeBack); !reflect.DeepEqual(g.Scopes, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, g.Scopes, test.want)
		}
		if _, err := h.Consents.Forget(t.Context(), h.tenant, h.ada.ID, trusted); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAClientGetsNoMoreThanItMay(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	page := b.get(askTrusted("scope", "notes:write notes:purge"))
	next := b.decide(page, "allow")
	h.clients[trusted].Scopes = []string{"notes:read", "notes:write"} // while the person is at their provider
	v := answered(t, b.goOn(next, h.ada).goes(), claudeBack, "s t&te")
	if g := h.redeem(v.Get("code"), trusted, claudeBack); !reflect.DeepEqual(g.Scopes, []string{"notes:write"}) {
		t.Errorf("got %v", g.Scopes)
	}
	if p := h.browser().get(askTrusted("scope", "notes:write notes:purge")); strings.Contains(p.text, "notes:purge") {
		t.Error("the page offers what the client may not have")
	}
}

func TestWhatNobodyCanBeGivenIsNotAskedAboutAgain(t *testing.T) {
	h := newHouse(t)
	h.Resources[0].Grantable = func(_ context.Context, _ Who, scopes []string) []string {
		return slices.DeleteFunc(slices.Clone(scopes), func(s string) bool { return s == "notes:purge" })
	}
	b := h.browser()
	b.signIn(h.ada)
	everything := askTrusted("scope", "notes:read notes:write notes:purge")
	page := b.get(everything)
	if strings.Contains(page.text, "notes:purge") {
		t.Error("the page asks for what ada can never be given")
	}
	b.decide(page, "allow", "notes:write")
	if p := b.get(everything); p.StatusCode != 303 {
		t.Errorf("got %d, want no second page", p.StatusCode)
	}
	h.Resources[0].Admits = func(string) bool { return false }
	refused := b.get(everything)
	isPage(t, "not admitted any more", refused, 403, "GH-1425")
	h.Resources[0].Admits = nil
	h.wait(time.Second)
	eve := h.another("eve")
	if to := b.goOn(b.decide(refused, "allow"), eve).goes(); to == "" {
		t.Error("another account leads nowhere")
	}
}

func TestAskingForEverythingTicksNothing(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	page := b.get(askTrusted("scope", "notes:read notes:write notes:purge"))
	if ticked.MatchString(page.text) {
		t.Error("a box is ticked for a client that asks for everything")
	}
}

func TestStepUpKeepsWhatWasAllowed(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.signIn(h.ada)
	b.decide(b.get(askTrusted("scope", "notes:read notes:write")), "allow")
	page := b.get(askTrusted("scope", "notes:purge"))
	v := answered(t, b.decide(page, "allow").goes(), claudeBack, "s t&te")
	if g := h.redeem(v.Get("code"), trusted, claudeBack); !reflect.DeepEqual(g.Scopes, []string{"notes:read", "notes:write", "notes:purge"}) {
		t.Errorf("got %v", g.Scopes)
	}
}

func TestStepUpToEverythingIsTicked(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.signIn(h.ada)
	b.decide(b.get(askTrusted("scope", "notes:read")), "allow")
	if page := b.get(askTrusted("scope", "notes:read notes:write notes:purge")); len(ticked.FindAllString(page.text, -1)) != 2 {
		t.Errorf("want both boxes ticked for a client that was allowed less:\n%s", page.text)
	}
}

func TestAnotherAccount(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.signIn(h.ada)
	page := b.decide(b.get(askTrusted()), "switch")
	if page.StatusCode != 200 || strings.Contains(page.text, "ada@acme.test") {
		t.Fatalf("got %d\n%s", page.StatusCode, page.text)
	}
	h.wait(time.Second)
	next := b.decide(page, "allow")
	if !strings.Contains(next.Header.Get("Location"), "switch=1") {
		t.Errorf("got %q, want another account", next.Header.Get("Location"))
	}
	eve := h.another("eve")
	v := answered(t, b.goOn(next, eve).goes(), claudeBack, "s t&te")
	if g := h.redeem(v.Get("code"), trusted, claudeBack); g.Subject != eve.ID {
		t.Errorf("got %+v", g)
	}
}

func TestAnAccountThatMayNothingGetsNoCode(t *testing.T) {
	h := newHouse(t)
	h.Resources[0].Grantable = func(context.Context, Who, []string) []string { return nil }
	b := h.browser()
	refused := b.goOn(b.decide(b.get(askTrusted()), "allow"), h.ada)
	isPage(t, "nothing to grant", refused, 403, "GH-1425")
	if !strings.Contains(refused.text, "ada@acme.test") || !strings.Contains(refused.link(), "switch=1") {
		t.Errorf("got %s", refused.text)
	}
	h.Resources[0].Grantable = nil
	h.Resources[0].Admits = func(name string) bool { return name != "default" }
	b = h.browser()
	isPage(t, "a tenant that may not come in", b.goOn(b.decide(b.get(askTrusted()), "allow"), h.ada), 403, "GH-1425")
	h.Resources[0].Admits = nil
	h.Tenant = func(_ context.Context, id tenant.ID) (*tenant.Tenant, error) {
		return &tenant.Tenant{ID: id, Name: "default", State: tenant.Suspended}, nil
	}
	b = h.browser()
	isPage(t, "a tenant that is suspended", b.goOn(b.decide(b.get(askTrusted()), "allow"), h.ada), 403, "GH-1425")
}

func TestWhatIsNotWrittenDownDoesNotHappen(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.signIn(h.ada)
	for _, action := range []string{"consent", "code", "*"} {
		h.trail.broken = ""
		page := b.get(askTrusted("prompt", "consent"))
		h.trail.broken = action
		isPage(t, "allow without "+action, b.decide(page, "allow"), 503, "GH-1429")
	}
	isPage(t, "authorize", b.get(askTrusted()), 503, "GH-1429")
	h.trail.broken = ""
	list, err := h.Grants.List(t.Context(), filterOf(h))
	if err != nil || len(list) != 0 {
		t.Errorf("got %v %v, want nothing granted", list, err)
	}
}

func TestAStoreThatIsAwayIsSaidSo(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.signIn(h.ada)
	h.People = away{h.People}
	isPage(t, "authorize", b.get(askTrusted()), 503, "GH-1429")
	isPage(t, "account", b.get("/account"), 503, "GH-1429")
}

func TestAClientThatChangesMeanwhileIsAskedAboutAgain(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	page := b.get(askTrusted())
	h.clients[trusted].Version, h.clients[trusted].Name = "2", "Klaude"
	again := b.decide(page, "allow")
	if again.StatusCode != 200 || !strings.Contains(again.text, "has changed what it says about itself") || !strings.Contains(again.text, "Klaude") {
		t.Fatalf("got %d\n%s", again.StatusCode, again.text)
	}
	next := b.decide(again, "allow")
	h.clients[trusted].Version = "3" // while the person is at their provider
	third := b.goOn(next, h.ada)
	if third.StatusCode != 200 || third.goes() != "" || !strings.Contains(third.text, `value="allow"`) {
		t.Fatalf("got %d %q", third.StatusCode, third.goes())
	}
	h.clients[trusted].RedirectURIs = []string{"https://claude.ai/another"}
	h.clients[trusted].Version = "4"
	isPage(t, "a redirect URI that is gone", b.decide(third, "allow"), 400, "GH-1402")
	b = h.browser()
	next = b.decide(b.get(askTrusted("redirect_uri", "https://claude.ai/another")), "allow")
	h.clients[trusted].RedirectURIs = []string{claudeBack}
	isPage(t, "a redirect URI that is gone meanwhile", b.goOn(next, h.ada), 400, "GH-1402")
	h.clients[trusted].State = client.Blocked
	isPage(t, "a client that is blocked meanwhile", b.goOn(next, h.ada), 403, "GH-1406")
}

func TestAServerThatIsGoneMeanwhile(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	page := b.get(askTrusted())
	next := b.decide(b.get(askTrusted()), "allow")
	h.Resources[0].URL = "https://mcp.acme.test/elsewhere"
	isPage(t, "on the page", b.decide(page, "allow"), 400, "GH-1404")
	isPage(t, "at the end", b.goOn(next, h.ada), 400, "GH-1404")
}

// What somebody allowed is forgotten so long after they did, however often the
// client came back meanwhile: nobody was asked then.
func TestWhatWasAllowedIsNotKeptAliveByItsUse(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	for _, step := range []struct {
		after time.Duration
		asked bool
	}{{0, true}, {60 * 24 * time.Hour, false}, {29 * 24 * time.Hour, false}, {2 * 24 * time.Hour, true}} {
		h.wait(step.after)
		b.signIn(h.ada)
		p := b.get(askTrusted())
		if asked := p.StatusCode == 200; asked != step.asked {
			t.Fatalf("%v later: got %d, want them asked: %t", step.after, p.StatusCode, step.asked)
		}
		if step.asked {
			b.decide(p, "allow")
		}
	}
}

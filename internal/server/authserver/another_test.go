package authserver

import (
	"context"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"
)

// withPurge is a browser in which ada is signed in, who has given the client the
// right to purge; the client asks for something else now.
func withPurge(t *testing.T) (*house, *tab) {
	t.Helper()
	h := newHouse(t)
	b := h.browser()
	b.signIn(h.ada)
	h.granted(b.decide(b.get(askTrusted("scope", everything)), "allow", "notes:purge").goes())
	return h, b
}

const purge = `value="notes:purge"`

func TestAnotherAccountIsAskedForWhatTheClientAsksFor(t *testing.T) {
	h, b := withPurge(t)
	page := b.get(askTrusted("scope", some))
	if !strings.Contains(page.text, purge) {
		t.Fatal("ada's page lacks what she gave before")
	}
	switched := b.decide(page, "switch")
	if strings.Contains(switched.text, purge) {
		t.Error("the page for anybody has what ada gave before")
	}
	h.wait(time.Second)
	got := h.granted(b.goOn(b.decide(switched, "allow"), h.another("eve")).goes())
	if !reflect.DeepEqual(got, strings.Fields(some)) {
		t.Errorf("got %v, want what was asked for", got)
	}

	b = h.browser() // ada's session ends, and eve's begins, while the page is open
	b.signIn(h.ada)
	page = b.get(askTrusted("scope", some, "prompt", "consent"))
	b.signIn(h.another("bob"))
	changed := b.decide(page, "allow")
	if isPage(t, "somebody else", changed, 200, "Who is signed in has changed"); strings.Contains(changed.text, purge) {
		t.Error("bob's page has what ada gave before")
	}
}

// What an account lost does not shrink what the next one is asked for either.
func TestAnotherAccountIsNotNarrowedByTheFirst(t *testing.T) {
	h := newHouse(t)
	h.Resources[0].Grantable = func(_ context.Context, who Who, scopes []string) []string {
		if who.Subject == h.ada.ID {
			return []string{"notes:read"}
		}
		return scopes
	}
	b := h.browser()
	b.signIn(h.ada)
	if switched := b.decide(b.get(askTrusted()), "switch"); !strings.Contains(switched.text, `value="notes:write"`) {
		t.Errorf("the page lacks what the client asked for\n%s", switched.text)
	}
}

func TestWhoCanBeGivenNothingLeavesNothingToTheNext(t *testing.T) {
	h, b := withPurge(t)
	page := b.get(askTrusted("scope", some))
	h.Resources[0].Grantable = func(_ context.Context, who Who, scopes []string) []string {
		if who.Subject == h.ada.ID {
			return nil
		}
		return scopes
	}
	refused := b.decide(page, "allow")
	isPage(t, "after the page", refused, 403, "GH-1425")
	h.wait(time.Second)
	login, err := url.Parse(refused.link())
	if err != nil {
		t.Fatal(err)
	}
	to := b.finish(login.Query().Get("flow"), b.signIn(h.another("eve"))).goes()
	if got := h.granted(to); !reflect.DeepEqual(got, strings.Fields(some)) {
		t.Errorf("got %v, want what was asked for", got)
	}
	b.signIn(h.ada)
	direct := b.get(askTrusted("scope", "notes:purge")) // she allowed that before: there is no page
	isPage(t, "without a page", direct, 403, "GH-1425")
	if !strings.Contains(direct.text, purge) || strings.Contains(direct.text, "switch=1") {
		t.Error("another account is not asked by a page")
	}
}

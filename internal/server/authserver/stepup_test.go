package authserver

import (
	"reflect"
	"strings"
	"testing"
)

const (
	some       = "notes:read notes:write"
	everything = "notes:read notes:write notes:purge"
)

// granted is what a client has in the end.
func (h *house) granted(to string) []string {
	h.t.Helper()
	return h.redeem(answered(h.t, to, claudeBack, "s t&te").Get("code"), trusted, claudeBack).Scopes
}

func boxes(p *reply) (on []string) {
	for _, m := range ticked.FindAllStringSubmatch(p.text, -1) {
		on = append(on, m[1])
	}
	return on
}

// Who comes back after their session ended is known only after they signed in.
// What the client had, and what it lacks, is asked about then.
func TestStepUpWorksTheFirstTimeAfterTheSessionEnded(t *testing.T) {
	for _, test := range []struct{ name, first, then string }{
		{"for one right more", some, "notes:purge"},
		{"for everything, as most clients do", some, everything},
		{"for everything, after the defaults", "notes:read", everything},
	} {
		h := newHouse(t)
		b := h.browser()
		b.signIn(h.ada)
		h.granted(b.decide(b.get(askTrusted("scope", test.first)), "allow").goes())
		b = h.browser() // the session is over
		second := b.goOn(b.decide(b.get(askTrusted("scope", test.then)), "allow"), h.ada)
		if second.goes() != "" || !strings.Contains(second.text, "ada@acme.test") || !strings.Contains(second.text, "You have used this app before") {
			t.Fatalf("%s: got %d %q, want a second page\n%s", test.name, second.StatusCode, second.goes(), second.text)
		}
		if on := boxes(second); !reflect.DeepEqual(on, []string{"notes:write", "notes:purge"}) {
			t.Errorf("%s: ticked %v, want what it had and what it lacks", test.name, on)
		}
		if got := h.granted(b.decide(second, "allow").goes()); !reflect.DeepEqual(got, strings.Fields(everything)) {
			t.Errorf("%s: got %v", test.name, got)
		}
	}
}

func TestSigningInAgainNeedsNoSecondPage(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.signIn(h.ada)
	h.granted(b.decide(b.get(askTrusted()), "allow").goes())
	b = h.browser()
	if got := h.granted(b.goOn(b.decide(b.get(askTrusted()), "allow"), h.ada).goes()); !reflect.DeepEqual(got, strings.Fields(some)) {
		t.Errorf("got %v", got)
	}
}

func TestWhatWasLeftOutBeforeSignInStaysOut(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.signIn(h.ada)
	h.granted(b.decide(b.get(askTrusted("scope", "notes:read notes:purge")), "allow").goes())
	b = h.browser()
	second := b.goOn(b.decide(b.get(askTrusted("scope", some)), "allow", []string{}...), h.ada) // writing is not allowed
	if on := boxes(second); !reflect.DeepEqual(on, []string{"notes:purge"}) || !strings.Contains(second.text, `value="notes:write"`) {
		t.Fatalf("ticked %v, want what it had, and not what was left out just now\n%s", on, second.text)
	}
	if got := h.granted(b.decide(second, "allow").goes()); !reflect.DeepEqual(got, []string{"notes:read", "notes:purge"}) {
		t.Errorf("got %v", got)
	}
}

// A box that came without a tick, beside one that was ticked, is not ticked for anybody.
func TestWhatWasLeftUntickedBeforeSignInComesWithoutATick(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.signIn(h.ada)
	h.granted(b.decide(b.get(askTrusted("scope", "notes:read")), "allow").goes())
	b = h.browser()
	second := b.goOn(b.decide(b.get(askTrusted("scope", everything)), "allow", "notes:write"), h.ada)
	if on := boxes(second); !reflect.DeepEqual(on, []string{"notes:write"}) {
		t.Fatalf("ticked %v, want what was ticked just now\n%s", on, second.text)
	}
	if got := h.granted(b.decide(second, "allow").goes()); !reflect.DeepEqual(got, strings.Fields(some)) {
		t.Errorf("got %v", got)
	}
}

// Whoever said no to a right is not asked by a ticked box again.
func TestARefusalIsRemembered(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.signIn(h.ada)
	h.granted(b.decide(b.get(askTrusted("scope", some)), "allow", []string{}...).goes())
	h.granted(b.decide(b.get(askTrusted("scope", everything)), "allow", "notes:purge").goes())
	again := b.get(askTrusted("scope", everything))
	if on := boxes(again); !reflect.DeepEqual(on, []string{"notes:purge"}) || strings.Count(again.text, "You did not allow this last time") != 1 {
		t.Fatalf("ticked %v, want the refused one without a tick, and a note\n%s", on, again.text)
	}
	b = h.browser() // without a session neither
	if to := b.goOn(b.decide(b.get(askTrusted("scope", everything)), "allow", "notes:purge"), h.ada).goes(); !reflect.DeepEqual(h.granted(to), []string{"notes:read", "notes:purge"}) {
		t.Error("it was asked for once more after the sign-in")
	}
	if got := h.granted(b.decide(b.get(askTrusted("scope", everything)), "allow", "notes:write", "notes:purge").goes()); len(got) != 3 {
		t.Errorf("got %v", got)
	}
	if p := b.get(askTrusted("scope", everything)); p.StatusCode != 303 { // what is allowed now was not refused
		t.Errorf("got %d, want no page\n%s", p.StatusCode, p.text)
	}
}

// Who takes a right away by the page is asked before it is given again.
func TestARefusalEndsWhatWasAllowedBefore(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.signIn(h.ada)
	h.granted(b.decide(b.get(askTrusted("scope", some)), "allow").goes())
	h.granted(b.decide(b.get(askTrusted("scope", some, "prompt", "consent")), "allow", []string{}...).goes())
	page := b.get(askTrusted("scope", some))
	if page.StatusCode == 303 {
		t.Fatal("the client gets by a redirect what ada has just refused")
	}
	if on := boxes(page); on != nil {
		t.Errorf("ticked %v", on)
	}
}

func TestWhatWasLeftOutIsNotAskedForTwice(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.signIn(h.ada)
	h.granted(b.decide(b.get(askTrusted("scope", some)), "allow").goes())
	b = h.browser()
	to := b.goOn(b.decide(b.get(askTrusted("scope", some)), "allow", []string{}...), h.ada).goes()
	if to == "" || !reflect.DeepEqual(h.granted(to), []string{"notes:read"}) {
		t.Errorf("got %q, want no second page and what was ticked", to)
	}
}

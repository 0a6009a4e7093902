package authserver

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/grant"
)

// replica is another process over the same store: it has nothing of the first one.
func (h *house) replica() http.Handler {
	s := &Server{
		Issuer: h.Issuer, Name: h.Name, Seal: h.Seal, Log: h.Log, Now: h.Now, Trail: h.Trail, Clients: h.Clients, People: h.People, Accounts: h.Accounts,
		Address: h.Address, Providers: h.Providers, Resources: h.Resources, Settings: h.Settings,
		Door: Door{Tenant: h.Tenant, Grants: h.Grants, Consents: h.Consents, Devices: h.Devices, Requests: h.Requests, Once: h.Once},
	}
	return s.Handler()
}

func TestBothPressesGetTheSameAnswerOnAnyReplica(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.signIn(h.ada)
	form := url.Values{"flow": {b.get(askTrusted()).field(t, "flow")}, "decision": {"allow"}, "scope": {"notes:write"}}
	first := b.post("/auth/consent", form).goes()
	h.handler = h.replica()
	if second := b.post("/auth/consent", form).goes(); first == "" || second != first {
		t.Errorf("got %q, want %q", second, first)
	}
	h.redeem(answered(t, first, claudeBack, "s t&te").Get("code"), trusted, claudeBack)
	eve := h.browser() // who is somebody else, and has come by the page
	eve.signIn(h.another("eve"))
	isPage(t, "another's", eve.post("/auth/consent", form), 200, "Who is signed in has changed")
	shared := h.browser() // of two people
	next := shared.decide(shared.get(askTrusted()), "allow")
	if to := shared.goOn(next, h.ada).goes(); to == "" {
		t.Error("no answer")
	}
	isPage(t, "another's answer", shared.goOn(next, h.another("bob")), 400, "GH-1422")
	h.wait(twiceKept + time.Second)
	isPage(t, "later", b.post("/auth/consent", form), 400, "GH-1422")
}

// leaver writes a step down, and the browser that took it is gone by then.
type leaver struct {
	Trail
	at    string
	leave func()
}

func (l *leaver) Durable(ctx context.Context, e *audit.Event) error {
	if e.Action == l.at {
		l.leave()
	}
	return l.Trail.Durable(ctx, e)
}

// A browser that sends a form twice gives up the first answer.
func TestAPressThatIsGivenUpIsBroughtToItsEnd(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.signIn(h.ada)
	form := url.Values{"flow": {b.get(askTrusted()).field(t, "flow")}, "decision": {"allow"}}
	for _, at := range []string{"consent", "code"} {
		ctx, leave := context.WithCancel(t.Context())
		h.Trail = &leaver{&h.trail, at, leave}
		r := httptest.NewRequestWithContext(ctx, "POST", "/auth/consent", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		b.do(r)
		h.Trail = &h.trail
		if second := b.post("/auth/consent", form); second.goes() == "" {
			t.Errorf("left at %s: got %d, want the answer\n%s", at, second.StatusCode, second.text)
		}
		form.Set("flow", b.get(askTrusted("prompt", "consent")).field(t, "flow"))
	}
}

// Who presses twice for a device that has gone is not told that it can go on.
func TestNoPressIsToldOfADeviceThatHasGone(t *testing.T) {
	h := newHouse(t)
	started, err := h.Devices.Begin(t.Context(), &grant.Device{Client: native, Scopes: []string{"notes:read"}, Resource: resource, Flow: "FLOW"})
	if err != nil {
		t.Fatal(err)
	}
	b := h.browser()
	b.signIn(h.ada)
	code := url.Values{"user_code": {started.UserCode}}
	form := url.Values{"flow": {b.post("/device", code).field(t, "flow")}, "decision": {"allow"}}
	one, err := h.Devices.ByUserCode(t.Context(), started.UserCode)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Devices.Decide(t.Context(), one.ID, nil); err != nil {
		t.Fatal(err)
	}
	isPage(t, "the first press", b.post("/auth/consent", form), 400, "GH-1427")
	isPage(t, "the second", b.post("/auth/consent", form), 400, "GH-1422")
}

// looking counts how often somebody looks for what came of a mark.
type looking struct {
	grant.OnceStore
	n atomic.Int64
}

func (l *looking) Ending(ctx context.Context, key [32]byte, at time.Time) (string, error) {
	l.n.Add(1)
	return l.OnceStore.Ending(ctx, key, at)
}

func TestNobodyWaitsForTheAnswerOfANo(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.signIn(h.ada)
	page := b.get(askTrusted())
	b.decide(page, "deny")
	looks := &looking{OnceStore: h.Once.Store}
	h.Once.Store = looks
	isPage(t, "yes after no", b.decide(page, "allow"), 400, "GH-1422")
	if n := looks.n.Load(); n != 1 {
		t.Errorf("looked %d times, want once", n)
	}
}

func TestACodeThatWasSentTwiceIsAcceptedTwice(t *testing.T) {
	h := newLocalHouse(t)
	_, link := h.account("ada2")
	shows, _ := h.browser().setUp(link)
	b := h.browser()
	page := b.begin()
	asked := b.post("/auth/local", page.fill("username", "ada2", "password", pass))
	form := asked.fill("code", shows())
	looks := &looking{OnceStore: h.Once.Store}
	h.Once.Store = looks
	first := b.post("/auth/local/code", form).goes()
	h.handler = h.replica()
	second := b.post("/auth/local/code", form)
	if first == "" || second.goes() != first {
		t.Errorf("got %d %q, want %q", second.StatusCode, second.goes(), first)
	}
	if e := h.trail.last(); e.Action != "code" || e.Outcome != audit.OK || e.Subject == "" || !strings.Contains(e.Reason, "once more") {
		t.Errorf("got %+v, want the second answer written down", e)
	}
	looks.n.Store(0)
	other := h.browser() // the same code, in another sign-in
	asked = other.post("/auth/local", other.begin().fill("username", "ada2", "password", pass))
	isPage(t, "a code that was used", other.post("/auth/local/code", asked.fill("code", form.Get("code"))), 403, "not accepted")
	if n := looks.n.Load(); n != 1 {
		t.Errorf("looked %d times for an answer that nobody has begun, want once", n)
	}
}

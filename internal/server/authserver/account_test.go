package authserver

import (
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/grant"
	"github.com/gatehouse-mcp/gatehouse/internal/ratelimit"
)

var (
	granted = regexp.MustCompile(`name="grant" value="([^"]*)"`)
	session = regexp.MustCompile(`name="session" value="(ses_[^"]*)"`)
)

// connect has ada allow a client, which redeems its code.
func connect(t *testing.T, b *tab, id, redirect string) *grant.Grant {
	t.Helper()
	v := answered(t, b.decide(b.get(ask(id, redirect, "prompt", "consent")), "allow").goes(), redirect, "s t&te")
	return b.h.redeem(v.Get("code"), id, redirect)
}

func TestAPersonSeesAndEndsWhatTheyAllowed(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.signIn(h.ada)
	connect(t, b, trusted, claudeBack)
	g := connect(t, b, stranger, "https://app.test/cb")
	delete(h.clients, trusted) // its name is gone, its access is not
	page := b.get("/account")
	for _, want := range []string{"“Notes Helper”", "(unverified)", trusted, "Read your notes", "Create and change notes", "Chrome on Linux", "(this one)", "ada@acme.test"} {
		if !strings.Contains(page.text, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if n := len(granted.FindAllString(page.text, -1)); n != 2 {
		t.Fatalf("got %d apps, want 2\n%s", n, page.text)
	}
	form := page.field(t, "form")
	done := b.post("/account/revoke", url.Values{"form": {form}, "grant": {g.ID}})
	if done.StatusCode != 303 || done.Header.Get("Location") != "/account?done=revoked" {
		t.Fatalf("got %d %s", done.StatusCode, done.text)
	}
	if e := h.trail.last(); e.Action != "revoke" || e.ClientID != stranger || e.Subject != h.ada.ID || e.Request != g.Flow {
		t.Errorf("got %+v", e)
	}
	if now, err := h.Grants.Get(t.Context(), g.ID); err != nil || now.Revoked.IsZero() {
		t.Errorf("got %+v %v, want it revoked", now, err)
	}
	after := b.get("/account?done=revoked")
	if strings.Contains(after.text, "Notes Helper") || !strings.Contains(after.text, `role="status"`) {
		t.Errorf("got %s", after.text)
	}
	if p := b.get(ask(stranger, "https://app.test/cb")); p.StatusCode != 200 {
		t.Error("an app that was ended is let in without a question")
	}
	isPage(t, "twice", b.post("/account/revoke", url.Values{"form": {form}, "grant": {"grt_nothing"}}), 404, "GH-1426")
}

func TestFormsOfAnAccountBelongToASession(t *testing.T) {
	h := newHouse(t)
	b, eve := h.browser(), h.browser()
	b.signIn(h.ada)
	eve.signIn(h.another("eve"))
	g := connect(t, b, stranger, "https://app.test/cb")
	mine, hers := b.get("/account").field(t, "form"), eve.get("/account").field(t, "form")
	isPage(t, "no token", b.post("/account/revoke", url.Values{"grant": {g.ID}}), 403, "GH-1423")
	isPage(t, "another session's token", b.post("/account/revoke", url.Values{"form": {hers}, "grant": {g.ID}}), 403, "GH-1423")
	isPage(t, "nobody", h.browser().post("/account/revoke", url.Values{"form": {mine}, "grant": {g.ID}}), 403, "GH-1423")
	isPage(t, "another's grant", eve.post("/account/revoke", url.Values{"form": {hers}, "grant": {g.ID}}), 404, "GH-1426")
	h.wait(formTime + time.Second)
	isPage(t, "an old token", b.post("/account/revoke", url.Values{"form": {mine}, "grant": {g.ID}}), 403, "GH-1423")
	if now, err := h.Grants.Get(t.Context(), g.ID); err != nil || !now.Revoked.IsZero() {
		t.Errorf("got %+v %v, want it as it was", now, err)
	}
}

func TestBrowsersAreSignedOut(t *testing.T) {
	h := newHouse(t)
	one, two, three := h.browser(), h.browser(), h.browser()
	for _, b := range []*tab{one, two, three} {
		b.signIn(h.ada)
	}
	page := one.get("/account")
	others := session.FindAllStringSubmatch(page.text, -1)
	if len(others) != 2 {
		t.Fatalf("got %v, want the two others", others)
	}
	form := page.field(t, "form")
	if p := one.post("/account/sessions", url.Values{"form": {form}, "session": {others[0][1]}}); p.StatusCode != 303 {
		t.Errorf("got %d %s", p.StatusCode, p.text)
	}
	isPage(t, "again", one.post("/account/sessions", url.Values{"form": {form}, "session": {others[0][1]}}), 404, "GH-1426")
	all := one.post("/account/sessions", url.Values{"form": {form}, "session": {"all"}})
	if all.StatusCode != 200 || !strings.Contains(all.text, "signed out") {
		t.Errorf("got %d %s", all.StatusCode, all.text)
	}
	for _, b := range []*tab{one, two, three} {
		p := b.get("/account")
		if p.StatusCode != 303 || !strings.HasPrefix(p.Header.Get("Location"), "/auth/login?flow=") {
			t.Errorf("got %d %s", p.StatusCode, p.Header.Get("Location"))
		}
	}
	p := one.get("/account") // signing in leads back to where one wanted to go
	if back := one.goOn(p, h.ada); back.StatusCode != 303 || back.Header.Get("Location") != "/account" {
		t.Errorf("got %d %s", back.StatusCode, back.Header.Get("Location"))
	}
	out := one.post("/account/sign-out", url.Values{"form": {one.get("/account").field(t, "form")}})
	if out.StatusCode != 200 || one.get("/account").StatusCode != 303 {
		t.Errorf("got %d, want to be signed out", out.StatusCode)
	}
}

func TestADeviceIsAllowed(t *testing.T) {
	h := newHouse(t)
	begin := func() *grant.Started {
		t.Helper()
		started, err := h.Devices.Begin(t.Context(), &grant.Device{Client: native, Scopes: []string{"notes:read", "notes:write"}, Resource: resource, Offline: true, Flow: "FLOW" + h.clock().String()})
		if err != nil {
			t.Fatal(err)
		}
		h.wait(time.Minute)
		return started
	}
	started := begin()
	b := h.browser()
	typed := b.get("/device?user_code=" + started.UserCode) // RFC 8628 §3.3.1: it is asked for nevertheless
	if !strings.Contains(typed.text, `value="`+started.UserCode+`"`) || !strings.Contains(typed.text, "Is this the code") || strings.Contains(typed.text, "Zed") {
		t.Errorf("got %s", typed.text)
	}
	page := b.post("/device", url.Values{"user_code": {strings.ToLower(strings.ReplaceAll(started.UserCode, "-", " "))}})
	for _, want := range []string{started.UserCode, "Zed", "(zed.dev)", "the device that shows the code", "Somebody else could have sent you this code"} {
		if !strings.Contains(page.text, want) {
			t.Errorf("the page does not say %q\n%s", want, page.text)
		}
	}
	if _, err := h.Devices.Poll(t.Context(), started.DeviceCode, native, ""); !errors.Is(err, grant.ErrPending) {
		t.Errorf("got %v, want to wait", err)
	}
	done := b.goOn(b.decide(page, "allow", "notes:write"), h.ada)
	if done.StatusCode != 200 || !strings.Contains(done.text, "return to your device") {
		t.Fatalf("got %d %s", done.StatusCode, done.text)
	}
	h.wait(time.Minute)
	g, err := h.Devices.Poll(t.Context(), started.DeviceCode, native, "")
	if err != nil || g.Subject != h.ada.ID || len(g.Scopes) != 2 {
		t.Errorf("got %+v %v", g, err)
	}
	isPage(t, "a code that was used", b.post("/device", url.Values{"user_code": {started.UserCode}}), 400, "No device")

	started = begin()
	if no := b.decide(b.post("/device", url.Values{"user_code": {started.UserCode}}), "deny"); no.StatusCode != 200 || !strings.Contains(no.text, "Nothing was granted") {
		t.Errorf("got %d %s", no.StatusCode, no.text)
	}
	h.wait(time.Minute)
	if _, err := h.Devices.Poll(t.Context(), started.DeviceCode, native, ""); !errors.Is(err, grant.ErrDenied) {
		t.Errorf("got %v, want a no", err)
	}
}

func TestGuessedUserCodesAreCounted(t *testing.T) {
	h := newHouse(t)
	var counted []string
	h.Failed = func(_ *http.Request, code string) { counted = append(counted, code) }
	b := h.browser()
	for _, code := range []string{"", "BBBB-BBBB", "AAAA-AAAA", strings.Repeat("B", 5000), "<script>"} {
		p := b.post("/device", url.Values{"user_code": {code}})
		isPage(t, code, p, 400, "No device waits")
		if !strings.Contains(p.text, `aria-invalid="true"`) {
			t.Error("the field does not say that it is wrong")
		}
	}
	h.Limiter = &ratelimit.Limiter{Now: h.clock}
	for range userCodeRate.Count {
		b.post("/device", url.Values{"user_code": {"BBBB-BBBB"}})
	}
	counted = counted[:5]
	many := b.post("/device", url.Values{"user_code": {"BBBB-BBBB"}})
	isPage(t, "too many", many, 429, "GH-1501")
	if many.Header.Get("Retry-After") == "" {
		t.Error("the page does not say when to come back")
	}
	if len(counted) != 5 || counted[0] != "GH-1427" {
		t.Errorf("got %v", counted)
	}
	if p := b.get("/device?user_code=" + url.QueryEscape(`"><script>alert(1)</script>`)); strings.Contains(p.text, "<script") {
		t.Errorf("got %s", p.text)
	}
}

package authserver

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestA020AnotherClientIsAskedAboutBeforeAnythingUpstream(t *testing.T) {
	h := newHouse(t)
	h.Providers = h.Providers[:1] // which approves by itself
	b := h.browser()
	b.signIn(h.ada)
	b.decide(b.get(askTrusted()), "allow")
	p := b.get(ask(stranger, "https://app.test/cb"))
	if p.StatusCode != 200 || !strings.Contains(p.text, `value="allow"`) || strings.Contains(p.text, "/auth/login/") || p.goes() != "" {
		t.Errorf("got %d\n%s", p.StatusCode, p.text)
	}
}

func TestA022AFlowIsBoundToTheBrowserThatAllowedIt(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	page := b.get(askTrusted())
	if len(page.Cookies()) > 0 {
		t.Errorf("a cookie before anything was allowed: %v", page.Cookies())
	}
	next := b.decide(page, "allow")
	cookies := next.Cookies()
	if len(cookies) != 1 || cookies[0].Name != "__Host-gatehouse-browser" || !cookies[0].Secure || !cookies[0].HttpOnly || cookies[0].SameSite != 2 || cookies[0].Path != "/" {
		t.Errorf("got %v", cookies)
	}
	to, _ := url.Parse(next.Header.Get("Location"))
	sealed := to.Query().Get("flow")
	isPage(t, "the flow of a later step", b.post("/auth/consent", url.Values{"flow": {sealed}, "decision": {"allow"}}), 400, "GH-1424")
	second := b.decide(b.get(ask(native, "http://127.0.0.1:4000/callback")), "allow") // another tab
	if len(second.Cookies()) != 0 {
		t.Error("the second tab takes the cookie from the first")
	}
	other := h.browser()
	isPage(t, "another browser", other.get(next.Header.Get("Location")), 403, "GH-1421")
	other.setCookie(browserCookie, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	isPage(t, "another browser's cookie", other.get(next.Header.Get("Location")), 403, "GH-1421")
	isPage(t, "no flow", b.get("/auth/login"), 400, "GH-1420")
	isPage(t, "a damaged flow", b.get("/auth/login?flow="+sealed[:len(sealed)-4]+"AAAA"), 400, "GH-1420")
	isPage(t, "the flow of a page", b.get("/auth/login?flow="+url.QueryEscape(page.field(t, "flow"))), 403, "GH-1421")
	answered(t, b.goOn(next, h.ada).goes(), claudeBack, "s t&te")
	answered(t, b.goOn(second, h.ada).goes(), "http://127.0.0.1:4000/callback", "s t&te")
	h.wait(twiceKept + time.Second)
	isPage(t, "once more", b.goOn(next, h.ada), 400, "GH-1422")
	third := b.decide(b.get(askTrusted("prompt", "consent")), "switch")
	h.wait(flowTime)
	isPage(t, "after ten minutes", b.decide(third, "allow"), 400, "GH-1420")
	isPage(t, "the way to sign in after ten minutes", b.get(second.Header.Get("Location")), 400, "GH-1420")
}

func TestA023WhatWasAllowedIsNothingElse(t *testing.T) {
	h := newHouse(t)
	h.Resources = append(h.Resources, Resource{URL: "https://mcp.acme.test/other", Name: "Other", Scopes: h.Resources[0].Scopes})
	h.clients[trusted].RedirectURIs = append(h.clients[trusted].RedirectURIs, "https://claude.com/api/mcp/auth_callback")
	twin := *h.clients[trusted]
	twin.ID = "https://claude.ai/oauth/another"
	h.clients[twin.ID] = &twin
	b := h.browser()
	b.signIn(h.ada)
	b.decide(b.get(askTrusted()), "allow")
	if p := b.get(askTrusted("scope", "notes:read")); p.StatusCode != 303 {
		t.Fatalf("less than was allowed: got %d, want a redirect", p.StatusCode)
	}
	asks := map[string]string{
		"a wider scope":    askTrusted("scope", "notes:read notes:write notes:purge"),
		"another host":     askTrusted("redirect_uri", "https://claude.com/api/mcp/auth_callback"),
		"another resource": askTrusted("resource", "https://mcp.acme.test/other"),
		"another client":   askTrusted("client_id", twin.ID),
		"if it is wanted":  askTrusted("prompt", "consent"),
	}
	for name, q := range asks {
		if p := b.get(q); p.StatusCode != 200 || !strings.Contains(p.text, `value="allow"`) {
			t.Errorf("%s: got %d %s", name, p.StatusCode, p.Header.Get("Location"))
		}
	}
	other := h.browser()
	other.signIn(h.another("eve"))
	if p := other.get(askTrusted()); p.StatusCode != 200 {
		t.Errorf("another person: got %d", p.StatusCode)
	}
	h.clients[trusted].Version = "2"
	if p := b.get(askTrusted()); p.StatusCode != 200 {
		t.Errorf("a client that says something else of itself: got %d", p.StatusCode)
	}
	h.clients[trusted].Version = "1"
	h.wait(91 * 24 * time.Hour)
	b.signIn(h.ada)
	if p := b.get(askTrusted()); p.StatusCode != 200 {
		t.Errorf("long ago: got %d", p.StatusCode)
	}
}

func TestA023WhoReturnsToAMachineIsAskedEachTime(t *testing.T) {
	h := newHouse(t)
	for id, redirect := range map[string]string{native: "http://127.0.0.1:4000/callback", private: "cursor://anysphere.cursor-mcp/oauth/callback"} {
		b := h.browser()
		b.signIn(h.ada)
		done := b.decide(b.get(ask(id, redirect)), "allow")
		answered(t, done.goes(), redirect, "s t&te")
		if p := b.get(ask(id, redirect)); p.StatusCode != 200 || !strings.Contains(p.text, `value="allow"`) { // RFC 8252 §8.6
			t.Errorf("%s: got %d", id, p.StatusCode)
		}
	}
}

func TestA024ALinkOfAStrangerGetsNoCode(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.signIn(h.ada)
	page := b.get(ask(stranger, "https://app.test/cb", "scope", ""))
	if page.StatusCode != 200 || page.goes() != "" || !strings.Contains(page.text, "Not verified by your administrator") {
		t.Fatalf("got %d\n%s", page.StatusCode, page.text)
	}
	none := b.get(ask(stranger, "https://app.test/cb", "prompt", "none"))
	if v := answered(t, none.link(), "https://app.test/cb", "s t&te"); none.goes() != "" || v.Get("error") != "consent_required" {
		t.Errorf("got %q %v", none.goes(), v)
	}
	list, err := h.Grants.List(t.Context(), filterOf(h))
	if err != nil || len(list) != 0 {
		t.Errorf("got %v %v, want nothing granted", list, err)
	}
}

func TestA025TheFormDecidesNothingButYesAndNo(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.signIn(h.ada)
	page := b.get(ask(stranger, "https://app.test/cb"))
	flow := page.field(t, "flow")
	form := func(change ...string) url.Values {
		v := url.Values{"flow": {flow}, "decision": {"allow"}}
		for i := 0; i < len(change); i += 2 {
			v.Set(change[i], change[i+1])
		}
		return v
	}
	isPage(t, "a scope that was not asked for", b.post("/auth/consent", form("scope", "notes:purge")), 403, "GH-1424")
	isPage(t, "neither yes nor no", b.post("/auth/consent", form("decision", "approve")), 400, "GH-1424")
	isPage(t, "no flow", b.post("/auth/consent", form("flow", "")), 400, "GH-1420")
	isPage(t, "another flow", b.post("/auth/consent", form("flow", flow[:40]+strings.Map(func(c rune) rune { return c ^ 1 }, flow[40:41])+flow[41:])), 400, "GH-1420")
	isPage(t, "by a link", b.get("/auth/consent?approve=1&"+form().Encode()), 404, "GH-1426")
	for name, header := range map[string]string{"cross-site": "Sec-Fetch-Site", "same-site": "Sec-Fetch-Site", "https://evil.test": "Origin", "null": "Origin"} {
		r := httptest.NewRequest("POST", "/auth/consent", strings.NewReader(form().Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set(header, name)
		isPage(t, "a form from "+name, b.do(r), 403, "GH-1423")
	}
	thief := h.browser() // who has a session of their own
	thief.signIn(h.another("eve"))
	if p := thief.post("/auth/consent", form()); p.StatusCode != 200 || p.goes() != "" || !strings.Contains(p.text, "eve@acme.test") {
		t.Errorf("somebody else's page: got %d %q, want it shown again", p.StatusCode, p.goes())
	}
	if list, err := h.Grants.List(t.Context(), filterOf(h)); err != nil || len(list) != 0 {
		t.Errorf("got %v %v, want nothing granted", list, err)
	}
	done := b.post("/auth/consent", form("redirect_uri", "https://evil.test/", "client_id", trusted, "resource", "https://evil.test", "state", "x", "user", "usr_eve"))
	v := answered(t, done.goes(), "https://app.test/cb", "s t&te")
	if g := h.redeem(v.Get("code"), stranger, "https://app.test/cb"); g.Subject != h.ada.ID || g.Resource != resource {
		t.Errorf("got %+v", g)
	}
}

func TestA025OneDecisionOfManyCounts(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.signIn(h.ada)
	flow := b.get(ask(stranger, "https://app.test/cb")).field(t, "flow")
	codes := make(chan string, 16)
	var wg sync.WaitGroup
	for range cap(codes) {
		wg.Go(func() { codes <- b.post("/auth/consent", url.Values{"flow": {flow}, "decision": {"allow"}}).goes() })
	}
	wg.Wait()
	close(codes)
	answers := map[string]int{} // who presses twice gets the same answer twice
	for to := range codes {
		answers[to]++
	}
	if list, err := h.Grants.List(t.Context(), filterOf(h)); err != nil || len(list) != 1 || len(answers) != 1 || answers[""] > 0 {
		t.Errorf("got %d grants, %v, answers %v, want one", len(list), err, answers)
	}
	h.wait(twiceKept + time.Second)
	isPage(t, "later", b.post("/auth/consent", url.Values{"flow": {flow}, "decision": {"allow"}}), 400, "GH-1422")
}

func TestA026NoPageIsFramed(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	consent := b.get(askTrusted())
	next := b.decide(consent, "allow")
	in := h.browser()
	in.signIn(h.ada)
	pages := map[string]*reply{
		"consent": consent, "what follows it": next, "login": b.get(next.Header.Get("Location")), "device": b.get("/device"), "account": in.get("/account"),
		"account of nobody": h.browser().get("/account"), "nothing": b.get("/auth/nothing"), "another method": b.get("/auth/consent"), "unknown client": b.get(ask("x", "")),
		"no redirect URI": b.get(ask(stranger, "https://evil.test")), "an error": b.get(ask(stranger, "", "code_challenge", "")), "twice": b.get(askTrusted() + "&state=x"),
		"an error by redirect": b.get(askTrusted("code_challenge", "")), "a code": in.decide(in.get(askTrusted()), "allow"), "done": in.post("/account/sign-out", url.Values{}),
		"a bad user code": b.post("/device", url.Values{"user_code": {"BBBB-BBBB"}}),
	}
	for name, p := range pages {
		for header, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
			"X-Frame-Options":         "DENY", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
			"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
		} {
			if got := p.Header.Get(header); got != want {
				t.Errorf("%s (%d): %s is %q, want %q", name, p.StatusCode, header, got, want)
			}
		}
		if id := p.Header.Get("X-Request-Id"); id == "" || p.StatusCode != 303 && !strings.Contains(p.text, "<code>"+id+"</code>") {
			t.Errorf("%s: the page has another request id than %q", name, id)
		}
	}
}

func TestA027ThePageShowsTheTruth(t *testing.T) {
	h := newHouse(t)
	for name, want := range map[string]string{
		"Claude\u202e\u2066":                      "“Claude”",
		"Goo\u200bgle\u0007 (verified)":           "“Google (verified)”",
		strings.Repeat("x", 10<<10):               "“" + strings.Repeat("x", 64) + "…”",
		"<script>alert(1)</script>":               "“&lt;script&gt;alert(1)&lt;/script&gt;”",
		"a\n\n b\tc":                              "“a b c”",
		"\u202e\u200b":                            "“An app without a name”",
		"Z" + strings.Repeat("\u0301", 40) + "ed": "“Z\u0301\u0301ed”",
		"\u0421laude":                             "“\u0421laude”", // a Cyrillic twin: the page says who vouches for it
	} {
		one := *h.clients[onlyLoop]
		one.Name = name
		h.clients["named"] = &one
		p := h.browser().get(ask("named", "http://127.0.0.1:5000/cb"))
		for _, text := range []string{want, "(unverified)", "nothing but its own word", "Not verified by your administrator", "127.0.0.1:5000", resource, "Any program on this computer can claim to be"} {
			if !strings.Contains(p.text, text) {
				t.Errorf("%.40q: the page does not show %q", name, text)
			}
		}
		if strings.ContainsAny(p.text, "\u202e\u2066\u200b\u0007") || len(p.text) > 20<<10 {
			t.Errorf("%.40q: the page has what nobody can see, or %d bytes", name, len(p.text))
		}
	}
	p := h.browser().get(ask(native, "http://127.0.0.1:5000/callback"))
	for _, text := range []string{"(zed.dev)", "<strong>zed.dev</strong>", "Not verified", "Any program on this computer"} {
		if !strings.Contains(p.text, text) {
			t.Errorf("the page does not show %q", text)
		}
	}
	p = h.browser().get(ask(stranger, "https://app.test/cb"))
	if !strings.Contains(p.text, "<strong>app.test</strong>") {
		t.Error("the page does not show where it returns to")
	}
}

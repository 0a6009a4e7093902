package authserver

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/client"
)

func TestA007RequestsWithoutProofAreRefused(t *testing.T) {
	h := newHouse(t)
	for _, change := range [][]string{
		{"code_challenge", ""},
		{"code_challenge_method", "plain"},
		{"code_challenge_method", ""},
		{"code_challenge_method", "s256"},
		{"code_challenge_method", "S512"},
	} {
		p := h.browser().get(askTrusted(change...))
		if p.StatusCode != 303 {
			t.Fatalf("%v: got %d, want a redirect\n%s", change, p.StatusCode, p.text)
		}
		if v := answered(t, p.Header.Get("Location"), claudeBack, "s t&te"); v.Get("error") != "invalid_request" || v.Get("code") != "" {
			t.Errorf("%v: got %v", change, v)
		}
	}
}

func TestA010NobodyIsSentToAURIThatIsNotRegistered(t *testing.T) {
	h := newHouse(t)
	for _, bad := range []string{
		"https://app.test/cb/", "https://app.test/cb?x", "https://app.test/CB", "http://app.test/cb", "https://app.test:443/cb", "https://app.test./cb",
		"https://APP.test/cb", "https://user@app.test/cb", "https://app.test@evil.test/cb", "https://app.test/cb/../x", "https://app.test/cb%2f..",
		"https://app.test/cb#f", "//app.test/cb", "https:app.test/cb", `https://app.test\@evil.test/cb`, "https://app.test/c\tb", "https://app.test/cb\n",
		"https://\u0430pp.test/cb", "https://app.test/cb?a=b", "https://app.test.evil.test/cb", "javascript:alert(1)", "data:text/html,x",
	} {
		for _, change := range [][]string{{}, {"code_challenge", ""}, {"prompt", "none"}} {
			p := h.browser().get(ask(stranger, bad, change...))
			isPage(t, bad, p, 400, "GH-1402")
			if p.goes() != "" || p.link() != "" {
				t.Errorf("%s: the page leads on", bad)
			}
		}
	}
	if p := h.browser().get(ask(stranger, "https://\u0430pp.test/c\tb")); !strings.Contains(p.text, "https://·pp.test/c·b") {
		t.Errorf("the page shows a twin\n%s", p.text)
	}
	p := h.browser().get(ask(stranger, ""))
	if p.StatusCode != 200 || !strings.Contains(p.text, "app.test") {
		t.Errorf("the only one is not taken: %d", p.StatusCode)
	}
	isPage(t, "none of two", h.browser().get(ask(private, "")), 400, "GH-1402")
	if e := h.trail.last(); e.Code != "GH-1402" || e.Outcome != "refused" || e.ClientID != private {
		t.Errorf("got %+v", e)
	}
	h.browser().get(ask(stranger, "https://me:pw@app.test/cb?key=s3cret#f"))
	if e := h.trail.last(); !strings.Contains(e.Reason, `asked for "https://%E2%80%A6@app.test/cb?…#…", and there is ["https://app.test/cb"`) || strings.Contains(e.Reason, "s3cret") || strings.Contains(e.Reason, "pw") {
		t.Errorf("the operator is told %q", e.Reason)
	}
}

func TestA011LoopbackPortsAreFree(t *testing.T) {
	h := newHouse(t)
	for _, port := range []string{":1024", ":51004", ":65535", ""} {
		for _, host := range []string{"127.0.0.1", "[::1]"} {
			b := h.browser()
			b.signIn(h.ada)
			redirect := "http://" + host + port + "/cb"
			page := b.get(ask(onlyLoop, redirect))
			if !strings.Contains(page.text, host+port) {
				t.Errorf("%s: the page does not show it", redirect)
			}
			v := answered(t, b.decide(page, "allow").goes(), redirect, "s t&te")
			h.redeem(v.Get("code"), onlyLoop, redirect)
		}
	}
}

func TestA012OnlyLoopbackPortsAreFree(t *testing.T) {
	h := newHouse(t)
	for _, bad := range []string{
		"http://127.0.0.2:1/cb", "http://localhost:1/cb", "http://127.0.0.1.evil.test/cb", "http://127.0.0.1:80@evil/cb", "http://0.0.0.0/cb",
		"http://[::ffff:127.0.0.1]/cb", "https://127.0.0.1:9/cb", "http://127.0.0.1/other", "http://127.0.0.1:0/cb", "http://127.0.0.1:65536/cb",
	} {
		isPage(t, bad, h.browser().get(ask(onlyLoop, bad)), 400, "GH-1402")
	}
	isPage(t, "a port elsewhere", h.browser().get(ask(stranger, "https://app.test:8443/cb")), 400, "GH-1402")
}

func TestA013DangerousSchemesLeadNowhere(t *testing.T) {
	h := newHouse(t)
	for _, bad := range []string{
		"javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "vbscript:x", "blob:https://app.test/x", "about:blank", "http://app.test/cb",
		"ms-settings:x", "intent://x", "JavaScript:alert(1)",
	} {
		one := *h.clients[stranger] // even if one has got into the registry
		one.RedirectURIs = []string{bad}
		h.clients["planted"] = &one
		p := h.browser().get(ask("planted", bad))
		isPage(t, bad, p, 400, "GH-1402")
		if strings.Contains(p.text, `href="`+bad[:4]) {
			t.Errorf("%s: it can be followed", bad)
		}
	}
}

func TestA014NobodyIsLedElsewhereBeforeTheyActed(t *testing.T) {
	h := newHouse(t)
	for name, change := range map[string][]string{
		"no proof": {"code_challenge", ""}, "prompt=none": {"prompt", "none"}, "another type": {"response_type", "token"},
		"another resource": {"resource", "https://evil.test/mcp"}, "a bad scope": {"scope", `a"b`},
	} {
		p := h.browser().get(ask(stranger, "https://app.test/cb", change...))
		isPage(t, name, p, 400, "app.test")
		if p.goes() != "" {
			t.Errorf("%s: the page goes on by itself to %s", name, p.goes())
		}
		if v := answered(t, p.link(), "https://app.test/cb", "s t&te"); v.Get("error") == "" || v.Get("code") != "" {
			t.Errorf("%s: got %v", name, v)
		}
	}
	bogus := h.browser().get(ask(stranger, "https://app.test/cb", "scope", "bogus"))
	if bogus.StatusCode != 200 || bogus.goes() != "" {
		t.Errorf("got %d %q", bogus.StatusCode, bogus.goes())
	}
	b := h.browser()
	no := b.decide(b.get(ask(stranger, "https://app.test/cb")), "deny")
	if no.goes() != "" || no.Header.Get("Location") != "" || !strings.Contains(no.text, "This leads to <strong>app.test</strong>") {
		t.Errorf("a no leads on by itself\n%s", no.text)
	}
}

func TestA015ParametersAreReadInOneWay(t *testing.T) {
	h := newHouse(t)
	good := askTrusted()
	for name, more := range map[string]string{
		"client_id twice": "&client_id=x", "redirect_uri twice": "&redirect_uri=https%3A%2F%2Fevil.test", "state twice": "&state=x", "code_challenge twice": "&code_challenge=x",
		"a semicolon": "&a;b", "a broken escape": "&x=%zz", "too many": strings.Repeat("&a=", 2000),
	} {
		isPage(t, name, h.browser().get(good+more), 400, "GH-1400")
		r := httptest.NewRequest("POST", "/authorize", strings.NewReader(strings.TrimPrefix(good, "/authorize?")+more))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		isPage(t, name+" in a form", h.browser().do(r), 400, "GH-1400")
	}
	if p := h.browser().get(good + "&resource=" + url.QueryEscape(resource)); p.StatusCode != 200 { // RFC 8707 §2
		t.Errorf("resource twice: got %d\n%s", p.StatusCode, p.text)
	}
	if p := h.browser().get(good + "&resource=https%3A%2F%2Fother.test"); p.StatusCode != 303 || !strings.Contains(p.Header.Get("Location"), "error=invalid_target") {
		t.Errorf("two resources: got %d %s", p.StatusCode, p.Header.Get("Location"))
	}
	r := httptest.NewRequest("POST", "/authorize", strings.NewReader(strings.TrimPrefix(good, "/authorize?")))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if p := h.browser().do(r); p.StatusCode != 200 || !strings.Contains(p.text, "Claude") { // OpenID Connect Core §3.1.2.1
		t.Errorf("a form: got %d", p.StatusCode)
	}
}

func TestA018CodesTravelUnseen(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	r := httptest.NewRequest("OPTIONS", askTrusted(), nil)
	r.Header.Set("Origin", "https://evil.test")
	r.Header.Set("Access-Control-Request-Method", "POST")
	if p := b.do(r); p.StatusCode < 400 || p.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("a preflight: got %d %v", p.StatusCode, p.Header)
	}
	b.signIn(h.ada)
	var codes []string
	for _, p := range []*reply{b.decide(b.get(askTrusted()), "allow"), b.get(askTrusted())} {
		to := p.goes() + p.Header.Get("Location")
		codes = append(codes, answered(t, to, claudeBack, "s t&te").Get("code"))
		if p.StatusCode != 200 && p.StatusCode != 303 {
			t.Errorf("got %d", p.StatusCode)
		}
		if p.Header.Get("Cache-Control") != "no-store" || p.Header.Get("Referrer-Policy") != "no-referrer" || p.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("got %v", p.Header)
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, code := range codes {
		if code == "" || strings.Contains(h.log.String(), code) {
			t.Error("a code stands in the log")
		}
		for _, e := range h.trail.events {
			if strings.Contains(e.Reason, code) || strings.Contains(e.Request, code) {
				t.Errorf("a code stands in the trail: %+v", e)
			}
		}
	}
}

func TestClientsThatMayNotAskAreExplained(t *testing.T) {
	h := newHouse(t)
	blocked, pending := *h.clients[stranger], *h.clients[stranger]
	blocked.State, pending.State = client.Blocked, client.Pending
	h.clients["blocked"], h.clients["pending"] = &blocked, &pending
	isPage(t, "blocked", h.browser().get(ask("blocked", "https://app.test/cb")), 403, "GH-1406")
	waits := h.browser().get(ask("pending", "https://app.test/cb"))
	isPage(t, "pending", waits, 403, "GH-1407")
	if !strings.Contains(waits.text, `http-equiv="refresh" content="15"`) {
		t.Error("the page does not look again")
	}
	isPage(t, "a document that cannot be had", h.browser().get(ask("https://away.test/client.json", "https://app.test/cb")), 503, "GH-1405")
	unknown := h.browser().get(ask("gone", "https://app.test/cb"))
	isPage(t, "unknown", unknown, 400, "GH-1401")
	for _, want := range []string{"Claude Code", "VS Code", ".mcp-auth", "Cursor"} {
		if !strings.Contains(unknown.text, want) {
			t.Errorf("the page does not say what to do in %s", want)
		}
	}
}

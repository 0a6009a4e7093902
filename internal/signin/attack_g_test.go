package signin

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestA095SchemesAndLinks: what a server says is opened or asked only when it is a web address.
func TestA095SchemesAndLinks(t *testing.T) {
	for _, bad := range []string{
		"", "javascript:alert(1)", "data:text/html,x", "vbscript:x", "ms-msdt:/id", "steam://run/1", `\\host\share`, "file:///etc/passwd", "//evil.example/x", "/x",
		"http://evil.example/x", "http://10.0.0.1/x", "https://user@evil.example/", "https:evil.example", "https://", "https://evil.example/ x", "https://evil.example/\n", "https://evil.example/$(calc)`x`",
		"https://evil.example/\"&calc", "https://evil.example/a|b", "https://ex\u202eample/", "https://a.example/" + strings.Repeat("x", 9<<10), "http://localhost.evil.example/",
	} {
		if CheckURL(bad) == nil {
			t.Errorf("%q is followed", bad)
		}
		w := newWorld(t)
		w.asm["authorization_endpoint"] = bad
		opened := ""
		c := w.client()
		c.Open = func(_ context.Context, at string) error { opened = at; return nil }
		if _, err := w.first(c); err == nil || opened != "" || w.spent() {
			t.Errorf("%q: got %v, opened %q", bad, err, opened)
		}
	}
	for _, bad := range []string{"https://$(calc).example/", "https://a;calc.example/", "https://a!b.example/"} {
		if CheckURL(bad) == nil {
			t.Errorf("%q is followed", bad)
		}
	}
	w := newWorld(t)
	w.asm["authorization_endpoint"] = w.url + "/a/$(calc);calc/!x*?q=$(calc)&r=!x*(y)"
	opened := ""
	c := w.client()
	c.Open = func(_ context.Context, at string) error { opened = at; return fmt.Errorf("enough") }
	if _, err := w.first(c); err == nil || strings.ContainsAny(opened, "$();!*`") || !strings.HasPrefix(opened, w.url+"/a/%24%28calc%29%3Bcalc/") || !strings.Contains(opened, "%24%28calc%29") {
		t.Errorf("got %v, opened %q", err, opened)
	}
	if got, err := Openable("https://a.example/$(x)?a=(b);c#$(d)"); err != nil || got != "https://a.example/%24%28x%29?a=%28b%29%3Bc#%24%28d%29" {
		t.Errorf("got %q, %v", got, err)
	}
	for _, good := range []string{"https://a.example/authorize?x=y&z=%20", "http://127.0.0.1:1/x", "http://localhost:3000/", "http://[::1]:1/"} {
		if err := CheckURL(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
}

// TestA096PrivateAddresses: a server on the internet leads nowhere else.
func TestA096PrivateAddresses(t *testing.T) {
	hit := false
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hit = true }))
	defer inside.Close()
	w := newWorld(t)
	for _, at := range []string{"http://169.254.169.254/latest", "https://169.254.169.254/latest", "https://[fd00:ec2::254]/", "http://192.0.2.1/x", "https://metadata@127.0.0.1/"} {
		if _, err := w.client().Renew(t.Context(), refusal(401, fmt.Sprintf("Bearer resource_metadata=%q", at), nil)); err == nil || w.visits > 0 {
			t.Errorf("%s: got %v", at, err)
		}
	}
	c := &Client{Server: "https://192.0.2.1/mcp", Store: newMemory(), Open: w.browse}
	if _, err := c.Renew(t.Context(), refusal(401, fmt.Sprintf("Bearer resource_metadata=%q", inside.URL), nil)); err == nil || hit {
		t.Errorf("a server elsewhere leads to this machine: %v", err)
	}
}

// TestA097CredentialsStayWithTheirIssuer: nothing that one authorization server gave goes to another.
func TestA097CredentialsStayWithTheirIssuer(t *testing.T) {
	w, evil := newWorld(t), newWorld(t)
	c := w.client()
	cred, err := w.first(c)
	if err != nil {
		t.Fatal(err)
	}
	w.prm["authorization_servers"] = []string{evil.url}
	evil.iss = evil.url
	if _, err := c.Renew(t.Context(), refusal(401, `Bearer error="invalid_token"`, cred)); err != nil {
		t.Fatal(err) // another sign-in, which the user sees
	}
	if len(evil.regs) != 1 || len(evil.forms) != 1 || evil.forms[0].Get("grant_type") != "authorization_code" || strings.Contains(fmt.Sprint(evil.forms), "rt-1") {
		t.Errorf("the other one got %v", evil.forms)
	}

	// One that says it is the first one, with endpoints of its own.
	w = newWorld(t)
	w.prm = nil
	w.asm["issuer"], w.asm["token_endpoint"] = "https://as1.example", evil.url+"/token"
	if _, err := w.first(w.client()); code(err) != CodeMetadata || w.spent() {
		t.Errorf("got %v", err)
	}

	// A client that was registered by hand, with its secret.
	w = newWorld(t)
	c = w.client()
	c.Registered = &Registered{ID: "me", Secret: "very secret"}
	if cred, err = w.first(c); err != nil {
		t.Fatal(err)
	}
	w.prm["authorization_servers"] = []string{evil.url}
	visits := evil.visits
	if _, err := c.Renew(t.Context(), refusal(401, `Bearer error="invalid_token"`, cred)); code(err) != CodeOtherAS || evil.visits != visits {
		t.Errorf("got %v", err)
	}
}

// TestA097AssertionsStayWithTheirIssuer: what a platform or a company vouches for goes
// to the authorization server that is set, or to the first one.
func TestA097AssertionsStayWithTheirIssuer(t *testing.T) {
	for _, grant := range []Grant{Workload, Enterprise} {
		t.Run(string(grant), func(t *testing.T) {
			w, evil, idp := newWorld(t), newWorld(t), newWorld(t)
			idp.token = func(url.Values) (int, string) {
				return 200, `{"access_token":"jag","token_type":"N_A","issued_token_type":"` + typeIDJAG + `"}`
			}
			for _, one := range []*world{w, evil} {
				one.asm["client_id_metadata_document_supported"] = true
			}
			reads := 0
			with := func(store *memory) *Client {
				c := w.client()
				read := func(context.Context) (string, error) { reads++; return "very-secret", nil }
				c.Grant, c.Store, c.Assertion, c.MetadataURL = grant, store, read, "https://client.example/me"
				c.Provider = &Provider{Issuer: idp.url, ClientID: "me", IDToken: read}
				return c
			}
			c := with(w.store)
			cred, err := w.first(c)
			if err != nil || reads != 1 {
				t.Fatalf("got %v; read %d times", err, reads)
			}
			w.prm["authorization_servers"] = []string{evil.url}
			c.Now = func() time.Time { return time.Now().Add(time.Hour) }
			if _, err := c.Renew(t.Context(), refusal(401, "Bearer", cred)); code(err) != CodeOtherAS || evil.spent() || reads != 1 {
				t.Errorf("got %v; read %d times, sent %v", err, reads, evil.forms)
			}
			c = with(newMemory()) // at once, with an issuer that is set
			c.Issuer = w.url
			if _, err := w.first(c); code(err) != CodeOtherAS || evil.spent() || reads != 1 {
				t.Errorf("got %v; read %d times, sent %v", err, reads, evil.forms)
			}
		})
	}
}

// TestA098RedirectsLeadNowhere: a redirect takes no secret along.
func TestA098RedirectsLeadNowhere(t *testing.T) {
	hit := false
	evil := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hit = true }))
	defer evil.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		w := newWorld(t)
		away := httptest.NewServer(http.RedirectHandler(evil.URL, status))
		w.asm["token_endpoint"] = away.URL
		if _, err := w.first(w.client()); err == nil || hit {
			t.Errorf("%d: got %v", status, err)
		}
		away.Close()
	}
}

// TestA100Cleartext: what is secret is sent over https, or stays on the machine.
func TestA100Cleartext(t *testing.T) {
	for _, name := range []string{"token_endpoint", "registration_endpoint", "authorization_endpoint", "revocation_endpoint"} {
		w := newWorld(t)
		w.asm[name] = "http://as.example/x"
		if _, err := w.first(w.client()); err == nil || w.visits > 0 || w.spent() {
			t.Errorf("%s: got %v", name, err)
		}
	}
	c := &Client{Server: "http://mcp.example/mcp", Store: newMemory()}
	if _, err := c.Credential(t.Context()); code(err) != CodeUnsafe {
		t.Errorf("got %v", err)
	}
	cred := &Credential{Scheme: "Bearer", text: "x", origin: "https://mcp.example"}
	for _, to := range []string{"http://mcp.example/", "https://mcp.example:8443/", "https://evil.example/"} {
		r, _ := http.NewRequest(http.MethodGet, to, http.NoBody)
		if cred.Apply(r); r.Header.Get("Authorization") != "" {
			t.Errorf("%s gets the token", to)
		}
	}
}

// TestA101ChecksBeforeTheCodeIsUsed: PKCE, the issuer of an answer and the resource.
func TestA101ChecksBeforeTheCodeIsUsed(t *testing.T) {
	tests := []struct {
		name string
		is   func(w *world)
		want string
	}{
		{"no PKCE", func(w *world) { delete(w.asm, "code_challenge_methods_supported") }, CodePKCE},
		{"plain PKCE", func(w *world) { w.asm["code_challenge_methods_supported"] = []string{"plain"} }, CodePKCE},
		{"iss advertised and missing", func(w *world) { w.asm["authorization_response_iss_parameter_supported"] = true }, CodeAnswer},
		{"iss wrong", func(w *world) { w.iss = "https://evil.example" }, CodeAnswer},
		{"iss normalised", func(w *world) { w.iss = w.url + "/" }, CodeAnswer},
		{"iss wrong, with an error", func(w *world) { w.iss = "https://evil.example"; w.extra = url.Values{"error": {"access_denied"}} }, CodeAnswer},
		{"resource of another origin", func(w *world) { w.prm["resource"] = "https://other.example/mcp" }, CodeResource},
		{"resource beside the server", func(w *world) { w.prm["resource"] = w.url + "/mcp2" }, CodeResource},
		{"resource above the server, from the server's own place", func(w *world) { w.prm["resource"] = w.url + "/" }, CodeResource},
		{"no resource", func(w *world) { delete(w.prm, "resource") }, CodeResource},
		{"no authorization server", func(w *world) { w.prm["authorization_servers"] = []string{} }, CodeNoWay},
		{"an error", func(w *world) { w.extra = url.Values{"error": {"access_denied"}} }, CodeNobody},
		{"another issuer's metadata", func(w *world) { w.asm["issuer"] = "https://other.example" }, CodeMetadata},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			tt.is(w)
			if _, err := w.first(w.client()); code(err) != tt.want || w.spent() {
				t.Errorf("got %v; sent %v", err, w.forms)
			}
		})
	}
	w := newWorld(t)
	w.iss = w.url
	if _, err := w.first(w.client()); err != nil {
		t.Errorf("iss that is right and not advertised: %v", err)
	}
}

// TestA103PagesAndTerminals: a stranger's text is text.
func TestA103PagesAndTerminals(t *testing.T) {
	w := newWorld(t)
	const evil = "<script>alert(1)</script>\x1b[31m\x1b]8;;https://evil.example\x07\u202e"
	w.extra = url.Values{"error": {"server_error"}, "error_description": {evil}}
	var res *http.Response
	c := w.client()
	seen := make(chan string, 1)
	c.Open = func(_ context.Context, at string) error {
		go func() {
			var err error
			if res, err = http.Get(at); err != nil {
				seen <- err.Error()
				return
			}
			page, _ := io.ReadAll(res.Body)
			_ = res.Body.Close()
			seen <- string(page)
		}()
		return nil
	}
	_, err := w.first(c)
	page := <-seen
	if err == nil || strings.ContainsAny(err.Error(), "\x1b\x07\u202e") {
		t.Errorf("the terminal gets %q", err)
	}
	if strings.Contains(page, "<script") || strings.ContainsAny(page, "\x1b\u202e") || !strings.Contains(page, "&lt;script&gt;") {
		t.Errorf("the page is %q", page)
	}
	if csp := res.Header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") || res.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("got %v", res.Header)
	}
}

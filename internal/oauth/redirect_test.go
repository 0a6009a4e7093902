package oauth_test

import (
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

// TestA010RedirectMismatch accepts nothing but what was registered, byte for byte.
func TestA010RedirectMismatch(t *testing.T) {
	registered := []string{"https://app.test/cb"}
	if !oauth.MatchRedirect(registered, "https://app.test/cb") {
		t.Fatal("the registered URI is refused")
	}
	for _, asked := range []string{
		"", "https://app.test/cb/", "https://app.test/cb?x", "https://app.test/CB", "http://app.test/cb", "https://app.test:443/cb",
		"https://app.test./cb", "https://APP.test/cb", "https://user@app.test/cb", "https://app.test@evil.test/cb",
		"https://app.test/cb/../x", "https://app.test/cb%2f..", "https://app.test/cb#f", "//app.test/cb", "https:app.test/cb",
		`https://app.test\@evil.test`, "https://app.test/c\tb", "https://app.test/cb\n", "https://аpp.test/cb",
		"https://app.test/cb?extra=1", "https://app.test.evil.test/cb", " https://app.test/cb", "HTTPS://app.test/cb",
	} {
		if oauth.MatchRedirect(registered, asked) {
			t.Errorf("%q is accepted", asked)
		}
	}
}

// TestA011LoopbackPort lets the port of a loopback URI differ, and nothing else.
func TestA011LoopbackPort(t *testing.T) {
	registered := []string{"http://127.0.0.1/cb", "http://[::1]/cb", "http://localhost:3118/callback", "http://127.0.0.1:33418/"}
	for _, asked := range []string{
		"http://127.0.0.1/cb", "http://127.0.0.1:1024/cb", "http://127.0.0.1:51004/cb", "http://127.0.0.1:65535/cb",
		"http://[::1]:51004/cb", "http://[::1]/cb", "http://localhost:50000/callback", "http://localhost/callback", "http://127.0.0.1:9/",
	} {
		if !oauth.MatchRedirect(registered, asked) {
			t.Errorf("%q is refused", asked)
		}
	}
}

// TestA012LoopbackAbuse keeps the free port to loopback, and the rest exact.
func TestA012LoopbackAbuse(t *testing.T) {
	registered := []string{"http://127.0.0.1/cb", "http://[::1]/cb", "https://app.test/cb", "https://127.0.0.1/cb"}
	for _, asked := range []string{
		"http://127.0.0.2:1/cb", "http://localhost:1/cb", "http://127.0.0.1.evil.test/cb", "http://127.0.0.1:80@evil/cb",
		"http://0.0.0.0:1/cb", "http://[::ffff:127.0.0.1]:1/cb", "https://127.0.0.1:9/cb", "http://127.0.0.1:1/other",
		"http://127.0.0.1:0/cb", "http://127.0.0.1:65536/cb", "http://127.0.0.1:01/cb", "http://127.0.0.1:+1/cb", "http://127.0.0.1:/cb",
		"http://127.0.0.1:1/cb?x=1", "http://127.0.0.1:1/cb/", "http://127.0.0.1:1", "http://127.1:1/cb", "http://2130706433:1/cb",
		"https://app.test:9/cb", "http://LOCALHOST:1/cb", "http://127.0.0.1:1/x/../cb", "http://127.0.0.1:1/%2e%2e/cb", "http://[::1]evil/cb",
	} {
		if oauth.MatchRedirect(registered, asked) {
			t.Errorf("%q is accepted", asked)
		}
	}
}

// TestA013Schemes registers no scheme that a browser or a machine acts upon, and
// no private one but those of the list, byte for byte.
func TestA013Schemes(t *testing.T) {
	for _, uri := range []string{
		"javascript:alert(1)", "javascript://x/%0aalert(1)", "data:text/html,x", "file:///etc/passwd", "vbscript:x", "blob:https://a/b", "about:blank",
		"http://app.test", "http://app.test/cb", "cursor:", "cursor://", "cursor://anysphere.cursor-mcp/oauth/callback/", "cursor://evil/oauth/callback",
		"CURSOR://anysphere.cursor-mcp/oauth/callback", "ms-settings:x", "intent:x", "com.evil.app:/cb", "myapp://cb",
		"", "/cb", "cb", "https://", "https:///cb", "https://u:p@app.test/", "https://app.test/#", "https://app.test:0/", "https://app.test:99999/",
		"https://app.test:/", "https://app.test/a/../b", "https://app.test/%2E%2e/b", "https://app.test/%zz", "https://a..b/", "https://.a/",
		"https://app.test/<x>", `https://app.test\evil`, "https://app .test/", "https://app.test/\u202e", "https://%61pp.test/", "https://app.test/" + strings.Repeat("a", 2000),
	} {
		if oauth.CheckRedirect(uri) == nil {
			t.Errorf("%q may be registered", uri)
		}
	}
	for uri, want := range map[string]oauth.RedirectKind{
		"https://claude.ai/api/mcp/auth_callback":            oauth.RedirectWeb,
		"https://chatgpt.com/connector/oauth/abc_-1":         oauth.RedirectWeb,
		"https://app.test:8443/cb?tenant=1":                  oauth.RedirectWeb,
		"https://[2001:db8::1]/cb":                           oauth.RedirectWeb,
		"http://localhost:8787/callback":                     oauth.RedirectLoopback,
		"http://127.0.0.1:33418/":                            oauth.RedirectLoopback,
		"http://127.0.0.1":                                   oauth.RedirectLoopback,
		"http://[::1]:1/cb":                                  oauth.RedirectLoopback,
		"cursor://anysphere.cursor-mcp/oauth/callback":       oauth.RedirectPrivate,
		"com.raycast:/oauth":                                 oauth.RedirectPrivate,
		"warp://mcp/oauth2callback":                          oauth.RedirectPrivate,
		"http://127.0.0.1:53124/callback/Zm9vYmFyYmF6?x=%2F": oauth.RedirectLoopback,
	} {
		if got, err := oauth.KindOfRedirect(uri); got != want || err != nil || oauth.CheckRedirect(uri) != nil {
			t.Errorf("%s: got %q, %v, want %q", uri, got, err, want)
		}
	}
	const own = "myapp://oauth/callback"
	if kind, err := oauth.KindOfRedirect(own); kind != oauth.RedirectPrivate || err != nil || oauth.CheckRedirect(own, own) != nil {
		t.Errorf("a private URI that the operator listed: got %q, %v", kind, err)
	}
	for _, uri := range []string{"javascript://x/%0aalert(1)", "file:///x", "ms-settings:/x", "intent://x", "myapp:", "myapp://", "MYAPP://x/y", "myapp:cb"} {
		if oauth.CheckRedirect(uri, uri) == nil || oauth.MatchRedirect([]string{uri}, uri) {
			t.Errorf("%q is accepted because the operator listed it", uri)
		}
	}
}

func TestRedirectHost(t *testing.T) {
	for uri, want := range map[string]string{
		"https://claude.ai/api":                        "claude.ai",
		"http://localhost:8787/x":                      "localhost:8787",
		"http://[::1]:1/x":                             "[::1]:1",
		"cursor://anysphere.cursor-mcp/oauth/callback": "cursor:",
	} {
		if got := oauth.RedirectHost(uri); got != want {
			t.Errorf("%s: got %q, want %q", uri, got, want)
		}
	}
}

// FuzzRedirect holds what is accepted to a form that no two readers see differently.
func FuzzRedirect(f *testing.F) {
	for _, s := range []string{"https://app.test/cb", "http://127.0.0.1:80/cb", "cursor://anysphere.cursor-mcp/oauth/callback", "com.a.b:/x", "http://[::1]:1?x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		kind, err := oauth.KindOfRedirect(uri)
		if err != nil {
			if oauth.MatchRedirect([]string{uri}, uri) {
				t.Fatalf("%q may not be registered, and matches", uri)
			}
			return
		}
		if strings.ContainsAny(uri, "#\\ \t\r\n\"<>") || oauth.RedirectHost(uri) == "" {
			t.Fatalf("%q is accepted", uri)
		}
		if kind == oauth.RedirectLoopback && !strings.HasPrefix(uri, "http://127.0.0.1") && !strings.HasPrefix(uri, "http://localhost") && !strings.HasPrefix(uri, "http://[::1]") {
			t.Fatalf("%q is taken for loopback", uri)
		}
	})
}

package edge

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

const (
	secret = "SecretSecretSecretSecretSecretSecretSecretSecret1"
	aKey   = "gthk_7Qm2Vx9KtB4c_" + secret
)

// plainRequest is a request as its bytes.
func plainRequest(method, target string, lines ...string) string {
	host := "Host: gate.test\r\n"
	for _, l := range lines {
		if strings.HasPrefix(l, "Host:") {
			host = ""
		}
	}
	text := method + " " + target + " HTTP/1.1\r\n" + host
	for _, l := range lines {
		text += l + "\r\n"
	}
	return text + "\r\n"
}

// burns wants a credential refused, told and not shown.
func (f *fixture) burns1015(t *testing.T, name, got string, keys ...string) {
	t.Helper()
	if !strings.HasPrefix(got, "HTTP/1.1 403 ") || !strings.Contains(got, "GH-1015") || !strings.Contains(got, "Connection: close") {
		t.Errorf("%s: got %q, want 403 GH-1015 and the end of the connection", name, got)
	}
	if strings.Contains(got, "Location") || strings.Contains(got, "Strict-Transport-Security") || strings.Contains(got, secret) {
		t.Errorf("%s: got %q, want no redirect, no HSTS and no secret", name, got)
	}
	all := f.burns()
	if len(all) == 0 || fmt.Sprint(all[len(all)-1].keys) != fmt.Sprint(keys) {
		t.Errorf("%s: got %v told, want %v", name, all, keys)
	}
	if strings.Contains(f.log.String(), secret) {
		t.Errorf("%s: got the secret in the log", name)
	}
}

func TestPlainHTTP(t *testing.T) {
	f, _ := secured(t, config.Server{PlainListen: "127.0.0.1:0", TLS: config.TLS{HSTS: time.Hour}}, nil)
	_, port, _ := strings.Cut(f.address, ":")
	where := map[string]string{"where it is refused": f.plain, "on the port of TLS": f.address}
	for place, address := range where {
		for name, tt := range map[string]struct {
			request string
			keys    []string
		}{
			"a key":                     {plainRequest("POST", "/mcp", "Authorization: Bearer "+aKey, "Content-Length: 2", "", "{}"), []string{"7Qm2Vx9KtB4c"}},
			"a key of a GET":            {plainRequest("GET", "/mcp", "authorization: bearer "+aKey), []string{"7Qm2Vx9KtB4c"}},
			"X-API-Key":                 {plainRequest("GET", "/mcp", "X-API-Key: "+aKey), []string{"7Qm2Vx9KtB4c"}},
			"a token":                   {plainRequest("GET", "/mcp", "Authorization: Bearer eyJhbGciOi"), nil},
			"Basic":                     {plainRequest("GET", "/mcp", "Authorization: Basic dTpw"), nil},
			"an empty one":              {plainRequest("GET", "/mcp", "Authorization:"), nil},
			"a query":                   {plainRequest("GET", "/mcp?access_token=abc"), nil},
			"a query with a key":        {plainRequest("GET", "/mcp?x="+aKey), []string{"7Qm2Vx9KtB4c"}},
			"a query in code":           {plainRequest("GET", "/mcp?x=gthk%5F7Qm2Vx9KtB4c_"+secret), []string{"7Qm2Vx9KtB4c"}},
			"a query that is broken":    {plainRequest("GET", "/mcp?%zz&api_key=abc"), nil},
			"a path":                    {plainRequest("GET", "/"+aKey), []string{"7Qm2Vx9KtB4c"}},
			"another header":            {plainRequest("GET", "/mcp", "X-My-Key: "+aKey), []string{"7Qm2Vx9KtB4c"}},
			"a key that was cut":        {plainRequest("GET", "/mcp", "X-My-Key: gthk_7Qm2"), nil},
			"two keys":                  {plainRequest("GET", "/mcp", "Authorization: Bearer "+aKey, "X-API-Key: gthk_AAAAAAAAAAAA_x"), []string{"7Qm2Vx9KtB4c", "AAAAAAAAAAAA"}},
			"another host":              {plainRequest("GET", "/mcp", "Host: evil.test", "Authorization: Bearer "+aKey), []string{"7Qm2Vx9KtB4c"}},
			"a challenge":               {plainRequest("GET", "/.well-known/acme-challenge/x", "Authorization: Bearer "+aKey), []string{"7Qm2Vx9KtB4c"}},
			"a second one behind a GET": {plainRequest("GET", "/mcp", "Authorization: Bearer "+aKey) + plainRequest("GET", "/mcp"), []string{"7Qm2Vx9KtB4c"}},
		} {
			f.burns1015(t, name+" "+place, raw(t, address, tt.request), tt.keys...)
		}
		if all := f.burns(); all[0].from != netip.MustParseAddr("127.0.0.1") {
			t.Errorf("got %v told, want the caller's address", all[0].from)
		}
		for name, tt := range map[string]struct{ request, want string }{
			"a GET":                  {plainRequest("GET", "/mcp?a=b"), "Location: https://gate.test:" + port + "/mcp?a=b\r\n"},
			"a HEAD":                 {plainRequest("HEAD", "/"), "Location: https://gate.test:" + port + "/\r\n"},
			"a port":                 {plainRequest("GET", "/", "Host: gate.test:80"), "Location: https://gate.test:" + port + "/\r\n"},
			"two slashes":            {plainRequest("GET", "//evil.test/x"), "Location: https://gate.test:" + port + "//evil.test/x\r\n"},
			"a cookie":               {plainRequest("GET", "/", "Cookie: session=1"), "308 Permanent Redirect"},
			"another host":           {plainRequest("GET", "/", "Host: evil.test"), "GH-1016"},
			"a host that begins so":  {plainRequest("GET", "/", "Host: gate.test.evil.test"), "GH-1016"},
			"no host":                {"GET / HTTP/1.0\r\n\r\n", "GH-1016"},
			"a URL as the target":    {plainRequest("GET", "http://gate.test/x"), "GH-1016"},
			"a POST":                 {plainRequest("POST", "/mcp", "Content-Length: 0"), "GH-1016"},
			"a DELETE":               {plainRequest("DELETE", "/mcp"), "GH-1016"},
			"a body that never ends": {plainRequest("POST", "/mcp", "Content-Length: 1000000"), "GH-1016"},
		} {
			got := raw(t, address, tt.request)
			if !strings.Contains(got, tt.want) || !strings.Contains(got, "Connection: close") || strings.Contains(got, "Strict-Transport") {
				t.Errorf("%s %s: got %q, want %q, and the end of the connection", name, place, got, tt.want)
			}
		}
	}
	if n := f.reached(); n != 0 {
		t.Errorf("got %d requests in the clear at the handler, want none", n)
	}
}

func TestPlainHTTPWithPublicURL(t *testing.T) {
	f, _ := secured(t, config.Server{PlainListen: "127.0.0.1:0", PublicURL: "https://mcp.test"}, nil)
	if got := raw(t, f.plain, plainRequest("GET", "/mcp", "Host: mcp.test:8080")); !strings.Contains(got, "Location: https://mcp.test/mcp\r\n") {
		t.Errorf("got %q, want the public URL", got)
	}
}

func TestHSTS(t *testing.T) {
	f, _ := secured(t, config.Server{TLS: config.TLS{HSTS: 24 * time.Hour}}, http.NotFoundHandler())
	if res, _ := ask(t, f.via(f.address), "GET", "https://gate.test/"); res.Header.Get("Strict-Transport-Security") != "max-age=86400" || res.StatusCode != 404 {
		t.Errorf("got %v, want HSTS with an error too", res.Header)
	}
	f, _ = secured(t, config.Server{}, nil)
	if res, _ := ask(t, f.via(f.address), "GET", "https://gate.test/"); res.Header.Get("Strict-Transport-Security") != "" {
		t.Errorf("got %v, want no HSTS when it is off", res.Header)
	}
}

// A proxy that ends TLS says how a request came to it.
func TestTerminatedByProxy(t *testing.T) {
	conf := config.Server{
		TLS:            config.TLS{TerminatedByProxy: true, HSTS: time.Hour},
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")},
	}
	key := "Authorization: Bearer " + aKey
	sock := filepath.Join(t.TempDir(), "s")
	for _, listen := range []string{"127.0.0.1:0", "unix:" + sock} {
		conf.Listen = listen
		f := served(t, conf, nil)
		f.Domains = []string{"gate.test"}
		c := f.via(f.address)
		for _, line := range []string{"X-Forwarded-Proto: http", "X-Forwarded-Proto: HTTP", "X-Forwarded-Proto: https, http", "Forwarded: for=192.0.2.1;proto=http", `Forwarded: proto="HTTP"`} {
			res, body := ask(t, c, "POST", "http://gate.test/mcp", line, key)
			if res.StatusCode != http.StatusForbidden || !strings.Contains(body, "GH-1015") || res.Header.Get("Strict-Transport-Security") != "" {
				t.Errorf("%s: got %d %s, want it refused", line, res.StatusCode, body)
			}
			res, _ = ask(t, c, "GET", "http://gate.test/mcp", line)
			if got := res.Header.Get("Location"); got != "https://gate.test/mcp" {
				t.Errorf("%s: got %q without a credential, want the way to HTTPS", line, got)
			}
		}
		for _, line := range []string{"X-Forwarded-Proto: https", "Forwarded: proto=https", "X-None: 1"} {
			res, _ := ask(t, c, "POST", "http://gate.test/mcp", line, key)
			if res.StatusCode != http.StatusOK || res.Header.Get("Strict-Transport-Security") == "" {
				t.Errorf("%s: got %d %v, want 200 with HSTS", line, res.StatusCode, res.Header)
			}
		}
	}
}

// Whoever comes past the proxy speaks in the clear.
func TestPastTheProxy(t *testing.T) {
	s := settingsOf(config.Server{TLS: config.TLS{TerminatedByProxy: true}, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}, nil)
	r := &http.Request{Header: http.Header{"X-Forwarded-Proto": {"https"}}}
	for hop, want := range map[string]bool{"203.0.113.9": true, "10.1.1.1": false, "127.0.0.1": false, "::1": false} {
		if got := s.clear(&peer{hop: netip.MustParseAddr(hop)}, r); got != want {
			t.Errorf("%s: got %v, want %v", hop, got, want)
		}
	}
}

func TestStrangersHeaderWarnsOnce(t *testing.T) {
	f := served(t, config.Server{}, nil)
	for range 3 {
		ask(t, f.via(f.address), "GET", "http://gate.test/", "X-Forwarded-For: 192.0.2.1")
	}
	if n := strings.Count(f.log.String(), "GH-2005"); n != 1 || f.Counts().Ignored != 3 {
		t.Errorf("got %d warnings and %d counted, want 1 and 3", n, f.Counts().Ignored)
	}
}

func TestConflictIsCounted(t *testing.T) {
	f := served(t, config.Server{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, nil)
	if _, body := ask(t, f.via(f.address), "GET", "http://gate.test/", "X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.2"); !strings.HasSuffix(body, "127.0.0.1 conflict") {
		t.Errorf("got %q, want neither", body)
	}
	if n := f.Counts().Conflicts; n != 1 {
		t.Errorf("got %d counted, want 1", n)
	}
}

// A reader that takes nothing does not hold its stream for ever, in either protocol.
func TestA194SlowReader(t *testing.T) {
	ended := make(chan error, 1)
	endless := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		piece := strings.Repeat("x", 1<<20)
		for {
			if _, err := io.WriteString(w, piece); err != nil {
				ended <- err
				return
			}
		}
	})
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(protocol, func(t *testing.T) {
			f, _ := secured(t, config.Server{}, endless, func(e *Edge) { e.WriteWait = 300 * time.Millisecond })
			c := f.via(f.address)
			c.Timeout = 0 // it never leaves by itself
			if protocol == "HTTP/1.1" {
				c.Transport.(*http.Transport).ForceAttemptHTTP2 = false
			}
			res, err := c.Get("https://gate.test/")
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if res.Proto != protocol {
				t.Fatalf("got %s, want %s", res.Proto, protocol)
			}
			select {
			case <-ended:
			case <-time.After(20 * time.Second):
				t.Error("waited in vain for the stream to end")
			}
		})
	}
}

// One that reads slowly, but does, gets the whole of a long answer, though the
// answer as a whole takes longer than a reader may rest.
func TestSlowReaderThatReads(t *testing.T) {
	const size = 24 << 20 // more than what the kernel holds by far
	whole := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(make([]byte, size)) })
	patience := func(e *Edge) { e.WriteWait = 2 * time.Second }
	for _, protocol := range []string{"http", "https"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			f := served(t, config.Server{}, whole, patience)
			if protocol == "https" {
				f, _ = secured(t, config.Server{}, whole, patience)
			}
			c := f.via(f.address)
			c.Timeout = 0
			res, err := c.Get(protocol + "://gate.test/")
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			n, buf := 0, make([]byte, 256<<10)
			for {
				m, err := io.ReadFull(res.Body, buf)
				n += m
				if err != nil {
					break
				}
				time.Sleep(60 * time.Millisecond)
			}
			if n != size {
				t.Errorf("%s: got %d bytes, want %d", res.Proto, n, size)
			}
		})
	}
}

// Nobody is sent anywhere but to us, and no credential is sent on.
func FuzzPlainHTTP(f *testing.F) {
	for _, seed := range []string{
		plainRequest("GET", "/mcp?a=b"), plainRequest("GET", "//evil.test"), plainRequest("GET", "/", "Host: evil.test"),
		plainRequest("HEAD", "/\\evil.test", "Host: gate.test:80"), plainRequest("GET", "/", "Host: [::1]:80"), plainRequest("GET", "http://gate.test/x"),
		plainRequest("GET", "/?token=x"), plainRequest("GET", "/", "Authorization: x"), plainRequest("GET", "/#@evil.test"),
	} {
		f.Add(seed)
	}
	e := &Edge{Log: slog.New(slog.DiscardHandler)}
	e.settings.Store(settingsOf(config.Server{PublicURL: "https://mcp.test"}, []string{"gate.test", "::1"}))
	f.Fuzz(func(t *testing.T, text string) {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
		if err != nil {
			return
		}
		w := httptest.NewRecorder()
		e.refuseClear(w, r)
		to := w.Header().Get("Location")
		if w.Code == http.StatusForbidden && to == "" {
			return
		}
		at, err := url.Parse(to)
		if err != nil || w.Code != http.StatusPermanentRedirect || at.Scheme != "https" || at.User != nil || !slices.Contains([]string{"mcp.test", "gate.test", "::1"}, at.Hostname()) {
			t.Fatalf("got %d to %q for %q", w.Code, to, text)
		}
		if _, found := credentials(r); found || len(r.Header["Authorization"]) > 0 {
			t.Fatalf("got a credential sent on for %q", text)
		}
	})
}

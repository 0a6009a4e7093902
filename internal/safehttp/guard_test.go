package safehttp

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// resolver answers every question by what say returns, from memory.
func resolver(t *testing.T, say func(name string) []string) *net.Resolver {
	t.Helper()
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pc.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			if reply, err := answerDNS(buf[:n], say); err == nil {
				_, _ = pc.WriteTo(reply, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp4", pc.LocalAddr().String())
	}}
}

func answerDNS(question []byte, say func(string) []string) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(question); err != nil {
		return nil, err
	}
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	q := m.Questions[0]
	if q.Type == dnsmessage.TypeA || q.Type == dnsmessage.TypeAAAA {
		for _, text := range say(strings.TrimSuffix(q.Name.String(), ".")) {
			ip := netip.MustParseAddr(text)
			h := dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, Type: q.Type}
			switch {
			case ip.Is4() && q.Type == dnsmessage.TypeA:
				m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: ip.As4()}})
			case ip.Is6() && q.Type == dnsmessage.TypeAAAA:
				m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AAAAResource{AAAA: ip.As16()}})
			}
		}
	}
	return m.Pack()
}

// target is a server on loopback that counts connections.
func target(t *testing.T, tls bool, h http.HandlerFunc) (*httptest.Server, *atomic.Int64) {
	t.Helper()
	var conns atomic.Int64
	s := httptest.NewUnstartedServer(h)
	s.Config.ConnState = func(_ net.Conn, st http.ConnState) {
		if st == http.StateNew {
			conns.Add(1)
		}
	}
	if tls {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s, &conns
}

func roots(s *httptest.Server) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return pool
}

func client(t *testing.T, p Policy) *http.Client {
	t.Helper()
	c, err := p.Client()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func get(t *testing.T, c *http.Client, url string) (*Answer, error) {
	t.Helper()
	return Fetcher{Client: c}.Fetch(t.Context(), url)
}

func hello(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(`{}`))
}

func TestA084HostsAtSpecialAddressesAreNotConnectedTo(t *testing.T) {
	s, conns := target(t, true, hello)
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	for _, text := range forbidden {
		ip := netip.MustParseAddr(text)
		if ip.Zone() != "" || ip.Is4In6() {
			continue // not what a name can resolve to
		}
		c := client(t, Policy{Roots: roots(s), Timeout: 5 * time.Second, Resolver: resolver(t, func(string) []string { return []string{text} })})
		_, err := get(t, c, "https://evil.example:"+port+"/")
		var bad *AddressError
		if !errors.As(err, &bad) {
			t.Errorf("%s: got %v, want an AddressError", text, err)
			continue
		}
		if why := Reason(err); why != "address not allowed" || !strings.Contains(err.Error(), ip.String()) {
			t.Errorf("%s: strangers read %q, operators %q", text, why, err)
		}
	}
	if n := conns.Load(); n != 0 {
		t.Errorf("%d connections were made", n)
	}
}

func TestA084LiteralAddresses(t *testing.T) {
	c := client(t, Policy{})
	for _, text := range forbidden {
		host := text
		if ip := netip.MustParseAddr(text); ip.Is6() {
			host = "[" + strings.ReplaceAll(text, "%", "%25") + "]"
		}
		if err := (Fetcher{Client: c}).Check("https://" + host + "/x"); err == nil {
			t.Errorf("%s passes by its text", host)
		}
		if _, err := get(t, c, "https://"+host+"/x"); err == nil {
			t.Errorf("%s was fetched", host)
		}
	}
	for _, host := range []string{"2130706433", "0x7f.1", "0177.0.0.1", "127.1", "0x7f000001", "127.0.0.1.", "017700000001", "%31%32%37.0.0.1", "１２７.0.0.1", "a b", "localhost:0", "x:99999"} {
		if _, err := get(t, c, "https://"+host+"/x"); err == nil || Reason(err) == "no such host" {
			t.Errorf("%s: got %v, want a refusal by its text", host, err)
		}
	}
}

func TestA084OnePrivateAddressAmongPublicOnes(t *testing.T) {
	c := client(t, Policy{Timeout: 5 * time.Second, Resolver: resolver(t, func(string) []string { return []string{"8.8.8.8", "127.0.0.1"} })})
	_, err := get(t, c, "https://mixed.example/")
	if Reason(err) != "address not allowed" {
		t.Errorf("got %v, want a refusal before any connection", err)
	}
}

func TestA085RebindingNeverConnects(t *testing.T) {
	s, conns := target(t, true, hello)
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	var asked atomic.Int64
	// The first look finds a public address, the next one ours, and so on.
	c := client(t, Policy{Roots: roots(s), Timeout: 2 * time.Second, Resolver: resolver(t, func(name string) []string {
		if asked.Add(1)%4 < 2 {
			return []string{"127.0.0.1"}
		}
		return []string{"2001:4860:4860::8888"}
	})})
	for range 20 {
		if _, err := get(t, c, "https://rebind.example:"+port+"/"); err == nil {
			t.Fatal("it was fetched")
		}
	}
	if n := conns.Load(); n != 0 {
		t.Errorf("%d connections were made", n)
	}
	// What decides is the address connected to, even if the look before it is fooled.
	d := &dialer{resolver: resolver(t, func(string) []string { return []string{"127.0.0.1"} }), timeout: 2 * time.Second}
	if _, err := d.connect(t.Context(), "tcp", "rebind.example:"+port, "rebind.example", d.permits(t.Context())); Reason(err) != "address not allowed" {
		t.Errorf("got %v, want the connection refused", err)
	}
	if n := conns.Load(); n != 0 {
		t.Errorf("%d connections were made", n)
	}
}

func TestA085ProxiesOfTheEnvironmentAreIgnored(t *testing.T) {
	proxy, conns := target(t, false, hello)
	t.Setenv("HTTPS_PROXY", proxy.URL)
	t.Setenv("HTTP_PROXY", proxy.URL)
	c := client(t, Policy{Timeout: 2 * time.Second, Resolver: resolver(t, func(string) []string { return []string{"127.0.0.1"} })})
	if _, err := get(t, c, "https://example.com/"); Reason(err) != "address not allowed" {
		t.Errorf("got %v", err)
	}
	if conns.Load() != 0 {
		t.Error("the proxy was asked")
	}
	if c.Transport.(*guard).next.Proxy != nil {
		t.Error("there is a proxy")
	}
}

func TestA085ConnectionsAreKeptOnlyIfWanted(t *testing.T) {
	for _, keep := range []bool{false, true} {
		s, conns := target(t, true, hello)
		c := client(t, Policy{Allow: []string{"127.0.0.1"}, Roots: roots(s), KeepAlive: keep})
		for range 3 {
			if _, err := get(t, c, s.URL); err != nil {
				t.Fatal(err)
			}
		}
		c.CloseIdleConnections()
		if n, want := conns.Load(), map[bool]int64{false: 3, true: 1}[keep]; n != want {
			t.Errorf("kept %t: got %d connections, want %d", keep, n, want)
		}
	}
}

func TestA086RedirectsAreNotFollowed(t *testing.T) {
	var followed atomic.Bool
	s, _ := target(t, true, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/there" {
			followed.Store(true)
			return
		}
		w.Header().Set("Location", r.URL.Query().Get("to"))
		w.WriteHeader(map[string]int{"/301": 301, "/302": 302, "/303": 303, "/307": 307, "/308": 308, "/300": 300}[r.URL.Path])
	})
	ours := client(t, Policy{Allow: []string{"127.0.0.1"}, Roots: roots(s)})
	for name, c := range map[string]*http.Client{"our client": ours, "a client of others": s.Client()} {
		for _, path := range []string{"/300", "/301", "/302", "/303", "/307", "/308"} {
			for _, to := range []string{"/there", "https://169.254.169.254/latest"} {
				_, err := get(t, c, s.URL+path+"?to="+url.QueryEscape(to))
				var e *RedirectError
				if !errors.As(err, &e) || e.Location != to || Reason(err) != "redirected" {
					t.Errorf("%s, %s: got %v, want where it pointed", name, path, err)
				}
			}
		}
	}
	// Whoever uses our client alone does not follow either, and is told.
	res, err := ours.Get(s.URL + "/302?to=/there")
	if err == nil {
		res.Body.Close()
	}
	if Reason(err) != "redirected" {
		t.Errorf("our client alone: got %v", err)
	}
	if followed.Load() {
		t.Error("a redirect was followed")
	}
}

func TestA086OnlyStatus200Counts(t *testing.T) {
	s, _ := target(t, true, func(w http.ResponseWriter, r *http.Request) {
		code := map[string]int{"/103": 103, "/204": 204, "/206": 206, "/304": 304, "/404": 404, "/500": 500}[r.URL.Path]
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code) // after 103 the answer is 200
		if code != 204 && code != 304 {
			_, _ = w.Write([]byte(`{}`))
		}
	})
	c := client(t, Policy{Allow: []string{"127.0.0.1"}, Roots: roots(s)})
	for path, want := range map[string]string{"/103": "", "/204": "status 204", "/206": "status 206", "/304": "status 304", "/404": "status 404", "/500": "status 500"} {
		if _, err := get(t, c, s.URL+path); Reason(err) != want {
			t.Errorf("%s: got %q, want %q", path, Reason(err), want)
		}
	}
}

func TestAnswersAreBounded(t *testing.T) {
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write(make([]byte, 20<<20))
	_ = z.Close()
	s, _ := target(t, true, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case "/announced":
			w.Header().Set("Content-Length", "1073741824")
		case "/endless":
			for chunk := make([]byte, 32<<10); ; {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		case "/bomb":
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(zipped.Bytes())
		case "/exact":
			_, _ = w.Write(make([]byte, DefaultMaxBody))
		case "/header":
			w.Header().Set("X-Long", strings.Repeat("x", 1<<20))
		case "/html":
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
		case "/drip":
			for r.Context().Err() == nil {
				_, _ = w.Write([]byte(" "))
				_ = http.NewResponseController(w).Flush()
				time.Sleep(20 * time.Millisecond)
			}
		case "/hang":
			<-r.Context().Done()
		}
	})
	ours := client(t, Policy{Allow: []string{"127.0.0.1"}, Roots: roots(s), Timeout: time.Second})
	theirs := *s.Client()
	theirs.Timeout = time.Second
	tests := []struct{ path, ours, theirs string }{
		{"/announced", "answer too large", ""},
		{"/endless", "answer too large", "answer too large"},
		{"/bomb", "answer compressed", "answer too large"},
		{"/exact", "", ""},
		{"/header", "not understood", ""},
		{"/html", "answer is a web page", "answer is a web page"},
		{"/drip", "timeout", "timeout"},
		{"/hang", "timeout", "timeout"},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			if _, err := get(t, ours, s.URL+tt.path); Reason(err) != tt.ours {
				t.Errorf("our client: got %q (%v), want %q", Reason(err), err, tt.ours)
			}
			if _, err := get(t, &theirs, s.URL+tt.path); tt.theirs != "" && Reason(err) != tt.theirs {
				t.Errorf("a client of others: got %q (%v), want %q", Reason(err), err, tt.theirs)
			}
		})
	}
}

func TestPlainHTTP(t *testing.T) {
	s, _ := target(t, false, hello)
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	dns := resolver(t, func(name string) []string {
		if name == "public.example" {
			return []string{"8.8.8.8"}
		}
		return []string{"127.0.0.1"}
	})
	c := client(t, Policy{Allow: []string{"idp.internal", "public.example", "127.0.0.0/8"}, Resolver: dns, Timeout: 2 * time.Second})
	for url, want := range map[string]string{
		"http://idp.internal:" + port + "/": "", "http://127.0.0.1:" + port + "/": "",
		"http://other.internal:" + port + "/":  "URL not allowed", // though its address is
		"http://public.example:" + port + "/":  "URL not allowed",
		"http://user@idp.internal:" + port:     "URL not allowed",
		"http://idp.internal:" + port + "/#x":  "URL not allowed",
		"ftp://idp.internal:" + port + "/":     "URL not allowed",
		"file:///etc/passwd":                   "URL not allowed",
		"https:/idp.internal/":                 "URL not allowed",
		"https://other.internal:" + port + "/": "certificate not trusted", // a network is for every host in it
	} {
		if _, err := get(t, c, url); Reason(err) != want && !(want == "certificate not trusted" && err != nil) {
			t.Errorf("%s: got %q (%v), want %q", url, Reason(err), err, want)
		}
	}
	if _, err := get(t, client(t, Policy{}), s.URL); Reason(err) != "address not allowed" {
		t.Errorf("got %v", err)
	}
}

func TestCertificatesAreChecked(t *testing.T) {
	s, _ := target(t, true, hello)
	if _, err := get(t, client(t, Policy{Allow: []string{"127.0.0.1"}}), s.URL); Reason(err) != "certificate not trusted" {
		t.Errorf("got %v", err)
	}
	if _, err := get(t, client(t, Policy{Allow: []string{"127.0.0.1"}, Roots: roots(s)}), s.URL); err != nil {
		t.Error(err)
	}
}

func TestAClientOfOthersStaysOnHTTPS(t *testing.T) {
	f := Fetcher{Client: &http.Client{}}
	for url, ok := range map[string]bool{"https://example.com/": true, "http://localhost:1/": true, "http://127.0.0.1:1/": true, "http://[::1]:1/": true, "http://example.com/": false, "ftp://localhost/": false, ":": false} {
		if err := f.Check(url); (err == nil) != ok {
			t.Errorf("%s: got %v", url, err)
		}
	}
}

package edge

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// v2 is a header of version 2. PROXY protocol §2.2
func v2(command, family byte, address string) string {
	head := "\r\n\r\n\x00\r\nQUIT\n" + string([]byte{0x20 | command, family})
	return head + string(binary.BigEndian.AppendUint16(nil, uint16(len(address)))) + address
}

func TestProxyProtocol(t *testing.T) {
	four := "\xc0\x00\x02\x07\x7f\x00\x00\x01\x10\x00\x01\xbb"
	six := string(netip.MustParseAddr("2001:db8::7").AsSlice()) + string(netip.MustParseAddr("::1").AsSlice()) + "\x10\x00\x01\xbb"
	good := map[string]string{
		"PROXY TCP4 192.0.2.7 127.0.0.1 4096 443\r\n": "192.0.2.7 proxy-protocol",
		"PROXY TCP6 2001:db8::7 ::1 4096 443\r\n":     "2001:db8::7 proxy-protocol",
		"PROXY UNKNOWN\r\n":                           "127.0.0.1 trusted-proxy",
		v2(1, 0x11, four):                             "192.0.2.7 proxy-protocol",
		v2(1, 0x21, six):                              "2001:db8::7 proxy-protocol",
		v2(0, 0x00, ""):                               "127.0.0.1 trusted-proxy",
		v2(1, 0x11, four+"\x04\x00\x01\x00"):          "192.0.2.7 proxy-protocol",
	}
	bad := []string{
		"", "PROXY", "PROXY TCP4 192.0.2.7\r\n", "PROXY TCP4 300.0.2.7 127.0.0.1 1 2\r\n", "PROXY TCP4 192.0.2.7 127.0.0.1 1 99999\r\n",
		"PROXY TCP6 192.0.2.7 127.0.0.1 1 2\r\n", "proxy TCP4 192.0.2.7 127.0.0.1 1 2\r\n", v2(1, 0x11, "\x00"), v2(5, 0x11, four), "PROXY " + strings.Repeat("x", 200) + "\r\n",
	}
	trusted := config.Server{ProxyProtocol: true, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}
	for _, secure := range []bool{false, true} {
		var f *fixture
		if secure {
			f, _ = secured(t, trusted, nil)
		} else {
			f = served(t, trusted, nil)
		}
		exchange := func(head, request string) string {
			c, err := net.Dial("tcp", f.address)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(10 * time.Second))
			_, _ = io.WriteString(c, head)
			if secure {
				c = tls.Client(c, &tls.Config{RootCAs: f.pool, ServerName: "gate.test"})
			}
			_, _ = io.WriteString(c, request)
			got, _ := io.ReadAll(c)
			return string(got)
		}
		request := plainRequest("GET", "/", "X-Forwarded-For: 192.0.2.66", "Connection: close")
		for head, want := range good {
			if got := exchange(head, request); !strings.Contains(got, "200 OK") || !strings.Contains(got, want) {
				t.Errorf("TLS %v, %q: got %q, want %s", secure, head, got, want)
			}
		}
		for _, head := range bad {
			if got := exchange(head, request); strings.Contains(got, "200 OK") {
				t.Errorf("TLS %v, %q: got %q, want the connection closed", secure, head, got)
			}
		}
	}
}

// Nobody else may say whom they speak for, nor connect at all.
func TestProxyProtocolOfStrangers(t *testing.T) {
	f := served(t, config.Server{ProxyProtocol: true, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")}}, nil)
	for _, head := range []string{"", "PROXY TCP4 192.0.2.7 127.0.0.1 4096 443\r\n"} {
		if got := raw(t, f.address, head+plainRequest("GET", "/", "Connection: close")); got != "" {
			t.Errorf("%q: got %q, want the connection closed", head, got)
		}
	}
	if n, said := f.Counts().ProxyRefused, strings.Count(f.log.String(), "GH-2006"); n != 2 || said != 1 {
		t.Errorf("got %d counted and %d warnings, want 2 and 1", n, said)
	}
	// A proxy of ours that says nothing is told to the operator, too.
	f = served(t, config.Server{ProxyProtocol: true, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, nil)
	for range 2 {
		raw(t, f.address, plainRequest("GET", "/", "Connection: close"))
	}
	eventually(t, "both are counted", func() bool { return f.Counts().ProxyBroken == 2 })
	if said := strings.Count(f.log.String(), "GH-2006"); said != 1 {
		t.Errorf("got %d warnings, want 1", said)
	}
	// Where it is off, a header is no HTTP.
	f = served(t, config.Server{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, nil)
	if got := raw(t, f.address, "PROXY TCP4 192.0.2.7 127.0.0.1 4096 443\r\n"+plainRequest("GET", "/")); !strings.HasPrefix(got, "HTTP/1.1 400 ") {
		t.Errorf("got %q, want 400", got)
	}
}

// The address that a proxy tells has its places like any other.
func TestProxyProtocolPlaces(t *testing.T) {
	f := served(t, config.Server{ProxyProtocol: true, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, nil, func(e *Edge) { e.MaxPerAddress = 1 })
	head := func(a string) string { return "PROXY TCP4 " + a + " 127.0.0.1 4096 443\r\n" }
	held, err := net.Dial("tcp", f.address)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	_, _ = io.WriteString(held, head("192.0.2.7"))
	eventually(t, "the first has its place", func() bool {
		f.places.mu.Lock()
		defer f.places.mu.Unlock()
		return len(f.places.sites) == 1
	})
	if got := raw(t, f.address, head("192.0.2.7")+plainRequest("GET", "/", "Connection: close")); got != "" {
		t.Errorf("got %q for a second of the same address, want it closed", got)
	}
	if got := raw(t, f.address, head("192.0.2.8")+plainRequest("GET", "/", "Connection: close")); !strings.Contains(got, "200 OK") {
		t.Errorf("got %q for another address, want 200", got)
	}
}

func TestShutdownLetsRequestsEnd(t *testing.T) {
	began, may := make(chan bool), make(chan bool)
	f, _ := secured(t, config.Server{}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(began)
		<-may
		_, _ = io.WriteString(w, "done")
	}))
	answer := make(chan string, 1)
	c := f.via(f.address)
	go func() {
		_, body, _ := tryAsk(t, c, "GET", "https://gate.test/")
		answer <- body
	}()
	<-began
	over := make(chan error, 1)
	go func() { over <- f.Shutdown(t.Context()) }()
	eventually(t, "nobody listens any more", func() bool {
		c, err := net.Dial("tcp", f.address)
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	})
	close(may)
	if got := <-answer; got != "done" {
		t.Errorf("got %q, want the answer", got)
	}
	if err := <-over; err != nil {
		t.Error(err)
	}
}

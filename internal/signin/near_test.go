package signin

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/gatehouse-mcp/gatehouse/internal/proxy"
)

// names answers questions for addresses of IPv4 by what say returns.
func names(t *testing.T, say func(name string) string) *net.Resolver {
	t.Helper()
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pc.Close() })
	go func() {
		for buf := make([]byte, 1500); ; {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil {
				continue
			}
			m.Response, m.Additionals = true, nil
			if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
				if ip, err := netip.ParseAddr(say(strings.TrimSuffix(q.Name.String(), "."))); err == nil {
					m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class}, Body: &dnsmessage.AResource{A: ip.As4()}}}
				}
			}
			if reply, err := m.Pack(); err == nil {
				_, _ = pc.WriteTo(reply, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp4", pc.LocalAddr().String())
	}}
}

// secured is a server with a certificate for example.com, and the port it is at.
func secured(t *testing.T) (roots *x509.CertPool, port string) {
	t.Helper()
	s := httptest.NewTLSServer(nil)
	t.Cleanup(s.Close)
	roots = x509.NewCertPool()
	roots.AddCert(s.Certificate())
	_, port, _ = net.SplitHostPort(s.Listener.Addr().String())
	return roots, port
}

// TestA096AServerIsWhereItsCertificateIs: a name that leads into a private network when it
// is looked at, and elsewhere when it is connected to, leads nobody there.
func TestA096AServerIsWhereItsCertificateIs(t *testing.T) {
	roots, port := secured(t)
	via := proxy.FromEnvironment(func(name string) string { return map[string]string{"HTTPS_PROXY": "http://127.0.0.1:1"}[name] })
	tests := []struct {
		name, host string
		looks      []string // what the name leads to, one look after the other
		proxy      *proxy.Settings
		want       bool
	}{
		{"here, with its certificate", "example.com", []string{"127.0.0.1"}, nil, true},
		{"here, with a certificate of another", "mcp.evil.example", []string{"127.0.0.1"}, nil, false},
		{"where nobody is, and then where its certificate is", "example.com", []string{"127.0.0.2", "127.0.0.1"}, nil, false},
		{"where nobody is, and then on the internet", "mcp.evil.example", []string{"127.0.0.2", "192.0.2.1"}, nil, false},
		{"nowhere", "mcp.evil.example", []string{""}, nil, false},
		{"behind a proxy", "example.com", []string{"127.0.0.1"}, via, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var looked atomic.Int64
			c := &Client{Server: "https://" + tt.host + ":" + port + "/mcp", Store: newMemory(), Roots: roots, Proxy: tt.proxy}
			c.Resolver = names(t, func(name string) string {
				switch name {
				case tt.host:
					return tt.looks[min(int(looked.Add(1)), len(tt.looks))-1]
				case "inside.example":
					return "10.255.255.254"
				}
				return ""
			})
			if got := c.near(t.Context()); got != tt.want {
				t.Errorf("near: got %t, want %t", got, tt.want)
			}
			if tt.want {
				return
			}
			looked.Store(0)
			_, err := c.Renew(t.Context(), refusal(401, fmt.Sprintf("Bearer resource_metadata=%q", "https://inside.example/"+wellKnown), nil))
			if code(err) != CodeUnsafe {
				t.Errorf("it leads to a private address: %v", err)
			}
		})
	}
}

// TestA096OnlyWhatTheUserNamedIsWhereverItIs: the user named the server, and perhaps who
// vouches for them, and not what the server names.
func TestA096OnlyWhatTheUserNamedIsWhereverItIs(t *testing.T) {
	roots, port := secured(t)
	inside := names(t, func(string) string { return "127.0.0.1" })
	for at, want := range map[string]string{ // who is named
		"https://example.com:" + port + "/x": "server", "https://EXAMPLE.com:" + port + "/x": "server", "https://issuer.example:" + port + "/x": "issuer", "https://idp.example:" + port + "/x": "provider",
		"https://registered.example:" + port + "/x": "registered", "https://example.com/x": "", "https://example.com:1/x": "", "https://issuer.example/x": "", "https://other.example:" + port + "/x": "",
		"http://example.com:" + port + "/x": "", "http://plain.example:" + port + "/x": "", "https://169.254.169.254/x": "", "https://127.0.0.1:" + port + "/x": "",
	} {
		for _, who := range []string{"server", "issuer", "provider", "registered"} {
			c := &Client{Server: "https://example.com:" + port + "/mcp", Store: newMemory(), Roots: roots, Resolver: inside}
			switch who {
			case "issuer":
				c.Issuer = "https://issuer.example:" + port
			case "provider":
				c.Provider = &Provider{Issuer: "https://idp.example:" + port, TokenEndpoint: "http://plain.example:" + port + "/token"}
			case "registered":
				c.Registered = &Registered{ID: "me", Issuer: "https://registered.example:" + port}
			}
			f, err := c.fetcher(at)
			if err != nil {
				t.Fatal(err)
			}
			_, err = f.Get(t.Context(), at)
			if reached := err == nil || unreachable(err) == CodeUnanswered; reached != (want == "server" || want == who) {
				t.Errorf("%s, with the %s named: got %v", at, who, err)
			}
		}
	}
}

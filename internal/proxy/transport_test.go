package proxy

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// tunnel is a proxy that connects whatever is named to one server, for those who know
// the password.
func tunnel(t *testing.T, to string) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given := r.Header.Get("Proxy-Authorization")
		switch {
		case r.Method != http.MethodConnect:
			http.Error(w, "only CONNECT", http.StatusMethodNotAllowed)
			return
		case given == "Basic "+base64.StdEncoding.EncodeToString([]byte("ada:")):
			http.Error(w, "as tinyproxy does", http.StatusUnauthorized)
			return
		case given != "Basic "+base64.StdEncoding.EncodeToString([]byte("ada:"+password)):
			http.Error(w, "who? "+given, http.StatusProxyAuthRequired)
			return
		case strings.HasPrefix(r.Host, "forbidden."):
			http.Error(w, "no", http.StatusForbidden)
			return
		case strings.HasPrefix(r.Host, "down."):
			http.Error(w, "no", http.StatusBadGateway)
			return
		}
		there, err := net.Dial("tcp", to)
		here, _, failed := http.NewResponseController(w).Hijack()
		if err != nil || failed != nil || strings.HasPrefix(r.Host, "cut.") {
			_ = here.Close()
			return
		}
		_, _ = io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(there, here); _ = there.Close() }()
		_, _ = io.Copy(here, there)
		_ = here.Close()
	}))
	t.Cleanup(s.Close)
	return s
}

func TestWhatAProxyDoesIsToldApart(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	defer server.Close()
	via := tunnel(t, server.Listener.Addr().String()).Listener.Addr().String()
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	down := closed.Listener.Addr().String()
	tests := []struct {
		name, proxy, to string
		status          int // of the proxy; 0 and no text: the server answers
		text            string
		final           bool
	}{
		{"a server that refuses", "http://ada:" + password + "@" + via, "https://example.com/", 0, "", false},
		{"no password", "http://" + via, "https://example.com/", 407, "name and a password", true},
		{"a wrong password", "http://ada:wr0ng-" + password + "@" + via, "https://example.com/", 407, "name and a password", true},
		{"an empty password", "http://ada:@" + via, "https://example.com/", 401, "name and a password", true},
		{"a place it does not lead to", "http://ada:" + password + "@" + via, "https://forbidden.example.com/", 403, "does not lead there", true},
		{"a server that it does not reach", "http://ada:" + password + "@" + via, "https://down.example.com/", 502, "does not lead there", false},
		{"a proxy that hangs up", "http://ada:" + password + "@" + via, "https://cut.example.com/", 0, "EOF", false},
		{"a proxy that is down", "http://ada:" + password + "@" + down, "https://example.com/", 0, "refused", false},
		{"a SOCKS proxy that is down", "socks5h://ada:" + password + "@" + down, "https://example.com/", 0, "refused", false},
		{"a SOCKS proxy that is none", "socks5h://ada:" + password + "@" + via, "https://example.com/", 0, "no connection in time", false},
		{"a certificate of another", "http://ada:" + password + "@" + via, "https://other.test/", 0, "certificate", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := from(t, map[string]string{"HTTPS_PROXY": tt.proxy})
			through := s.Transport(&http.Transport{TLSClientConfig: server.Client().Transport.(*http.Transport).TLSClientConfig}, 0)
			if strings.Contains(tt.text, "in time") {
				through.(*transport).wait = 100 * time.Millisecond
			}
			c := &http.Client{Transport: through, Timeout: time.Minute}
			defer c.CloseIdleConnections()
			res, err := c.Get(tt.to)
			if tt.text == "" {
				if err != nil || res.StatusCode != http.StatusForbidden {
					t.Fatalf("got %v, %v", res, err)
				}
				_ = res.Body.Close()
				return
			}
			e := Of(err)
			if e == nil || e.Status != tt.status || !strings.Contains(e.Error(), tt.text) || e.Final() != tt.final {
				t.Fatalf("got %v", err)
			}
			if strings.Contains(err.Error(), password) || strings.Contains(err.Error(), "ada") || !strings.Contains(err.Error(), e.Proxy) {
				t.Errorf("it says %v", err)
			}
			if cert := new(tls.CertificateVerificationError); tt.text == "certificate" && !errors.As(err, &cert) {
				t.Errorf("the cause is lost: %v", err)
			}
		})
	}
}

func TestWithoutAProxyNothingChanges(t *testing.T) {
	s := from(t, nil)
	own := &http.Transport{}
	if s.Transport(own, 0) != http.RoundTripper(own) || own.Proxy != nil {
		t.Error("the transport is another")
	}
	if via, err := s.For(&url.URL{Scheme: "https", Host: "a.example"}); via != nil || err != nil {
		t.Errorf("got %v, %v", via, err)
	}
	// A server without a proxy that does not answer is not the proxy's fault.
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	through := from(t, map[string]string{"ALL_PROXY": "http://192.0.2.1:1"}).Transport(own, 0)
	if res, err := (&http.Client{Transport: through}).Get(closed.URL); err == nil || Of(err) != nil {
		t.Errorf("got %v, %v", res, err)
	}
}

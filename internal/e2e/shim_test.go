package e2e

import (
	"bytes"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"
)

// wholeBodies reads requests to their end before a proxy passes them on: it
// answers before it has read the body, and the server then closes it under the proxy.
func wholeBodies(proxy http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		_ = http.NewResponseController(w).EnableFullDuplex()
		proxy.ServeHTTP(w, r)
	})
}

// shim stands before a protected server and adds the credential, for programs
// that cannot: the conformance suite has no option for a header. It passes
// Host and Origin on, for some scenarios forge them; its own address there
// reads as the server's.
func shim(t testing.TB, target, key string) string {
	t.Helper()
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	var own string
	proxy := &httputil.ReverseProxy{
		FlushInterval: -1,
		Transport:     &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true},
		ErrorLog:      log.New(io.Discard, "", 0),
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.URL.Path = to.Scheme, to.Host, to.Path
			r.Out.Host = r.In.Host
			if r.In.Host == own {
				r.Out.Host = to.Host
			}
			if r.In.Header.Get("Origin") == "http://"+own {
				r.Out.Header.Set("Origin", "http://"+to.Host)
			}
			r.Out.Header.Set("Authorization", "Bearer "+key)
		},
	}
	s := httptest.NewUnstartedServer(wholeBodies(proxy))
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	own = s.Listener.Addr().String()
	s.Start()
	return s.URL + to.Path
}

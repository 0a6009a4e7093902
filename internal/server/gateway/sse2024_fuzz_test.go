package gateway

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// FuzzEndpoint wants what is accepted to be a plain target at the stream's own origin.
func FuzzEndpoint(f *testing.F) {
	for _, s := range []string{"/message?sessionId=1", "message", "?x", "http://a.test:80/m", "http://A.test/m", "//a.test/m", "http://a.test", "/a%0d%0ab", "..//x", "http:m", "http:///m"} {
		f.Add(s)
	}
	stream := &url.URL{Scheme: "http", Host: "a.test", Path: "/sub/sse"}
	f.Fuzz(func(t *testing.T, data string) {
		target, err := endpoint(stream, data)
		if err != nil {
			if target != "" {
				t.Errorf("got %q beside %v", target, err)
			}
			return
		}
		if !strings.HasPrefix(target, "/") || strings.ContainsAny(target, " \r\n\\#\x00") {
			t.Errorf("got target %q", target)
		}
		if r, err := http.NewRequest(http.MethodPost, "http://a.test"+target, nil); err != nil || r.URL.Host != "a.test" || r.URL.User != nil {
			t.Errorf("got %q, which leads to %v, %v", target, r, err)
		}
	})
}

func TestEndpointMayBeRelative(t *testing.T) {
	for data, want := range map[string]string{
		"/message?sessionId=1": "/message?sessionId=1", "message": "/sub/message", "?sessionid=1": "/sub/sse?sessionid=1",
		"http://a.test:80/m": "/m", "HTTP://A.TEST/m": "/m", "http://a.test": "/",
	} {
		got, err := endpoint(&url.URL{Scheme: "http", Host: "a.test", Path: "/sub/sse"}, data)
		if err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", data, got, err, want)
		}
	}
}

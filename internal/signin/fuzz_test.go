package signin

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
)

// FuzzCheckURL looks for an address that is followed and is none of https or of this machine.
func FuzzCheckURL(f *testing.F) {
	for _, s := range []string{"https://a.example/x?y=z", "http://127.0.0.1:1/", "javascript:alert(1)", "https://a@b/", "http://localhost.evil/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if CheckURL(s) != nil {
			return
		}
		u, err := url.Parse(s)
		if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) || strings.ContainsAny(s, " \n\"`$<>\\") && !strings.Contains(s, "$") {
			t.Errorf("%q is followed", s)
		}
	})
}

// FuzzChallenge looks for a challenge that breaks its reader, or a scope that is none.
func FuzzChallenge(f *testing.F) {
	f.Add(`Bearer resource_metadata="https://a.example/x", scope="a b", error="invalid_token"`)
	f.Add(`Basic realm="x", DPoP algs="ES256"`)
	f.Fuzz(func(t *testing.T, s string) {
		for _, scope := range readChallenge(http.Header{"Www-Authenticate": {s}}).Scopes {
			if scope == "" || strings.ContainsAny(scope, " \"\\") {
				t.Errorf("%q has the scope %q", s, scope)
			}
		}
	})
}

// FuzzTokenAnswer looks for an answer whose token could break a header.
func FuzzTokenAnswer(f *testing.F) {
	f.Add([]byte(`{"access_token":"x","token_type":"Bearer","expires_in":"3600"}`))
	f.Add([]byte(`{"access_token":"a\r\nX: y","expires_in":1e99}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var a tokenAnswer
		if json.Unmarshal(body, &a) != nil || !sendable(a.Access) {
			return
		}
		if strings.ContainsAny(a.Access, "\r\n ") || a.Expires < 0 {
			t.Errorf("%q gives %+v", body, a)
		}
	})
}

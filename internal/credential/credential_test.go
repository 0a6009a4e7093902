package credential_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/credential"
)

func request(target string, headers ...string) *http.Request {
	r := httptest.NewRequest("POST", target, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func TestRead(t *testing.T) {
	const key = "gthk_7Qm2Vx9KtB4c_secret"
	for _, tt := range []struct {
		name    string
		request *http.Request
		want    string // scheme and text, or the code of the fault
	}{
		{"Bearer", request("/", "Authorization", "Bearer a.b"), "Bearer a.b"},
		{"another case", request("/", "Authorization", "bEARER a"), "Bearer a"},
		{"more blanks", request("/", "Authorization", "Bearer   a"), "Bearer a"},
		{"DPoP", request("/", "Authorization", "dpop a"), "DPoP a"},
		{"a header of its own", request("/", "X-API-Key", "a"), "Bearer a"},
		{"a query that is none", request("/?page=2", "X-API-Key", "a"), "Bearer a"},
		{"nothing", request("/"), "GH-1001"},
		{"an empty one", request("/", "Authorization", ""), "GH-1001"},
		{"an empty Bearer", request("/", "Authorization", "Bearer "), "GH-1001"},
		{"an empty DPoP", request("/", "Authorization", "DPoP"), "GH-1001"},
		{"an empty key", request("/", "X-API-Key", ""), "GH-1001"},
		{"Basic", request("/", "Authorization", "Basic YTpi"), "GH-1001"},
		{"no scheme", request("/", "Authorization", "abc"), "GH-1001"},
		{"a tab", request("/", "Authorization", "Bearer\ta"), "GH-1001"},
		{"both", request("/", "Authorization", "Bearer a", "X-API-Key", "a"), "GH-1004"},
		{"two", request("/", "Authorization", "Bearer a", "Authorization", "DPoP a"), "GH-1004"},
		{"an empty one and another", request("/", "Authorization", "", "X-API-Key", "a"), "GH-1004"},
		{"${KEY}", request("/", "Authorization", "Bearer ${KEY}"), "GH-1003"},
		{"$KEY", request("/", "X-API-Key", "$KEY"), "GH-1003"},
		{"%KEY%", request("/", "X-API-Key", "%KEY%"), "GH-1003"},
		{"{{key}}", request("/", "Authorization", "Bearer x{{key}}"), "GH-1003"},
		{"access_token", request("/?access_token=a", "Authorization", "Bearer a"), "GH-1002"},
		{"Access_Token", request("/?Access_Token=a"), "GH-1002"},
		{"a key under any name", request("/?x=" + key), "GH-1002"},
		{"a key as a name", request("/?" + key), "GH-1002"},
		{"a key, encoded", request("/?x=%67thk_a"), "GH-1002"},
		{"an unclear query", request("/?a=%zz"), "GH-1007"},
		{"a semicolon", request("/?a=b;token=c"), "GH-1007"},
	} {
		scheme, text, fault := credential.Read(tt.request)
		got := scheme + " " + text
		if fault != nil {
			got = fault.Code
			if scheme+text != "" || fault.Status < 400 || strings.Contains(fault.Error(), "secret") || fault.Cause != nil && strings.Contains(fault.Cause.Error(), "secret") {
				t.Errorf("%s: got %q %q beside %+v", tt.name, scheme, text, fault)
			}
		}
		if got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
	_, _, fault := credential.Read(request("/?token=" + key))
	if want := "query parameter token, key id 7Qm2Vx9KtB4c"; fault == nil || fault.Cause == nil || fault.Cause.Error() != want {
		t.Errorf("got %+v, want the burnt key to be named", fault)
	}
	if got := credential.Proofs(request("/", "DPoP", "a", "dpop", "b")); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("got proofs %q", got)
	}
}

// Only a certificate that was verified is one.
func TestCertificate(t *testing.T) {
	r := request("/")
	shown := []*x509.Certificate{{Raw: []byte("shown")}}
	for _, state := range []*tls.ConnectionState{nil, {}, {PeerCertificates: shown}, {PeerCertificates: shown, VerifiedChains: [][]*x509.Certificate{{}}}} {
		r.TLS = state
		if got := credential.Certificate(r); got != nil {
			t.Errorf("got %q of %+v", got, state)
		}
	}
	r.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{shown}}
	if got := credential.Certificate(r); string(got) != "shown" {
		t.Errorf("got %q", got)
	}
}

func FuzzRead(f *testing.F) {
	f.Add("Bearer a", "", "")
	f.Add("DPoP a.b.c", "", "x=1")
	f.Add("", "gthk_a", "token=%67")
	f.Fuzz(func(t *testing.T, authorization, key, query string) {
		r := request("/")
		r.URL.RawQuery = query
		if authorization != "" {
			r.Header["Authorization"] = []string{authorization}
		}
		if key != "" {
			r.Header["X-Api-Key"] = []string{key}
		}
		scheme, text, fault := credential.Read(r)
		switch {
		case fault != nil && (scheme+text != "" || fault.Status < 400 || fault.Status > 499):
			t.Errorf("got %q %q beside %+v", scheme, text, fault)
		case fault == nil && (text == "" || scheme != credential.Bearer && scheme != credential.DPoP):
			t.Errorf("got %q %q", scheme, text)
		case fault == nil && !strings.HasSuffix(authorization+key, text):
			t.Errorf("got %q, which was not sent", text)
		}
	})
}

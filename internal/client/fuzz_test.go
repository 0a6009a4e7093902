package client

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

var fuzzSecret = make([]byte, secretLen)

// FuzzRegistration holds that what is registered comes out of its id as it went in,
// and has nothing in it that could not be registered.
func FuzzRegistration(f *testing.F) {
	f.Add([]byte(`{"redirect_uris":["https://a.test/cb","cursor://anysphere.cursor-mcp/oauth/callback"],"client_name":"A","grant_types":["authorization_code"]}`))
	f.Add([]byte(`{"redirect_uris":["http://127.0.0.1:1/"],"token_endpoint_auth_method":"private_key_jwt","jwks_uri":"https://a.test/k"}`))
	g := &Registry{Settings: Settings{Registration: true}, Secret: fuzzSecret}
	f.Fuzz(func(t *testing.T, body []byte) {
		m, _, err := g.readRegistration(body)
		if err != nil {
			return
		}
		for _, uri := range m.Redirects {
			if err := oauth.CheckRedirect(uri); err != nil {
				t.Fatalf("%q is registered: %v", uri, err)
			}
		}
		id, err := sealID(fuzzSecret, m, time.Unix(1e9, 0))
		if err != nil {
			return // too long
		}
		back, _, err := openID(fuzzSecret, id)
		if err != nil {
			t.Fatalf("the id of %s does not open: %v", body, err)
		}
		want, _ := json.Marshal(m)
		if got, _ := json.Marshal(back); string(got) != string(want) {
			t.Fatalf("got %s, want %s", got, want)
		}
	})
}

// FuzzDocument reads documents without trouble, and only those about their URL.
func FuzzDocument(f *testing.F) {
	const id = "https://a.test/client.json"
	f.Add([]byte(`{"client_id":"https://a.test/client.json","client_name":"A","redirect_uris":["https://a.test/cb"]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := readDocument(raw, id, nil)
		if err != nil {
			return
		}
		if len(m.Redirects) == 0 || m.Name == "" || len(m.Methods) == 0 || strings.Contains(strings.Join(m.Methods, " "), "secret") {
			t.Fatalf("%s is read as %+v", raw, m)
		}
	})
}

// FuzzID opens nothing but ids of ours.
func FuzzID(f *testing.F) {
	m := &metadata{Redirects: []string{"https://a.test/cb"}, Methods: []string{"none"}}
	id, err := sealID(fuzzSecret, m, time.Unix(1e9, 0))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(id)
	f.Add("dcr_AQAAAAA")
	f.Fuzz(func(t *testing.T, text string) {
		if _, _, err := openID(fuzzSecret, text); err == nil && text != id {
			t.Fatalf("%q is an id", text)
		}
	})
}

// FuzzAssertion reads assertions without trouble.
func FuzzAssertion(f *testing.F) {
	f.Add("eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJhIiwic3ViIjoiYSIsImF1ZCI6WyJiIl0sImV4cCI6MX0.AA")
	f.Fuzz(func(t *testing.T, text string) {
		a, err := readAssertion(text, assertionType)
		if err == nil && (a.subject == "" || a.expires.IsZero()) {
			t.Fatalf("%q is read as %+v", text, a)
		}
	})
}

package authserver

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"reflect"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/client"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

// A token is bound to the certificate of the connection that it was given on, if
// its client wants that, and to nothing if there is none. RFC 8705 §3
func TestTokensAreBoundToACertificate(t *testing.T) {
	d := newDesk(t)
	d.client(client.Spec{ID: "ci", Grants: []string{oauth.ClientCredentials, oauth.TokenExchange}, Tenant: d.def, Resources: []string{resource}, Bound: true})
	mine, other := []byte("mine"), []byte("another")
	door := d.handler
	ask := func(der []byte, form ...string) *said {
		d.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.TLS = (&tls.ConnectionState{}); der != nil {
				r.TLS.PeerCertificates = []*x509.Certificate{{Raw: der}}
			}
			door.ServeHTTP(w, r)
		})
		return d.post("/token", d.as("ci", form...)...)
	}
	ask(nil, "grant_type", oauth.ClientCredentials, "resource", resource).no("without a certificate", 400, oauth.InvalidRequest)
	got := ask(mine, "grant_type", oauth.ClientCredentials, "resource", resource).ok()
	cnf := payload(t, got.Access)["cnf"]
	if got.Type != "Bearer" || !reflect.DeepEqual(cnf, map[string]any{"x5t#S256": thumbprintOf(mine)}) {
		t.Errorf("got %s bound to %v", got.Type, cnf)
	}
	swap := []string{"grant_type", oauth.TokenExchange, "subject_token", got.Access, "subject_token_type", typeAccess}
	ask(other, swap...).no("exchanged on another's connection", 400, oauth.InvalidGrant)
	ask(mine, swap...).ok()
	var a struct {
		Active  bool
		Type    string   `json:"token_type"`
		Confirm *confirm `json:"cnf"`
	}
	read(t, d.post("/introspect", d.as("ci", "token", got.Access)...), &a)
	if !a.Active || a.Type != "Bearer" || a.Confirm == nil || a.Confirm.Certificate != thumbprintOf(mine) {
		t.Errorf("introspection says %+v", a)
	}
	if _, err := d.holds(got.Access); err == nil {
		t.Error("the token holds without its certificate")
	}
}

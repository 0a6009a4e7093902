package server

import (
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// What clients bind their tokens by is told where tokens are accepted, and that they have to only where all have to.
func TestMetadataTellsWhetherTokensAreBound(t *testing.T) {
	open, bound := config.Issuer{Issuer: "https://a.example", DPoP: config.BoundAccepted, Advertise: true}, config.Issuer{Issuer: "https://b.example", DPoP: config.BoundRequired}
	other := config.Issuer{Issuer: "https://c.example", DPoP: config.BoundAccepted, BindTenant: "beta"}
	for name, tt := range map[string]struct {
		auth           config.Auth
		told, required bool
	}{
		"keys alone":              {config.Auth{APIKeys: &config.APIKeys{}}, false, false},
		"an issuer":               {config.Auth{Issuers: []config.Issuer{open}}, true, false},
		"one that insists":        {config.Auth{Issuers: []config.Issuer{bound}}, true, true},
		"one that does of two":    {config.Auth{Issuers: []config.Issuer{bound, open}}, true, false},
		"the one that comes in":   {config.Auth{Issuers: []config.Issuer{bound, other}}, true, true},
		"our own":                 {config.Auth{Embedded: &config.Embedded{DPoP: config.BoundAccepted}}, true, false},
		"our own, which insists":  {config.Auth{Embedded: &config.Embedded{DPoP: config.BoundRequired}}, true, true},
		"our own and one besides": {config.Auth{Embedded: &config.Embedded{DPoP: config.BoundRequired}, Issuers: []config.Issuer{open}}, true, false},
	} {
		c := &config.Config{Auth: tt.auth}
		r := newResource(c, &config.Upstream{Name: "crm", Tenants: []string{"acme"}}, "127.0.0.1:1")
		if (r.DPoPAlgorithms != nil) != tt.told || r.RequireDPoP != tt.required {
			t.Errorf("%s: got %q, required: %v", name, r.DPoPAlgorithms, r.RequireDPoP)
		}
	}
}

// TestThePageSpeaksOfWaysInThatThereAre has no page where people can be told of none.
func TestThePageSpeaksOfWaysInThatThereAre(t *testing.T) {
	hushed := []config.Issuer{{Issuer: "https://a.example"}}
	for name, tt := range map[string]struct {
		auth config.Auth
		want string
	}{
		"an issuer that is not told of": {config.Auth{Issuers: hushed}, ""},
		"keys beside it":                {config.Auth{Issuers: hushed, APIKeys: &config.APIKeys{}}, "key"},
		"an issuer":                     {config.Auth{Issuers: []config.Issuer{{Issuer: "https://a.example", Advertise: true}}}, "sign in"},
	} {
		c, u := &config.Config{Auth: tt.auth}, config.Upstream{Name: "crm"}
		page, err := newPage(c, &served{config: u, resource: newResource(c, &u, "127.0.0.1:1")})
		if err != nil || (len(page) > 0) != (tt.want != "") || !strings.Contains(string(page), tt.want) {
			t.Errorf("%s: got %v, %q", name, err, page)
		}
	}
}

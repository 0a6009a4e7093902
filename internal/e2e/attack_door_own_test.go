package e2e

import "maps"

// Who may knock at the doors of our own authorization server. All of them are
// there only with auth.embedded.
const (
	client = "client" // a client has to prove who it is, or is public and then has to bring what was given to it
	person = "person" // a page: it does nothing without a request that was judged, bound to the browser, or a session
)

var ownDoors = map[string]string{
	"/.well-known/openid-configuration": anybody,
	"/account":                          person,
	"/account/":                         person,
	"/account/security":                 person,
	"/auth/":                            person,
	"/auth/callback/":                   person,
	"/auth/login/":                      person,
	"/authorize":                        person,
	"/device":                           person,
	"/device_authorization":             client,
	"/introspect":                       client,
	"/par":                              client,
	"/register":                         client,
	"/register/":                        client,
	"/revoke":                           client,
	"/token":                            client,
	"DELETE /v1/clients/secret/rotate":  ourselves,
	"DELETE /v1/sessions/{session}":     ourselves,
	"DELETE /v1/users/{user}":           ourselves,
	"GET /account":                      person,
	"GET /account/security":             person,
	"GET /auth/callback/{provider}":     person,
	"GET /auth/invite":                  person,
	"GET /auth/login":                   person,
	"GET /auth/login/{provider}":        person,
	"GET /auth/recover":                 person,
	"GET /auth/{asset}":                 anybody,
	"GET /authorize":                    person,
	"GET /device":                       person,
	"GET /v1/clients":                   ourselves,
	"GET /v1/clients/one":               ourselves,
	"GET /v1/grants":                    ourselves,
	"GET /v1/sessions":                  ourselves,
	"GET /v1/users":                     ourselves,
	"GET /v1/users/{user}":              ourselves,
	"PATCH /v1/users/{user}":            ourselves,
	"POST /account/revoke":              person,
	"POST /account/security/codes":      person,
	"POST /account/security/remove":     person,
	"POST /account/sessions":            person,
	"POST /account/sign-out":            person,
	"POST /auth/consent":                person,
	"POST /auth/continue":               person,
	"POST /auth/local":                  person,
	"POST /auth/local/code":             person,
	"POST /auth/passkey":                person,
	"POST /auth/recover":                person,
	"POST /auth/setup/passkey":          person,
	"POST /auth/setup/password":         person,
	"POST /authorize":                   person,
	"POST /device":                      person,
	"POST /introspect":                  client,
	"POST /register":                    client,
	"POST /v1/clients":                  ourselves,
	"POST /v1/clients/approve":          ourselves,
	"POST /v1/clients/block":            ourselves,
	"POST /v1/clients/revoke":           ourselves,
	"POST /v1/clients/secret/rotate":    ourselves,
	"POST /v1/grants/revoke":            ourselves,
	"POST /v1/users":                    ourselves,
	"POST /v1/users/{user}/disable":     ourselves,
	"POST /v1/users/{user}/enable":      ourselves,
	"POST /v1/users/{user}/invite":      ourselves,
	"POST /v1/users/{user}/revoke-all":  ourselves,
}

func init() { maps.Copy(doors, ownDoors) } //nolint:gochecknoinits // one table in two files

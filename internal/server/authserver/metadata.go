package authserver

import (
	"encoding/json"
	"slices"

	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

// metadata is what clients are told about us. RFC 8414 §2
type metadata struct {
	Issuer         string   `json:"issuer"`
	Authorize      string   `json:"authorization_endpoint"`
	Token          string   `json:"token_endpoint"`
	Register       string   `json:"registration_endpoint,omitempty"` // RFC 7591
	Revoke         string   `json:"revocation_endpoint"`
	Introspect     string   `json:"introspection_endpoint"`
	Push           string   `json:"pushed_authorization_request_endpoint"` // RFC 9126 §5
	Device         string   `json:"device_authorization_endpoint"`         // RFC 8628 §4
	JWKS           string   `json:"jwks_uri"`
	Scopes         []string `json:"scopes_supported"`
	ResponseTypes  []string `json:"response_types_supported"`
	ResponseModes  []string `json:"response_modes_supported"`
	Grants         []string `json:"grant_types_supported"`
	Profiles       []string `json:"authorization_grant_profiles_supported,omitempty"` // Enterprise-Managed Authorization
	Challenges     []string `json:"code_challenge_methods_supported"`
	TokenAuth      []string `json:"token_endpoint_auth_methods_supported"`
	TokenAlgs      []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	RevokeAuth     []string `json:"revocation_endpoint_auth_methods_supported"`
	RevokeAlgs     []string `json:"revocation_endpoint_auth_signing_alg_values_supported"`
	IntrospectAuth []string `json:"introspection_endpoint_auth_methods_supported"`
	IntrospectAlgs []string `json:"introspection_endpoint_auth_signing_alg_values_supported"`
	DPoP           []string `json:"dpop_signing_alg_values_supported"`                    // RFC 9449 §5.1
	Iss            bool     `json:"authorization_response_iss_parameter_supported"`       // RFC 9207 §3
	Bound          bool     `json:"tls_client_certificate_bound_access_tokens,omitempty"` // RFC 8705 §3.3
	Documents      bool     `json:"client_id_metadata_document_supported"`
	Resources      []string `json:"protected_resources"` // RFC 9728 §4

	// What OpenID Connect Discovery demands of everybody, though we issue no ID
	// tokens: a client that only knows that document finds us by it.
	Subjects []string `json:"subject_types_supported,omitempty"`
	IDAlgs   []string `json:"id_token_signing_alg_values_supported,omitempty"`
}

// AssertionAlgorithms are those of what clients sign: assertions and proofs.
func AssertionAlgorithms() []string {
	return []string{"RS256", "PS256", "ES256", "ES384", "EdDSA"}
}

// Metadata returns the document of RFC 8414 and the one of OpenID Connect
// Discovery, as JSON. They differ in what the latter demands beside.
func (s *Server) Metadata() (oauth2, openid []byte, err error) {
	m := s.describe()
	if oauth2, err = json.Marshal(m); err != nil {
		return nil, nil, err
	}
	m.Subjects, m.IDAlgs = []string{"public"}, []string{"RS256", "ES256", "EdDSA"}
	openid, err = json.Marshal(m)
	return oauth2, openid, err
}

func (s *Server) describe() *metadata {
	secret := []string{oauth.AuthSecretBasic, oauth.AuthSecretPost, oauth.AuthPrivateKeyJWT}
	if s.Settings.Certificates { // a client that is told of what cannot work would choose it
		secret = append(secret, oauth.AuthTLS)
	}
	if s.Settings.SelfSigned {
		secret = append(secret, oauth.AuthTLSSelfSigned)
	}
	algs := AssertionAlgorithms()
	m := &metadata{
		Issuer: s.Issuer, Authorize: s.Issuer + "/authorize", Token: s.Issuer + "/token", Revoke: s.Issuer + "/revoke",
		Introspect: s.Issuer + "/introspect", Push: s.Issuer + "/par", Device: s.Issuer + "/device_authorization",
		JWKS:          s.Issuer + "/.well-known/jwks.json",
		ResponseTypes: []string{"code"}, ResponseModes: []string{"query"}, Challenges: []string{"S256"},
		Grants: []string{
			oauth.AuthorizationCode, oauth.RefreshToken, oauth.ClientCredentials, oauth.DeviceCode, oauth.TokenExchange,
		},
		TokenAuth: append([]string{oauth.AuthNone}, secret...), TokenAlgs: algs,
		RevokeAuth: append([]string{oauth.AuthNone}, secret...), RevokeAlgs: algs,
		IntrospectAuth: secret, IntrospectAlgs: algs, DPoP: algs,
		Iss: true, Bound: s.Settings.Certificates || s.Settings.SelfSigned, Documents: s.Settings.Documents,
	}
	if s.Settings.Registration {
		m.Register = s.Issuer + "/register"
	}
	if s.Settings.Assertions {
		m.Grants = append(m.Grants, oauth.JWTBearer)
		m.Profiles = []string{"urn:ietf:params:oauth:grant-profile:id-jag"}
	}
	for i := range s.Resources {
		m.Resources = append(m.Resources, s.Resources[i].URL)
		for _, scope := range s.Resources[i].Scopes {
			if !slices.Contains(m.Scopes, scope.Name) {
				m.Scopes = append(m.Scopes, scope.Name)
			}
		}
	}
	m.Scopes = append(m.Scopes, oauth.OfflineAccess) // here alone, and in no resource's metadata
	return m
}

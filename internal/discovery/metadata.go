package discovery

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const maxBytes = 1 << 20 // of a document

// Metadata is what an authorization server says about itself. A nil list or an
// empty string means that it does not say.
type Metadata struct {
	URL   string    `json:"-"` // where it was found
	Raw   []byte    `json:"-"` // the document as it came
	Tried []Attempt `json:"-"` // where it was looked for before, in vain

	Issuer                string `json:"issuer"` // byte for byte the one that was asked for
	AuthorizationEndpoint string `json:"authorization_endpoint"`
	TokenEndpoint         string `json:"token_endpoint"`
	JWKSURI               string `json:"jwks_uri"`
	RegistrationEndpoint  string `json:"registration_endpoint"`  // RFC 7591
	IntrospectionEndpoint string `json:"introspection_endpoint"` // RFC 7662
	RevocationEndpoint    string `json:"revocation_endpoint"`    // RFC 7009
	UserinfoEndpoint      string `json:"userinfo_endpoint"`
	EndSessionEndpoint    string `json:"end_session_endpoint"`
	DeviceEndpoint        string `json:"device_authorization_endpoint"` // RFC 8628 §4

	ResponseTypes            []string `json:"response_types_supported"`
	GrantTypes               []string `json:"grant_types_supported"`
	ScopesSupported          []string `json:"scopes_supported"`
	CodeChallengeMethods     []string `json:"code_challenge_methods_supported"`
	TokenEndpointAuthMethods []string `json:"token_endpoint_auth_methods_supported"`
	IDTokenAlgorithms        []string `json:"id_token_signing_alg_values_supported"`
	DPoPAlgorithms           []string `json:"dpop_signing_alg_values_supported"` // RFC 9449 §5.1

	ClientIDMetadataDocuments bool `json:"client_id_metadata_document_supported"`          // CIMD §5
	IssParameter              bool `json:"authorization_response_iss_parameter_supported"` // RFC 9207 §3
	CertificateBoundTokens    bool `json:"tls_client_certificate_bound_access_tokens"`     // RFC 8705 §3.3
}

type endpoint struct{ name, value string }

func (m *Metadata) endpoints() []endpoint {
	return []endpoint{
		{"authorization_endpoint", m.AuthorizationEndpoint}, {"token_endpoint", m.TokenEndpoint}, {"jwks_uri", m.JWKSURI},
		{"registration_endpoint", m.RegistrationEndpoint}, {"introspection_endpoint", m.IntrospectionEndpoint},
		{"revocation_endpoint", m.RevocationEndpoint}, {"userinfo_endpoint", m.UserinfoEndpoint}, {"end_session_endpoint", m.EndSessionEndpoint},
		{"device_authorization_endpoint", m.DeviceEndpoint},
	}
}

// Parse reads a document that claims to be an issuer's. It is refused if it is
// not one JSON object in which each member occurs once and in its own spelling,
// if its issuer is not the same byte for byte (RFC 8414 §3.3), or if one of its
// endpoints is not https. Only an issuer that is itself plain HTTP may have those.
func Parse(raw []byte, issuer string) (*Metadata, error) {
	if len(raw) > maxBytes {
		return nil, unusable(fmt.Sprintf("%d bytes, at most %d", len(raw), maxBytes))
	}
	m := &Metadata{Raw: raw}
	var members map[string]jsontext.Value
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil, unusable(fmt.Sprintf("no metadata: %v", err))
	}
	if len(members) == 0 {
		return nil, unusable("no metadata: nothing is in it")
	}
	if err := spelling(members); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(raw, m); err != nil {
		return nil, unusable(fmt.Sprintf("no metadata: %v", err))
	}
	if m.Issuer != issuer {
		return nil, unusable(fmt.Sprintf("it is of issuer %.500q, not of %q%s", m.Issuer, issuer, slash(m.Issuer, issuer)))
	}
	plain := strings.HasPrefix(issuer, "http://")
	for _, e := range m.endpoints() {
		if e.value == "" {
			continue
		}
		u, err := url.Parse(e.value)
		if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || u.Scheme != "https" && (!plain || u.Scheme != "http") {
			return nil, unusable(fmt.Sprintf("%s: %.500q is no URL of https", e.name, e.value))
		}
	}
	return m, nil
}

// slash says so where that is all that two issuers differ in: it is what people overlook.
func slash(got, want string) string {
	if strings.TrimSuffix(got, "/") == strings.TrimSuffix(want, "/") {
		return `: only the final "/" differs`
	}
	return ""
}

// known are the members that mean something here.
var known = func() []string {
	names := []string{
		"issuer", "response_types_supported", "grant_types_supported", "scopes_supported", "code_challenge_methods_supported",
		"token_endpoint_auth_methods_supported", "id_token_signing_alg_values_supported", "dpop_signing_alg_values_supported",
		"client_id_metadata_document_supported", "authorization_response_iss_parameter_supported", "tls_client_certificate_bound_access_tokens",
	}
	for _, e := range (&Metadata{}).endpoints() {
		names = append(names, e.name)
	}
	return names
}()

// spelling refuses a member that others may take for one of ours: their readers
// may not care for case, and the document is passed on to them.
func spelling(members map[string]jsontext.Value) error {
	for name := range members {
		if !slices.Contains(known, name) && slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(k, name) }) {
			return unusable(fmt.Sprintf("member %.80q is spelled wrongly", name))
		}
	}
	return nil
}

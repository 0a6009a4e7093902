// Package oauth is the grammar of OAuth 2.1: parameters, errors, scopes, PKCE,
// redirect URIs and resource indicators. It knows no client, user or database.
package oauth

// Error is a refusal that an authorization server tells a client. RFC 6749 §5.2
type Error struct {
	Code        string // of OAuth: InvalidRequest
	Description string // for the client's developer: safe for strangers, printable ASCII without quotes and backslashes
	Status      int    // of the answer; 0: 400
	Ref         string // our code, such as GH-1404
	Cause       error  // for the operator, never sent; nil: the description says it all
	Challenge   string // WWW-Authenticate, with a 401; empty: none. RFC 6749 §5.2
}

// Error implements error. It has the whole story, for logs.
func (e *Error) Error() string {
	text := e.Code + ": " + e.Description
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Codes of errors.
const (
	InvalidRequest       = "invalid_request"        // RFC 6749 §5.2
	InvalidClient        = "invalid_client"         // RFC 6749 §5.2
	InvalidGrant         = "invalid_grant"          // RFC 6749 §5.2
	UnauthorizedClient   = "unauthorized_client"    // RFC 6749 §5.2
	UnsupportedGrantType = "unsupported_grant_type" // RFC 6749 §5.2
	InvalidScope         = "invalid_scope"          // RFC 6749 §5.2
	AccessDenied         = "access_denied"          // RFC 6749 §4.1.2.1
	UnsupportedResponse  = "unsupported_response_type"
	ServerError          = "server_error"
	Unavailable          = "temporarily_unavailable"
	LoginRequired        = "login_required"          // OpenID Connect Core §3.1.2.6
	ConsentRequired      = "consent_required"        // OpenID Connect Core §3.1.2.6
	InvalidTarget        = "invalid_target"          // RFC 8707 §2
	InvalidRedirectURI   = "invalid_redirect_uri"    // RFC 7591 §3.2.2
	InvalidMetadata      = "invalid_client_metadata" // RFC 7591 §3.2.2
	AuthorizationPending = "authorization_pending"   // RFC 8628 §3.5
	SlowDown             = "slow_down"               // RFC 8628 §3.5
	ExpiredToken         = "expired_token"           // RFC 8628 §3.5
	UnsupportedTokenType = "unsupported_token_type"  // RFC 7009 §2.2.1
	InvalidDPoPProof     = "invalid_dpop_proof"      // RFC 9449 §5
	UseDPoPNonce         = "use_dpop_nonce"          // RFC 9449 §8
)

// Grant types.
const (
	AuthorizationCode = "authorization_code"
	RefreshToken      = "refresh_token"
	ClientCredentials = "client_credentials"
	DeviceCode        = "urn:ietf:params:oauth:grant-type:device_code"    // RFC 8628 §3.4
	TokenExchange     = "urn:ietf:params:oauth:grant-type:token-exchange" // RFC 8693 §2.1
	JWTBearer         = "urn:ietf:params:oauth:grant-type:jwt-bearer"     // RFC 7523 §2.1
)

// Ways in which a client proves who it is at the token endpoint.
const (
	AuthNone          = "none"
	AuthSecretBasic   = "client_secret_basic"
	AuthSecretPost    = "client_secret_post"
	AuthPrivateKeyJWT = "private_key_jwt"             // RFC 7523 §2.2
	AuthTLS           = "tls_client_auth"             // RFC 8705 §2.1
	AuthTLSSelfSigned = "self_signed_tls_client_auth" // RFC 8705 §2.2
)

// OfflineAccess asks for a refresh token. It is understood, never demanded, and
// stands in no resource's metadata. OpenID Connect Core §11
const OfflineAccess = "offline_access"

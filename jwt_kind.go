package gatehouse

import (
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/jws"
)

const atJWT = "at+jwt" // RFC 9068 §2.1

const notAccess = "This is not an access token."

// otherTypes are the values of typ that no access token has, and what they are.
// No configuration can admit them.
var otherTypes = map[string]string{
	"dpop+jwt":                  "a DPoP proof",             // RFC 9449 §4.2
	"logout+jwt":                "a logout token",           // OpenID Connect Back-Channel Logout §2.4
	"oauth-id-jag+jwt":          "an identity assertion",    // draft-ietf-oauth-identity-assertion-authz-grant
	"client-authentication+jwt": "a client assertion",       // draft-ietf-oauth-rfc7523bis
	"token-introspection+jwt":   "an introspection answer",  // RFC 9701 §5
	"secevent+jwt":              "a security event",         // RFC 8417 §2.3
	"oauth-authz-req+jwt":       "an authorization request", // RFC 9101 §10.8
	"entity-statement+jwt":      "a federation statement",
	"dc+sd-jwt":                 "a digital credential",
	"vc+sd-jwt":                 "a digital credential",
	"id_token":                  "an ID token",
	"gatehouse-identity+jwt":    "what Gatehouse tells the servers behind it",
}

func otherKind(what, sign string) *Error {
	return refuse("GH-1107", notAccess, "this is %s (%s). Send the access token", what, sign)
}

// signs are claims that tell of another kind of token by being there.
var signs = []struct{ claim, what string }{
	{"at_hash", "an ID token"}, {"c_hash", "an ID token"}, {"s_hash", "an ID token"}, // OpenID Connect Core §3.1.3.6, §3.3.2.11
	{"events", "a logout token or a security event"},
	{"htm", "a DPoP proof"}, {"htu", "a DPoP proof"},
	{"token_introspection", "an introspection answer"},
}

// accessWords are what token_use, token_type and typ in the claims may say.
var accessWords = []string{"access", "access_token", "accesstoken", "access-token", "bearer", "dpop", "at+jwt", "application/at+jwt", "jwt"}

// kindOf refuses what is another kind of JWT by what is in it. Where typ does
// not say that this is an access token, more is asked. RFC 8725 §3.12
func kindOf(claims *jws.Object, access bool) error {
	for _, sign := range signs {
		if claims.Has(sign.claim) {
			return otherKind(sign.what, sign.claim+" is there")
		}
	}
	for _, name := range [...]string{"token_use", "token_type", "tokenType", "typ"} { // Cognito, Hydra, Keycloak …
		v, there := claims.Get(name)
		if !there {
			continue
		}
		if word, _ := jws.Text(v); !slices.Contains(accessWords, strings.ToLower(word)) { // what is no text is empty
			return otherKind(wordKind(word), name+"="+cut(word))
		}
	}
	iss, _ := textClaim(claims, "iss")
	if sub, ok := textClaim(claims, "sub"); ok && sub == iss { // RFC 7523 §3: who speaks for itself
		return otherKind("a client assertion", "sub is iss")
	}
	if access {
		return nil
	}
	if claims.Has("nonce") { // OpenID Connect Core §2
		return otherKind("an ID token", "nonce is there")
	}
	return kindOfSession(claims)
}

func wordKind(word string) string {
	switch strings.ToLower(word) {
	case "id", "id_token", "serialized-id":
		return "an ID token"
	case "refresh", "refresh_token", "offline":
		return "a refresh token"
	case "logout":
		return "a logout token"
	}
	return "another kind of token"
}

// kindOfSession refuses the tokens by which a provider's own pages know their
// user. They name a session and no client.
func kindOfSession(claims *jws.Object) error {
	if claims.Has("client_id") {
		return nil
	}
	clerk := claims.Has("sid") && (claims.Has("v") || claims.Has("o") || claims.Has("fva"))
	if clerk || claims.Has("session_id") {
		return otherKind("a session token", "a session, and no client_id")
	}
	return nil
}

// unlikeIDToken refuses what may be an ID token, where the audience does not
// tell: aud is no URL of ours but a client's id, or is not looked at. An ID token
// is for its client, and has no scopes. OpenID Connect Core §2
func unlikeIDToken(client string, aud []string, scoped bool) error {
	switch {
	case client == "":
		return otherKind("an ID token, or looks like one", "it names no client")
	case !scoped && len(aud) == 1 && aud[0] == client:
		return otherKind("an ID token, or looks like one", "it is for its own client, and has no scopes")
	}
	return nil
}

package signin

import (
	"net/http"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/oauthex"

	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

const (
	insufficientScope = "insufficient_scope" // RFC 6750 §3.1
	offline           = oauth.OfflineAccess
)

// challenge is what a server said it wants. RFC 6750 §3, RFC 9728 §5.1
type challenge struct {
	Error       string
	Description string // for developers: a stranger's text
	Scopes      []string
	Metadata    string // where the resource's metadata is

	bearer, proof bool     // whether it takes Bearer and DPoP. RFC 9449 §7.2
	fault         string   // error, as DPoP has it
	algs          []string // of proofs. RFC 9449 §7.1
}

// words are what a challenge says of the credential, as a sentence may have it.
func (c challenge) words() string {
	if c.Description == "" {
		return plainText(c.Error)
	}
	return plainText(c.Error + ": " + strings.TrimSuffix(c.Description, "."))
}

// readChallenge reads the challenges of the schemes we know; what cannot be read
// says nothing.
func readChallenge(h http.Header) challenge {
	var c challenge
	all, err := oauthex.ParseWWWAuthenticate(h.Values("WWW-Authenticate"))
	if err != nil {
		return c
	}
	for _, one := range all {
		switch one.Scheme {
		case "bearer":
			c.bearer = true
		case "dpop":
			c.proof = true
			c.fault, c.algs = one.Params["error"], strings.Fields(one.Params["algs"])
		default:
			continue
		}
		if c.Error == "" {
			c.Error, c.Description = one.Params["error"], one.Params["error_description"]
		}
		if c.Metadata == "" {
			c.Metadata = one.Params["resource_metadata"]
		}
		if c.Scopes == nil {
			c.Scopes = scopesOf(one.Params["scope"])
		}
	}
	return c
}

// scopesOf returns the scopes of a text; none when it is no list of scopes.
func scopesOf(text string) []string {
	scopes, err := oauth.ParseScope(strings.TrimSpace(text))
	if err != nil {
		return nil
	}
	return scopes
}

// WantsMore says whether a 403 asks for other scopes: then [Client.Renew] may help.
func WantsMore(h http.Header) bool { return readChallenge(h).Error == insufficientScope }

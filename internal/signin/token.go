package signin

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/go-json-experiment/json"

	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
	"github.com/gatehouse-mcp/gatehouse/internal/safehttp"
)

// tokenAnswer is what a token endpoint says. RFC 6749 §5.1, §5.2
type tokenAnswer struct {
	Access      string `json:"access_token"`
	Type        string `json:"token_type"`
	Expires     number `json:"expires_in"`
	Refresh     string `json:"refresh_token"`
	Scope       string `json:"scope"`
	Issued      string `json:"issued_token_type"` // RFC 8693 §2.2.1
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

// number is a count of seconds; some servers send it as a text.
type number int64

// UnmarshalJSON reads a number, whole or not, as itself or as a text. What is
// neither is as if it was not there.
func (n *number) UnmarshalJSON(b []byte) error {
	var f float64
	if _, err := fmt.Sscanf(strings.Trim(string(b), `"`), "%g", &f); err == nil && f > 0 && f < 1e10 {
		*n = number(f)
	}
	return nil
}

// tokenError is a refusal by a token endpoint.
type tokenError struct {
	Status            int
	Code, Description string
}

// Error returns what the server said.
func (e *tokenError) Error() string {
	return plainText(strings.TrimSpace(fmt.Sprintf("%d %s %s", e.Status, e.Code, e.Description)))
}

// final says whether a refresh token is of no use any more. Only the authorization
// server can say so, in the words of RFC 6749 §5.2 and RFC 8707 §2: a status alone may
// be that of something in between.
func (e *tokenError) final() bool {
	switch e.Code {
	case oauth.InvalidGrant, oauth.InvalidClient, oauth.UnauthorizedClient, oauth.UnsupportedGrantType, oauth.InvalidTarget:
		return e.Status/100 == 4 && e.Status != http.StatusTooManyRequests
	}
	return false
}

// ask sends a token request as a client, and returns the tokens. b says to what
// they are bound; nil: to nothing, whatever the server wants.
func (c *Client) ask(ctx context.Context, endpoint, issuer string, who *client, form url.Values, b *binding) (*tokenAnswer, error) {
	a, t, err := c.askProved(ctx, endpoint, issuer, who, form, b)
	if err != nil {
		return nil, err
	}
	switch {
	case a.Status != http.StatusOK:
		return nil, because(CodeToken, &tokenError{a.Status, t.Error, t.Description}, "%s gives no token.", plainText(issuer)).Of(a.Header)
	case !sendable(t.Access):
		return nil, fail(CodeToken, "%s answers a token request with what is no token.", plainText(issuer))
	case t.Refresh != "" && len(t.Refresh) > 64<<10:
		return nil, fail(CodeToken, "%s gives a refresh token that is too long.", plainText(issuer))
	}
	return t, nil
}

// askProved sends a token request with a proof, where the token is to be bound. One
// that is refused for its proof alone is sent once more for each fault: a code or a
// refresh token was not looked at. RFC 9449 §5, §8
func (c *Client) askProved(ctx context.Context, endpoint, issuer string, who *client, form url.Values, b *binding) (*safehttp.Answer, *tokenAnswer, error) {
	at, err := url.Parse(endpoint)
	if err != nil {
		return nil, nil, err
	}
	w := c.peers.at(asIssuer + rootOf(at))
	for tried := []string(nil); ; {
		header := http.Header{}
		if b != nil && b.key != nil {
			proof, err := c.prove(b.key, w, http.MethodPost, at, "")
			if err != nil {
				return nil, nil, err
			}
			header.Set(schemeDPoP, proof)
		}
		if err := c.identify(who, issuer, form, header); err != nil { // anew: an assertion is good once
			return nil, nil, err
		}
		a, err := c.post(ctx, endpoint, header, formType, form.Encode())
		if err != nil {
			return nil, nil, because(unreachable(err), err, "The token endpoint of %s did not answer.", plainText(issuer))
		}
		t := &tokenAnswer{}
		if json.Unmarshal(a.Body, t) != nil {
			t = &tokenAnswer{} // what can be read of it may be another's
		}
		fault := ""
		if a.Status/100 == 4 {
			fault = t.Error
		}
		var again bool
		w, again = c.peers.heard(asIssuer+rootOf(at), a.Header, fault, &tried, c.now())
		switch {
		case b != nil && b.key == nil && (fault == oauth.UseDPoPNonce || fault == oauth.InvalidDPoPProof):
			if err := b.demanded(); err != nil {
				return nil, nil, err
			}
		case b == nil || b.key == nil || !again:
			return a, t, nil
		}
	}
}

const formType = "application/x-www-form-urlencoded"

// identify says who is asking. RFC 6749 §2.3, RFC 7523 §2.2
func (c *Client) identify(who *client, issuer string, form url.Values, header http.Header) error {
	switch who.Method {
	case oauth.AuthSecretBasic:
		pair := url.QueryEscape(who.ID) + ":" + url.QueryEscape(who.Secret)
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(pair)))
		return nil
	case oauth.AuthSecretPost:
		form.Set("client_secret", who.Secret)
	case oauth.AuthPrivateKeyJWT:
		if c.Registered == nil {
			return fail(CodeSettings, "The client's key is not there any more.")
		}
		assertion, err := c.assertion(c.Registered.Key, who.ID, issuer)
		if err != nil {
			return err
		}
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", assertion)
	}
	if who.ID != "" {
		form.Set("client_id", who.ID)
	}
	return nil
}

// assertionLife is short: it is used at once.
const assertionLife = time.Minute

// assertion proves who we are with a key. Its audience is the issuer alone: with
// the token endpoint as one, another server could use it. RFC 7523 §3, as updated
// by draft-ietf-oauth-rfc7523bis
func (c *Client) assertion(keyText, id, issuer string) (string, error) {
	key, alg, err := readKey(keyText)
	if err != nil {
		return "", err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", because(CodeSettings, err, "The client's key cannot sign.")
	}
	now := c.now()
	text, err := jwt.Signed(signer).Claims(map[string]any{
		"iss": id, "sub": id, "aud": issuer, "jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(assertionLife).Unix(),
	}).Serialize()
	if err != nil {
		return "", because(CodeSettings, err, "The client's key cannot sign.")
	}
	return text, nil
}

// readKey reads a private key, and says what it signs with.
func readKey(text string) (any, jose.SignatureAlgorithm, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, "", fail(CodeSettings, "The client's key is no private key in PEM.")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		if key, err = x509.ParseECPrivateKey(block.Bytes); err != nil {
			key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		}
	}
	if err != nil {
		return nil, "", fail(CodeSettings, "The client's key is no private key in PEM.") // the error may have some of it
	}
	for _, alg := range []jose.SignatureAlgorithm{jose.ES256, jose.ES384, jose.ES512, jose.EdDSA, jose.RS256} {
		if signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, nil); err == nil {
			if _, err := signer.Sign([]byte("x")); err == nil {
				return key, alg, nil
			}
		}
	}
	return nil, "", fail(CodeSettings, "The client's key is of a kind that is not supported: use EC P-256, P-384, P-521, Ed25519 or RSA.")
}

package probe

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/gatehouse-mcp/gatehouse/internal/jws"
)

// algorithms brings tokens that are signed by nobody, or with what everybody has.
var algorithms = &Rule{
	Code: "GH-2132", Name: "algorithms", Title: "Tokens without a signature, or with one that anybody can make, are refused",
	Group: Refusals, Point: 8, Severity: Critical,
	Why:   "A verifier that takes the algorithm from the token can be told that there is none, or that the issuer's public key is a shared secret; one that takes the key from it, or does not look at the range of a signature, believes any. Then everybody writes their own tokens.",
	Fix:   "Fix the algorithms of each issuer (RS256, ES256, EdDSA) in the verifier and its keys, and refuse none, HMAC and keys in a header.",
	Links: []Link{rfc("8725", "3.1"), rfc("9068", "4")},
	Check: func(r *run, t *tally) {
		if !r.guarded(t) {
			return
		}
		claims, header := r.claims()
		sent := []struct{ what, token string }{
			{"alg none", unsigned("none", claims)}, {"alg nOnE", unsigned("nOnE", claims)},
			{"a signature of zeros", zeros(claims)}, {"a key of its own in its header", ownKey(claims)},
		}
		if token := r.confused(claims, header); token != "" {
			sent = append(sent, struct{ what, token string }{"HS256 with the issuer's public key", token})
		}
		for _, s := range sent {
			if s.token == "" {
				t.unknown(nil, "a token with %s could not be made", s.what)
				continue
			}
			x := r.tries(s.token)
			switch k := x.kind(); {
			case k == served:
				t.fail(x, "a token with %s is served", s.what)
			case !k.refuses(): // an objection to the form comes from behind the guard as well as from before it
				t.unknown(x, "%s: %s", s.what, sight(x))
			}
		}
		switch {
		case r.metadata().used == nil:
			t.without("the server names no issuer of tokens; tokens without a signature are refused")
		case len(sent) < 5:
			t.unknown(nil, "the issuer publishes no key here to try HS256 with")
		default:
			t.pass(nil, "alg none, HS256 with the issuer's public key, a signature of zeros and a key in the header → refused")
		}
	},
}

// claims are those of the token that is accepted, or else what a token would have.
func (r *run) claims() (payload []byte, header map[string]any) {
	if token, err := jws.Read(r.o.Credential); err == nil {
		return token.Payload, map[string]any{"typ": token.Type, "kid": token.KeyID}
	}
	now := r.now().Unix()
	m := r.metadata()
	c := map[string]any{
		"sub": "gatehouse-check", "aud": m.Resource, "iat": now, "nbf": now, "exp": now + 300, "client_id": "gatehouse-check",
		"jti": "gatehouse-check", "scope": strings.Join(m.Scopes, " "),
	}
	if len(m.Servers) > 0 {
		c["iss"] = m.Servers[0]
	}
	payload, _ = json.Marshal(c) // it is of texts and numbers
	return payload, map[string]any{"typ": "at+jwt"}
}

// unsigned is a token that nobody signed.
func unsigned(alg string, payload []byte) string {
	head := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"` + alg + `","typ":"at+jwt"}`))
	return head + "." + base64.RawURLEncoding.EncodeToString(payload) + "."
}

// zeros is a token whose ECDSA signature is (0, 0), which fits every message
// where nobody looks at the range. CVE-2022-21449
func zeros(payload []byte) string {
	head := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256","typ":"at+jwt"}`))
	return head + "." + base64.RawURLEncoding.EncodeToString(payload) + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 64))
}

// ownKey is a token that brings the key that it is signed with. CVE-2018-0114
func ownKey(payload []byte) string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return ""
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, (&jose.SignerOptions{EmbedJWK: true}).WithType("at+jwt"))
	if err != nil {
		return ""
	}
	signed, err := s.Sign(payload)
	if err != nil {
		return ""
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		return ""
	}
	return text
}

// confused is a token that is signed with the public key of the issuer as if it
// were a secret; empty: there is no key.
func (r *run) confused(payload []byte, header map[string]any) string {
	i := r.authServer()
	if i == nil || i.meta == nil || i.meta.JWKSURI == "" {
		return ""
	}
	var set jose.JSONWebKeySet
	if d := r.fetch(i.meta.JWKSURI); d.err != "" || json.Unmarshal(d.x.Answer, &set) != nil {
		return ""
	}
	for _, k := range set.Keys {
		der, err := x509.MarshalPKIXPublicKey(k.Key)
		if err != nil {
			continue
		}
		o := (&jose.SignerOptions{}).WithType("at+jwt").WithHeader("kid", k.KeyID)
		if typ, ok := header["typ"].(string); ok && typ != "" {
			o = o.WithType(jose.ContentType(typ))
		}
		s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})}, o)
		if err != nil {
			continue
		}
		if signed, err := s.Sign(payload); err == nil {
			if text, err := signed.CompactSerialize(); err == nil {
				return text
			}
		}
	}
	return ""
}

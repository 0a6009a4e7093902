package jws

import (
	"crypto"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Bounds of a proof, in bytes.
const (
	maxProof   = 8 << 10
	maxProofID = 256
)

// Proof is a DPoP proof that is signed by the key in it. What it proves, and
// whether it was seen before, is for its reader to judge. RFC 9449 §4.2
type Proof struct {
	Thumbprint string  // of the key, base64url. RFC 7638
	ID         string  // jti
	Method     string  // htm
	URL        string  // htu
	Issued     float64 // iat, in seconds since 1970
	Hash       string  // ath; empty: there is none
	Nonce      string  // nonce; empty: there is none
}

var proofNames = []string{"jti", "htm", "htu", "iat", "ath", "nonce", "exp", "nbf"}

// ReadProof reads a proof and verifies its signature. No error repeats what is
// in it. RFC 9449 §4.3
func ReadProof(text string, algorithms []string) (*Proof, error) {
	if len(text) > maxProof {
		return nil, errors.New("the proof is too long")
	}
	t, err := Read(text)
	if err != nil {
		return nil, err
	}
	if t.Type != "dpop+jwt" {
		return nil, errors.New(`its "typ" is not dpop+jwt`)
	}
	if !slices.Contains(algorithms, t.Algorithm) {
		return nil, errors.New("its algorithm is not accepted")
	}
	key, thumbprint, err := t.ownKey()
	if err != nil {
		return nil, err
	}
	if err := t.Verify(key); err != nil {
		return nil, err
	}
	return readProof(t.Payload, thumbprint)
}

// ownKey returns the public key in the header and its thumbprint.
func (t *Token) ownKey() (crypto.PublicKey, string, error) {
	raw, _ := t.JWK() // nil is no object
	o, err := ReadObject(raw, []string{"kty", "n", "e", "crv", "x", "y", "d", "k"})
	if err != nil {
		return nil, "", fmt.Errorf(`its header has no "jwk" in strict JSON: %w`, err)
	}
	for _, secret := range [...]string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"} { // RFC 9449 §4.3, step 7
		if o.Has(secret) {
			return nil, "", errors.New(`"jwk" holds a secret`)
		}
	}
	signed, err := t.parse()
	if err != nil {
		return nil, "", err
	}
	k := signed.Signatures[0].Protected.JSONWebKey // go-jose reads it as what strangers say, and takes no private one
	if k == nil || !k.Valid() || !k.IsPublic() {
		return nil, "", errors.New(`"jwk" is not a public key that is understood`)
	}
	sum, err := k.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, "", errors.New(`"jwk" has no thumbprint`)
	}
	return k.Key, base64.RawURLEncoding.EncodeToString(sum), nil
}

func readProof(payload []byte, thumbprint string) (*Proof, error) {
	o, err := ReadObject(payload, proofNames)
	if err != nil {
		return nil, fmt.Errorf("its payload is not strict JSON: %w", err)
	}
	p := &Proof{Thumbprint: thumbprint}
	for _, m := range [...]struct {
		name     string
		to       *string
		optional bool
	}{{"jti", &p.ID, false}, {"htm", &p.Method, false}, {"htu", &p.URL, false}, {"ath", &p.Hash, true}, {"nonce", &p.Nonce, true}} {
		v, there := o.Get(m.name)
		if !there && m.optional {
			continue
		}
		s, _ := Text(v)
		if s == "" {
			return nil, fmt.Errorf("it has no %q", m.name)
		}
		*m.to = s
	}
	if len(p.ID) > maxProofID {
		return nil, errors.New(`its "jti" is too long`)
	}
	v, _ := o.Get("iat")
	at, ok := Number(v)
	if !ok {
		return nil, errors.New(`it has no "iat"`)
	}
	p.Issued = at
	return p, nil
}

// SameTarget reports whether two URLs name the same target: scheme and host in
// any case, the default port, an empty path and percent-encoding make no
// difference, and query and fragment do not count. RFC 9449 §4.3, RFC 3986 §6.2
func SameTarget(a, b string) bool {
	x := target(a)
	return x != "" && x == target(b)
}

// target returns a URL in the form that it is compared in; empty if it is none.
func target(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.User != nil {
		return ""
	}
	scheme, host := strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	switch scheme {
	case "https":
		host = strings.TrimSuffix(host, ":443")
	case "http":
		host = strings.TrimSuffix(host, ":80")
	default:
		return ""
	}
	if host = strings.TrimSuffix(host, ":"); host == "" { // an empty port. RFC 3986 §6.2.3
		return ""
	}
	return scheme + "://" + host + dots(percent(u.EscapedPath()))
}

// percent writes every percent-encoding in one way. RFC 3986 §6.2.2.1, §6.2.2.2
func percent(path string) string {
	if !strings.Contains(path, "%") {
		return path
	}
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		if path[i] != '%' || i+2 >= len(path) {
			b.WriteByte(path[i])
			continue
		}
		c, err := url.PathUnescape(path[i : i+3])
		if err == nil && strings.Contains(unreserved, c) {
			b.WriteString(c)
		} else {
			b.WriteString(strings.ToUpper(path[i : i+3]))
		}
		i += 2
	}
	return b.String()
}

const unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~" // RFC 3986 §2.3

// dots takes "." and ".." out of a path. RFC 3986 §5.2.4
func dots(path string) string {
	if path == "" {
		return "/"
	}
	if !strings.Contains(path, "/.") {
		return path
	}
	var out []string
	steps := strings.Split(path, "/")
	for i, s := range steps {
		last := i == len(steps)-1
		switch {
		case s != "." && s != "..":
			out = append(out, s)
			continue
		case s == ".." && len(out) > 1:
			out = out[:len(out)-1]
		}
		if last {
			out = append(out, "")
		}
	}
	return strings.Join(out, "/")
}

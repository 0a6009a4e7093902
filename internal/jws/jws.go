// Package jws reads signed tokens and what is in them strictly: compact JWS
// (RFC 7515 §7.1), JSON objects that every reader understands alike, and DPoP
// proofs (RFC 9449), which it makes too. It trusts nobody: which keys and
// algorithms count is for its callers to say. Signatures are made and verified by go-jose.
package jws

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// ErrNotSigned says that a text is not in the form of a signed token: it is
// opaque, encrypted or in the JSON serialization. Errors that wrap it say which.
var ErrNotSigned = errors.New("not a signed JWT")

// Bounds of a token's parts, in bytes as they are sent.
const (
	maxHeader = 8 << 10
	maxKid    = 1 << 10
)

// Token is a compact JWS whose form was read and whose signature was not verified.
type Token struct {
	Algorithm string // alg
	Type      string // typ in lower case, without "application/"; empty: there is none
	KeyID     string // kid; empty: there is none
	URL       string // jku, which is never fetched; empty: there is none
	Payload   []byte // decoded, of any kind

	header *Object
	text   string
	signed bool                   // the signature part is not empty
	jose   *jose.JSONWebSignature // nil: not read yet
}

// The members of a header that mean something, and that no other spelling may pretend to be.
var headerNames = []string{"alg", "typ", "kid", "jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256", "cty", "crit", "b64", "enc", "zip"}

// Read reads the form and the header of a token. Every byte of the text counts:
// two texts are never read as the same token. The error wraps ErrNotSigned if the
// text does not look like a signed token at all; no error repeats the text.
func Read(text string) (*Token, error) {
	head, rest, _ := strings.Cut(text, ".")
	raw, fault := decode(head)
	if err := looksSigned(text, head, raw); err != nil {
		return nil, err
	}
	if len(head) > maxHeader {
		return nil, errors.New("the header is too long")
	}
	if fault != nil {
		return nil, fmt.Errorf("the header is %w", fault)
	}
	body, signature, _ := strings.Cut(rest, ".")
	var err error
	t := &Token{text: text, signed: signature != ""}
	if t.Payload, err = decode(body); err != nil {
		return nil, fmt.Errorf("the payload is %w", err)
	}
	if _, err := decode(signature); err != nil {
		return nil, fmt.Errorf("the signature is %w", err)
	}
	if t.header, err = ReadObject(raw, headerNames); err != nil {
		return nil, fmt.Errorf("the header is not strict JSON: %w", err)
	}
	if err := t.readHeader(); err != nil {
		return nil, err
	}
	return t, nil
}

// looksSigned tells a signed token from the other things that a credential may
// be. raw is its header; nil: that is not in its one form.
func looksSigned(text, head string, raw []byte) error {
	if strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), "{") {
		return fmt.Errorf("%w: it is in the JSON serialization, and only the compact one is accepted", ErrNotSigned)
	}
	var err error
	if raw == nil {
		raw, err = base64.RawURLEncoding.DecodeString(strings.TrimRight(head, "="))
	}
	if opaque := err != nil || !strings.HasPrefix(strings.TrimLeft(string(raw), " \t\r\n"), "{"); opaque {
		return fmt.Errorf("%w: it is opaque", ErrNotSigned)
	}
	switch dots := strings.Count(text, "."); dots {
	case 2:
		return nil
	case 4:
		return fmt.Errorf("%w: it is encrypted (5 parts, a JWE)", ErrNotSigned)
	default:
		return fmt.Errorf("%w: it has %d parts instead of 3", ErrNotSigned, dots+1)
	}
}

// readHeader reads what the header says. RFC 7515 §4.1
func (t *Token) readHeader() error {
	// Whatever a header calls critical has to be understood, and nothing of the kind is. RFC 7515 §4.1.11
	for _, name := range [...]string{"crit", "b64"} {
		if t.header.Has(name) {
			return fmt.Errorf("its header has %q, and no extension is understood", name)
		}
	}
	for _, name := range [...]string{"x5u", "x5c"} { // keys come from the issuer alone. RFC 8725 §3.10
		if t.header.Has(name) {
			return fmt.Errorf("its header brings a key of its own (%q)", name)
		}
	}
	for _, name := range [...]string{"enc", "zip", "cty"} { // RFC 7519 §5.2: cty says that there is a token in the token
		if t.header.Has(name) {
			return fmt.Errorf("its header has %q, which no access token has", name)
		}
	}
	for _, m := range [...]struct {
		name string
		to   *string
	}{{"alg", &t.Algorithm}, {"typ", &t.Type}, {"kid", &t.KeyID}, {"jku", &t.URL}} {
		v, there := t.header.Get(m.name)
		if !there {
			continue
		}
		s, ok := Text(v)
		if !ok || !plain(s) || s == "" && m.name != "alg" {
			return fmt.Errorf("%q in its header is not a text", m.name)
		}
		*m.to = s
	}
	if len(t.KeyID) > maxKid {
		return errors.New(`"kid" in its header is too long`)
	}
	t.Type = MediaType(t.Type)
	return nil
}

// JWK returns the public key in the header, as JSON, if there is one.
func (t *Token) JWK() ([]byte, bool) { return t.header.Get("jwk") }

// MediaType returns a typ in the form that it is compared in: media types have
// no case, and "application/" may be left out. RFC 7515 §4.1.9
func MediaType(typ string) string {
	typ = strings.ToLower(typ)
	if short, ok := strings.CutPrefix(typ, "application/"); ok && !strings.Contains(short, "/") {
		return short
	}
	return typ
}

// strict knows one text for each sequence of bytes: no padding, and unused bits are zero.
var strict = base64.RawURLEncoding.Strict()

// decode reads base64url. The decoder of the standard library passes over line
// ends, so they are looked for here.
func decode(text string) ([]byte, error) {
	raw, err := strict.DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") {
		return nil, errors.New("not base64url in its one form")
	}
	return raw, nil
}

// plain reports whether a text can be shown: no control characters.
func plain(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 })
}

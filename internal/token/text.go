package token

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// maxText bounds a token, in bytes. Those of providers have two thousand; a few
// that list groups have eight.
const maxText = 16 << 10

// Form is what a token looks like from outside.
type Form int

// The forms of tokens.
const (
	FormOpaque Form = iota
	FormJWT         // three parts, the first a JSON object. RFC 7515 §7.1
	FormJWE         // five parts, the first a JSON object. RFC 7516 §7.1
)

// FormOf looks at a token. Nothing is verified.
func FormOf(text string) Form {
	first, _, found := strings.Cut(text, ".")
	if !found {
		return FormOpaque
	}
	header, err := base64.RawURLEncoding.Strict().DecodeString(first)
	if err != nil || len(header) == 0 || header[0] != '{' || !json.Valid(header) {
		return FormOpaque
	}
	switch strings.Count(text, ".") {
	case 2:
		return FormJWT
	case 4:
		return FormJWE
	}
	return FormOpaque
}

// Fingerprint names a token that has no other name. That of a JWT does not cover
// its signature: some kinds can be rewritten by whoever has the token, so that the
// same claims would come back under another text.
func Fingerprint(text string) [sha256.Size]byte { return fingerprint(text, FormOf(text)) }

func fingerprint(text string, form Form) [sha256.Size]byte {
	if form == FormJWT {
		text = text[:strings.LastIndexByte(text, '.')]
	}
	return keyOf(text)
}

// peek is what is read of a JWT before anybody knows whether it is true: enough
// to find who can tell.
type peek struct {
	Issuer, ID, Subject string
	Issued, Expires     time.Time // zero: not told
}

// payloadOf returns the claims of a JWT, unverified.
func payloadOf(text string) ([]byte, error) {
	_, rest, _ := strings.Cut(text, ".")
	body, _, _ := strings.Cut(rest, ".")
	raw, err := base64.RawURLEncoding.Strict().DecodeString(body)
	if err != nil {
		return nil, errors.New("the payload is not base64url without padding") // RFC 7515 §2
	}
	if !utf8.Valid(raw) {
		return nil, errors.New("the payload is not UTF-8")
	}
	return raw, nil
}

// peekAt reads a JWT's payload. A claim that is there twice, or in another case,
// is an error: whoever verifies the token might read the other one.
func peekAt(text string) (*peek, error) {
	raw, err := payloadOf(text)
	if err != nil {
		return nil, err
	}
	members, err := membersOf(raw)
	if err != nil {
		return nil, err
	}
	p := &peek{}
	for _, f := range [...]struct {
		name string
		from json.RawMessage
		into *string
	}{{"iss", members.iss, &p.Issuer}, {"jti", members.jti, &p.ID}, {"sub", members.sub, &p.Subject}} {
		if f.from == nil {
			continue
		}
		var ok bool
		if *f.into, ok = textOf(f.from); !ok {
			return nil, fmt.Errorf("%s is no string", f.name)
		}
	}
	for _, f := range [...]struct {
		name string
		from json.RawMessage
		into *time.Time
	}{{"iat", members.iat, &p.Issued}, {"exp", members.exp, &p.Expires}} {
		if f.from == nil {
			continue
		}
		seconds, ok := numberOf(f.from)
		if !ok || seconds < 0 || seconds > 1<<40 {
			return nil, fmt.Errorf("%s is no time", f.name)
		}
		*f.into = time.UnixMicro(int64(seconds * 1e6)).UTC()
	}
	return p, nil
}

// claimGrant is the claim by which tokens of ours say of which grant they came.
// What another issuer means by it harms nobody: a grant is revoked under its issuer.
const claimGrant = "grant"

// claimVia is the claim by which tokens of ours that were exchanged say for which:
// the jti of each before them, with spaces between. They end with any of these.
const claimVia = "via"

// aside returns what claims say that an identity does not: whether they bind
// the token to its sender, of which grant it came, and of which tokens. What cannot
// be read counts as bound. RFC 7800 §3.1
func aside(claims []byte) (bound bool, grant, via string) {
	members, err := membersOf(claims)
	if err != nil {
		return true, "", ""
	}
	grant, _ = textOf(members.grant)
	via, _ = textOf(members.via)
	return members.cnf != nil, grant, via
}

// Pasted is what a token's text says of itself, unverified: enough to revoke it.
type Pasted struct {
	Target
	Expires time.Time // exp; zero: not told
	Issued  time.Time // iat; zero: not told
	Subject string    // sub; empty: not told
	Iss     string    // empty: not told
}

// Read says how the token of a text can be revoked: by its jti, or else by its
// fingerprint. Nothing is verified: who lies about another's token revokes it, so
// this is for operators.
func Read(text string) (*Pasted, error) {
	text = strings.TrimSpace(text)
	if text == "" || len(text) > maxText || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, fmt.Errorf("%w: that is no token: want 1 to %d visible characters", ErrInvalid, maxText)
	}
	form := FormOf(text)
	sum := fingerprint(text, form)
	out := &Pasted{Target: Target{Kind: KindToken, Value: hex.EncodeToString(sum[:])}}
	if form != FormJWT {
		return out, nil
	}
	p, err := peekAt(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	out.Iss, out.Subject, out.Issued, out.Expires = p.Issuer, p.Subject, p.Issued, p.Expires
	if p.ID != "" && p.Issuer != "" {
		if t := (Target{Kind: KindID, Issuer: p.Issuer, Value: p.ID}); t.Validate() == nil {
			out.Target = t
		}
	}
	return out, nil
}

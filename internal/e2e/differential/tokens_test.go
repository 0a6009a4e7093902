package differential

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	issuer   = "https://idp.example.com"
	resource = "https://mcp.example.com/mcp"
)

var now = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// keys of the issuer, by kid. Elliptic ones are fixed; the RSA key is not, and
// nothing that is compared depends on it.
func newKeys(t *testing.T) map[string]crypto.Signer {
	t.Helper()
	seed := sha256.Sum256([]byte("differential"))
	ec, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), seed[:])
	if err != nil {
		t.Fatal(err)
	}
	r, err := rsa.GenerateKey(nil, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]crypto.Signer{"ES256": ec, "RS256": r, "EdDSA": ed25519.NewKeyFromSeed(seed[:])}
}

var b64 = base64.RawURLEncoding

// sign makes a token of any header and payload.
func sign(t *testing.T, key crypto.Signer, header, payload string) string {
	t.Helper()
	input := b64.EncodeToString([]byte(header)) + "." + b64.EncodeToString([]byte(payload))
	sum := sha256.Sum256([]byte(input))
	var (
		sig []byte
		err error
	)
	switch k := key.(type) {
	case *rsa.PrivateKey:
		sig, err = rsa.SignPKCS1v15(nil, k, crypto.SHA256, sum[:])
	case *ecdsa.PrivateKey:
		var der []byte
		if der, err = k.Sign(nil, sum[:], crypto.SHA256); err == nil { // deterministic: RFC 6979
			sig = concatenated(t, der)
		}
	case ed25519.PrivateKey:
		sig = ed25519.Sign(k, []byte(input))
	}
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + b64.EncodeToString(sig)
}

// mutant is a token and what was done to it.
type mutant struct {
	what string // in words
	text string
}

// maker makes mutants from a seed.
type maker struct {
	t    *testing.T
	keys map[string]crypto.Signer
	r    *rand.Rand
}

// member is a member of a JSON object as it is written.
type member struct{ name, value string }

func write(members []member) string {
	parts := make([]string, len(members))
	for i, m := range members {
		parts[i] = m.name + ":" + m.value
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

// next makes one mutant: a part that was changed before it was signed, or bytes
// that were changed after.
func (m *maker) next() mutant {
	alg := pick(m.r, slices.Sorted(maps.Keys(m.keys)))
	header := []member{{`"alg"`, quote(alg)}, {`"typ"`, `"at+jwt"`}, {`"kid"`, quote(alg)}}
	at := now.Unix()
	payload := []member{
		{`"iss"`, quote(issuer)}, {`"sub"`, `"ada"`}, {`"aud"`, quote(resource)}, {`"client_id"`, `"app"`}, {`"scope"`, `"a b"`},
		{`"jti"`, `"t1"`}, {`"iat"`, fmt.Sprint(at)}, {`"nbf"`, fmt.Sprint(at)}, {`"exp"`, fmt.Sprint(at + 600)},
	}
	switch m.r.IntN(10) {
	case 0, 1, 2, 3:
		what, changed := m.change("claim", payload, claimValues(at))
		return mutant{what, sign(m.t, m.keys[alg], write(header), changed)}
	case 4, 5:
		what, changed := m.change("header", header, headerValues())
		return mutant{what, sign(m.t, m.keys[alg], changed, write(payload))}
	case 6:
		return mutant{"another key", sign(m.t, m.keys[pick(m.r, slices.Sorted(maps.Keys(m.keys)))], write(header), write(payload))}
	default:
		what, text := m.damage(sign(m.t, m.keys[alg], write(header), write(payload)))
		return mutant{what, text}
	}
}

// change changes one member, or how the object is written.
func (m *maker) change(of string, members []member, values map[string][]string) (string, string) {
	i := m.r.IntN(len(members))
	name := strings.Trim(members[i].name, `"`)
	what := of + " " + name + " "
	switch m.r.IntN(9) {
	case 0:
		return what + "removed", write(slices.Delete(members, i, i+1))
	case 1:
		twice := member{members[i].name, pick(m.r, values[name])}
		return what + "twice", write(slices.Insert(members, m.r.IntN(len(members)+1), twice))
	case 2:
		spelled := member{quote(pick(m.r, []string{strings.ToUpper(name), strings.ToUpper(name[:1]) + name[1:], strings.Replace(name, "s", "ſ", 1), name + "\x00"})), pick(m.r, values[name])}
		if spelled.name == members[i].name {
			return "nothing", write(members)
		}
		return what + "beside another spelling", write(append(members, spelled))
	case 3:
		members[i].name = quote(strings.ToUpper(name))
		return what + "in capitals", write(members)
	case 4:
		extra := pick(m.r, extraMembers())
		return of + " with " + extra.name, write(append(members, extra))
	case 5:
		return of + " written oddly", pick(m.r, []string{
			write(members) + " ", write(members) + "{}", "\ufeff" + write(members), "[" + write(members) + "]", strings.TrimSuffix(write(members), "}"),
			" " + write(members), strings.Replace(write(members), ",", " ,\n", 1), strings.Replace(write(members), ",", ",,", 1), "null", "",
		})
	default:
		members[i].value = pick(m.r, values[name])
		return what + "= " + members[i].value, write(members)
	}
}

// claimValues are values that a claim may get.
func claimValues(at int64) map[string][]string {
	times := []string{`null`, `"1795780800"`, `1.5`, `-1`, `0`, `1e30`, `9223372036854775808`, `253402300799`, `true`, `[]`, `{}`, `1e400`}
	for _, d := range []int64{-7200, -61, -60, -59, -1, 0, 1, 59, 60, 61, 600, 7200, 40_000_000} {
		times = append(times, fmt.Sprint(at+d), fmt.Sprint(at+d)+".5", fmt.Sprintf("%de0", at+d))
	}
	texts := []string{`null`, `""`, `1`, `1.5`, `true`, `[]`, `{}`, `["ada"]`, `"\ud800"`, `"\u0000"`, `"ada\n"`, "\"\xff\"", `"` + strings.Repeat("x", 600) + `"`}
	auds := slices.Concat(texts, []string{
		quote(resource + "/"), quote(resource + "x"), `["x",` + quote(resource) + `]`, `[` + quote(resource) + `,1]`, `[[` + quote(resource) + `]]`,
		quote("https://mcp.example.com"), quote(strings.ToUpper(resource)), `["x"]`,
	})
	return map[string][]string{
		"iss": append(texts, quote(issuer+"/"), quote("https://IDP.example.com"), quote(" "+issuer)), "sub": append(texts, `"bob"`), "aud": auds,
		"client_id": append(texts, `"other"`), "scope": append(texts, `["a","b"]`, `"a"`), "jti": texts, "iat": times, "nbf": times, "exp": times,
	}
}

// headerValues are values that a header's member may get.
func headerValues() map[string][]string {
	return map[string][]string{
		"alg": {`"none"`, `"None"`, `""`, `null`, `["ES256"]`, `"HS256"`, `"es256"`, `"ES384"`, `"RS256"`, `"ES256"`, `"EdDSA"`, `"PS256"`, `1`},
		"typ": {`"JWT"`, `"application/at+jwt"`, `"AT+JWT"`, `"dpop+jwt"`, `""`, `null`, `1`, `"logout+jwt"`, `["at+jwt"]`},
		"kid": {`"ES256"`, `"RS256"`, `"EdDSA"`, `"nobody"`, `""`, `null`, `1`, `["ES256"]`, `"../../dev/null"`, `"ES256\u0000"`, `"` + strings.Repeat("k", 2000) + `"`},
	}
}

// extraMembers are members that mean something to somebody.
func extraMembers() []member {
	return []member{
		{`"crit"`, `["exp"]`}, {`"crit"`, `[]`}, {`"b64"`, `false`}, {`"jku"`, `"https://evil.example/"`}, {`"jwk"`, `{"kty":"oct","k":"AA"}`}, {`"x5u"`, `"https://evil.example/"`},
		{`"x5c"`, `["AA"]`}, {`"cty"`, `"JWT"`}, {`"zip"`, `"DEF"`}, {`"enc"`, `"A256GCM"`}, {`"cnf"`, `{"jkt":"x"}`}, {`"cnf"`, `{}`}, {`"nonce"`, `"n"`},
		{`"token_use"`, `"id"`}, {`"at_hash"`, `"x"`}, {`"htm"`, `"POST"`}, {`"events"`, `{}`}, {`"act"`, `"x"`}, {`"roles"`, `true`}, {`"n"`, `1e400`},
		{`"deep"`, strings.Repeat("[", 100) + strings.Repeat("]", 100)}, {`"x"`, `{"a":1,"a":2}`}, {`"note"`, `"fine"`}, {`"list"`, `[1,2,{"a":null}]`},
	}
}

// damage changes bytes of a token that was signed.
func (m *maker) damage(tok string) (string, string) {
	i := m.r.IntN(len(tok))
	digit := string(pick(m.r, []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")))
	parts := strings.Split(tok, ".")
	ends := []int{len(parts[0]) - 1, len(parts[0]) + len(parts[1]), len(tok) - 1}
	switch m.r.IntN(9) {
	case 0:
		return "cut", tok[:i]
	case 1:
		return "a character replaced", tok[:i] + digit + tok[i+1:]
	case 2:
		return "a character put in", tok[:i] + digit + tok[i:]
	case 3:
		return "a character taken out", tok[:i] + tok[i+1:]
	case 4:
		end := pick(m.r, ends)
		return "the last character of a part replaced", tok[:end] + digit + tok[end+1:]
	case 5:
		odd := pick(m.r, []string{"=", " ", "\n", "\r", ".", "\x00", "+", "/", "%3D"})
		return "odd characters put in", tok[:i] + odd + tok[i:]
	case 6:
		odd := pick(m.r, []string{"=", " ", "\n", ".", "==", "A", ".AAAA"})
		return "odd characters at the end", tok + odd
	case 7:
		p := m.r.Perm(3)
		return "parts in another order", parts[p[0]] + "." + parts[p[1]] + "." + parts[p[2]]
	default:
		return "the letters' case", pick(m.r, []string{strings.ToLower(tok), strings.ToUpper(tok), "Bearer " + tok, tok + tok})
	}
}

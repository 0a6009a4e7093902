package federation

import (
	"bytes"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/idp"
	"github.com/gatehouse-mcp/gatehouse/internal/jws"
)

// FuzzClaims merges what an ID token and userinfo say, whatever it is: an address
// is only ever there if one of the two says that address, and that it is verified.
func FuzzClaims(f *testing.F) {
	f.Add(`{"sub":"a","email":"a@acme.com"}`, `{"sub":"a","email_verified":true}`)
	f.Add(`{"sub":"a","email":"a@acme.com","email_verified":true}`, `{"email":"b@acme.com"}`)
	f.Add(`{"sub":"a","hd":"acme.com"}`, `{"hd":"evil.example","email":"b@acme.com","email_verified":true,"groups":["x"]}`)
	f.Add(`{"sub":"a","Email":"x"}`, `{"sub":"a","_claim_names":{"groups":"src1"}}`)
	p, err := Open(&Settings{Name: "acme", Preset: "oidc", Issuer: "https://login.acme.com", ClientID: "id"})
	if err != nil {
		f.Fatal(err)
	}
	o, ok := p.(*OIDC)
	if !ok {
		f.Fatal("it is no OIDC")
	}
	f.Fuzz(func(t *testing.T, token, userinfo string) {
		signed, err := readClaims([]byte(token))
		if err != nil {
			return
		}
		more, err := readClaims([]byte(userinfo))
		if err != nil {
			more = nil
		}
		who, err := o.read(merge(signed, more), object(signed))
		if err != nil {
			return
		}
		if who.Subject != text(signed, "sub") && text(signed, "sub") != "" {
			t.Errorf("got subject %q of %s", who.Subject, token)
		}
		if who.Email == "" {
			return
		}
		says := func(claims []jws.Member) bool {
			v, _ := member(claims, "email_verified")
			return text(claims, "email") == who.Email && string(v) == "true"
		}
		if !says(signed) && !says(more) {
			t.Errorf("got %q of %s and %s", who.Email, token, userinfo)
		}
		if strings.Count(who.Email, "@") != 1 || strings.ContainsFunc(who.Email, func(c rune) bool { return c > '~' || c <= ' ' }) {
			t.Errorf("got %q", who.Email)
		}
	})
}

// FuzzClientKey reads what may be a private key. No error repeats it.
func FuzzClientKey(f *testing.F) {
	f.Add("a secret")
	f.Add("-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n-----END PRIVATE KEY-----\n")
	f.Add("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
	f.Fuzz(func(t *testing.T, secret string) {
		key, err := clientKey(secret)
		if err != nil && (key != nil || len(secret) > 40 && strings.Contains(err.Error(), secret)) {
			t.Errorf("got %v, %v", key, err)
		}
	})
}

// FuzzCodes finds codes of Entra in whatever a provider writes. Nothing of it is shown.
func FuzzCodes(f *testing.F) {
	f.Add("access_denied", "AADSTS50105: The signed in user canary is not assigned. Trace ID: x")
	f.Add("<script>", "AADSTS999999999")
	p, err := Open(&Settings{Name: "entra", Preset: "entra", Params: map[string]string{"tenant": "08541b6e-646d-43de-a0eb-834e6713d6d5"}, ClientID: "id"})
	if err != nil {
		f.Fatal(err)
	}
	o, ok := p.(*OIDC)
	if !ok {
		f.Fatal("it is no OIDC")
	}
	known := map[string]bool{}
	for _, w := range entra {
		known[w.text] = true
	}
	f.Fuzz(func(t *testing.T, code, description string) {
		r := o.denied(code, description)
		shown := r.Text
		if i := strings.LastIndex(shown, " (AADSTS"); i >= 0 {
			if strings.Trim(strings.TrimSuffix(shown[i+len(" (AADSTS"):], ")"), "0123456789") != "" {
				t.Errorf("got %q", shown)
			}
			shown = shown[:i]
		}
		if bytes.ContainsAny([]byte(shown), "<>\x00\n%") || r.Code == "" {
			t.Errorf("got %q of %q %q", shown, code, description)
		}
	})
}

// FuzzAddress takes addresses apart, of people and of strangers.
func FuzzAddress(f *testing.F) {
	for _, text := range []string{"ada@acme.com", "a@b@c.de", "\u212a@acme.com", "a@ACME.com", "a@acme", `"a b"@acme.com`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		local, domain, ok := idp.Address(text)
		if !ok {
			return
		}
		if !strings.EqualFold(local+"@"+domain, text) || !idp.IsDomain(domain) || strings.Contains(local, "@") {
			t.Errorf("%q: got %q and %q", text, local, domain)
		}
	})
}

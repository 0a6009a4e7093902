package jws

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

func TestWhatIsProvedIsRead(t *testing.T) {
	for _, alg := range ProofAlgorithms() {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			made, err := NewProver(alg)
			if err != nil {
				t.Fatal(err)
			}
			kept, err := json.Marshal(made)
			if err != nil {
				t.Fatal(err)
			}
			p := &Prover{}
			if err := json.Unmarshal(kept, p); err != nil {
				t.Fatal(err)
			}
			want := Proof{Method: "POST", URL: "https://a.example/x", Issued: 1700000000, Hash: "h", Nonce: "n"}
			ids := map[string]bool{}
			for range 2 {
				text, err := p.Prove(want)
				if err != nil {
					t.Fatal(err)
				}
				got, err := ReadProof(text, []string{alg})
				if err != nil {
					t.Fatal(err)
				}
				ids[got.ID] = true
				want.Thumbprint, want.ID = made.Thumbprint, got.ID
				if *got != want {
					t.Errorf("got %+v, want %+v", got, want)
				}
			}
			if len(ids) != 2 {
				t.Errorf("the proofs have the ids %v", ids)
			}
		})
	}
}

// TestA105ProverKeepsItsKey: whatever is printed has no private key in it.
func TestA105ProverKeepsItsKey(t *testing.T) {
	for _, alg := range []string{"ES256", "EdDSA"} {
		t.Run(alg, func(t *testing.T) { keeps(t, alg) })
	}
}

func keeps(t *testing.T, alg string) {
	t.Helper()
	p, err := NewProver(alg)
	if err != nil {
		t.Fatal(err)
	}
	bytes := "none"
	if secret, ok := p.key.Key.(ed25519.PrivateKey); ok {
		bytes = strings.Trim(fmt.Sprint([]byte(secret[:8])), "[]")
	}
	var kept struct{ D string }
	raw, err := json.Marshal(p)
	if err != nil || json.Unmarshal(raw, &kept) != nil || kept.D == "" {
		t.Fatalf("%v: %d bytes", err, len(raw))
	}
	text, err := p.Prove(Proof{})
	if err != nil {
		t.Fatal(err)
	}
	header, err := decode(text[:strings.Index(text, ".")])
	if err != nil {
		t.Fatal(err)
	}
	for _, said := range []string{fmt.Sprint(p), fmt.Sprintf("%+v", p), fmt.Sprintf("%#v", p), fmt.Sprintf("%+v", struct{ P *Prover }{p}), string(header)} {
		if strings.Contains(said, kept.D) || strings.Contains(said, bytes) || strings.Contains(said, `"d"`) || strings.Contains(said, "PrivateKey") {
			t.Errorf("got %s", said)
		}
	}
}

func TestKeysThatProveNothing(t *testing.T) {
	for _, alg := range []string{"", "none", "HS256", "es256", "ES256K"} {
		if _, err := NewProver(alg); err == nil {
			t.Errorf("%q makes proofs", alg)
		}
	}
	p, err := NewProver("ES256")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	public := p.key.Public()
	shared, err := public.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"a public key": string(shared), "a secret": `{"kty":"oct","k":"c2VjcmV0","alg":"HS256"}`, "nothing": `{}`, "no object": `"x"`,
		"another algorithm": strings.Replace(string(raw), "ES256", "ES384", 1), "no algorithm": strings.Replace(string(raw), `"alg":"ES256"`, `"use":"sig"`, 1),
	} {
		if err := json.Unmarshal([]byte(bad), &Prover{}); err == nil || strings.Contains(err.Error(), "c2VjcmV0") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestTargetsAsTheyAreSent(t *testing.T) {
	for text, want := range map[string]string{
		"https://a.example": "https://a.example/", "https://A.example:8443/x%2Fy/?q=1#f": "https://A.example:8443/x%2Fy/", "HTTP://[::1]:80/.": "http://[::1]:80/.",
	} {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := Target(u); got != want || !SameTarget(got, text) {
			t.Errorf("%s: got %s", text, got)
		}
	}
}

// FuzzProver looks for a kept key that breaks its reader, or makes what is no proof.
func FuzzProver(f *testing.F) {
	f.Add(`{"kty":"EC","crv":"P-256","alg":"ES256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","d":"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"}`) // RFC 7517, Appendix A.2
	f.Add(`{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`)                                                // RFC 8037, Appendix A.1
	f.Fuzz(func(t *testing.T, raw string) {
		p := &Prover{}
		if json.Unmarshal([]byte(raw), p) != nil || p.signer == nil {
			return
		}
		text, err := p.Prove(Proof{Method: "GET", URL: "https://a.example/"})
		if err != nil {
			return
		}
		if got, err := ReadProof(text, Algorithms()); err != nil || got.Thumbprint != p.Thumbprint {
			t.Fatalf("%s proves %v, %v", raw, got, err)
		}
	})
}

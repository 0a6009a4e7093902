package signin

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/jws"
)

func TestNoncesOfTheServer(t *testing.T) {
	w := newWorld(t)
	w.binds()
	c := w.client()
	cred, err := w.first(c)
	if err != nil {
		t.Fatal(err)
	}
	at := w.url + "/mcp"
	const asks = `DPoP error="use_dpop_nonce"`
	for name, bad := range map[string]*http.Response{
		"no nonce":             answered(at, 401, "WWW-Authenticate", asks),
		"two":                  answered(at, 401, "WWW-Authenticate", asks, "DPoP-Nonce", "a", "DPoP-Nonce", "b"),
		"none that can be one": answered(at, 401, "WWW-Authenticate", asks, "DPoP-Nonce", `a"b`),
		"one that is too long": answered(at, 401, "WWW-Authenticate", asks, "DPoP-Nonce", strings.Repeat("a", 3000)),
		"another status":       answered(at, 403, "WWW-Authenticate", asks, "DPoP-Nonce", "never"),
		"another error":        answered(at, 401, "WWW-Authenticate", `DPoP error="invalid_token"`),
		"another scheme":       answered(at, 401, "WWW-Authenticate", `Bearer error="use_dpop_nonce"`),
		"another origin":       answered("http://evil.example/", 401, "WWW-Authenticate", asks, "DPoP-Nonce", "evil"),
	} {
		if again := cred.Heard(bad); again != nil {
			t.Errorf("%s: it is repeated", name)
		}
	}
	if p := w.sends(cred, "POST", at); p.Nonce != "never" { // the last one that the server said, whatever with
		t.Errorf("got the nonce %q", p.Nonce)
	}
	for _, status := range []int{400, 401} {
		again := cred.Heard(answered(at, status, "WWW-Authenticate", asks, "DPoP-Nonce", "mine"))
		if again == nil {
			t.Fatalf("%d: it is not repeated", status)
		}
		cred.Heard(answered(at, 200, "DPoP-Nonce", "later")) // of another request
		if p := w.sends(again, "POST", at); p.Nonce != "mine" {
			t.Errorf("%d: it is repeated with %q", status, p.Nonce)
		}
		if p := w.sends(again, "POST", at); p.Nonce != "later" {
			t.Errorf("%d: the next has %q", status, p.Nonce)
		}
	}
	if p := w.sends(cred, "POST", at); p.Nonce != "later" {
		t.Errorf("the next request has %q", p.Nonce)
	}
	if got := (*Credential)(nil).Heard(answered(at, 401)); got != nil {
		t.Errorf("got %v without a credential", got)
	}
	// Twice is once too many, and no window helps.
	_, err = c.Renew(t.Context(), Refusal{Status: 401, Header: http.Header{"Www-Authenticate": {asks}}, With: cred})
	if code(err) != CodeProof || w.visits != 1 || len(w.forms) != 1 {
		t.Errorf("got %v after %d visits", err, w.visits)
	}
}

// A clock that is wrong is made up for by the server's, once it refuses a proof.
func TestAClockThatIsWrongProvesAllTheSame(t *testing.T) {
	w := newWorld(t)
	b := w.binds()
	then, real := w.before, time.Now
	off := -3 * time.Hour
	w.before = func(rw http.ResponseWriter, r *http.Request) bool {
		if p, err := jws.ReadProof(r.Header.Get("DPoP"), jws.Algorithms()); err == nil && r.URL.Path == "/token" {
			if since := real().Sub(time.Unix(int64(p.Issued), 0)).Abs(); since > time.Minute {
				b.proofs = append(b.proofs, p)
				rw.WriteHeader(http.StatusBadRequest)
				_, _ = rw.Write([]byte(`{"error":"invalid_dpop_proof"}`))
				return true
			}
		}
		return then(rw, r)
	}
	c := w.client()
	c.Now = func() time.Time { return real().Add(off) }
	cred, err := w.first(c)
	if err != nil || len(b.proofs) != 2 {
		t.Fatalf("got %v after %d requests", err, len(b.proofs))
	}
	at := w.url + "/mcp"
	again := cred.Heard(answered(at, 401, "WWW-Authenticate", `DPoP error="invalid_dpop_proof"`, "Date", real().UTC().Format(http.TimeFormat)))
	if again == nil {
		t.Fatal("it is not repeated")
	}
	for _, one := range []*Credential{again, cred} {
		if p := w.sends(one, "POST", at); real().Sub(time.Unix(int64(p.Issued), 0)).Abs() > time.Minute {
			t.Errorf("it was made at %v", p.Issued)
		}
	}
	if p := w.sends(cred, "POST", at); p.Hash == "" {
		t.Error("it has no ath")
	}
}

// FuzzNonce looks for an answer that gets something else than a nonce into a proof.
func FuzzNonce(f *testing.F) {
	f.Add("n-1", `DPoP error="use_dpop_nonce"`, "Fri, 27 Nov 2026 12:00:00 GMT")
	f.Add("a\r\nb", `DPoP error="invalid_dpop_proof", algs="ES256"`, "x")
	key, err := jws.NewProver("ES256")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, nonce, challenge, date string) {
		c := &Client{}
		cred := &Credential{text: "x", origin: "https://a.example", key: key, of: c}
		at := "https://a.example/mcp"
		cred.Heard(answered(at, 401, "DPoP-Nonce", nonce, "WWW-Authenticate", challenge, "Date", date))
		to, _ := url.Parse(at)
		text, err := c.prove(key, c.peers.at(asResource+cred.origin), "POST", to, "x")
		if err != nil {
			t.Fatal(err)
		}
		p, err := jws.ReadProof(text, jws.Algorithms())
		if err != nil || p.Nonce != "" && (p.Nonce != nonce || strings.ContainsAny(nonce, " \r\n\"\\")) {
			t.Errorf("%q gives %+v, %v", nonce, p, err)
		}
	})
}

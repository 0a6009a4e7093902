package gateway_test

import (
	"encoding/base64"
	"fmt"
	"hash/crc32"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
)

// forged is a key of that id with somebody else's secret and a sound checksum.
func forged(id, secret string) string {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	body := "gthk_" + id + "_" + secret
	var sum [6]byte
	for crc, i := crc32.ChecksumIEEE([]byte(body)), len(sum)-1; i >= 0; i-- {
		sum[i] = digits[crc%62]
		crc /= 62
	}
	return body + string(sum[:])
}

// secretOf is a key's secret without id and checksum.
func secretOf(text string) string { return text[len("gthk_")+12+1 : len(text)-6] }

// expired mints a key and lets it expire.
func (s *siege) expired(t *testing.T) string {
	t.Helper()
	k, text := s.fixture.key()
	past := time.Now().Add(-time.Hour)
	if _, err := s.keys.Update(t.Context(), "", k.ID, apikey.Change{Expires: &past}); err != nil {
		t.Fatal(err)
	}
	return text
}

func (s *siege) revoked(t *testing.T) string {
	t.Helper()
	k, text := s.fixture.key()
	if _, err := s.keys.Revoke(t.Context(), "", k.ID, "ada", "leaked"); err != nil {
		t.Fatal(err)
	}
	return text
}

// elsewhere mints a key for a network that the test is not in.
func (s *siege) elsewhere(t *testing.T) string {
	t.Helper()
	_, text, err := s.keys.Create(t.Context(), s.tenant, apikey.Spec{
		Name: "elsewhere", Tools: []string{"*"}, Networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")},
	})
	if err != nil {
		t.Fatal(err)
	}
	return text.Reveal()
}

// TestA158RefusalsTellNothing compares whole answers: whether there is a key of
// an id, and what has become of it, is nobody's business.
func TestA158RefusalsTellNothing(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo))
	k, text := s.fixture.key()
	_, other := s.fixture.key()
	other = secretOf(other)
	unknown, _, err := apikey.Mint(nil)
	if err != nil {
		t.Fatal(err)
	}
	own, err := s.tenants.Create(t.Context(), "gone")
	if err != nil {
		t.Fatal(err)
	}
	_, suspended := s.keyOf(own.ID)
	if _, err := s.tenants.Suspend(t.Context(), own.ID, "test"); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, key string }{
		{"an unknown id", forged(unknown, other)},
		{"a known id and another's secret", forged(k.ID, other)},
		{"a secret in other case", forged(k.ID, strings.ToLower(secretOf(text)))},
		{"an id of a suspended tenant and another's secret", forged(suspended[5:17], other)},
		{"a revoked key", s.revoked(t)},
		{"an expired key", s.expired(t)},
		{"a key of another network", s.elsewhere(t)},
		{"no key of ours", "sk-" + other},
		{"a token", "eyJhbGciOiJub25lIn0.e30."},
		// Only who holds the whole key of a suspended tenant gets another code.
		{"a key of a suspended tenant", suspended},
	}
	for _, header := range []string{"Authorization", "X-API-Key"} {
		want := ""
		for _, tt := range tests {
			value := tt.key
			if header == "Authorization" {
				value = "Bearer " + value
			}
			got := s.refuses(t, 401, "GH-101", func() reply { return s.post("", ping, header, value) })
			text := strings.Replace(withoutRequestID(got), "GH-1013", "GH-1011", 1)
			if want == "" {
				want = text
			}
			if text != want {
				t.Errorf("%s in %s: got %s, want %s", tt.name, header, text, want)
			}
		}
	}
}

func TestA159KeyShapesAtTheGateway(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo))
	k, key := s.fixture.key()
	s.secrets = append(s.secrets, secretOf(key))
	_, other := s.fixture.key()
	basic := func(text string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(text)) }
	shapes := []string{
		key[:len(key)-1], key[:len(key)-6], key[:18], key[:17], "gthk_", key[1:], key + "A", key + key[len(key)-6:], key + key, key + "," + other, key + " " + other, other + ";" + key,
		strings.ToUpper(key), strings.ToLower(key), "GTHK_" + key[5:], key[:20] + " " + key[20:], key[:20] + "\t" + key[20:], key[:20] + "%20" + key[20:], strings.Replace(key, "_", "%5F", 1),
		`"` + key + `"`, "<" + key + ">", "Bearer " + key, "key=" + key, key + "=", "\u200b" + key, key + "\u00a0", strings.Replace(key, "g", "\u0261", 1), key[:66] + "\x80",
		k.ID, secretOf(key), forged(k.ID, secretOf(other)), "eyJhbGciOiJub25lIn0." + base64.RawURLEncoding.EncodeToString([]byte(key)) + ".", "gthk_eyJhbGciOiJub25lIn0.e30.", "*", "null", "undefined", "true", "' OR ''='",
	}
	for i, shape := range shapes {
		for _, headers := range [][]string{{"Authorization", "Bearer " + shape}, {"X-API-Key", shape}} {
			t.Run(fmt.Sprintf("%s, shape %d", headers[0], i+1), func(t *testing.T) {
				got := s.refuses(t, 401, "GH-101", func() reply { return s.post("", ping, headers...) })
				if c := got.header.Get("WWW-Authenticate"); !strings.HasPrefix(c, "Bearer ") || !strings.Contains(c, `error="invalid_token"`) {
					t.Errorf("%q: got challenge %q, want invalid_token", shape, c)
				}
			})
		}
	}
	flipped := []byte(key) // still of the right form, but for its checksum
	if i := len(key) / 2; flipped[i] == 'A' {
		flipped[i] = 'B'
	} else {
		flipped[i] = 'A'
	}
	s.refuses(t, 401, "GH-1010", func() reply { return s.post(string(flipped), ping) })
	for i, authorization := range []string{
		basic(key + ":"), basic(":" + key), basic("user:" + key), "Token " + key, "Digest " + key, "Bearer: " + key, "Bearer" + key, "Bearer=" + key, key, "", "Bearer", "ApiKey " + key, "Bearer\t" + key,
	} {
		t.Run(fmt.Sprintf("other scheme %d", i+1), func(t *testing.T) {
			s.refuses(t, 401, "GH-1001", func() reply { return s.post("", ping, "Authorization", authorization) })
		})
	}
	for _, line := range []string{"X-API-Key: " + key[:20] + "\x00" + key[20:], "Authorization: Bearer " + key + "\x00"} { // net/http refuses it
		s.stops(t, func() reply { return s.one(t, s.plain("POST", "/mcp", ping, line)) }, 400)
	}
	for _, good := range []string{"Bearer " + key, "bearer  " + key, " BEARER " + key + " "} { // RFC 9110 §5.5, §11.1
		if got := s.post("", ping, "Authorization", good); got.status != 200 {
			t.Errorf("%.10q: got %d, want 200", good, got.status)
		}
	}
}

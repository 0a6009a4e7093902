package apikey_test

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/big"
	"regexp"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
)

// shape is the expression that secret scanners are given.
var shape = regexp.MustCompile(`^gthk_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}$`)

// sum writes a checksum another way than the package does.
func sum(body string) string {
	out := ""
	for n := new(big.Int).SetUint64(uint64(crc32.ChecksumIEEE([]byte(body)))); len(out) < 6; {
		digit := new(big.Int)
		n.QuoRem(n, big.NewInt(62), digit)
		out = string("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"[digit.Int64()]) + out
	}
	return out
}

func TestMint(t *testing.T) {
	seen := map[string]bool{}
	for range 2000 {
		id, secret, err := apikey.Mint(nil)
		text := secret.Reveal()
		if err != nil || !shape.MatchString(text) || sum(text[:61]) != text[61:] {
			t.Fatalf("got %q, %v", text, err)
		}
		if got, err := apikey.Parse(text); err != nil || got != id {
			t.Fatalf("got id %q, %v, want %q", got, err, id)
		}
		if seen[id] || seen[text[18:61]] {
			t.Fatal("an id or a secret came twice")
		}
		seen[id], seen[text[18:61]] = true, true
	}
	_, all, err := apikey.Mint(bytes.NewReader(bytes.Repeat([]byte{0xff}, 44)))
	want := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))
	if got := number(all.Reveal()[18:61]); err != nil || got.Cmp(want) != 0 {
		t.Errorf("got %v, %v, want all 256 bits of the random source in the secret", got, err)
	}
	if _, _, err := apikey.Mint(bytes.NewReader(make([]byte, 43))); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v, want no key of a random source that ended", err)
	}
}

// number reads base62.
func number(s string) *big.Int {
	n := new(big.Int)
	for _, c := range s {
		digit := strings.IndexRune("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", c)
		n.Add(n.Mul(n, big.NewInt(62)), big.NewInt(int64(digit)))
	}
	return n
}

// damaged returns every way of A159 to spoil a key's text.
func damaged(text string) map[string]string {
	other := "gthk_000000000000_" + text[18:61]
	return map[string]string{
		"cut by one":               text[:66],
		"cut to half":              text[:33],
		"prefix only":              "gthk_",
		"one longer":               text + "0",
		"line feed behind":         text + "\n",
		"space behind":             text + " ",
		"NUL behind":               text + "\x00",
		"NUL inside":               text[:30] + "\x00" + text[31:],
		"lower case":               "gthk_" + strings.ToLower(text[5:]),
		"upper case":               "gthk_" + strings.ToUpper(text[5:]),
		"two joined":               text + text,
		"two joined by a comma":    text + "," + text,
		"two characters swapped":   swapped(text),
		"another id, old checksum": "gthk_000000000000" + text[17:],
		"another id without _":     strings.Replace(text, text[5:18], "0000000000000", 1),
		"another character":        text[:40] + "-" + text[41:],
		"a wide character":         text[:40] + "ü" + text[42:],
		"another id, no checksum":  other,
	}
}

// swapped returns text with two neighbours that differ swapped.
func swapped(text string) string {
	for i := 20; ; i++ {
		if text[i] != text[i+1] {
			return text[:i] + text[i+1:i+2] + text[i:i+1] + text[i+2:]
		}
	}
}

func TestA159KeyShapes(t *testing.T) {
	_, secret, err := apikey.Mint(nil)
	if err != nil {
		t.Fatal(err)
	}
	text := secret.Reveal()
	for name, bad := range damaged(text) {
		id, err := apikey.Parse(bad)
		if !errors.Is(err, apikey.ErrMalformed) || id != "" {
			t.Errorf("%s: got %q, %v, want ErrMalformed", name, id, err)
		}
		if err != nil && strings.Contains(err.Error(), text[30:40]) {
			t.Errorf("%s: the error holds a piece of the key: %v", name, err)
		}
	}
	_, err = apikey.Parse(text[:66])
	if want := "67 characters expected, got 66"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q in it", err, want)
	}
	for _, foreign := range []string{"", " " + text, "GTHK_" + text[5:], "gthr_" + text[5:], "eyJhbGciOiJub25lIn0.e30.", "gthk", "Bearer " + text} {
		if apikey.Is(foreign) {
			t.Errorf("%.10q is taken for a key", foreign)
		}
	}
}

// A vector that other programs can be checked with: secret scanners above all.
func TestChecksumVector(t *testing.T) {
	const body = "gthk_7Qm2Vx9KtB4c_EXAMPLEonlyNotARealSecret0000000000000000000"
	text := body[:61] + sum(body[:61])
	if id, err := apikey.Parse(text); err != nil || id != "7Qm2Vx9KtB4c" {
		t.Errorf("%s: got %q, %v", text, id, err)
	}
}

func FuzzParse(f *testing.F) {
	_, secret, err := apikey.Mint(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(secret.Reveal())
	for _, bad := range damaged(secret.Reveal()) {
		f.Add(bad)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, err := apikey.Parse(text)
		want := shape.MatchString(text) && sum(text[:61]) == text[61:]
		if (err == nil) != want {
			t.Errorf("%q: got %v, want accepted: %v", text, err, want)
		}
		if err == nil && id != text[5:17] || err != nil && id != "" {
			t.Errorf("%q: got id %q", text, id)
		}
	})
}

func ExampleParse() {
	_, err := apikey.Parse("gthk_7Qm2Vx9KtB4c_cut")
	fmt.Println(err)
	// Output: not a key's text: 67 characters expected, got 21
}

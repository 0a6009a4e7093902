package probe

import (
	"math"
	"strings"
	"unicode"

	"github.com/gatehouse-mcp/gatehouse/internal/jws"
	"github.com/gatehouse-mcp/gatehouse/internal/keytext"
)

const enoughBits = 128

// strength judges the key by its looks: that it is too weak can be seen, that it is strong cannot.
var strength = &Rule{
	Code: "GH-2150", Name: "key-strength", Title: "Keys are too long to be guessed",
	Group: Limits, Point: 2, Severity: High,
	Why:   "A key that can be tried is no key. Below 128 random bits a patient attacker gets there, and one that a person made up is on a list.",
	Fix:   "Draw keys from a cryptographic random source, 256 bits, and keep only their hash.",
	Links: []Link{{"NIST SP 800-131A", "https://csrc.nist.gov/pubs/sp/800/131/a/r2/final"}, {"CWE-521", "https://cwe.mitre.org/data/definitions/521.html"}},
	Check: func(r *run, t *tally) {
		k := r.o.Credential
		if k == "" {
			t.unknown(nil, "needs a key to look at: --key-from")
			return
		}
		if _, err := jws.Read(k); err == nil {
			t.without("the credential is a signed token")
			return
		}
		if _, err := keytext.Parse(k); err == nil {
			t.pass(nil, "a key of gatehouse: 256 random bits")
			return
		}
		switch bits := bitsAtMost(k); {
		case bits < 64:
			t.fail(nil, "the key has %d characters and at most %.0f bits: it can be guessed", len(k), bits)
		case bits < enoughBits:
			t.warn(nil, "the key has at most %.0f bits; 128 are the least", bits)
		default:
			t.unknown(nil, "the key is long enough (%d characters); whether it was drawn at random cannot be seen", len(k))
		}
	},
}

// bitsAtMost is how many bits a text can have at most: by its alphabet, and by
// how many different characters there are. A prefix that tells whose it is does not count.
func bitsAtMost(k string) float64 {
	if i := strings.LastIndexAny(k[:min(len(k), 16)], "_-"); i > 0 && i+1 < len(k) {
		k = k[i+1:]
	}
	kinds := map[string]float64{}
	count := map[rune]float64{}
	n := 0.0
	for _, c := range k {
		n++
		count[c]++
		switch {
		case unicode.IsDigit(c):
			kinds["digits"] = 10
		case unicode.IsUpper(c) && strings.ContainsRune("ABCDEF", c) || unicode.IsLower(c) && strings.ContainsRune("abcdef", c):
			kinds["hex"] = 6
		case unicode.IsUpper(c):
			kinds["upper"] = 26
		case unicode.IsLower(c):
			kinds["lower"] = 26
		default:
			kinds["rest"] = 4
		}
	}
	alphabet, spread := 0.0, 0.0
	for _, v := range kinds {
		alphabet += v
	}
	for _, v := range count {
		spread -= v / n * math.Log2(v/n)
	}
	// Of 22 random characters few are the same, so their spread is near that of the alphabet.
	return math.Min(n*math.Log2(math.Max(alphabet, 1)), n*spread*1.35)
}

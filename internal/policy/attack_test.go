package policy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/policy"
)

// A pattern is matched in one pass: what makes others try every way of dividing
// a name costs nothing here.
func TestA204PatternsAreLinear(t *testing.T) {
	name := strings.Repeat("a", 1<<20)
	for _, p := range []string{strings.Repeat("*a", 63) + "*b", strings.Repeat("a*", 63) + "b", "*" + strings.Repeat("a", 60) + "b*", strings.Repeat("*", 127) + "b"} {
		set, err := policy.Compile([]string{p})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if set.Allows(name) {
			t.Errorf("%.20s matches", p)
		}
		if took := time.Since(began); took > 5*time.Second { // by trying, it is the age of the universe
			t.Errorf("%.20s took %s", p, took)
		}
	}
}

package idp

import (
	"strings"
	"testing"
)

func TestWhatIsTooLongIsRefused(t *testing.T) {
	for _, form := range []Form{Claim, Word} {
		q := Param{Form: form, Example: "a"}
		for n, ok := range map[int]bool{1: true, 256: true, 257: false} {
			if _, why := q.judge(strings.Repeat("é", n)); (why == "") != ok {
				t.Errorf("form %v, %d characters: got %q, want ok = %v", form, n, why, ok)
			}
		}
	}
	for n, ok := range map[int]bool{1: true, 255: true, 256: false} {
		if why := entry(ListTeams, "acme/"+strings.Repeat("a", n), &Login{}); (why == "") != ok {
			t.Errorf("a team of %d characters: got %q, want ok = %v", n, why, ok)
		}
	}
}

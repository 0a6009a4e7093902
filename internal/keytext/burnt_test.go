package keytext_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/keytext"
)

func TestIDs(t *testing.T) {
	const id, other = "7Qm2Vx9KtB4c", "AAAAAAAAAAAA"
	for text, want := range map[string][]string{
		"":                              nil,
		"Bearer gthk_" + id + "_secret": {id},
		"gthk_" + id:                    nil, // it may have been cut within the id
		"gthk_" + id + "_":              {id},
		"gthk_7Qm2Vx9KtB4!_secret":      nil,
		"gthk_gthk_" + id + "_x":        {id},
		"gthk_" + id + "_xgthk_" + other + "_y gthk_" + id + "_z": {id, other},
	} {
		if got := keytext.IDs(text); !slices.Equal(got, want) {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}

func FuzzIDs(f *testing.F) {
	f.Add("gthk_7Qm2Vx9KtB4c_secret")
	f.Add("gthk_gthk_____")
	f.Fuzz(func(t *testing.T, text string) {
		ids := keytext.IDs(text)
		if len(ids) > 0 && !keytext.Mentions(text) {
			t.Errorf("got %v in %q, which mentions none", ids, text)
		}
		for _, id := range ids {
			if len(id) != 12 || !strings.Contains(text, "gthk_"+id+"_") {
				t.Errorf("got %q in %q", id, text)
			}
		}
	})
}

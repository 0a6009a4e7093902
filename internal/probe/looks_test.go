package probe

import "testing"

func TestAnIdOfARequestIsNoKey(t *testing.T) {
	if m := looksKey.FindString("request AKIAZKYIXYHV5TME"); m != "" {
		t.Errorf("%q is taken for a key", m)
	}
}

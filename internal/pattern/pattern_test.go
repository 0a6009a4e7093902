package pattern

import "testing"

func TestAPatternIsCompiledWhenItIsUsed(t *testing.T) {
	wrong, right := Lazy("("), Lazy("^a+$")
	if first := right(); !first.MatchString("aa") || first.MatchString("b") || right() != first {
		t.Errorf("got %v, then %v", first, right())
	}
	defer func() {
		if recover() == nil {
			t.Error("a wrong expression is taken")
		}
	}()
	wrong()
}

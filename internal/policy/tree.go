package policy

import (
	"slices"
	"strings"
)

// tree finds everything whose text a text begins with. What that costs grows
// with the text: branches that it does not take are not looked at.
type tree[T any] struct {
	label string     // on the way here from the parent
	kids  []*tree[T] // in the order of the first byte of their labels
	here  *T         // nil: nothing has just the text on the way from the root
}

// at returns the place of a text, and makes it if need be.
func (n *tree[T]) at(text string) **T {
	for text != "" {
		i, ok := n.find(text[0])
		if !ok {
			leaf := &tree[T]{label: text}
			n.kids = slices.Insert(n.kids, i, leaf)
			return &leaf.here
		}
		kid := n.kids[i]
		same := 0
		for same < len(text) && same < len(kid.label) && text[same] == kid.label[same] {
			same++
		}
		if same < len(kid.label) { // part the way: what was the kid is below its own beginning now
			upper := &tree[T]{label: kid.label[:same], kids: []*tree[T]{kid}}
			kid.label = kid.label[same:]
			n.kids[i], kid = upper, upper
		}
		n, text = kid, text[same:]
	}
	return &n.here
}

// find returns the kid whose label begins with a byte, or where it would be.
func (n *tree[T]) find(first byte) (int, bool) {
	low, high := 0, len(n.kids)
	for low < high {
		middle := (low + high) / 2
		if n.kids[middle].label[0] < first {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low, low < len(n.kids) && n.kids[low].label[0] == first
}

// next returns the kid that a text goes on with, or nil.
func (n *tree[T]) next(text string) *tree[T] {
	if text == "" {
		return nil
	}
	i, ok := n.find(text[0])
	if !ok || !strings.HasPrefix(text, n.kids[i].label) {
		return nil
	}
	return n.kids[i]
}

// previous is next for a text that is read from its end, in a tree of texts
// that are written backwards.
func (n *tree[T]) previous(text string) *tree[T] {
	if text == "" {
		return nil
	}
	i, ok := n.find(text[len(text)-1])
	if !ok || len(n.kids[i].label) > len(text) {
		return nil
	}
	label := n.kids[i].label
	for j := range len(label) {
		if label[j] != text[len(text)-1-j] {
			return nil
		}
	}
	return n.kids[i]
}

// backwards writes a text from its end, byte by byte.
func backwards(text string) string {
	b := []byte(text)
	slices.Reverse(b)
	return string(b)
}

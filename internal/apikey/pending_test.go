package apikey

import (
	"testing"
	"time"
)

// A use of the minute that is being written, or was just, is not noted again;
// one that could not be written is kept, unless a later one came.
func TestUsesOnTheirWay(t *testing.T) {
	at := func(seconds int) Use { return Use{KeyID: "k", At: time.Unix(int64(seconds), 0)} }
	var p uses
	p.add(at(0))
	if got := p.take(); len(got) != 1 {
		t.Fatalf("got %v, want one use", got)
	}
	p.add(at(59))
	if got := p.take(); len(got) != 0 {
		t.Errorf("got %v, want nothing more of that minute", got)
	}
	p.add(at(60))
	p.take()
	p.failed()
	p.add(at(61))
	if got := p.take(); len(got) != 1 || !got[0].At.Equal(at(60).At) {
		t.Errorf("got %v, want what could not be written", got)
	}
	p.add(at(120))
	p.failed()
	if got := p.take(); len(got) != 1 || !got[0].At.Equal(at(120).At) {
		t.Errorf("got %v, want the later one", got)
	}
}

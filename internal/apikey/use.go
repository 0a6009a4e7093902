package apikey

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"unicode"
)

// maxSeen is how many bytes are kept of what a client calls itself or a tool.
const maxSeen = 128

// uses are those noted and not yet written down, the latest of each key.
type uses struct {
	mu      sync.Mutex
	pending map[string]Use
}

// Used notes that a was used, once a minute and key. What client and tool say
// is cleaned and cut before it is kept.
func (v *Verifier) Used(a *Active, from netip.Addr, client, tool string) {
	e := a.entry
	if e == nil {
		return
	}
	now := stored(v.now())
	minute, noted := now.Unix()/60, e.minute.Load()
	if noted >= minute || !e.minute.CompareAndSwap(noted, minute) {
		return
	}
	v.uses.add(Use{
		KeyID: a.KeyID, At: now, Address: from.Unmap().WithZone(""), Client: clean(client), Tool: clean(tool),
	})
}

// add keeps u unless a use of that minute is kept: an entry that was read again
// from the store does not know what is not written yet.
func (p *uses) add(u Use) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if last, ok := p.pending[u.KeyID]; ok && last.At.Unix()/60 >= u.At.Unix()/60 {
		return
	}
	if p.pending == nil {
		p.pending = map[string]Use{}
	}
	p.pending[u.KeyID] = u
}

// take returns what is pending, in the order of key ids: replicas that write at
// the same time then lock the rows in the same order.
func (p *uses) take() []Use {
	p.mu.Lock()
	defer p.mu.Unlock()
	batch := make([]Use, 0, len(p.pending))
	for _, u := range p.pending {
		batch = append(batch, u)
	}
	p.pending = nil
	slices.SortFunc(batch, func(a, b Use) int { return cmp.Compare(a.KeyID, b.KeyID) })
	return batch
}

// flush writes down what is pending. What cannot be written stays pending.
func (v *Verifier) flush(ctx context.Context) {
	batch := v.uses.take()
	if len(batch) == 0 {
		return
	}
	if err := v.Source.Use(ctx, batch); err != nil {
		v.log().Warn("last uses of keys are not written yet", "error", err, "keys", len(batch))
		for _, u := range batch {
			v.uses.add(u)
		}
	}
}

// clean returns the printable part of s, cut to what is kept.
func clean(s string) string {
	s = s[:min(len(s), 4*maxSeen)] // a stranger chose its length
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, s)
	for len(s) > maxSeen {
		s = strings.ToValidUTF8(s[:maxSeen], "")
	}
	return s
}

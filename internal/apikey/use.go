package apikey

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
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
	written map[string]Use // the batch before, on its way to the store or just there
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

// add keeps u unless a use of that minute is kept: an entry that was read from
// the store a moment ago does not know what was not written then.
func (p *uses) add(u Use) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range [...]map[string]Use{p.pending, p.written} {
		if last, ok := m[u.KeyID]; ok && last.At.Unix()/60 >= u.At.Unix()/60 {
			return
		}
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
	p.written, p.pending = p.pending, nil
	return slices.SortedFunc(maps.Values(p.written), func(a, b Use) int { return cmp.Compare(a.KeyID, b.KeyID) })
}

// failed makes what was taken pending again, but for keys with a later use.
func (p *uses) failed() {
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.Copy(p.written, p.pending)
	p.pending, p.written = p.written, nil
}

// Flush writes down the uses that were noted, which [Verifier.Run] does every
// ten seconds: for somebody who wants to know now. What fails stays noted.
func (v *Verifier) Flush(ctx context.Context) {
	v.flushing.Lock() // two batches on their way could not both be taken back
	defer v.flushing.Unlock()
	batch := v.uses.take()
	if len(batch) == 0 {
		return
	}
	err := v.Source.Use(ctx, batch)
	if err == nil {
		return
	}
	v.uses.failed()
	if !errors.Is(ctx.Err(), context.Canceled) { // then it is done once more, at the end
		v.log().Warn("last uses of keys are not written yet", "error", err, "keys", len(batch))
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

func (v *Verifier) log() *slog.Logger {
	if v.Log == nil {
		return slog.Default()
	}
	return v.Log
}

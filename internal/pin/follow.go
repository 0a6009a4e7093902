package pin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Records returns what is known of the tools of a server, or of all for "", in
// order of server, tenant and name.
func (b *Book) Records(ctx context.Context, server string) ([]Record, error) {
	if err := b.keep(ctx, true); err != nil {
		return nil, err
	}
	_, all, err := b.Store.Load(ctx, server)
	if err != nil {
		return nil, fmt.Errorf("read the approved tools: %w", err)
	}
	slices.SortFunc(all, func(x, y Record) int {
		return cmp.Or(cmp.Compare(x.Server, y.Server), cmp.Compare(x.Tenant, y.Tenant), cmp.Compare(x.Name, y.Name))
	})
	return all, nil
}

// Approve approves tools as they were seen, all or none, at once for everything
// that is under way here, and within a second on other replicas. ErrRaced: one of
// them is another by now.
func (b *Book) Approve(ctx context.Context, these []Approval) error {
	if err := b.Store.Approve(ctx, these); err != nil {
		if errors.Is(err, ErrRaced) {
			return err
		}
		return fmt.Errorf("approve tools: %w", err)
	}
	return b.Load(ctx)
}

// Schemas returns the input schemas of the tools of a server that are approved as
// they are, by name. Tools of single tenants are not among them.
func (b *Book) Schemas(ctx context.Context, server string) (map[string][]byte, error) {
	_, all, err := b.Store.Load(ctx, server)
	if err != nil {
		return nil, fmt.Errorf("read the approved tools: %w", err)
	}
	out := map[string][]byte{}
	for i := range all {
		r := &all[i]
		if r.Tenant != "" || r.Approved == nil {
			continue
		}
		var tool struct {
			InputSchema jsontext.Value `json:"inputSchema"`
		}
		if json.Unmarshal(r.Approved, &tool) == nil && tool.InputSchema != nil {
			out[r.Name] = tool.InputSchema
		}
	}
	return out, nil
}

// Run follows what others approve, and writes down what can wait, until ctx ends.
func (b *Book) Run(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	kept, failing := b.now(), false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := b.follow(ctx)
		if now := b.now(); err == nil && now.Sub(kept) >= keepEvery {
			kept = now
			err = b.keep(ctx, true)
		}
		if err != nil && !failing && ctx.Err() == nil {
			b.Log.Error("approved tools are not followed", "error", err.Error())
		}
		failing = err != nil
	}
}

// follow reads what was approved, if that has changed.
func (b *Book) follow(ctx context.Context) error {
	generation, err := b.Store.Generation(ctx)
	if err != nil {
		return fmt.Errorf("read the generation of approved tools: %w", err)
	}
	b.mu.Lock()
	same := b.loaded && generation == b.generation
	b.mu.Unlock()
	if same {
		return nil
	}
	return b.Load(ctx)
}

// begin runs something that Close ends and waits for; false when it is too late.
func (b *Book) begin(do func(context.Context)) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	if b.stops == nil {
		b.stops = map[int]context.CancelFunc{}
	}
	ctx, stop := context.WithCancel(context.Background())
	b.begun++
	n := b.begun
	b.stops[n] = stop
	b.work.Go(func() {
		defer func() {
			stop()
			b.mu.Lock()
			defer b.mu.Unlock()
			delete(b.stops, n)
		}()
		do(ctx)
	})
	return true
}

// Close ends what runs for the book. What could wait to be written is not.
func (b *Book) Close() {
	b.mu.Lock()
	b.closed = true
	for _, stop := range b.stops {
		stop()
	}
	b.mu.Unlock()
	b.work.Wait()
}

package main

import (
	"fmt"
	"sync/atomic"
	"time"
)

// unseen is how many calls of a round have a credential of their own. RSA signs
// so slowly that it takes longer to make them than to use them.
const unseen = 2500

// cold measures calls each of which comes with a credential that was never seen
// before: there is no window, but a number of them.
func cold(y *yard, r *report, p *peer, t *target) error {
	tokens, err := t.mint(unseen)
	if err != nil {
		return err
	}
	var next atomic.Int64
	begin := make(chan bool)
	over := make(chan bool, callers)
	k := y.crowd(t, callers, func(k *crowd, c *caller, _ int) error {
		defer func() { over <- true }()
		if err := c.echo(); err != nil { // connected, with the credential that all share
			return err
		}
		select {
		case <-begin:
		case <-k.ctx.Done():
			return nil
		}
		for {
			n := next.Add(1) - 1
			if n >= int64(len(tokens)) {
				return nil
			}
			c.key = tokens[n]
			c.sent = c.request(c.call)
			if err := c.echo(); err != nil {
				return err
			}
			k.count.Add(1)
		}
	})
	time.Sleep(warmUp)
	pids := t.pids()
	before, err := cpuTime(pids)
	if err != nil {
		return err
	}
	began := time.Now()
	close(begin)
	for range callers {
		select {
		case <-over:
		case <-time.After(30 * time.Second): // one could not connect
		}
	}
	took := time.Since(began)
	after, err := cpuTime(pids)
	r.errors(p, k.leave())
	switch {
	case err != nil:
		return err
	case k.count.Load() != unseen:
		return fmt.Errorf("%d of %d calls were answered", k.count.Load(), unseen)
	}
	r.add(p, rowRate, unseen/took.Seconds())
	r.add(p, rowCPU, float64((after-before).Nanoseconds())/1e3/unseen)
	return nil
}

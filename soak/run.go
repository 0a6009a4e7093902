package main

import (
	"context"
	"fmt"
	"time"
)

// soak is one run, from an empty directory to the summary.
func soak(ctx context.Context, s *settings) error {
	w, err := open(ctx, s)
	if err != nil {
		return err
	}
	defer w.close()
	w.report.print("seed %d, %s, %d callers, race detector: %t, a disk to fill: %t\n", s.seed, s.duration, s.clients, s.race, w.mounted)
	if err := w.house.start(ctx); err != nil {
		return err
	}
	if err := w.prepare(ctx); err != nil {
		w.house.kill()
		return err
	}
	w.inForce()
	if w.base, err = w.baseline(ctx); err != nil {
		w.house.kill()
		return err
	}
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() { w.trail.follow(stop); close(done) }()
	go w.report.progress(stop, w.glance)
	w.play(ctx)
	close(stop)
	<-done
	w.finish()
	return w.report.summary()
}

// play has the traffic and the plan run until the time is over.
func (w *world) play(ctx context.Context) {
	ctx, stop := context.WithTimeout(ctx, w.s.duration)
	defer stop()
	t := w.begin(ctx)
	if w.s.sabotage == "revoked" {
		go w.lieAboutRevoked(ctx)
	}
	p := newPlan(w)
	for rested := time.Now(); ctx.Err() == nil; {
		sleep(ctx, w.s.pace/2+time.Duration(p.dice.Int64N(int64(w.s.pace))))
		if ctx.Err() != nil {
			break
		}
		p.step(ctx)
		if time.Since(rested) > w.s.rest && ctx.Err() == nil {
			for _, tenant := range w.ledger.suspended(true) { // who was sent away can end nothing
				if err := w.resume(ctx, tenant); err != nil {
					w.report.fail("resume: %v", err)
				}
			}
			t = w.rest(ctx, t)
			rested = time.Now()
		}
	}
	t.end()
}

// finish looks at everything once more when all is quiet, and stops Gatehouse.
func (w *world) finish() {
	ctx, stop := context.WithTimeout(context.Background(), 5*time.Minute)
	defer stop()
	time.Sleep(promise + w.s.slack) // what was to end has ended
	w.rest(ctx, &traffic{stop: func() {}}).end()
	if err := w.hold(ctx); err != nil {
		w.report.fail("in the end: %v", err)
	}
	children := offspring(w.house.pid())
	if w.dump {
		w.house.stacks()
	} else if err := w.house.stop(); err != nil {
		w.report.fail("%v", err)
	}
	for _, pid := range children {
		if ours(pid) {
			w.report.fail("child %d outlives Gatehouse", pid)
		}
	}
	time.Sleep(100 * time.Millisecond)
	w.trail.finish()
	w.book.mu.Lock()
	defer w.book.mu.Unlock()
	for server, n := range w.book.seen {
		w.report.count("calls seen by "+server, int64(n))
	}
}

// glance is what a line of progress says of the process.
func (w *world) glance() string {
	ctx, stop := context.WithTimeout(context.Background(), 5*time.Second)
	defer stop()
	m, err := w.house.measure(ctx)
	if err != nil {
		return "it is away"
	}
	return fmt.Sprintf("%d goroutines, %d files, %d children, %.0f MiB", m.goroutines, m.files, m.children, float64(m.resident)/(1<<20))
}

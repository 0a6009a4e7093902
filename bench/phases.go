package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	callers    = 64                     // keep-alive connections
	warmUp     = 300 * time.Millisecond // before each measurement
	rate       = 400                    // calls a second when latency is measured
	eventers   = 16                     // streams
	eventEvery = time.Millisecond       // on each of them
	coldStarts = 5
)

// round does one measurement of every peer, in turn, and a line about it.
func (y *yard) round(phase string, n int, measure func(*peer, *target) error) error {
	fmt.Fprintf(os.Stderr, "bench: %s, round %d of %d\n", phase, n+1, y.rounds)
	for _, p := range y.peers {
		if p.brief && !y.all && phase != "throughput" {
			continue
		}
		if err := measure(p, y.up[p]); err != nil {
			return fmt.Errorf("%s of %s: %w", phase, p.name, err)
		}
		if err := y.ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// measured is what was counted between two moments.
type measured struct {
	count   int64
	took    time.Duration
	cpu     time.Duration // of the peer
	foreign time.Duration // of others on the peer's core
}

// during lets count run for a window, after a warm-up, and reads the clocks.
// Where others took more than a twentieth of the core it measures again, as
// long as there is patience.
func (y *yard) during(t *target, count *atomic.Int64) (measured, error) {
	time.Sleep(warmUp)
	for again := 5; ; again-- {
		m, err := y.once(t, count)
		calm := m.count > 0 && m.foreign < m.took/20
		if err == nil && m.count == 0 && again > 0 && y.ctx.Err() == nil { // others have all of the machine
			continue
		}
		if err != nil || calm || y.patience < m.took || y.ctx.Err() != nil {
			y.measured, y.foreign = y.measured+m.took, y.foreign+m.foreign
			if m.count == 0 && err == nil {
				err = errors.New("nothing was answered")
			}
			return m, err
		}
		y.patience -= m.took
	}
}

// once measures one window.
func (y *yard) once(t *target, count *atomic.Int64) (m measured, err error) {
	pids, cpuTime := t.pids(), cpuTime
	if t.steady {
		cpuTime = cpuExact
	}
	var own, all [2]time.Duration
	began, from := time.Now(), count.Load()
	for i := range own {
		if own[i], err = cpuTime(pids); err != nil {
			return m, err
		}
		if all[i], err = coreTime(y.proxies); err != nil {
			return m, err
		}
		if i == 0 {
			time.Sleep(y.window)
		}
	}
	m = measured{count: count.Load() - from, took: time.Since(began), cpu: own[1] - own[0]}
	m.foreign = max(0, all[1]-all[0]-m.cpu)
	return m, nil
}

// crowd runs callers until their context ends and gathers their errors.
type crowd struct {
	ctx    context.Context
	end    context.CancelFunc
	all    sync.WaitGroup
	count  atomic.Int64
	errors atomic.Int64
	mu     sync.Mutex
	first  error
}

func (y *yard) crowd(t *target, n int, do func(k *crowd, c *caller, n int) error) *crowd {
	k := &crowd{}
	k.ctx, k.end = context.WithCancel(y.ctx)
	for i := range n {
		k.all.Go(func() {
			c, err := dial(k.ctx, t, i)
			if err == nil {
				leave := context.AfterFunc(k.ctx, func() { c.nc.Close() })
				defer leave()
				err = do(k, c, i)
				c.nc.Close()
			}
			if err != nil && k.ctx.Err() == nil {
				k.errors.Add(1)
				k.mu.Lock()
				k.first = errors.Join(k.first, err)
				k.mu.Unlock()
			}
		})
	}
	return k
}

// leave ends the crowd and returns how many failed. The first errors are printed.
func (k *crowd) leave() int64 {
	k.end()
	k.all.Wait()
	if k.first != nil {
		fmt.Fprintf(os.Stderr, "bench: %.300s\n", k.first)
	}
	return k.errors.Load()
}

// throughput measures how much CPU a call costs and how many fit on a core.
func throughput(y *yard, r *report) error {
	for n := range y.rounds {
		if err := y.round("throughput", n, func(p *peer, t *target) error {
			if t.mint != nil {
				return cold(y, r, p, t)
			}
			k := y.crowd(t, callers, func(k *crowd, c *caller, _ int) error {
				for {
					if err := c.echo(); err != nil {
						return err
					}
					k.count.Add(1)
				}
			})
			m, err := y.during(t, &k.count)
			r.errors(p, k.leave())
			if err != nil {
				return err
			}
			r.add(p, rowRate, float64(m.count)/m.took.Seconds())
			r.add(p, rowCPU, float64(m.cpu.Nanoseconds())/1e3/float64(m.count))
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// latency measures how long a call takes when there are few.
func latency(y *yard, r *report) error {
	const conns = 16
	for n := range y.rounds {
		if err := y.round("latency", n, func(p *peer, t *target) error {
			var mu sync.Mutex
			var took []time.Duration
			k := y.crowd(t, conns, func(_ *crowd, c *caller, n int) error {
				time.Sleep(time.Duration(n) * time.Second / rate)
				turn := time.NewTicker(conns * time.Second / rate)
				defer turn.Stop()
				for {
					<-turn.C
					began := time.Now()
					if err := c.echo(); err != nil {
						return err
					}
					mu.Lock()
					took = append(took, time.Since(began))
					mu.Unlock()
				}
			})
			time.Sleep(warmUp + y.window)
			r.errors(p, k.leave())
			took = took[len(took)*int(warmUp)/int(warmUp+y.window):]
			if len(took) == 0 {
				return errors.New("nothing was answered")
			}
			slices.Sort(took)
			r.add(p, rowP50, float64(took[len(took)/2].Nanoseconds())/1e3)
			r.add(p, rowP99, float64(took[len(took)*99/100].Nanoseconds())/1e3)
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// events measures what an event costs on streams that are busy.
func events(y *yard, r *report) error {
	for n := range y.rounds {
		if err := y.round("events", n, func(p *peer, t *target) error {
			if p.start == nil {
				return nil
			}
			k := y.crowd(t, eventers, func(k *crowd, c *caller, _ int) error {
				return c.listen(eventEvery, func() { k.count.Add(1) })
			})
			m, err := y.during(t, &k.count)
			r.errors(p, k.leave())
			if err != nil {
				return err
			}
			r.add(p, rowEvent, float64(m.cpu.Nanoseconds())/1e3/float64(m.count))
			r.add(p, rowEvents, float64(m.count)/m.took.Seconds())
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// fresh measures what needs a peer that has done nothing yet: how soon it
// answers, what it weighs, and what a silent stream adds.
func fresh(y *yard, r *report) error {
	for i, p := range y.peers {
		if p.start == nil || p.brief && !y.all {
			continue
		}
		fmt.Fprintf(os.Stderr, "bench: start and memory of %s\n", p.name)
		dir := filepath.Join(y.dir, fmt.Sprintf("fresh-%d", i))
		t, err := y.begin(p, dir) // makes keys, and brings the program into memory
		for range coldStarts {
			if err != nil {
				return fmt.Errorf("start %s: %w", p.name, err)
			}
			t.stop()
			began := time.Now()
			if t, err = y.begin(p, dir); err == nil {
				r.add(p, rowStart, float64(time.Since(began).Microseconds())/1e3)
			}
		}
		if err != nil {
			return fmt.Errorf("start %s: %w", p.name, err)
		}
		err = weigh(y, r, p, t)
		t.stop()
		if err != nil {
			return fmt.Errorf("memory of %s: %w", p.name, err)
		}
	}
	return nil
}

// weigh measures a peer's memory, idle and then with silent streams.
func weigh(y *yard, r *report, p *peer, t *target) error {
	idle, err := memory(t.pids())
	if err != nil {
		return err
	}
	r.add(p, rowIdle, float64(idle)/(1<<20))
	places := make(chan bool, 64) // how many connect at a time
	k := y.crowd(t, y.streams, func(k *crowd, c *caller, _ int) error {
		places <- true
		began := sync.OnceFunc(func() { <-places; k.count.Add(1) })
		defer began()
		return c.listen(0, began)
	})
	for wait := time.Now(); k.count.Load() < int64(y.streams) && k.errors.Load() == 0 && time.Since(wait) < time.Minute; {
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(time.Second)
	open, err := memory(t.pids())
	failed := k.leave()
	r.errors(p, failed)
	if err != nil || failed > 0 {
		return err
	}
	r.add(p, rowStream, float64(open-idle)/1024/float64(y.streams))
	return nil
}

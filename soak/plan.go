package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
)

// fault is something that the plan does to the world. It says what it did.
type fault struct {
	name   string
	weight int
	do     func(*plan, context.Context) (string, error)
}

func faults() []fault {
	return []fault{
		{"key.create", 10, (*plan).createKey},
		{"key.rotate", 6, (*plan).rotateKey},
		{"key.revoke", 8, (*plan).revokeKey},
		{"tenant.suspend", 4, (*plan).suspend},
		{"tenant.resume", 4, (*plan).resume},
		{"reload.rules", 8, (*plan).changeRules},
		{"reload.limits", 4, (*plan).changeLimits},
		{"reload.server", 4, (*plan).changeServer},
		{"reload.upstream", 2, (*plan).changeUpstream},
		{"reload.broken", 3, (*plan).breakFile},
		{"reload.signal", 3, (*plan).hangUp},
		{"child.kill", 4, (*plan).killChild},
		{"upstream.restart", 3, (*plan).restartUpstream},
		{"upstream.hang", 2, (*plan).hang},
		{"upstream.fail", 3, (*plan).failing},
		{"disk.full", 2, (*plan).fillDisk},
		{"certificate.replace", 2, (*plan).replaceCertificate},
		{"limit.key", 2, (*plan).limitKey},
		{"ban.add", 2, (*plan).ban},
		{"process.kill", 3, (*plan).kill},
		{"process.term", 2, (*plan).term},
	}
}

func faultNames() []string {
	var all []string
	for _, f := range faults() {
		all = append(all, f.name)
	}
	return all
}

// chosen returns the faults that a list names; no list: all.
func chosen(names []string) []fault {
	if len(names) == 0 {
		return faults()
	}
	var out []fault
	for _, f := range faults() {
		for _, n := range names {
			prefix, open := strings.CutSuffix(n, "*")
			if f.name == n || open && strings.HasPrefix(f.name, prefix) {
				out = append(out, f)
				break
			}
		}
	}
	return out
}

// plan decides what happens next. Of one seed it decides the same things in the
// same order, as far as the world lets it.
type plan struct {
	w      *world
	dice   *rand.Rand
	faults []fault
	queue  []int // shuffled, so that every one comes up
}

func newPlan(w *world) *plan {
	p := &plan{w: w, dice: rand.New(rand.NewPCG(w.s.seed, 1)), faults: chosen(w.s.faults)} //nolint:gosec // of a seed, on purpose
	return p
}

// next deals the faults like cards, each as often as its weight.
func (p *plan) next() fault {
	if len(p.queue) == 0 {
		for i, f := range p.faults {
			for range f.weight {
				p.queue = append(p.queue, i)
			}
		}
		p.dice.Shuffle(len(p.queue), func(i, j int) { p.queue[i], p.queue[j] = p.queue[j], p.queue[i] })
	}
	for range p.queue {
		i := p.queue[0]
		p.queue = p.queue[1:]
		if f := p.faults[i]; !f.ends() || p.w.house.age() > p.w.s.life {
			return f
		}
		p.queue = append(p.queue, i) // later
	}
	p.queue = nil // only such are left
	return p.next()
}

// ends says whether a fault ends Gatehouse.
func (f fault) ends() bool { return strings.HasPrefix(f.name, "process.") }

// step does one fault, and sees to it that everything is served afterwards.
func (p *plan) step(ctx context.Context) {
	w, f := p.w, p.next()
	began := time.Now()
	done, err := f.do(p, ctx)
	if ctx.Err() != nil {
		return
	}
	w.report.count("fault "+f.name, 1)
	w.report.tell("%-20s %s (%s)", f.name, done, time.Since(began).Round(time.Millisecond))
	if err != nil {
		w.report.fail("fault %s: %v", f.name, err)
	}
	if w.house.gone() {
		w.report.fail("gatehouse ended by itself after %s\n%s", f.name, w.house.stderr.tail())
		if err := w.house.start(context.WithoutCancel(ctx)); err != nil {
			w.report.fail("it does not start again: %v", err)
		}
	}
	for _, server := range w.serving() {
		began := time.Now()
		if err := w.alive(ctx, server, 10*time.Second+2*w.s.slack); err != nil && ctx.Err() == nil {
			w.report.fail("after %s %s was not served to a good caller for %s: %v", f.name, server, time.Since(began).Round(time.Second), err)
		}
	}
}

// alive waits until a good caller is served.
func (w *world) alive(ctx context.Context, server string, within time.Duration) error {
	for end := time.Now().Add(within); ; sleep(ctx, 100*time.Millisecond) {
		ok, err := w.tryOut(ctx, server)
		switch {
		case ok || ctx.Err() != nil:
			return nil //nolint:nilerr // the run is over
		case time.Now().After(end):
			return err
		}
	}
}

// tryOut has the canary make one call.
func (w *world) tryOut(ctx context.Context, server string) (ok bool, err error) {
	ctx, stop := context.WithTimeout(ctx, callWait)
	defer stop()
	k, c := w.canaryKey(), w.canary
	if server == notes || server == local || server == extra {
		ok, a, err := c.callIn(ctx, nil, k, server, "echo", arguments{})
		if err == nil && !ok {
			err = fmt.Errorf("status %d: %.300s", a.status, a.body)
		}
		return ok, err
	}
	s, err := c.open(ctx, k, server)
	if err != nil || s == nil {
		return false, errors.Join(errors.New("no session"), err)
	}
	defer c.end(ctx, s)
	ok, a, err := c.callIn(ctx, s, k, server, "echo", arguments{})
	if err == nil && !ok {
		err = fmt.Errorf("status %d: %.300s", a.status, a.body)
	}
	return ok, err
}

// canaryKey is the key that nothing happens to.
func (w *world) canaryKey() *key { return w.good }

// prepare makes the tenants and the first keys.
func (w *world) prepare(ctx context.Context) error {
	door, err := w.house.door(ctx)
	if err != nil {
		return err
	}
	for _, t := range append(w.ledger.tenants, "canary") {
		if _, err := door.CreateTenant(ctx, t); err != nil {
			return err
		}
		w.trail.expectChange("tenant.create", t)
	}
	if w.good, err = w.newKey(ctx, door, "canary", nil); err != nil {
		return err
	}
	if err := w.settle(ctx, door); err != nil {
		return err
	}
	w.canary = w.newCaller(240)
	for i := range 8 {
		k, err := w.newKey(ctx, door, w.ledger.tenants[i%len(w.ledger.tenants)], nil)
		if err != nil {
			return err
		}
		w.ledger.add(k)
	}
	return nil
}

// newKey makes a key, which is in the trail before we hear of it.
func (w *world) newKey(ctx context.Context, door *adminapi.Client, tenant string, tools []string) (*key, error) {
	k, err := door.CreateKey(ctx, adminapi.NewKey{Name: "soak", Tenant: tenant, Tools: tools})
	if err != nil {
		return nil, err
	}
	w.trail.expectChange("key.create", k.ID)
	return &key{id: k.ID, secret: k.Key, tenant: tenant, tools: tools}, nil
}

// hold compares what was acknowledged with what is.
func (w *world) hold(ctx context.Context) error {
	door, err := w.house.door(ctx)
	if err != nil {
		return err
	}
	states := map[string]string{}
	for _, id := range w.ledger.ids(w.dice()) {
		k, err := door.Key(ctx, id)
		if err != nil {
			return fmt.Errorf("key %s: %w", id, err)
		}
		states[id] = k.State
	}
	tenants, err := door.Tenants(ctx)
	if err != nil {
		return err
	}
	for _, t := range tenants {
		states[t.Name] = t.State
	}
	if lost := w.ledger.compare(states); len(lost) > 0 {
		return fmt.Errorf("an acknowledged change was lost: %s", strings.Join(lost, "; "))
	}
	return nil
}

// command runs a command of the program over the installation.
func (w *world) command(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, w.house.binary, append(args, "-c", filepath.Join(w.dir, "gatehouse.yaml"))...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("gatehouse %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

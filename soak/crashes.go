package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
)

// killChild kills one of the programs behind.
func (p *plan) killChild(context.Context) (string, error) {
	all := offspring(p.w.house.pid())
	if len(all) == 0 {
		return "there is no child", nil
	}
	pid := all[p.dice.IntN(len(all))]
	return fmt.Sprintf("one of %d", len(all)), ignore(syscall.Kill(pid, syscall.SIGKILL), syscall.ESRCH)
}

func ignore(err, what error) error {
	if errors.Is(err, what) {
		return nil
	}
	return err
}

// overHTTP picks one of the servers that speak HTTP.
func (p *plan) overHTTP() *behind {
	names := []string{notes, old, events}
	if p.w.rules.Second {
		names[0] = "notes2"
	}
	return p.w.behind[names[p.dice.IntN(len(names))]]
}

func (p *plan) restartUpstream(context.Context) (string, error) {
	b := p.overHTTP()
	return b.name, b.restart(time.Duration(p.dice.IntN(800)) * time.Millisecond)
}

func (p *plan) hang(ctx context.Context) (string, error) {
	b, d := p.overHTTP(), time.Duration(1+p.dice.IntN(4))*time.Second
	b.misbehave(hanging, d)
	sleep(ctx, d)
	return fmt.Sprintf("%s for %s", b.name, d), nil
}

func (p *plan) failing(ctx context.Context) (string, error) {
	b, d := p.overHTTP(), time.Duration(1+p.dice.IntN(3))*time.Second
	b.misbehave(failing, d)
	sleep(ctx, d)
	return fmt.Sprintf("%s for %s", b.name, d), nil
}

// fillDisk leaves no room for the trail: nothing may be changed, and nobody let in.
func (p *plan) fillDisk(ctx context.Context) (string, error) {
	w := p.w
	if !w.mounted {
		return "only root can have a small disk", nil
	}
	ballast := filepath.Join(w.trailDir(), "ballast")
	defer func() { _ = os.Remove(ballast) }()
	f, err := os.Create(ballast)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	door, err := w.house.door(ctx)
	if err != nil {
		return "", err
	}
	block := make([]byte, 64<<10)
	var made int
	for end := time.Now().Add(4 * time.Second); time.Now().Before(end); sleep(ctx, 50*time.Millisecond) {
		for err = nil; err == nil; {
			_, err = f.Write(block)
		}
		if !errors.Is(err, syscall.ENOSPC) {
			return "", err
		}
		note := newNonce() // the result of a change may find no room where its intent did
		if k, err := door.CreateKey(ctx, adminapi.NewKey{Name: "full", Tenant: w.ledger.tenants[0], Note: note}); err == nil {
			w.trail.expectChange("key.create", note)
			w.ledger.add(&key{id: k.ID, secret: k.Key, tenant: w.ledger.tenants[0]})
			made++
			continue
		} else if refused := new(adminapi.Error); !errors.As(err, &refused) || refused.Code != "GH-1903" {
			return "", fmt.Errorf("with a full disk a change was refused with %w", err)
		}
		w.report.count("changes refused for a full disk", 1)
	}
	return fmt.Sprintf("%d keys were made nevertheless", made), nil
}

// kill ends Gatehouse in the middle of changes. Those that it acknowledged hold;
// the others happened or did not.
func (p *plan) kill(ctx context.Context) (string, error) {
	w := p.w
	door, err := w.house.door(ctx)
	if err != nil {
		return "", err
	}
	victims := make([]*key, 1+p.dice.IntN(6))
	for i := range victims {
		if victims[i], err = w.newKey(ctx, door, w.ledger.tenants[0], nil); err != nil {
			return "", err
		}
		w.ledger.add(victims[i])
	}
	var work sync.WaitGroup
	for _, k := range victims {
		work.Go(func() {
			if w.revoke(ctx, k) == nil {
				w.over(k, true)
				w.report.count("changes acknowledged at a kill", 1)
				return
			}
			w.report.count("changes cut off by a kill", 1)
		})
	}
	for range 2 {
		work.Go(func() {
			if k, err := w.newKey(ctx, door, w.ledger.tenants[0], nil); err == nil {
				w.ledger.add(k)
				w.report.count("changes acknowledged at a kill", 1)
			}
		})
	}
	time.Sleep(time.Duration(p.dice.IntN(40000)) * time.Microsecond)
	children, strict := offspring(w.house.pid()), w.rules.Strict
	w.house.kill()
	work.Wait()
	w.trail.killed()
	time.Sleep(time.Duration(p.dice.IntN(500)) * time.Millisecond)
	return fmt.Sprintf("with %d children, strict before: %t", len(children), strict), w.comeBack(ctx, children, p.dice.IntN(2) == 0)
}

// term ends Gatehouse as its operator would.
func (p *plan) term(ctx context.Context) (string, error) {
	children, strict := offspring(p.w.house.pid()), p.w.rules.Strict
	if err := p.w.house.stop(); err != nil {
		p.w.trail.killed()
		return "", errors.Join(err, p.w.comeBack(ctx, children, p.dice.IntN(2) == 0))
	}
	return fmt.Sprintf("with %d children, strict before: %t", len(children), strict), p.w.comeBack(ctx, children, p.dice.IntN(2) == 0)
}

// comeBack starts Gatehouse again and looks whether everything is as it was.
// With flip the trail is strict from now on, or no longer.
func (w *world) comeBack(ctx context.Context, children []int, flip bool) error {
	if flip { // cannot be changed while it runs
		w.rules.Strict = !w.rules.Strict
		if !w.rules.Strict {
			w.book.setStrict(false)
		}
		if err := w.write(w.rules); err != nil {
			return err
		}
	}
	if err := w.house.start(context.WithoutCancel(ctx)); err != nil { // what comes when the time is over looks at it
		return err
	}
	w.inForce() // the file was read anew
	if err := w.hold(ctx); err != nil {
		return err
	}
	for end := time.Now().Add(10*time.Second + w.s.slack); ; sleep(ctx, 100*time.Millisecond) {
		left := slices.DeleteFunc(slices.Clone(children), func(pid int) bool { return !ours(pid) })
		if len(left) == 0 || ctx.Err() != nil {
			return nil //nolint:nilerr // the run is over
		}
		if time.Now().After(end) {
			return fmt.Errorf("%d children outlive the Gatehouse that started them: %v", len(left), left)
		}
	}
}

// ours says whether a process is a server behind that an earlier life started.
func ours(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || state(pid) == "Z" {
		return false
	}
	return strings.Contains(string(text), "demo-server") || strings.HasSuffix(strings.TrimRight(string(text), "\x00"), "\x00"+childCommand)
}

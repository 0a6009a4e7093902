// Command bench compares Gatehouse with other proxies in front of the same MCP
// server, on loopback, in interleaved rounds, and prints one table.
//
// It compares its authorization server and its bridge with others too.
//
// It re-executes itself as the server, as the peers that are written in Go,
// and, pinned to its own core, as the driver. Every answer is checked.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// settings are the command line.
type settings struct {
	rounds   int
	window   time.Duration  // of one measurement
	streams  int            // idle ones
	tokens   int            // given out before memory is looked at again
	all      bool           // every phase of every peer
	patience time.Duration  // in all, for measuring again what others disturbed
	only     *regexp.Regexp // peers
	phases   *regexp.Regexp
	results  string // where the JSON goes
	binary   string // Gatehouse's; empty: built
	before   string // an earlier Gatehouse, to be compared with; empty: none
	proxies  int    // core of the proxies and their helpers; -1: not pinned
	driver   int    // core of everything else
}

func main() {
	if len(os.Args) > 2 {
		if role := roles()[os.Args[1]]; role != nil {
			fail(role(os.Args[2:]))
			return
		}
	}
	everything := regexp.MustCompile("")
	s := settings{only: everything, phases: everything}
	flag.IntVar(&s.rounds, "rounds", 5, "interleaved `rounds`")
	flag.DurationVar(&s.window, "window", 1500*time.Millisecond, "`length` of one measurement")
	flag.DurationVar(&s.patience, "patience", 45*time.Second, "`time` for measuring again what other programs disturbed")
	flag.IntVar(&s.streams, "streams", 5000, "`number` of idle streams to weigh")
	flag.IntVar(&s.tokens, "tokens", 0, "`number` of tokens that each authorization server gives out before its memory is looked at again")
	flag.BoolVar(&s.all, "all", false, "measure more than throughput of every peer, which takes long")
	flag.StringVar(&s.results, "json", filepath.Join("dist", "bench.json"), "`file` for all samples")
	flag.StringVar(&s.binary, "binary", "", "a gatehouse `program` to measure instead of building one")
	flag.StringVar(&s.before, "before", "", "an earlier gatehouse `program`: throughput of each Gatehouse is measured with it too, in the same rounds")
	expression := func(to **regexp.Regexp) func(string) error {
		return func(v string) (err error) {
			*to, err = regexp.Compile(v)
			return err
		}
	}
	flag.Func("only", "measure peers that match this `expression`, and those that they are compared with", expression(&s.only))
	flag.Func("phases", "measure what matches this `expression`, of throughput, latency, events, fresh, grants and bridge", expression(&s.phases))
	flag.IntVar(&s.proxies, "proxy-core", unpinned, "`core` of the proxies; chosen when left out")
	flag.IntVar(&s.driver, "driver-core", -1, "`core` of driver and server; chosen when left out")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	var err error
	if s.binary == "" {
		s.binary, err = build(ctx) // with all cores
	}
	if err == nil && s.proxies == unpinned {
		err = pin(s.binary)
	}
	if err == nil {
		err = run(ctx, s)
	}
	stop()
	fail(err)
}

func fail(err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// unpinned stands for a core that was not chosen yet.
const unpinned = -2

// pin starts this program again on a core of its own, if there are two. What
// it starts inherits that core, except the proxies, which get the other one.
func pin(binary string) error {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return fmt.Errorf("read affinity: %w", err)
	}
	var cores []int
	for i := range len(set) * 64 {
		if set.IsSet(i) {
			cores = append(cores, i)
		}
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	args := []string{self, "-proxy-core=-1", "-binary=" + binary}
	if len(cores) > 1 {
		taskset, err := exec.LookPath("taskset")
		if err != nil {
			return err
		}
		driver := fmt.Sprint(cores[1])
		args = []string{taskset, "-c", driver, self, "-binary=" + binary, fmt.Sprintf("-proxy-core=%d", cores[0]), "-driver-core=" + driver}
	} else {
		fmt.Fprintln(os.Stderr, "bench: one core only: proxies share it with the driver")
	}
	return syscall.Exec(args[0], append(args, os.Args[1:]...), os.Environ())
}

// run measures everything and prints it.
func run(ctx context.Context, s settings) (err error) {
	began := time.Now()
	if err := raiseLimit(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "gatehouse-bench-")
	if err != nil {
		return err
	}
	y := &yard{ctx: ctx, dir: dir, settings: s}
	defer func() {
		y.stopAll()
		if err == nil {
			err = os.RemoveAll(dir)
		}
	}()
	if y.proxied() {
		if err := y.open(); err != nil {
			return err
		}
	}
	r := newReport(y.peers)
	for _, phase := range phases() {
		if !s.phases.MatchString(phase.name) {
			continue
		}
		if err := phase.measure(y, r); err != nil {
			return fmt.Errorf("%w (logs in %s)", err, dir)
		}
	}
	r.facts(y, time.Since(began))
	r.print(os.Stdout)
	return errors.Join(r.save(s.results), r.sound())
}

// phase is something that is measured of all peers, in turn.
type phase struct {
	name    string
	proxies bool // of those in front of an MCP server; else of authorization servers
	measure func(*yard, *report) error
}

func phases() []phase {
	return []phase{{"throughput", true, throughput}, {"latency", true, latency}, {"events", true, events}, {"fresh", true, fresh}, {"grants", false, grants}, {"bridge", false, bridges}}
}

// proxied says whether proxies are measured at all.
func (s *settings) proxied() bool {
	return slices.ContainsFunc(phases(), func(p phase) bool { return p.proxies && s.phases.MatchString(p.name) })
}

// raiseLimit takes all the files this process may have open; those it starts inherit that.
func raiseLimit() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = limit.Max
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
}

// build makes the program that is measured, as it is released.
func build(ctx context.Context) (string, error) {
	out, err := filepath.Abs(filepath.Join("dist", "bench", "gatehouse"))
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", out, "./cmd/gatehouse")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("build gatehouse: %w", err)
	}
	return out, nil
}

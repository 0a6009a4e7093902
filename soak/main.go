// Command soak runs the real `gatehouse serve` in front of servers of every
// transport, under the traffic of many callers, good and bad, while a plan that
// a seed decides changes keys, tenants and rules, and kills, fills and breaks
// what can be. It watches from both sides, as the callers and as the servers
// behind, that nobody is let in wrongly, that nothing acknowledged is lost, and
// that nothing leaks. What it finds it tells with the seed and the story.
package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// settings are the command line.
type settings struct {
	seed     uint64
	duration time.Duration
	clients  int
	faults   []string      // names of those that may happen; none: all
	pace     time.Duration // between two faults, on average
	rest     time.Duration // between two pauses, in which leaks are looked for
	life     time.Duration // for so long Gatehouse is not ended on purpose; 0: by the duration
	settle   time.Duration // how long everything may take to come to rest then
	slack    time.Duration // what a busy machine may add to a promise
	race     bool          // build Gatehouse with the race detector
	binary   string        // Gatehouse's; empty: built
	keep     bool          // leave the directory, to be looked at
	verbose  bool
	sabotage string // a lie that the servers behind tell; the run has to end red
	out      io.Writer
}

func defaults() settings {
	return settings{
		duration: 20 * time.Minute, clients: 24, pace: 2 * time.Second, rest: 2 * time.Minute,
		settle: 30 * time.Second, slack: 4 * time.Second, out: os.Stdout,
	}
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == childCommand {
		if err := runChild(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	s := defaults()
	if err := s.parse(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := soak(ctx, &s); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

func (s *settings) parse(args []string) error {
	f := flag.NewFlagSet("soak", flag.ExitOnError)
	f.Uint64Var(&s.seed, "seed", 0, "`number` that decides the plan; 0: a new one")
	f.DurationVar(&s.duration, "duration", s.duration, "how `long`")
	f.IntVar(&s.clients, "clients", s.clients, "`number` of callers at once")
	f.Func("faults", "`names` of the faults that may happen, with commas; * at the end stands for any rest", func(v string) error {
		s.faults = strings.Split(v, ",")
		return nil
	})
	f.DurationVar(&s.pace, "pace", s.pace, "`time` between two faults")
	f.DurationVar(&s.rest, "rest", s.rest, "`time` between two pauses in which leaks are looked for")
	f.DurationVar(&s.life, "life", 0, "`time` for which Gatehouse is not ended on purpose; 0: an eighth of the duration, 30m at most")
	f.DurationVar(&s.slack, "slack", s.slack, "`time` that a busy machine may add to a promise")
	f.BoolVar(&s.race, "race", false, "build Gatehouse with the race detector")
	f.StringVar(&s.binary, "binary", "", "a gatehouse `program` to run instead of building one")
	f.BoolVar(&s.keep, "keep", false, "leave the directory of the run")
	f.BoolVar(&s.verbose, "v", false, "say every fault")
	f.StringVar(&s.sabotage, "sabotage", "", "a `lie` of the servers behind, to see that it is found: "+strings.Join(sabotages(), ", "))
	if err := f.Parse(args); err != nil {
		return err
	}
	return s.check(f.Args())
}

func (s *settings) check(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected %q", rest[0])
	case s.duration <= 0 || s.clients <= 0 || s.pace <= 0 || s.rest <= 0:
		return fmt.Errorf("durations and numbers are greater than zero")
	case s.sabotage != "" && !slices.Contains(sabotages(), s.sabotage):
		return fmt.Errorf("there is no sabotage %q", s.sabotage)
	case runtime.GOOS != "linux":
		return fmt.Errorf("it looks into /proc, so it needs Linux")
	}
	for _, f := range s.faults {
		if len(chosen([]string{f})) == 0 {
			return fmt.Errorf("there is no fault %q; there are %s", f, strings.Join(faultNames(), ", "))
		}
	}
	if s.seed == 0 {
		var b [8]byte
		_, _ = rand.Read(b[:]) // never fails
		s.seed = binary.LittleEndian.Uint64(b[:]) >> 40
	}
	if s.life == 0 {
		s.life = min(s.duration/8, 30*time.Minute)
	}
	if s.race { // everything takes five times as long
		s.slack *= 3
		s.settle *= 2
	}
	return nil
}

// Package doctor looks at one machine from inside and says what is wrong with an
// installation of ours on it: its configuration, its state, what it leans on and
// who leans on it. It changes nothing. One check is one file; what a check knows
// of the machine is in [Machine].
package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Outcome is what a check makes of one thing.
type Outcome string

// Outcomes.
const (
	OK      Outcome = "ok"
	Warn    Outcome = "warn"    // it works, and is likely not meant or soon will not
	Fail    Outcome = "fail"    // it does not work, or is not safe
	Unknown Outcome = "unknown" // it was not seen; never a pass
)

// Line is what was found out about one thing.
type Line struct {
	Group   string  `json:"group"`
	Outcome Outcome `json:"outcome"`
	Code    string  `json:"code,omitempty"` // of a warning or failure
	Text    string  `json:"text"`           // what is, with its values; never a secret
	Fix     string  `json:"fix,omitempty"`  // what to do; every warning, failure and unknown has it
}

// Check looks at one kind of thing.
type Check struct {
	Group string // what it is called
	About string // what it looks at, for people
	look  func(ctx context.Context, m *Machine, r *report)
}

// Checks are all of them, in the order of a report.
func Checks() []Check {
	return []Check{
		configuration, secrets, state, running, ports, clock, names, certificates,
		database, disk, upstreams, stdio, sandbox, providers, authserver, trail, keychain, installed, openFiles,
	}
}

// Groups are the names of the checks.
func Groups() []string {
	var all []string
	for _, c := range Checks() {
		all = append(all, c.Group)
	}
	return all
}

// Report is the shape of `gatehouse doctor --json`. Members stay; more may come.
type Report struct {
	Shape    int       `json:"version"` // of this shape: 1
	At       time.Time `json:"at"`
	Program  string    `json:"program"` // version of gatehouse
	System   string    `json:"system"`  // such as linux/amd64
	File     string    `json:"file,omitempty"`
	State    string    `json:"state"`
	Fails    int       `json:"fails"`
	Warnings int       `json:"warnings"`
	Unknown  int       `json:"unknown"`
	Lines    []Line    `json:"lines"`
}

// patience is how long one check may take.
const patience = 15 * time.Second

// Run has the checks look, all at once, and returns their lines in order. A check
// that does not come back in time is unknown. Only names groups; none: all.
// Done, unless nil, is called with each group that is through, by one at a time.
func Run(ctx context.Context, m *Machine, only []string, done func(group string)) ([]Line, error) {
	for _, name := range only {
		if !slices.Contains(Groups(), name) {
			return nil, fmt.Errorf("there is no group %.40q", name)
		}
	}
	wanted := slices.DeleteFunc(Checks(), func(c Check) bool { return len(only) > 0 && !slices.Contains(only, c.Group) })
	return run(ctx, m, wanted, patience, done), nil
}

type found struct {
	at int
	r  *report
}

func run(ctx context.Context, m *Machine, wanted []Check, wait time.Duration, done func(string)) []Line {
	ctx, stop := context.WithTimeout(ctx, wait)
	defer stop()
	all := make(chan found, len(wanted)) // nobody is kept who comes too late
	for i, c := range wanted {
		go func() {
			r := &report{group: c.Group}
			c.look(ctx, m, r)
			all <- found{i, r}
		}()
	}
	reports := make([]*report, len(wanted))
	late := time.NewTimer(wait + time.Second) // what minds the context has said so by then
	defer late.Stop()
	for n := 0; n < len(wanted); n++ {
		select {
		case f := <-all:
			reports[f.at] = f.r
			if done != nil {
				done(wanted[f.at].Group)
			}
			continue
		case <-late.C:
		}
		break
	}
	var lines []Line
	var blind []string
	for i, c := range wanted {
		r := reports[i]
		switch {
		case r == nil:
			r = &report{group: c.Group}
			r.unknown("look at it alone: gatehouse doctor --only "+c.Group, "there was no answer within %s", wait)
		case r.blind:
			blind = append(blind, c.Group)
		}
		lines = append(lines, r.lines...)
	}
	return append(lines, m.unseen(blind)...)
}

// unseen says once what could not be looked at without a configuration.
func (m *Machine) unseen(groups []string) []Line {
	r := &report{group: "not looked at"}
	what := strings.Join(groups, ", ")
	switch {
	case groups == nil:
	case m.File == "" && m.Status != nil: // gatehouse up has no file
		r.unknown("gatehouse status shows what it serves; gatehouse init writes a file", "%s: the server that runs here was started without a file, which would tell of them", what)
	case m.File != "":
		r.unknown("mend the configuration first", "%s: %s cannot be read as a whole", what, m.File)
	default:
		r.unknown("name the configuration: gatehouse doctor -c gatehouse.yaml", "%s: no configuration was named", what)
	}
	return r.lines
}

// Count says how many lines have an outcome.
func Count(lines []Line, o Outcome) (n int) {
	for i := range lines {
		if lines[i].Outcome == o {
			n++
		}
	}
	return n
}

// report gathers the lines of one check.
type report struct {
	group string
	lines []Line
	blind bool // it could not look without a configuration
}

func (r *report) add(o Outcome, code, fix, format string, args []any) {
	r.lines = append(r.lines, Line{r.group, o, code, fmt.Sprintf(format, args...), fix})
}

func (r *report) ok(format string, args ...any) { r.add(OK, "", "", format, args) }

func (r *report) warn(code, fix, format string, args ...any) { r.add(Warn, code, fix, format, args) }

func (r *report) fail(code, fix, format string, args ...any) { r.add(Fail, code, fix, format, args) }

func (r *report) unknown(fix, format string, args ...any) { r.add(Unknown, "", fix, format, args) }

// noFile says that there is nothing to look at without a configuration.
func (r *report) noFile(m *Machine) bool {
	r.blind = m.Config == nil
	return r.blind
}

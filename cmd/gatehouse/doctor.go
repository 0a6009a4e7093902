package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/internal/doctor"
)

// doctorWait is for all that is looked at, and for a bundle.
const doctorWait = time.Minute

// examining is what doctor was asked.
type examining struct {
	only   []string
	strict bool
	list   bool

	bundle string
	log    string
	events int
}

func (a *app) doctor() *cobra.Command {
	q := &examining{}
	c := &cobra.Command{
		Use:   "doctor [-c FILE]",
		Short: "Look at this machine from inside and say what is wrong, and what to do",
		Long: "Look at an installation from the machine that it is on: its configuration (./gatehouse.yaml, unless another is named),\n" +
			"state, ports, clock, DNS, certificates, store, the servers behind and what holds them, identity providers, audit trail,\n" +
			"and the MCP clients that are installed here. Nothing is changed. ✓ is well, ! works and is likely not meant, ✗ does not work or is\n" +
			"not safe, and ? was not seen. Run it as the account that gatehouse runs as. It ends with 1 when there is a ✗, with\n" +
			"--strict when there is a ! too, and with 2 when the command line is wrong or the configuration is no YAML.\n" +
			"--bundle writes an archive for whoever helps you, without secrets and without names of people. What is in it, and\n" +
			"what was taken out, is shown first. How the machine looks from outside: gatehouse check.",
		Example: "  gatehouse doctor                        of what gatehouse up started, or of ./gatehouse.yaml\n" +
			"  gatehouse doctor -c gatehouse.yaml\n" +
			"  gatehouse doctor --only clients --only sign-ins\n" +
			"  gatehouse doctor -c gatehouse.yaml --bundle support.tar.gz --dry-run    what would be in it\n" +
			"  gatehouse doctor --list",
		Args:                  exactly(),
		DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, _ []string) error {
			if q.list {
				return a.listGroups()
			}
			return a.examine(c.Context(), q)
		},
	}
	f := c.Flags()
	f.StringSliceVar(&q.only, "only", nil, "look at these `GROUPS` only")
	f.BoolVar(&q.list, "list", false, "list the groups and what each is about")
	f.BoolVar(&q.strict, "strict", false, "a warning fails too (exit 1)")
	f.StringVar(&q.bundle, "bundle", "", "write an archive for support to `FILE`, after it was shown")
	f.StringVar(&q.log, "log", "", "put the end of the server's log into the archive: a `FILE`")
	f.IntVar(&q.events, "events", 500, "how many events of the audit trail go into the archive: `N`")
	_ = c.RegisterFlagCompletionFunc("only", severalOf(doctor.Groups()))
	_ = c.MarkFlagFilename("bundle", "gz")
	return c
}

func (a *app) listGroups() error {
	type group struct {
		Group string `json:"group"`
		About string `json:"about"`
	}
	var all []group
	rows := [][]string{{"GROUP", "WHAT IS LOOKED AT"}}
	for _, c := range doctor.Checks() {
		all = append(all, group{c.Group, c.About})
		rows = append(rows, []string{c.Group, c.About})
	}
	if a.json {
		return a.object(all)
	}
	return a.table(rows)
}

func (a *app) examine(ctx context.Context, q *examining) error {
	for _, name := range q.only {
		if !slices.Contains(doctor.Groups(), name) {
			return usage("--only: there is no group %.40q. There are: %s", name, strings.Join(doctor.Groups(), ", "))
		}
	}
	if q.bundle == "" && q.log != "" {
		return usage("--log is for an archive: say --bundle FILE too")
	}
	if q.events < 0 {
		return usage("--events %d is negative", q.events)
	}
	asked := ctx
	ctx, stop := a.within(ctx, doctorWait)
	defer stop()
	if _, err := os.Lstat(defaultFile); err == nil && a.file == "" && a.state == "" {
		a.file = defaultFile
	}
	m, err := a.machine(ctx)
	if err != nil {
		return err
	}
	lines, err := doctor.Run(ctx, m, q.only, a.watching(len(doctor.Groups())))
	a.progressEnds(a.watching(1) != nil)
	if err != nil {
		return err
	}
	if asked.Err() != nil {
		return asked.Err()
	}
	r := &doctor.Report{
		Shape: 1, At: a.now().UTC(), Program: version(), System: runtime.GOOS + "/" + runtime.GOARCH, File: m.File, State: m.State, Lines: lines,
		Fails: doctor.Count(lines, doctor.Fail), Warnings: doctor.Count(lines, doctor.Warn), Unknown: doctor.Count(lines, doctor.Unknown),
	}
	if q.bundle != "" {
		return a.bundle(asked, q, m, r)
	}
	if a.json {
		if err := a.object(r); err != nil {
			return err
		}
	} else {
		a.print("%s", a.diagnosis(r, true))
		a.say("  More  gatehouse check URL: from outside    --bundle FILE: an archive for whoever helps you\n")
	}
	if r.Fails > 0 || q.strict && r.Warnings > 0 {
		return &fault{exit: exitFailure} // all was said
	}
	return nil
}

// watching shows a person which groups are through; nil: nobody watches.
func (a *app) watching(of int) func(group string) {
	show := a.progress("")
	if show == nil {
		return nil
	}
	n := 0
	return func(group string) {
		show(n, of, group)
		n++
	}
}

var lineMarks = map[doctor.Outcome]string{doctor.OK: "✓", doctor.Warn: "!", doctor.Fail: "✗", doctor.Unknown: "?"}

// diagnosis is the report for people. Only for the screen it is colored.
func (a *app) diagnosis(r *doctor.Report, screen bool) string {
	var b strings.Builder
	mark := func(o doctor.Outcome) string {
		if screen {
			return a.mark(a.out, lineMarks[o])
		}
		return lineMarks[o]
	}
	_, _ = fmt.Fprintf(&b, "%s   installation in %s, gatehouse %s, %s\n", orElse(r.File, "no configuration file"), r.State, r.Program, r.System)
	group := ""
	for _, l := range r.Lines {
		if l.Group != group {
			group = l.Group
			_, _ = fmt.Fprintf(&b, "\n%s%s\n", strings.ToUpper(group[:1]), group[1:])
		}
		code := ""
		if l.Code != "" {
			code = l.Code + " "
		}
		_, _ = fmt.Fprintf(&b, "  %s %s%s\n", mark(l.Outcome), code, printableText(l.Text))
		if l.Fix != "" {
			_, _ = fmt.Fprintf(&b, "            %s\n", printableText(l.Fix))
		}
	}
	parts := []string{"no problems"}
	if r.Fails > 0 {
		parts[0] = count(r.Fails, "problem", "problems")
	}
	if r.Warnings > 0 {
		parts = append(parts, count(r.Warnings, "warning", "warnings"))
	}
	if r.Unknown > 0 {
		parts = append(parts, fmt.Sprintf("%d not seen", r.Unknown))
	}
	_, _ = fmt.Fprintf(&b, "\n%s.\n", strings.Join(parts, ", "))
	return b.String()
}

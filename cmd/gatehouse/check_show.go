package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/probe"
)

// listRules shows the rules.
func (a *app) listRules(q *checking) error {
	rules, err := probe.Select(probe.Profile(q.profile), q.only, q.skip)
	if err != nil {
		return usage("%v", err)
	}
	if a.json {
		all := []probe.Finding{}
		for _, r := range rules {
			f := probe.Finding{Code: r.Code, Name: r.Name, Title: r.Title, Group: string(r.Group), Severity: string(r.Severity), Why: r.Why, Fix: r.Fix}
			for _, l := range r.Links {
				f.Links = append(f.Links, probe.Ref(l))
			}
			all = append(all, f)
		}
		return a.object(all)
	}
	rows := [][]string{{"CODE", "RULE", "SEVERITY", "WHAT HOLDS WHEN IT PASSES"}}
	for _, r := range rules {
		rows = append(rows, []string{r.Code, r.Name, string(r.Severity), r.Title})
	}
	return a.table(rows)
}

// progress shows a person what is being looked at; nil: nobody watches.
func (a *app) progress(string) func(done, of int, doing string) {
	if a.quiet || a.json || !terminal(a.err) {
		return nil
	}
	return func(done, of int, doing string) {
		_, _ = fmt.Fprintf(a.err, "\r\x1b[K  %d/%d %.100s", done+1, of, doing)
	}
}

func (a *app) progressEnds(shown bool) {
	if shown {
		_, _ = fmt.Fprint(a.err, "\r\x1b[K")
	}
}

// tell writes the reports in every form that was asked for, and judges. A file that
// cannot be written is said last: what was found is not lost for it.
func (a *app) tell(q *checking, all []*probe.Report) error {
	files := []struct {
		name  string
		write func(io.Writer, []*probe.Report) error
	}{{q.sarif, probe.WriteSARIF}, {q.junit, probe.WriteJUnit}, {q.html, probe.WriteHTML}}
	var failed error
	for _, f := range files {
		if f.name == "" {
			continue
		}
		failed = cmp.Or(failed, writeReport(f.name, all, f.write))
	}
	var doc probe.Document
	for _, r := range all {
		doc.Add(r.Findings(a.verbose))
	}
	var fixed *fixing
	if q.fix {
		var err error
		fixed, err = a.workOut(q, all)
		if failed = cmp.Or(failed, err); fixed != nil {
			doc.Fix = &fixed.Fix
		}
	}
	if a.json {
		if err := a.object(doc); err != nil {
			return err
		}
	} else {
		for _, r := range all {
			a.showReport(r)
		}
		a.sumUp(&doc)
		a.showFixes(q, fixed)
	}
	return cmp.Or(failed, judgeCheck(q, &doc))
}

// writeReport writes a file in one piece.
func writeReport(name string, all []*probe.Report, write func(io.Writer, []*probe.Report) error) error {
	var b bytes.Buffer
	if err := write(&b, all); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := os.WriteFile(filepath.Clean(name), b.Bytes(), 0o644); err != nil {
		return usage("%v", err)
	}
	return nil
}

// judgeCheck is how the command ends.
func judgeCheck(q *checking, d *probe.Document) error {
	failOn := q.failOn
	if failOn == "" && q.profile == string(probe.Strict) {
		failOn = "warn"
	}
	answered := false
	for i := range d.Reports {
		answered = answered || d.Reports[i].Answered
	}
	switch {
	case !answered:
		return &fault{exitNetwork, "GH-2100", "Nobody answered at " + d.Reports[0].Target + ". Is the URL right, and is it reached from this machine?"}
	case d.Fails > 0, failOn != "" && failOn != "fail" && d.Warnings > 0, failOn == "unknown" && d.Unknown > 0:
		return &fault{exit: exitFailure}
	}
	return nil
}

var outcomeMarks = map[probe.Outcome]string{probe.Pass: "✓", probe.Warn: "!", probe.Fail: "✗", probe.Unknown: "?", probe.Without: "–"}

func (a *app) showReport(r *probe.Report) {
	name := strings.TrimPrefix(strings.TrimPrefix(r.URL, "https://"), "http://")
	switch {
	case r.File:
		a.print("%s   without a network\n", r.URL)
	default:
		a.print("%s   %s\n", name, seenFrom(r))
	}
	for _, g := range probe.Groups() {
		head := false
		for i := range r.Results {
			res := &r.Results[i]
			if res.Rule.Group != g || res.Outcome == probe.Without && !a.verbose {
				continue
			}
			if !head {
				a.print("\n%s\n", g)
				head = true
			}
			a.showResult(res)
		}
	}
	if len(r.Clients) > 0 {
		a.print("\nClients\n")
	}
	for i := range r.Clients {
		c := &r.Clients[i]
		text := c.Client
		if c.Outcome != probe.Pass || a.verbose {
			text += ": " + c.Text
		}
		a.print("  %s %s\n", a.mark(a.out, outcomeMarks[c.Outcome]), text)
	}
	a.print("\n")
}

// seenFrom says where a server was looked at from, and where it was taken to be.
func seenFrom(r *probe.Report) string {
	text := "seen from this machine"
	switch {
	case r.From == probe.Public && len(r.At) == 0:
		text += ", by what public resolvers say"
	case r.From == probe.Public:
		text += ", by the addresses that public resolvers know: "
	case len(r.At) > 0:
		text += ", "
	default:
		text += " (claude.ai and ChatGPT connect from the public internet: --from public for that)"
	}
	return text + strings.Join(r.At, ", ")
}

func (a *app) showResult(r *probe.Result) {
	mark := a.mark(a.out, outcomeMarks[r.Outcome])
	switch r.Outcome {
	case probe.Fail, probe.Warn:
		place := ""
		if r.Place != "" {
			place = r.Place + "  "
		}
		a.print("  %s %s %s%s\n", mark, r.Rule.Code, place, r.Text)
		a.print("            %s\n", r.Remedy())
	case probe.Pass:
		a.print("  %s %s\n", mark, r.Text)
	default:
		a.print("  %s %s: %s\n", mark, r.Rule.Title, r.Text)
	}
	if !a.verbose {
		return
	}
	if r.Outcome == probe.Fail || r.Outcome == probe.Warn {
		a.print("            Why: %s\n", r.Rule.Why)
		for _, l := range r.Rule.Links {
			a.print("            See: %s  %s\n", l.Title, l.URL)
		}
	}
	for _, x := range r.Evidence[:min(3, len(r.Evidence))] {
		for _, line := range strings.Split(strings.TrimRight(x.Request(), "\n"), "\n") {
			a.print("            > %s\n", line)
		}
		for _, line := range strings.Split(strings.TrimRight(x.Response(), "\n"), "\n") {
			a.print("            < %s\n", line)
		}
	}
}

func (a *app) sumUp(d *probe.Document) {
	parts := []string{count(d.Fails, "problem", "problems")}
	if d.Fails == 0 {
		parts[0] = "no problems"
	}
	if d.Warnings > 0 {
		parts = append(parts, count(d.Warnings, "warning", "warnings"))
	}
	if d.Unknown > 0 {
		parts = append(parts, fmt.Sprintf("%d not seen", d.Unknown))
	}
	a.print("%s.\n", strings.Join(parts, ", "))
	if d.Fix == nil && d.Fails+d.Warnings > 0 {
		a.say("  Fix   gatehouse check -c gatehouse.yaml --fix: what to change in a configuration of ours\n")
	}
	a.say("  More  gatehouse check -v: what was asked and answered    --json, --html FILE: for machines, for others\n")
}

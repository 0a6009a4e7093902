package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// print writes the result of a command.
func (a *app) print(format string, args ...any) {
	_, _ = fmt.Fprintf(a.out, format, args...)
}

// say writes what surrounds a result, for people only.
func (a *app) say(format string, args ...any) {
	if !a.quiet {
		_, _ = fmt.Fprintf(a.err, format, args...)
	}
}

// done says that something was done, or what a dry run would do.
func (a *app) done(format string, args ...any) {
	if a.json {
		return
	}
	text := fmt.Sprintf(format, args...)
	if a.dry {
		text = "dry run, nothing was changed: " + text
	}
	a.say("%s %s\n", a.mark(a.err, "✓"), text)
}

// warn says what is weaker than it should be.
func (a *app) warn(format string, args ...any) {
	_, _ = fmt.Fprintf(a.err, "%s %s\n", a.mark(a.err, "!"), fmt.Sprintf(format, args...))
}

// object writes a result as one line of JSON.
func (a *app) object(v any) error {
	e := json.NewEncoder(a.out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}

// mark colors one of ✓ ! ✗ where a person looks.
func (a *app) mark(to io.Writer, sign string) string {
	color := map[string]string{"✓": "32", "!": "33", "✗": "31"}[sign]
	if a.plain || a.getenv("NO_COLOR") != "" || a.getenv("TERM") == "dumb" || !terminal(to) {
		return sign
	}
	return "\x1b[" + color + "m" + sign + "\x1b[0m"
}

// table writes rows under a head, aligned.
func (a *app) table(rows [][]string) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		if _, err := fmt.Fprintln(w, strings.Join(r, "\t")); err != nil {
			return err
		}
	}
	return w.Flush()
}

// ago says when something was, for a person: "2 min ago", "3 Nov".
func (a *app) ago(t time.Time) string {
	d := a.now().Sub(t)
	switch {
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case d < 24*time.Hour:
		return fmt.Sprintf("%d h ago", int(d.Hours()))
	case d < 100*24*time.Hour:
		return days(int(d.Hours()/24)) + " ago"
	}
	return t.UTC().Format("2 Jan 2006")
}

// until says when something will be; nil is never.
func (a *app) until(t *time.Time) string {
	if t == nil {
		return "never"
	}
	d := t.Sub(a.now())
	switch {
	case d <= 0:
		return a.ago(*t)
	case d < time.Hour:
		return fmt.Sprintf("in %d min", int(d.Minutes())+1)
	case d < 48*time.Hour:
		return fmt.Sprintf("in %d h", int(d.Hours())+1)
	}
	return "in " + days(int(d.Hours()/24+0.5))
}

func days(n int) string {
	if n == 1 {
		return "1 day"
	}
	return fmt.Sprintf("%d days", n)
}

// moment writes a time in full.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }

// tools says which tools a key may call.
func tools(patterns []string) string {
	if len(patterns) == 1 && patterns[0] == "*" {
		return "all"
	}
	if len(patterns) == 0 {
		return "none"
	}
	return strings.Join(patterns, ",")
}

package main

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/clients"
	"github.com/gatehouse-mcp/gatehouse/internal/clients/edit"
)

// hunk is a change as people see it. Only our own lines are in it: those around
// them may hold secrets of others.
type hunk struct {
	line     int // at which it begins
	out, put []string
}

// hunksOf replays the changes of a text.
func hunksOf(text []byte, changes []edit.Splice) []hunk {
	var all []hunk
	for _, c := range changes {
		h := hunk{line: 1 + bytes.Count(text[:c.At], []byte("\n"))}
		if cut := string(text[c.At : c.At+c.Cut]); strings.TrimSpace(cut) != "" {
			h.out = linesOf(hidden(cut))
		}
		if strings.TrimSpace(c.Text) != "" {
			h.put = linesOf(c.Text)
		}
		if strings.HasPrefix(strings.TrimLeft(c.Text, "\r"), "\n") {
			h.line++
		}
		text = slices.Concat(text[:c.At], []byte(c.Text), text[c.At+c.Cut:])
		h.trim()
		if len(h.out)+len(h.put) > 0 {
			all = append(all, h)
		}
	}
	slices.SortStableFunc(all, func(a, b hunk) int { return a.line - b.line })
	return all
}

// trim leaves out the lines that begin and end what is taken out and what is put in.
func (h *hunk) trim() {
	for len(h.out) > 1 && len(h.put) > 1 && h.out[0] == h.put[0] {
		h.out, h.put = h.out[1:], h.put[1:]
		h.line++
	}
	for len(h.out) > 1 && len(h.put) > 1 && h.out[len(h.out)-1] == h.put[len(h.put)-1] {
		h.out, h.put = h.out[:len(h.out)-1], h.put[:len(h.put)-1]
	}
}

func linesOf(text string) []string {
	text = strings.TrimRight(strings.TrimLeft(strings.ReplaceAll(text, "\r", ""), "\n"), " \t\n")
	all := strings.Split(text, "\n")
	for i := range all {
		all[i] = strings.TrimRight(audit.Plain(strings.ReplaceAll(all[i], "\t", "  "), 400), " ")
	}
	return all
}

var (
	bearerValue = regexp.MustCompile(`(?i)(\b(?:bearer|basic) +)[^\s"'$}{]+`)
	keyValue    = regexp.MustCompile(`\b(gth[a-z]_[0-9A-Za-z]{4})[0-9A-Za-z_]*`)
	namedValue  = regexp.MustCompile(`(?i)("?[a-z0-9_-]*(?:key|token|secret|passw|credential|auth)[a-z0-9_-]*"?\s*[:=]\s*")([^"]+)(")`)
)

// hidden masks what may be a secret in what is taken out: people put keys there.
// A reference to a variable is none.
func hidden(text string) string {
	text = keyValue.ReplaceAllString(text, "${1}••••••")
	text = bearerValue.ReplaceAllString(text, "${1}••••••")
	return namedValue.ReplaceAllStringFunc(text, func(match string) string {
		m := namedValue.FindStringSubmatch(match)
		if strings.ContainsAny(m[2], "${") || strings.Contains(m[1], "env_var") || strings.Contains(m[2], "••") {
			return match
		}
		return m[1] + "••••••" + m[3]
	})
}

// wayInWords says in words how a client gets in.
func wayInWords(p *plan) string {
	switch p.server.Way {
	case clients.ByOAuth:
		return "the client signs in (OAuth)"
	case clients.ByKey:
		switch {
		case p.client.Prompt:
			return "API key, which the client asks for"
		case p.server.Var == "":
			return "API key"
		}
		return "API key, in the variable " + p.server.Var
	case clients.ByBridge:
		if i := slices.Index(p.server.Line, "--key-from"); i >= 0 {
			return "gatehouse bridge, which has the key from " + p.server.Line[i+1]
		}
		return "gatehouse bridge, which signs in (OAuth)"
	}
	return "no credential"
}

// describe shows what would be written, and where.
func (a *app) describe(p *plan, hunks []hunk) {
	if a.quiet {
		return
	}
	a.print("Server   %s  %s   %s\n", p.server.Name, p.server.URL, wayInWords(p))
	if p.command != nil {
		words := make([]string, len(p.command))
		for i, w := range p.command {
			words[i] = quoted(w)
		}
		a.print("Command  %s\n", strings.Join(words, " "))
	}
	a.print("File     %s\n", a.tilde(p.file.Path))
	a.showHunks(hunks)
	a.showWarnings(p)
}

func (a *app) showHunks(hunks []hunk) {
	a.print("\n")
	for _, h := range hunks {
		at := fmt.Sprintf("%5d ", h.line)
		for _, line := range h.out {
			a.print("%s- %s\n", at, line)
			at = "      "
		}
		for _, line := range h.put {
			a.print("%s+ %s\n", at, line)
			at = "      "
		}
	}
	a.print("\n")
}

func (a *app) showWarnings(p *plan) {
	for _, w := range p.warnings {
		a.warn("%s", w)
	}
}

// showPlan shows what is, or would be, without anything having been done.
func (a *app) showPlan(p *plan, hunks []hunk) error {
	if a.json {
		return a.object(p.result)
	}
	switch p.result.State {
	case "manual":
		a.print("%s is connected by hand; %s\n", p.client.Name, wayInWords(p))
		for _, step := range p.result.Next {
			a.print("  %s\n", step)
		}
		a.showWarnings(p)
		return nil
	case "unchanged":
		a.print("%s %s is connected to %s already: %s in %s\n", a.mark(a.out, "✓"), p.client.Name, p.server.URL, p.server.Name, a.tilde(p.file.Path))
		a.showWarnings(p)
		return nil
	}
	if hunks != nil {
		a.describe(p, hunks)
		if a.dry {
			a.done("%s would be connected", p.client.Name)
		}
		return nil
	}
	a.print("%s\n", p.result.Snippet)
	a.say("\nFor %s: into %s.\n", p.client.Name, a.tilde(p.file.Path))
	if words := p.client.Command(p.server); words != nil && !p.project {
		for i := range words {
			words[i] = quoted(words[i])
		}
		a.say("Or run:  %s\n", strings.Join(words, " "))
	}
	if p.result.Link != "" {
		a.say("Or open: %s\n", p.result.Link)
	}
	a.showWarnings(p)
	return nil
}

// showDone says what was done, what to do in the client, and how to undo it.
func (a *app) showDone(p *plan) error {
	if a.json {
		return a.object(p.result)
	}
	how := ""
	if p.result.Command != nil {
		how = " by " + p.result.Command[0]
	}
	a.print("%s written%s: %s in %s\n", a.mark(a.out, "✓"), how, p.server.Name, a.tilde(p.file.Path))
	if p.result.Backup != "" {
		a.print("  Before  %s\n", a.tilde(p.result.Backup))
	}
	for i, next := range append(a.keyStep(p), p.next...) {
		label := "Next"
		if i > 0 {
			label = "    "
		}
		a.print("  %s    %s\n", label, next)
	}
	undo := "gatehouse disconnect " + p.client.ID + " --name " + p.server.Name
	if p.project {
		undo += " --project"
	}
	a.print("  Undo    %s\n", undo)
	return nil
}

// keyStep says how the key gets to where it is looked for. It is not asked for
// here, and a key for somebody else's server cannot be made here.
func (a *app) keyStep(p *plan) []string {
	create := "gatehouse key create" + a.place() + " --name " + p.client.ID
	line := p.server.Line
	from := slices.Index(line, "--key-from")
	switch {
	case p.server.Way == clients.ByKey && p.client.Prompt && p.ours:
		return []string{"Make a key to give it: " + create}
	case p.server.Way == clients.ByKey && p.server.Var != "" && !p.client.Prompt && a.getenv(p.server.Var) == "":
		step := "export " + p.server.Var + "=<the key>   where " + p.client.Name + " is started"
		if p.ours {
			step += "; make one: " + create
		}
		return []string{step}
	case p.server.Way == clients.ByBridge && from >= 0:
		name, ok := strings.CutPrefix(line[from+1], "keychain:")
		switch {
		case ok && p.ours:
			return []string{"Put a key there: " + create + " --out keychain:" + name}
		case ok:
			return []string{"Put the key that you were given there: gatehouse bridge key " + name}
		}
	}
	return nil
}

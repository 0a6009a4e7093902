package e2e

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestReadme runs the README: each line that begins with "$ " in a console
// block, in order, in one home directory. What a block shows as output must
// come; "…" stands for any text, and an id or a key stands for whatever the
// program really printed in its place, from there on.
//
// `gatehouse up` is left running for the commands below it. It listens on a
// free port in the place of 8080, and http://127.0.0.1:3000/mcp is a real server.
func TestReadme(t *testing.T) {
	t.Parallel()
	r := newReader(t)
	for _, step := range steps(read(t, "README.md")) {
		if strings.HasPrefix(step.command, "make ") {
			continue // TestMakeTargets and TestMakeRun
		}
		r.follow(step)
		if t.Failed() {
			return
		}
	}
}

// step is one command of a document and what it says comes of it.
type step struct {
	command string
	output  []string
}

// steps returns the commands of a document's console blocks.
func steps(text string) []step {
	var all []step
	in := false
	for _, line := range strings.Split(text, "\n") {
		command, isCommand := strings.CutPrefix(line, "$ ")
		switch {
		case strings.HasPrefix(line, "```"):
			in = line == "```console"
		case in && isCommand:
			all = append(all, step{command: command})
		case in && len(all) > 0:
			last := &all[len(all)-1]
			if strings.HasSuffix(last.command, "\\") {
				last.command = strings.TrimSuffix(last.command, "\\") + strings.TrimSpace(line)
				continue
			}
			last.output = append(last.output, line)
		}
	}
	return all
}

// reader follows a document as its reader would.
type reader struct {
	t       *testing.T
	dir     string
	env     []string
	known   map[string]string // what the document says → what it is here
	running *program
}

func newReader(t *testing.T) *reader {
	t.Helper()
	dir := stateDir(t)
	bin := filepath.Join(dir, "bin")
	if err := os.Mkdir(bin, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(gatehouseBinary(t), filepath.Join(bin, "gatehouse")); err != nil {
		t.Fatal(err)
	}
	// npx would ask the registry; the packages are here already.
	text := fmt.Sprintf("#!/bin/sh\nshift\ncase $1 in\n*/inspector) shift; exec '%s' '%s' \"$@\" ;;\n*) exec '%s' ;;\nesac\n",
		node(t), npm(t, inspectorFile...), strings.Join(nodeServer(t), "' '"))
	if err := os.WriteFile(filepath.Join(bin, "npx"), []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return &reader{
		t: t, dir: dir,
		env: append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME=", "PATH="+bin+":"+os.Getenv("PATH"), "NO_COLOR=1"),
		known: map[string]string{
			"127.0.0.1:8080":            freeAddress(t),
			"http://127.0.0.1:3000/mcp": goServer(t, true),
		},
	}
}

// follow runs one step and compares.
func (r *reader) follow(s step) {
	r.t.Helper()
	command := r.here(s.command)
	if strings.HasPrefix(command, "gatehouse up ") {
		r.up(strings.Replace(command, "gatehouse up ", "gatehouse up --listen "+r.known["127.0.0.1:8080"]+" ", 1), s)
		return
	}
	if name, value, ok := strings.Cut(strings.TrimPrefix(command, "export "), "="); ok && strings.HasPrefix(command, "export ") {
		r.env = append(r.env, name+"="+strings.TrimSpace(strings.SplitN(value, " #", 2)[0]))
		return
	}
	cmd := r.shell(command)
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		r.t.Fatal(err)
	}
	if why := r.compare(s.output, string(out)); why != "" {
		r.t.Errorf("$ %s\n%s\n%s(%v)", command, why, out, cmd.ProcessState)
	}
}

func (r *reader) shell(command string) *exec.Cmd {
	cmd := exec.Command("bash", "-c", command)
	cmd.Dir, cmd.Env = r.dir, r.env
	return cmd
}

// up starts a server in the place of the one before, and waits for what it should print.
func (r *reader) up(command string, s step) {
	r.t.Helper()
	if r.running != nil {
		if err := r.running.stop(); err != nil {
			r.t.Errorf("ended with %v, want exit 0", err)
		}
	}
	cmd := r.shell("exec " + command)
	r.running = start(r.t, cmd)
	r.t.Cleanup(func() { _ = cmd.Process.Signal(syscall.SIGTERM) })
	why := "nothing yet"
	for deadline := time.Now().Add(patience); why != "" && time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		why = r.compare(s.output, r.running.stdout.String()+r.running.stderr.String())
	}
	if why != "" {
		r.t.Errorf("$ %s\n%s\n%s%s", command, why, r.running.stdout, r.running.stderr)
	}
}

// here replaces what the document says by what it is here.
func (r *reader) here(text string) string {
	longest := func(a, b string) int { return len(b) - len(a) } // a key before the id in it
	for _, said := range slices.SortedFunc(maps.Keys(r.known), longest) {
		text = strings.ReplaceAll(text, said, r.known[said])
	}
	return text
}

// example is an id or a key as a document shows it.
var example = regexp.MustCompile(`gthk_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}|\b[0-9][0-9A-Za-z]{11}\b`)

// compare says where an output is not as shown, "" when it is. Lines of the
// output that are not shown are passed over; those shown must come in order.
func (r *reader) compare(shown []string, output string) string {
	lines := strings.Split(output, "\n")
	found := map[string]string{}
	for _, want := range shown {
		want = strings.TrimSpace(r.here(want))
		if want == "" || want == "…" {
			continue
		}
		pattern, names := r.pattern(want)
		at := slices.IndexFunc(lines, func(line string) bool { return pattern.MatchString(strings.TrimSpace(line)) })
		if at < 0 {
			return fmt.Sprintf("no line (left) like %q in", want)
		}
		for i, value := range pattern.FindStringSubmatch(strings.TrimSpace(lines[at]))[1:] {
			found[names[i]] = value
			if strings.HasPrefix(value, "gthk_") {
				found[names[i][5:17]] = value[5:17]
			}
		}
		lines = lines[at+1:]
	}
	maps.Copy(r.known, found)
	return ""
}

// pattern turns a line that a document shows into one that matches what it
// stands for, and names the examples in it that are not known yet.
func (r *reader) pattern(want string) (*regexp.Regexp, []string) {
	var names []string
	quoted := regexp.QuoteMeta(want)
	quoted = example.ReplaceAllStringFunc(quoted, func(s string) string {
		names = append(names, s)
		if strings.HasPrefix(s, "gthk_") {
			return `(gthk_[0-9A-Za-z]{12}_[0-9A-Za-z]{49})`
		}
		return `([0-9A-Za-z]{12})`
	})
	quoted = regexp.MustCompile(` {2,}`).ReplaceAllString(quoted, ` +`) // columns move with their contents
	return regexp.MustCompile("^" + strings.ReplaceAll(quoted, "…", ".*") + "$"), names
}

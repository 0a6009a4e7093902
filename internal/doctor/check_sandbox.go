package doctor

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// sandboxes are programs that start another one where it reaches less.
var sandboxes = []string{"bwrap", "firejail", "nsjail", "docker", "podman", "systemd-run", "sandbox-exec", "nerdctl", "runsc"}

// sandbox looks at what holds the programs that are started as children. Gatehouse
// has no sandbox of its own: an account, a program in front, or the unit do.
var sandbox = Check{"sandbox", "what stdio servers reach: their account, a sandbox in front of them, memory and processes", func(_ context.Context, m *Machine, r *report) {
	if r.noFile(m) {
		return
	}
	n := 0
	for i := range m.Config.Servers {
		u := &m.Config.Servers[i]
		if u.Stdio == nil {
			continue
		}
		n++
		by := filepath.Base(u.Stdio.Command[0])
		switch {
		case slices.Contains(sandboxes, by) && !m.there(u.Stdio.Command[0]): // which is said under stdio
		case by == "bwrap":
			m.judgeNamespaces(r, u.Name)
		case slices.Contains(sandboxes, by):
			r.ok("%s is started by %s, which decides what it reaches", u.Name, by)
		case u.Stdio.User != "":
			r.ok("%s runs as %s, and reaches what that account does", u.Name, u.Stdio.User)
		case m.Root: // which is said under stdio, and worse
		default:
			r.warn("GH-2424", "give it an account of its own (servers[].stdio.user), or put a sandbox in front of it: command: [bwrap, …]", "%s reaches all that gatehouse does: keys and the database in %s, too", u.Name, m.State)
		}
	}
	if n == 0 {
		r.ok("no server is a program")
		return
	}
	m.judgeBounds(r)
}}

// judgeNamespaces sees whether bubblewrap can make a sandbox here. Where the kernel
// keeps user namespaces from ordinary accounts, only root can.
func (m *Machine) judgeNamespaces(r *report, name string) {
	for _, at := range []struct{ file, bad, fix string }{
		{"/proc/sys/kernel/unprivileged_userns_clone", "0", "sysctl kernel.unprivileged_userns_clone=1"},
		{"/proc/sys/user/max_user_namespaces", "0", "sysctl user.max_user_namespaces=15000"},
		{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1", "allow bwrap in a profile of AppArmor, or sysctl kernel.apparmor_restrict_unprivileged_userns=0"},
	} {
		text, err := m.Switch(at.file)
		if errors.Is(err, fs.ErrNotExist) {
			continue // this kernel has no such switch
		}
		if err != nil {
			r.unknown("look yourself: sysctl -a | grep userns", "%s: whether bwrap can make a sandbox cannot be seen: %v", name, err)
			return
		}
		if strings.TrimSpace(string(text)) == at.bad && !m.Root {
			r.fail("GH-2424", at.fix, "%s: bwrap can make no sandbox for this account (%s is %s)", name, at.file, at.bad)
			return
		}
	}
	r.ok("%s is started by bwrap, which decides what it reaches", name)
}

// judgeBounds looks at what the children of the server that runs may use up.
func (m *Machine) judgeBounds(r *report) {
	if m.Status == nil {
		r.unknown("start it, and ask again", "what bounds its children's memory is seen when the server runs")
		return
	}
	b, err := m.Bounds(m.Status.PID)
	switch {
	case err != nil:
		r.unknown("look yourself: systemctl show gatehouse -p MemoryMax -p TasksMax", "what bounds its children's memory cannot be seen: %v", err)
	case b.Memory == 0 || b.Processes == 0:
		what := map[bool]string{true: "their memory", false: "how many processes they start"}[b.Memory == 0]
		if b.Memory == 0 && b.Processes == 0 {
			what = "their memory, nor how many processes they start"
		}
		r.warn("GH-2424", "MemoryMax= and TasksMax= in the unit, or --memory and --pids-limit of the container, bound all of them together", "nothing bounds %s", what)
	default:
		r.ok("all of them together have %d MiB of memory and %s processes at most", b.Memory>>20, strconv.FormatUint(b.Processes, 10))
	}
}

package doctor

import (
	"context"
	"strings"
)

// running asks the server that runs, as `gatehouse status` does.
var running = Check{"server", "whether it runs, with which configuration, and what it says is wrong", func(_ context.Context, m *Machine, r *report) {
	switch {
	case m.Unasked != nil:
		r.fail("GH-2412", "run this as the account that runs gatehouse; if it hangs, restart it", "the server over %s cannot be asked: %v", m.State, m.Unasked)
		return
	case m.Status == nil:
		start := "gatehouse up -- COMMAND"
		if m.File != "" {
			start = "gatehouse serve -c " + m.File
		}
		r.warn("GH-2412", "start it: "+start, "no server runs over %s", m.State)
		return
	}
	s := m.Status
	r.ok("runs with pid %d, %s, on %s", s.PID, s.Version, strings.Join(s.Listen, ", "))
	switch {
	case m.Hash == "" || s.Config == "":
	case m.Hash == s.Config:
		r.ok("has the configuration of the file (%s)", m.Hash)
	default:
		r.warn("GH-2412", "see what would change: gatehouse config diff -c "+m.File+"; then: gatehouse config reload -c "+m.File, "has loaded %s, the file is %s", s.Config, m.Hash)
	}
	for _, p := range s.Problems {
		r.fail("GH-2410", "as it says; again: gatehouse status", "%s", p)
	}
	for _, w := range s.Weakened {
		r.warn("GH-2010", "change the setting, or leave it if it is meant", "%s", w)
	}
}}

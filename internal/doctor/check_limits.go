package doctor

import "context"

// fewFiles is a limit on open files that a server soon meets: each call is two
// connections, and each event stream stays.
const fewFiles = 4096

// openFiles looks at the limit of open files.
var openFiles = Check{"limits", "how many files and connections a process may have open", func(_ context.Context, m *Machine, r *report) {
	limit, err := m.Files()
	switch {
	case err != nil:
		r.unknown("look yourself: ulimit -n", "the limit of open files is not known: %v", err)
	case limit < fewFiles:
		r.warn("GH-2423", "raise it: LimitNOFILE=65536 in the unit, or ulimit -n 65536", "a process may have %d files open, which is some %d calls at once", limit, limit/2)
	default:
		r.ok("a process may have %d files open", limit)
	}
}}

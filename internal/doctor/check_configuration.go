package doctor

import "context"

// configuration repeats what `gatehouse config validate` says.
var configuration = Check{"configuration", "mistakes and warnings in the configuration file", func(_ context.Context, m *Machine, r *report) {
	switch {
	case m.Unread != nil:
		r.fail("GH-2001", "name another file with -c, or make one: gatehouse init", "%v", m.Unread)
		return
	case m.File == "":
		r.ok("no file: what runs here was started by gatehouse up, with its defaults")
		return
	}
	wrong := 0
	for _, x := range m.Mistakes {
		place := x.Place()
		if place == "" {
			place = m.File
		}
		if x.Warning {
			r.warn(x.Code, "change it, or leave it if it is meant. See: gatehouse config validate -c "+m.File, "%s  %s", place, x.Text)
			continue
		}
		wrong++
		if reference(&x) {
			continue // it is said under secrets
		}
		r.fail(x.Code, "mend the line, then: gatehouse config validate -c "+m.File, "%s  %s", place, x.Text)
	}
	switch {
	case wrong == 0:
		r.ok("%s can be served (%s)", m.File, m.Hash)
	case len(r.lines) == 0:
		r.unknown("see what they are: gatehouse doctor --only secrets", "%s has references that lead nowhere", m.File)
	}
}}

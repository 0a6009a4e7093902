package doctor

import (
	"context"
	"net"
	"slices"
	"strings"
)

// ports tries whether one could listen where the configuration says.
var ports = Check{"ports", "where it listens: free, or used by whom", func(ctx context.Context, m *Machine, r *report) {
	if m.Config == nil && m.Status != nil {
		r.ok("the server that runs listens on %s", strings.Join(m.Status.Listen, ", "))
		return
	}
	if r.noFile(m) {
		return
	}
	c := m.Config
	for _, at := range []struct{ setting, address string }{
		{"server.listen", c.Server.Listen}, {"server.plain_listen", c.Server.PlainListen}, {"admin.listen", c.Admin.Listen},
	} {
		switch {
		case at.address == "":
		case strings.HasPrefix(at.address, "systemd:"):
			r.unknown("see: systemctl list-sockets", "%s is a socket of systemd (%s)", at.setting, at.address)
		case strings.HasPrefix(at.address, "unix:"):
			r.ok("%s is the socket %s", at.setting, strings.TrimPrefix(at.address, "unix:"))
		case m.Status != nil && m.listens(at.setting, at.address):
			r.ok("%s %s is used by the gatehouse that runs here (pid %d)", at.setting, at.address, m.Status.PID)
		default:
			m.tryPort(ctx, r, at.setting, at.address)
		}
	}
}}

// listens says whether the server that runs has an address. It tells only where
// callers come in; the other listeners are its own while the file is in force.
func (m *Machine) listens(setting, address string) bool {
	return slices.ContainsFunc(m.Status.Listen, func(l string) bool { return strings.HasSuffix(l, address) || samePort(l, address) }) ||
		setting != "server.listen" && m.Hash != "" && m.Hash == m.Status.Config
}

func samePort(a, b string) bool {
	_, one, err := net.SplitHostPort(strings.TrimPrefix(strings.TrimPrefix(a, "https://"), "http://"))
	_, two, wrong := net.SplitHostPort(b)
	return err == nil && wrong == nil && one == two && two != "0"
}

func (m *Machine) tryPort(ctx context.Context, r *report, setting, address string) {
	err := m.Listen(ctx, address)
	if err == nil {
		r.ok("%s %s is free", setting, address)
		return
	}
	code, text := codeOf(err, "GH-2301")
	text, _, _ = strings.Cut(text, ". Use --listen ") // which a file has no flag for
	fix := "stop who uses it, or give " + setting + " another port"
	switch {
	case code == "GH-2301":
	case strings.Contains(text, "permission denied"):
		fix = "a port below 1024 needs CAP_NET_BIND_SERVICE: setcap cap_net_bind_service=+ep, or AmbientCapabilities in the unit"
	default:
		fix = "give " + setting + " an address of this machine: ip address; or 0.0.0.0 and [::] for all"
	}
	r.fail(code, fix, "%s: %s", setting, text)
}

package doctor

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// stdio looks at the programs that are started as children. None is started here.
var stdio = Check{"stdio", "programs of stdio servers: found, and as whom they run", func(_ context.Context, m *Machine, r *report) {
	if r.noFile(m) {
		return
	}
	n := 0
	for i := range m.Config.Servers {
		if u := &m.Config.Servers[i]; u.Stdio != nil {
			n++
			m.judgeStdio(r, u.Name, u.Stdio)
		}
	}
	if n == 0 {
		r.ok("no server is a program")
	}
}}

func (m *Machine) judgeStdio(r *report, name string, s *config.Stdio) {
	dir, err := filepath.Abs(s.Cwd)
	if err != nil {
		dir = s.Cwd
	}
	file, err := m.Resolve(s.Command[0], dir)
	if err != nil {
		r.fail("GH-2304", "install it, name it by its whole path, or see the PATH of who starts gatehouse (a service has another than a shell)", "%s: %v", name, err)
	} else {
		r.ok("%s: %s is %s", name, filepath.Base(s.Command[0]), file)
	}
	m.judgeDir(r, name, s.Cwd)
	m.judgeUser(r, name, s.User)
	for _, tenant := range slices.Sorted(maps.Keys(s.Tenants)) {
		m.judgeDir(r, name+" of tenant "+tenant, s.Tenants[tenant].Cwd)
		if user := s.Tenants[tenant].User; user != "" {
			m.judgeUser(r, name+" of tenant "+tenant, user)
		}
	}
}

func (m *Machine) judgeDir(r *report, name, dir string) {
	if dir == "" || strings.Contains(dir, "{tenant") {
		return
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		r.fail("GH-2304", "make it, or correct cwd", "%s: the working directory %s is not there", name, dir)
	}
}

func (m *Machine) judgeUser(r *report, name, user string) {
	switch {
	case user == "" && m.Root:
		r.warn("GH-2304", "give it an account of its own: servers[].stdio.user", "%s runs as root, like gatehouse", name)
	case user == "": // what that means is said under sandbox
	case strings.Contains(user, "{tenant"):
		r.unknown("each account has to exist: getent passwd NAME", "%s: the account %s is known when a tenant comes", name, user)
	default:
		if err := m.Account(user); err != nil {
			r.fail("GH-2304", "make the account, or correct user: useradd --system "+user, "%s: there is no account %s", name, user)
		} else if !m.Root {
			r.unknown("only root can start it so: gatehouse has to run as root, or without user", "%s runs as %s, and who asks here is not root", name, user)
		} else {
			r.ok("%s runs as %s", name, user)
		}
	}
}

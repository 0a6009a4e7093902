package doctor

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/url"
	"os"
	"slices"

	"github.com/gatehouse-mcp/gatehouse/internal/clients"
)

const maxClientFile = 8 << 20

// installed looks at the MCP clients of this machine, and at what they have of ours.
var installed = Check{"clients", "MCP clients on this machine, and whether their entries of ours are right", func(_ context.Context, m *Machine, r *report) {
	n := 0
	for _, c := range clients.All() {
		if c.Writes() && c.Installed(m.System, m.Program) {
			n++
			m.judgeClient(r, c)
		}
	}
	if n == 0 {
		r.ok("no client was found here that gatehouse knows: gatehouse connect --list")
	}
}}

func (m *Machine) judgeClient(r *report, c *clients.Client) {
	file := c.File(m.System, false)
	text, err := readFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.ok("%s is here, without a server: gatehouse connect %s", c.Name, c.ID)
		return
	case err != nil:
		r.unknown("see who may read it", "%s: %s cannot be read: %v", c.Name, file, err)
		return
	}
	_, all, err := c.Entries(text, "")
	if err != nil {
		r.warn("GH-2203", "correct it by hand at that place: the client may not read it either", "%s: %s has a mistake: %v", c.Name, file, err)
		return
	}
	ours := 0
	for _, name := range all {
		if at, ok := c.URLOf(text, name); ok && at != "" && m.judgeEntry(r, c, text, name, at) {
			ours++
		}
	}
	if ours == 0 {
		r.ok("%s is here, and has no entry of ours: gatehouse connect %s", c.Name, c.ID)
	}
}

// judgeEntry says what is wrong with an entry, if it is one of ours.
func (m *Machine) judgeEntry(r *report, c *clients.Client, text []byte, name, at string) bool {
	s, known := c.Server(text, name)
	served := slices.Contains(m.URLs, at)
	bridge := known && s.Way == clients.ByBridge && len(s.Line) > 0
	if !served && !m.sameOrigin(at) && !bridge {
		return false
	}
	connect := "gatehouse connect " + c.ID + " " + shown(at) + " --name " + name + " --replace"
	switch {
	case bridge && !m.there(s.Line[0]):
		r.fail("GH-2422", connect, "%s: its entry %s starts %s, which is not there", c.Name, name, s.Line[0])
	case !served && m.sameOrigin(at):
		r.warn("GH-2422", "gatehouse connect "+c.ID+" --name "+name+" --replace", "%s: its entry %s leads to %s, where none of the servers is", c.Name, name, shown(at))
	case !known:
		r.warn("GH-2422", "if that is not meant: "+connect, "%s: its entry %s is not as gatehouse writes it", c.Name, name)
	case s.Way == clients.ByKey && s.Var != "" && m.System.Getenv(s.Var) == "":
		r.warn("GH-2422", "set it where the client is started, or keep the key in the keychain: gatehouse connect "+c.ID+" --via bridge", "%s: its entry %s takes the key from %s, which is not set here", c.Name, name, s.Var)
	default:
		r.ok("%s: its entry %s leads to %s", c.Name, name, shown(at))
	}
	return true
}

// sameOrigin says whether a URL is on a host and port of ours.
func (m *Machine) sameOrigin(at string) bool {
	u, err := url.Parse(at)
	return err == nil && slices.ContainsFunc(m.URLs, func(own string) bool {
		o, err := url.Parse(own)
		return err == nil && o.Scheme == u.Scheme && o.Host == u.Host
	})
}

// there says whether a program of an entry is.
func (m *Machine) there(program string) bool {
	_, err := m.Resolve(program, "/")
	return err == nil
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, errors.New("it is no plain file"))
	}
	return io.ReadAll(io.LimitReader(f, maxClientFile))
}

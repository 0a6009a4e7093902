package clients

import (
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// System is a machine as far as the places of files depend on it.
type System struct {
	OS     string              // as runtime.GOOS has it
	Home   string              // required
	Dir    string              // that a project's files are below
	Getenv func(string) string // required
	Exists func(string) bool   // required: whether there is a file or directory
}

// of picks the places of this system.
func (s *System) of(p Paths) []string {
	switch s.OS {
	case "darwin":
		return p.Mac
	case "windows":
		return p.Windows
	}
	return p.Linux
}

// join writes a path as this system does.
func (s *System) join(base, below string) string {
	if s.OS == "windows" {
		return strings.TrimRight(base, `\/`) + `\` + strings.ReplaceAll(below, "/", `\`)
	}
	return filepath.ToSlash(strings.TrimRight(base, "/")) + "/" + below
}

// expand returns the path that a place stands for; false: its variable is not
// set. sure says that this is the place, whatever else there is.
func (s *System) expand(place string) (path string, sure, ok bool) {
	name, below, _ := strings.Cut(place, "/")
	switch {
	case name == "~":
		return s.join(s.Home, below), false, true
	case !strings.HasPrefix(name, "$"):
		return s.join(s.Dir, place), false, true
	}
	base := s.Getenv(name[1:])
	switch name {
	case "$CONFIG":
		if base = s.Getenv("XDG_CONFIG_HOME"); s.OS == "windows" || !filepath.IsAbs(base) {
			base = s.join(s.Home, ".config")
		}
		return s.join(base, below), false, true
	case "$SUPPORT":
		return s.join(s.Home, "Library/Application Support/"+below), false, true
	case "$APPDATA":
		if base == "" {
			base = s.join(s.Home, "AppData/Roaming")
		}
		return s.join(base, below), false, true
	}
	if below == "" { // the variable has the file itself; of a relative one only the client knows where
		ok = filepath.IsAbs(base)
		return base, ok, ok
	}
	return s.join(base, below), base != "", base != ""
}

// File returns where the client's file is, or would be; "": it has none of that kind.
func (c *Client) File(s *System, project bool) string {
	places := s.of(c.User)
	if project {
		places = s.of(c.Project)
	}
	first := ""
	for _, place := range places {
		path, sure, ok := s.expand(place)
		if !ok {
			continue
		}
		if sure || s.Exists(path) {
			return path
		}
		if first == "" {
			first = path
		}
	}
	return first
}

// Installed says whether there are traces of the client: its file or the
// directory of it, or one of its commands.
func (c *Client) Installed(s *System, program func(string) bool) bool {
	for _, name := range c.Programs {
		if program(name) {
			return true
		}
	}
	for _, place := range c.Found {
		if path, _, ok := s.expand(place); ok && s.Exists(path) {
			return true
		}
	}
	for _, place := range s.of(c.User) {
		path, _, ok := s.expand(place)
		if !ok {
			continue
		}
		dir := path[:strings.LastIndexAny(path, `\/`)]
		if s.Exists(path) || dir != strings.TrimRight(s.Home, `\/`) && s.Exists(dir) {
			return true
		}
	}
	return false
}

// OnlyHere says whether only this machine or network reaches a host, as far as its
// name tells.
func OnlyHere(host string) bool {
	if config.Loopback(host) {
		return true
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().IsPrivate() || ip.Unmap().IsLinkLocalUnicast()
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	for _, end := range []string{".localhost", ".local", ".internal", ".lan", ".home.arpa", ".test"} {
		if strings.HasSuffix(host, end) {
			return true
		}
	}
	return !strings.Contains(host, ".")
}

// NameOf makes the name of an entry of a server's URL: its host.
func NameOf(server string) string {
	u, err := url.Parse(server)
	if err != nil {
		return EntryName("")
	}
	if _, err := netip.ParseAddr(u.Hostname()); err == nil || u.Hostname() == "localhost" {
		return EntryName("")
	}
	return EntryName(u.Hostname())
}
